"""What every command shares: the global options, plugins, configuration and open backends."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import attrs

from fluxstore.cli import render
from fluxstore.cli.signals import Signals

if TYPE_CHECKING:
    import typer

    from fluxstore.adapter import Adapter, Use
    from fluxstore.cli.history import Event
    from fluxstore.config import Config
    from fluxstore.plugins import Plugins


@attrs.define(slots=False)
class Session:
    """One run of the command line; a command finds it as ``ctx.obj``."""

    signals: Signals
    config_file: str | None = None
    json: bool = False
    quiet: bool = False
    debug: bool = False
    arguments: Sequence[str] = ()
    """The command line as it was typed."""
    again: Sequence[str] = ()
    """What to add to it to go on after a stop."""

    def again_line(self) -> str:
        """Return the command line that goes on where this one stops."""
        added = [one for one in self.again if one not in self.arguments]
        return shlex.join(["fluxstore", *self.arguments, *added])

    @classmethod
    def of(cls, ctx: typer.Context) -> Session:
        """Return the session that a command runs in."""
        return cast(Session, ctx.obj)

    @cached_property
    def plugins(self) -> Plugins:
        """All plugins; a warning for each that does not load."""
        from fluxstore.plugins import Plugins

        found = Plugins.load()
        for one in found.installed():
            if one.failure:
                who = f"plugin {one.name} of {one.distribution}"
                self.warn(f"{who} does not load: {one.failure}; see `fluxstore plugins`")
        return found

    @cached_property
    def config(self) -> Config:
        """The configuration that ``--config`` names, or that of the working directory."""
        from fluxstore.cli.precautions import exposed_secret
        from fluxstore.config import Config

        found = Config.load(self.config_file, plugins=self.plugins)
        if warning := exposed_secret(found.file):
            self.warn(warning)
        return found

    @contextmanager
    def backend(self, name: str, use: Use) -> Iterator[Adapter]:
        """Yield the backend *name*, open for *use*, and close it.

        What went wrong first is raised; that it does not close either, is a warning then.
        """
        from fluxstore.backends import open_backend
        from fluxstore.errors import FluxstoreError

        opened = open_backend(self.config, name, plugins=self.plugins, use=use)
        try:
            yield opened
        except BaseException:
            try:
                opened.close()
            except FluxstoreError as error:
                self.warn(str(error))
            raise
        opened.close()

    def warn(self, line: str) -> None:
        """Warn on stderr, whatever the options say."""
        render.write_lines([f"warning: {line}"], sys.stderr)

    def remember(self, event: Event) -> None:
        """Keep what a command did, for ``status``; a warning where that cannot be done."""
        from fluxstore.cli.history import remember

        try:
            remember(self.config.folder, event)
        except OSError as error:
            self.warn(f"{error.filename}: {error.strerror}: `status` will not know of this run")

    def show(self, answer: render.Answer, command: str) -> None:
        """Print what a command ends with."""
        render.write_lines(answer.problems, sys.stderr)
        if self.json:
            envelope: dict[str, Any] = {"command": command, "exit_code": answer.exit_code}
            render.write_json(envelope | dict(answer.data), sys.stdout)
        elif not self.quiet:
            render.write_lines(answer.lines, sys.stdout)
