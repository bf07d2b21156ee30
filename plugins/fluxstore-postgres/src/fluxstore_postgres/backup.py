"""Backups: ``pg_dump``'s custom format, read back by ``pg_restore`` before it counts as one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from fluxstore.errors import AccessError, BackendError, ConfigError
from fluxstore_postgres.database import Database
from fluxstore_postgres.dsn import Target
from fluxstore_postgres.embedded import locate

SUFFIX = ".dump"


class Backups:
    """Copies a backend's schema and ledger out and in."""

    def __init__(self, database: Database, target: Target) -> None:
        """Look for programs only when a backup is asked for."""
        self._database = database
        self._target = target

    def backup(self, folder: Path) -> Path:
        """Dump the backend's schemas into a new file below *folder*, verified; return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        final = folder / f"{self._database.backend}-{stamp}{SUFFIX}"
        unfinished = final.with_suffix(".unfinished")
        try:
            self._run("pg_dump", "--format=custom", f"--file={unfinished}", *self._schemas())
            self._run("pg_restore", "--list", f"--file={os.devnull}", str(unfinished))
            _make_durable(unfinished)
            unfinished.rename(final)
            _make_durable(folder)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return final

    def restore(self, backup: Path) -> None:
        """Replace the backend's schemas by a backup, in one transaction."""
        self._database.refuse_if_source()
        contents = self._run("pg_restore", "--list", str(backup)).splitlines(keepends=True)
        name = conninfo_to_dict(self._target.conninfo).get("dbname") or ""
        options = ["--clean", "--if-exists", "--single-transaction", "--exit-on-error"]
        with tempfile.NamedTemporaryFile("w", suffix=".list", encoding="utf-8") as chosen:
            chosen.writelines(self._without_schemas(contents))
            chosen.flush()
            options += ["--no-owner", f"--use-list={chosen.name}", f"--dbname={name}"]
            self._run("pg_restore", *options, str(backup))
        self._database.look()

    def _without_schemas(self, contents: Sequence[str]) -> Iterator[str]:
        """Yield a backup's contents without the schemas that are there, which may not be ours."""
        there = [name for name in self._names() if self._database.is_schema(name)]
        words = "|".join(map(re.escape, there))
        entry = re.compile(rf"\d+; \d+ \d+ (SCHEMA -|ACL - SCHEMA|COMMENT - SCHEMA) ({words}) ")
        return (line for line in contents if not (there and entry.match(line)))

    def _schemas(self) -> list[str]:
        return [f"--schema={_pattern(name)}" for name in self._names()]

    def _names(self) -> list[str]:
        schemas = {spot.schema for spot in self._database.spots.values()}
        ledger = self._database.known_ledger()
        return [*sorted(schemas), *([ledger] if ledger else [])]

    def _run(self, program: str, *options: str) -> str:
        done = subprocess.run(
            [_program(program), *options],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise BackendError(
                f"{program} failed: {said[0] if said else f'exit {done.returncode}'}",
                backend=self._database.backend,
                next_step=f"is {program} of the server's version or newer? FLUXSTORE_PG_BINDIR",
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """Return an environment that leads to the database.

        A password must not stand among a command's arguments, where every user could read it.
        """
        given = conninfo_to_dict(self._target.conninfo)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        said = {
            one.envvar.decode(): str(given[one.keyword.decode()])
            for one in pq.Conninfo.get_defaults()
            if one.envvar and one.keyword.decode() in given
        }
        return kept | said


def _program(name: str) -> str:
    try:
        folder = locate().folder
    except ConfigError:
        found = shutil.which(name)
    else:
        found = shutil.which(name, path=str(folder)) or shutil.which(name)
    if found is None:
        raise AccessError(
            f"the program {name} was not found",
            next_step="install PostgreSQL's client programs, or set FLUXSTORE_PG_BINDIR",
        )
    return found


def _pattern(schema: str) -> str:
    """Return a schema's name as a pattern of ``pg_dump`` that means nothing else."""
    return '"' + schema.replace('"', '""') + '"'


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
