"""Moving Flux Studio: fluxstore against the limit and against what people write, in one run.

``python tests/benchmarks/moves.py [--records N] [--rounds N] [--out FILE]`` prints a table and
writes JSON. The limit is ``psql``'s ``\\copy`` of ready files into (or out of) the same tables;
the peers are psycopg's ``executemany`` and one statement a row, for the tasks alone. Rounds are
interleaved, medians are shown, and ratios compare records a second within a round.

What noise hardly moves is the client's CPU time, which a short run shows beside the limits::

    python tests/benchmarks/moves.py --records 200000 --rounds 1 --only migrate validate
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import attrs
import flux_studio_example
import psycopg
from measured import bare_import_mib, run
from psycopg import sql
from story import WAY, Story

from fluxstore.testing.databases import shared_server

ROW_BY_ROW = 2000


@attrs.frozen
class Measured:
    """One subject in one round."""

    subject: str
    records: int
    seconds: float
    cpu_seconds: float = 0.0
    mib_above_bare_import: float | None = None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


class Bench:
    """A story's folder and database, and each subject as a method that measures once."""

    def __init__(self, folder: Path, conninfo: str, records: int) -> None:
        """Generate the folder, move it once, and keep each table as a file for the limit."""
        self.conninfo = conninfo
        self.records = records
        self.story = Story(folder, conninfo, records=records)
        self.bare = bare_import_mib(folder)
        self.files = folder / "copies"
        self.files.mkdir()
        self._done("migrate", *WAY)
        self.tables = self._filled_tables()
        self._psql("to")
        with psycopg.connect(conninfo) as connection:
            self.tasks = connection.execute("SELECT * FROM tasks").fetchall()

    def subjects(self) -> dict[str, Callable[[], Measured]]:
        """Return every subject by name, the limits first."""
        return {
            "psql \\copy in (limit)": self.copy_in,
            "migrate": self.migrate,
            "migrate, nothing changed": self.migrate_again,
            "psql \\copy out (limit)": self.copy_out,
            "validate": self.validate,
            "rollback": self.rollback,
            "executemany, tasks": self.executemany,
            "row by row, tasks": self.row_by_row,
        }

    def migrate(self) -> Measured:
        """Move everything into empty tables."""
        self._empty()
        return self._command("migrate", "migrate", *WAY)

    def migrate_again(self) -> Measured:
        """Move everything where it is already."""
        return self._command("migrate, nothing changed", "migrate", *WAY)

    def validate(self) -> Measured:
        """Compare both sides, equal."""
        return self._command("validate", "validate", *WAY)

    def rollback(self) -> Measured:
        """Write the documents anew."""
        return self._command("rollback", "rollback", *WAY, "--force")

    def copy_in(self) -> Measured:
        """Copy ready files into empty tables."""
        self._empty()
        return self._timed("psql \\copy in (limit)", self.records, lambda: self._psql("from"))

    def copy_out(self) -> Measured:
        """Copy the tables out into files."""
        return self._timed("psql \\copy out (limit)", self.records, lambda: self._psql("to"))

    def executemany(self) -> Measured:
        """Insert the tasks by ``executemany`` in one transaction."""
        return self._timed("executemany, tasks", len(self.tasks), self._insert_many)

    def row_by_row(self) -> Measured:
        """Insert some tasks one by one, each committed."""
        some = self.tasks[:ROW_BY_ROW]
        return self._timed("row by row, tasks", len(some), lambda: self._insert_each(some))

    def _insert_many(self) -> None:
        with psycopg.connect(self.conninfo) as connection:
            connection.execute("CREATE TEMP TABLE copied (LIKE tasks INCLUDING ALL)")
            with connection.cursor() as cursor:
                cursor.executemany(self._insert(), map(self._sendable, self.tasks))

    def _insert_each(self, some: list[tuple[object, ...]]) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute("CREATE TEMP TABLE copied (LIKE tasks INCLUDING ALL)")
            for row in some:
                connection.execute(self._insert(), self._sendable(row))

    def _insert(self) -> sql.Composed:
        places = sql.SQL(", ").join([sql.Placeholder()] * len(self.tasks[0]))
        return sql.SQL("INSERT INTO copied VALUES ({})").format(places)

    @staticmethod
    def _sendable(row: tuple[object, ...]) -> list[object]:
        from psycopg.types.json import Jsonb

        return [Jsonb(value) if isinstance(value, dict) else value for value in row]

    def _command(self, subject: str, *arguments: str) -> Measured:
        ran = self._done(*arguments)
        above = ran.peak_mib - self.bare
        return Measured(subject, self.records, ran.seconds, ran.cpu_seconds, above)

    def _done(self, *arguments: str):
        ran = self.story.command(*arguments)
        if ran.code != 0:
            raise SystemExit(f"{arguments}: exit {ran.code}\n{ran.stdout}\n{ran.stderr}")
        return ran

    @staticmethod
    def _timed(subject: str, records: int, work: Callable[[], None]) -> Measured:
        began = time.monotonic()
        work()
        return Measured(subject, records, time.monotonic() - began)

    def _filled_tables(self) -> list[str]:
        with psycopg.connect(self.conninfo) as connection:
            named = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            ).fetchall()
            counted = sql.SQL("SELECT count(*) FROM {}")
            return [
                name
                for (name,) in named
                if connection.execute(counted.format(sql.Identifier(name))).fetchone() != (0,)
            ]

    def _psql(self, way: str) -> None:
        copies = [f"\\copy {name} {way} '{self.files / name}'" for name in self.tables]
        script = ["SET CONSTRAINTS ALL DEFERRED", *copies]
        arguments = [part for line in script for part in ("-c", line)]
        ran = run("psql", "-q1v", "ON_ERROR_STOP=1", self.conninfo, *arguments, folder=self.files)
        if ran.code != 0:
            raise SystemExit(ran.stderr)

    def _empty(self) -> None:
        with psycopg.connect(self.conninfo) as connection:
            names = sql.SQL(", ").join(map(sql.Identifier, self.tables))
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))


def rows(rounds: list[dict[str, Measured]]) -> list[dict[str, object]]:
    """Return a row a subject: medians, and the ratio to the limit of the same direction."""
    made: list[dict[str, object]] = []
    for subject in rounds[0]:
        limit = f"psql \\copy {'out' if subject == 'rollback' else 'in'} (limit)"
        found = [one[subject] for one in rounds]
        ratios = [one[subject].rate / one[limit].rate for one in rounds]
        made.append(
            {
                "subject": subject,
                "records_per_second": round(statistics.median(one.rate for one in found)),
                "ratio_to_limit": round(statistics.median(ratios), 3),
                "cpu_us_a_record": round(
                    statistics.median(one.cpu_seconds / one.records for one in found) * 1e6, 1
                ),
                "mib_above_bare_import": max(one.mib_above_bare_import or 0 for one in found),
            }
        )
    return made


def chosen(
    subjects: dict[str, Callable[[], Measured]], only: list[str] | None
) -> dict[str, Callable[[], Measured]]:
    """Return the limits and the subjects that are asked for; ``SystemExit`` for an unknown one."""
    unknown = set(only or ()) - subjects.keys()
    if unknown:
        raise SystemExit(f"no subject {', '.join(unknown)}; there are: {', '.join(subjects)}")
    return {
        name: measure
        for name, measure in subjects.items()
        if only is None or name in only or name.endswith("(limit)")
    }


def main() -> int:
    """Measure, print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description="Time moving Flux Studio.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="+", metavar="SUBJECT", help="beside the limits")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fluxstore-bench-"))
    with shared_server() as server:
        template = flux_studio_example.template(server)
        with server.database(template) as conninfo:
            bench = Bench(folder / "studio", conninfo, asked.records)
            subjects = chosen(bench.subjects(), asked.only)
            measured = [
                {n: measure() for n, measure in subjects.items()} for _ in range(asked.rounds)
            ]
    shutil.rmtree(folder)
    table = rows(measured)
    for row in table:
        sys.stdout.write("  ".join(f"{name}={value}" for name, value in row.items()) + "\n")
    if asked.out:
        asked.out.write_text(json.dumps(table, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
