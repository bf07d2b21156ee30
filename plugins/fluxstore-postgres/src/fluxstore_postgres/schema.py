"""Schema as text, differences and steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fluxstore.adapter import Finding
from fluxstore_postgres.database import Database


class Schema:
    """Schema of one backend."""

    def __init__(self, database: Database) -> None:
        """Look at nothing yet."""
        self._database = database

    def ddl(self) -> str:
        """Return the statements that make the tables of all entities."""
        return ""

    def differences(self) -> Sequence[Finding]:
        """Return how what is there differs from what the entities need."""
        return ()

    def apply_steps(self, folder: Path, *, dry_run: bool = False) -> Sequence[str]:
        """Apply the numbered SQL files of *folder* that have not run yet; return their names."""
        return ()
