"""The adapter: the reference adapter with its state in a log file."""

from __future__ import annotations

from typing import ClassVar

import attrs

from fluxstore.adapter import Opening, Use
from fluxstore.testing.reference import Memory, ReferenceAdapter, file_of
from fluxstore_logfile.log import Log


@attrs.frozen
class Settings:
    """``path``: the log file, relative to the configuration; made at the first write."""

    path: str


class LogAdapter(ReferenceAdapter):
    """A backend in one log file that processes share; durable."""

    name: ClassVar[str] = "logfile"
    Settings: ClassVar[type] = Settings

    def open_memory(self, opening: Opening) -> Memory:
        """Return the log that the settings name."""
        file = file_of(opening)
        read_only = opening.use is Use.SOURCE
        return Log(opening.backend, file, entities=opening.entities, read_only=read_only)
