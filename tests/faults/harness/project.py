"""The project that a scenario runs on: a folder with entities, a configuration, two backends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

import fluxstore
from fluxstore.adapter import Adapter, Control, Use
from fluxstore.backends import open_backend
from fluxstore.codec import Codec
from fluxstore.config import Config
from fluxstore.plugins import Plugins
from harness.history import Call, Entries

COMMAND = (sys.executable, "-c", "from fluxstore_command import main; main()")
ENTITIES = """
from fluxstore import entity

@entity("logbooks")
class Logbook:
    id: str
    entries: list[str]
    count: int = 0
"""
BACKENDS = {
    "json": """
[backends.json]
adapter = "json"
path = "{data}"
checkpoint = "{checkpoint}"
{json}
[backends.json.entities.logbooks]
file = "logbooks.json"
records = "logbooks"
""",
    "sqlite": """
[backends.sqlite]
adapter = "sqlite"
path = "{database}/logbooks.db"
""",
    "postgres": """
[backends.postgres]
adapter = "postgres"
dsn = "${{FAULTS_DSN}}"
connect_timeout = "2s"
statement_timeout = "{statement_timeout}"
pool = {{ min = 1, max = 4, timeout = "2s" }}
""",
}
POLICY = """
entities = ["entities"]

[policy]
adapter = "phases"
source = "{source}"
target = "{target}"
shadow_reads = 0.2
{policy}
"""


_KNOWN = {"logbooks.json", "logbooks.db", ".fluxstore", "lost+found"}


@attrs.frozen
class Setup:
    """What a project's backends are set to."""

    source: str = "json"
    target: str = "sqlite"
    checkpoint: str = "1s"
    statement_timeout: str = "5s"
    policy: str = ""
    """More lines of ``[policy]``."""
    json: str = ""
    """More lines of ``[backends.json]``."""
    entities: str = ENTITIES


class Project:
    """A folder; its files lie in ``data``, which may be on a disk of its own.

    So may the SQLite file, in *database*.
    """

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        *,
        data: Path | None = None,
        database: Path | None = None,
        dsn: str = "",
    ) -> None:
        """Write the configuration, and an empty source where it is a file."""
        self.folder, self.setup, self.dsn = folder, setup, dsn
        self.data = data or folder / "data"
        for each in (folder, self.data):
            each.mkdir(parents=True, exist_ok=True)
        self.config = folder / "fluxstore.toml"
        (folder / "entities.py").write_text(setup.entities)
        chosen = attrs.asdict(setup) | {"data": self.data, "database": database or self.data}
        tables = [POLICY, BACKENDS[setup.source], BACKENDS[setup.target]]
        self.config.write_text("".join(table.format_map(chosen) for table in tables))
        if setup.source == "json":
            (self.data / "logbooks.json").write_text(json.dumps({"logbooks": []}))

    def append(self, tables: str) -> None:
        """Add tables to the configuration."""
        with self.config.open("a") as config:
            config.write(f"\n{tables}")

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target."""
        return (self.setup.source, self.setup.target)

    @property
    def way(self) -> tuple[str, ...]:
        """``--from`` and ``--to`` of the migration."""
        return ("--from", self.setup.source, "--to", self.setup.target)

    @property
    def environment(self) -> dict[str, str]:
        """What processes of the project are started with."""
        return {**os.environ, "FAULTS_DSN": self.dsn, "NO_COLOR": "1", "COLUMNS": "200"}

    def begin(self, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start a fluxstore command; *prefix* is what it runs under."""
        return subprocess.Popen(
            [*prefix, *COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def beside(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on beside everything else; what it says goes to a file."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start any program in the project."""
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL
        )

    def loaded(self) -> Config:
        """Return the configuration, read in this process."""
        os.environ["FAULTS_DSN"] = self.dsn
        return Config.load(self.config)

    @contextmanager
    def opened(self, backend: str, use: Use = Use.SOURCE) -> Iterator[Adapter]:
        """Open one backend as it is, whatever the phase."""
        adapter = open_backend(self.loaded(), backend, plugins=Plugins.load(), use=use)
        try:
            yield adapter
        finally:
            adapter.close()

    def preload(self, keys: Sequence[str]) -> list[Call]:
        """Put records into the source before anything runs; return what a history says of it."""
        with fluxstore.open(self.loaded(), backend=self.setup.source) as store:
            records = store["logbooks"]
            with store.transaction():
                for key in keys:
                    made = records.entity.cls(id=key, entries=[f"pre:{key}"], count=1)
                    records.create(made)
        return [_preloaded(key) for key in keys]

    def found(self) -> dict[str, Entries]:
        """Return key to entries of every record, as an application finds them, and close."""
        with fluxstore.open(self.loaded()) as store:
            return {one.id: tuple(one.entries) for one in store["logbooks"].find()}

    def misplaced(self, found: Mapping[str, Entries]) -> list[str]:
        """Return what is wrong with the JSON file once the last store is closed.

        It holds what was *found*, and nothing lies beside it.
        """
        file = self.data / "logbooks.json"
        if not file.exists():
            return []
        document = json.loads(file.read_bytes())
        written = {one["id"]: tuple(one["entries"]) for one in document["logbooks"]}
        wrong = [f"left behind: {p.name}" for p in self.data.iterdir() if p.name not in _KNOWN]
        if written != found:
            wrong.append(f"the file holds {written}, the store found {dict(found)}")
        return wrong

    def records(self, backend: str) -> dict[str, tuple[bytes, tuple[str, ...]]]:
        """Return key to canonical bytes and entries of every record of one backend.

        A target's file is made with its first record.
        """
        is_target = backend == self.setup.target
        if backend == "json" and is_target and not (self.data / "logbooks.json").exists():
            return {}
        with self.opened(backend) as adapter:
            collection = adapter.collection(self.loaded().entities["logbooks"])
            codec = Codec.of(collection.entity)
            found: dict[str, tuple[bytes, tuple[str, ...]]] = {}
            cursor, more = None, True
            while more:
                page = collection.scan(cursor, 1000)
                if page.rejected:
                    raise AssertionError(f"{backend}: unreadable: {page.rejected[0]}")
                for one in page.records:
                    key, entries = str(one.key), tuple(one.values["entries"])
                    found[key] = (codec.record_bytes(one), entries)
                cursor, more = page.cursor, page.cursor is not None
        return found

    def controls(self) -> Mapping[str, Control | None]:
        """Return the control record of each side, by backend."""
        return {name: self._control(name) for name in (self.setup.source, self.setup.target)}

    def _control(self, backend: str) -> Control | None:
        with self.opened(backend, Use.SERVE) as adapter:
            return adapter.ledger.control("logbooks")


def _preloaded(key: str) -> Call:
    op = f"pre:{key}"
    return Call(op, "pre", "create", key, 0, 1, "ok", saw=True, entries=(op,))
