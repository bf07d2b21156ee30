"""A project of JSON files with one entity, for processes of their own."""

from __future__ import annotations

from pathlib import Path

CONFIG = """
entities = ["entities"]
[backends.json]
adapter = "json"
path = "data"
{settings}
[backends.json.entities.users]
file = "users.json"
records = "users"
"""
ENTITIES = """
from fluxstore import entity

@entity("users")
class User:
    id: str
    name: str = ""
"""


def write_project(folder: Path, settings: str = "") -> None:
    """Write configuration and entities into *folder*; *settings* are more of the backend's."""
    (folder / "fluxstore.toml").write_text(CONFIG.format(settings=settings))
    (folder / "entities.py").write_text(ENTITIES)
