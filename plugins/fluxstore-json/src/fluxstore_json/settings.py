"""The keys of a JSON backend's tables in ``fluxstore.toml``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import attrs

from fluxstore.errors import ConfigError
from fluxstore.settings import duration

EVERY_WRITE = "every write"


@attrs.frozen
class Settings:
    """``[backends.<name>]`` of a JSON backend."""

    path: str
    """The folder of the files; a relative one starts at the configuration's folder."""
    naming: str = "snake_case"
    """How field ``project_id`` is spelled in a document: ``camelCase`` is ``projectId``."""
    checkpoint: str = "1s"
    """When changes go from the ledger into the files: after ``"every write"``, or so often."""
    foreign_edits: Literal["report", "import"] = "report"
    """What becomes of a file that another program changed while changes of ours waited."""
    network_files: bool = False
    """Whether the files may be on NFS or SMB, where locks and renames cannot be relied on."""
    lock_timeout: timedelta = timedelta(seconds=30)
    """How long a write waits for those of other processes."""
    op_retention: timedelta = timedelta(hours=1)
    """How long a repeated ``op_id`` is recognised."""

    def checkpoint_seconds(self) -> float:
        """Return the time between checkpoints, 0 for every write; ``ConfigError`` if it is none."""
        if self.checkpoint == EVERY_WRITE:
            return 0.0
        try:
            return duration(self.checkpoint).total_seconds()
        except ValueError as error:
            raise ConfigError(
                f"{error}, or {EVERY_WRITE!r}; found {self.checkpoint!r}", key="checkpoint"
            ) from None


@attrs.frozen
class EntitySettings:
    """``[backends.<name>.entities.<entity>]`` of a JSON backend."""

    file: str | None = None
    """The file, in the backend's folder; without it and ``within``, ``<entity>.json``."""
    records: str = ""
    """The array's place in the file (``data.users``), or its name in the document around it."""
    shape: Literal["array", "object"] = "array"
    """What is there: an array of documents, or an object that holds each under its key."""
    key_inside: bool = False
    """Whether the documents of an object say their key inside as well."""
    within: str | None = None
    """The entity whose documents hold these."""
    parent: dict[str, str] = attrs.field(factory=dict)
    """Field here to field there: what a record has from the document around it."""
    rename: dict[str, str] = attrs.field(factory=dict)
    """Field to its name in a document, where naming would make another."""
    aliases: dict[str, list[str]] = attrs.field(factory=dict)
    """Field to other names that it is read under, and written back under."""
    when: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """Field to constants (field to JSON value) that its presence implies."""
    extras: Literal["keep", "reject"] = "keep"
    """What becomes of fields that the entity does not declare."""
