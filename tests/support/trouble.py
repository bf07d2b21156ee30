"""A project whose backends nobody offers, and a plugin whose commands behave badly on purpose."""

from __future__ import annotations

from pathlib import Path

from shell import install_plugin

COMMANDS = """
import pathlib, time
from fluxstore import hookimpl

@hookimpl
def fluxstore_register_commands(app):
    @app.command()
    def crash():
        raise ValueError("a surprise")

    @app.command()
    def wait(folder: pathlib.Path):
        (folder / "begun").touch()
        try:
            time.sleep(60)
        finally:
            (folder / "ending").touch()
            deadline = time.monotonic() + 60
            while not (folder / "go").exists() and time.monotonic() < deadline:
                time.sleep(0.01)

    @app.command()
    def patient(ctx: __import__("typer").Context, folder: pathlib.Path):
        with ctx.obj.signals.patient() as stop:
            (folder / "begun").touch()
            stop.wait(60)
            (folder / "stopped").touch()
            time.sleep(60 if (folder / "stay").exists() else 0)
        return {"stopped": stop.is_set()}

    @app.command()
    def show():
        return {"red": "\\x1b[31mred\\x1b[0m", "way": "a → b…", "turned": "\\u202e"}
"""
CONFIG = """
entities = ["entities"]
[backends.one]
adapter = "nowhere"
[backends.two]
adapter = "nowhere"
"""
ENTITIES = """
from fluxstore import entity

@entity("tasks")
class Task:
    id: str
"""


def troubled_site(folder: Path) -> Path:
    """Return a folder of PYTHONPATH with the plugin ``trouble``."""
    install_plugin(folder / "site", "trouble", COMMANDS)
    return folder / "site"


def troubled_project(folder: Path) -> Path:
    """Return a folder with a configuration of two backends that nobody offers."""
    made = folder / "project"
    made.mkdir()
    (made / "fluxstore.toml").write_text(CONFIG)
    (made / "entities.py").write_text(ENTITIES)
    return made


def one_line(text: str) -> str:
    """Return *text*, which must be one line and no traceback."""
    assert 1 == text.count("\n"), text
    assert "Traceback" not in text
    return text
