"""The example application's schema and generator, for tests.

``python tests/support/flux_studio_example.py CONNINFO`` prints the schema of a database as
``tests/acceptance/flux_studio_schema.txt`` holds it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import psycopg

from fluxstore import Config, Plugins
from fluxstore.config import Backend
from fluxstore.testing.databases import DatabaseServer

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "flux_studio"
CONFIGURATION = EXAMPLE / "fluxstore.toml"
STEPS = ROOT / "sql" / "flux_studio"
ROLES = ROOT / "sql" / "roles" / "flux_studio.sql"
INSPECT = ROOT / "sql" / "inspect"
EXPECTED_SCHEMA = ROOT / "tests" / "acceptance" / "flux_studio_schema.txt"
_SCHEMA_LINES = Path(__file__).with_name("schema_lines.sql")


def steps() -> list[Path]:
    """Return the schema's numbered steps in order."""
    return sorted(STEPS.glob("[0-9]*.sql"))


def run(connection: psycopg.Connection, path: Path) -> None:
    """Run a file of SQL statements in one transaction."""
    with connection.transaction():
        connection.execute(path.read_bytes())


def build(conninfo: str) -> None:
    """Make the schema and the roles in an empty database."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for step in [*steps(), ROLES]:
            run(connection, step)


def template(server: DatabaseServer) -> str:
    """Return the name of a database with the schema as the files are now."""
    made = hashlib.sha256(b"".join(path.read_bytes() for path in [*steps(), ROLES]))
    return server.template(f"flux_studio_{made.hexdigest()[:12]}", build)


def schema_lines(connection: psycopg.Connection) -> list[str]:
    """Return the schema in use, one line a column, constraint, index, trigger or function."""
    return [line for (line,) in connection.execute(_SCHEMA_LINES.read_bytes())]


@contextmanager
def importable() -> Iterator[None]:
    """Find the example's modules; afterwards ``entities`` is free for another application."""
    _rename("flux_studio_{}", "{}")  # the classes of an earlier import, if there was one
    sys.path.insert(0, str(EXAMPLE))
    try:
        yield
    finally:
        sys.path.remove(str(EXAMPLE))
        _rename("{}", "flux_studio_{}")


def _rename(old: str, new: str) -> None:
    for name in ("entities", "entities_business"):
        if old.format(name) in sys.modules:
            sys.modules[new.format(name)] = sys.modules.pop(old.format(name))


def configuration(folder: Path, *, plugins: Plugins, **backends: str) -> Config:
    """Return the example's configuration as if it were in *folder*, with more *backends*.

    Each is the name of an adapter that needs no settings.
    """
    loaded = Config.load(CONFIGURATION, plugins=plugins)
    more = {
        name: Backend(name, adapter, plugins.adapter(adapter).Settings(), {})
        for name, adapter in backends.items()
    }
    return attrs.evolve(
        loaded, file=folder / "fluxstore.toml", backends={**loaded.backends, **more}
    )


if __name__ == "__main__":
    with psycopg.connect(sys.argv[1]) as asked:
        sys.stdout.write("\n".join([*schema_lines(asked), ""]))
