"""The story that must hold: there, checked, changed, found, mended, and back to equal documents.

``python tests/support/story.py DIR --records 200000 2000000`` tells it at full size, with the
memory and time of every command; ``tests/acceptance/test_story.py`` tells it small.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import flux_studio_example
import psycopg
from documents import differences, drop_half, folder_digests
from measured import COMMAND, Ran, bare_import_mib, run

from fluxstore.testing.databases import shared_server

WAY = ("--from", "json", "--to", "postgres")


@attrs.frozen
class Step:
    """One command of the story and the exit code that it must end with."""

    name: str
    arguments: tuple[str, ...]
    code: int
    before: Callable[[], None] | None = None


class Story:
    """A Flux Studio folder and a database with its tables, and the steps between them."""

    def __init__(self, folder: Path, conninfo: str, *, records: int, seed: int = 7) -> None:
        """Generate the folder."""
        self.folder = folder
        self._conninfo = conninfo
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("entities.py", "entities_business.py", "fluxstore.toml"):
            shutil.copy(flux_studio_example.EXAMPLE / name, folder)
        size = ("--records", str(records), "--seed", str(seed))
        made = run(
            sys.executable,
            "-m",
            "flux_studio.generate",
            "data",
            *size,
            folder=folder,
            environment={"PYTHONPATH": str(flux_studio_example.EXAMPLE)},
        )
        assert made.code == 0, made.stderr
        self.originals = folder_digests(folder / "data")
        self.changed_key = ""

    def command(self, *arguments: str) -> Ran:
        """Run a fluxstore command with ``--json`` in the folder."""
        where = {"DATABASE_URL": self._conninfo}
        return run(COMMAND, *arguments, "--json", folder=self.folder, environment=where)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in order."""
        return (
            Step("assess", ("assess", *WAY), 0),
            Step("migrate", ("migrate", *WAY), 0),
            Step("validate", ("validate", *WAY), 0),
            Step("validate a change", ("validate", *WAY), 5, self.change_one_field),
            Step("migrate again", ("migrate", *WAY), 0),
            Step("validate again", ("validate", *WAY), 0),
            Step("migrate unchanged", ("migrate", *WAY), 0),
            Step("rollback", ("rollback", *WAY, "--force"), 0, self.lose_half),
        )

    def tell(self) -> Iterator[tuple[Step, Ran]]:
        """Yield each step with what it did."""
        for step in self.steps():
            if step.before:
                step.before()
            yield step, self.command(*step.arguments)

    def change_one_field(self) -> None:
        """Change one field of one record in PostgreSQL, by SQL."""
        with psycopg.connect(self._conninfo) as connection:
            found = connection.execute(
                "UPDATE tasks SET title = 'changed by SQL'"
                " WHERE id = (SELECT max(id) FROM tasks) RETURNING id"
            ).fetchone()
        assert found is not None
        self.changed_key = found[0]

    def lose_half(self) -> None:
        """Remove half of the JSON records."""
        assert drop_half(self.folder / "data") > 0

    def differences_from_the_originals(self) -> list[str]:
        """Return where the documents now differ from the ones that were generated."""
        return list(differences(self.originals, folder_digests(self.folder / "data")))


def _tell(folder: Path, records: int) -> list[dict[str, object]]:
    with shared_server() as server:
        template = flux_studio_example.template(server)
        with server.database(template) as conninfo:
            story = Story(folder / str(records), conninfo, records=records)
            bare = bare_import_mib(folder)
            rows = [_row(step, ran, records, bare) for step, ran in story.tell()]
            left = story.differences_from_the_originals()
            sys.stdout.write(f"documents: {'; '.join(left[:5]) or 'equal to the originals'}\n")
            return rows


def _row(step: Step, ran: Ran, records: int, bare: float) -> dict[str, object]:
    row: dict[str, object] = {
        "step": step.name,
        "records": records,
        "exit": ran.code,
        "wanted": step.code,
        "seconds": round(ran.seconds, 2),
        "client_cpu_us_a_record": round(ran.cpu_seconds / records * 1e6, 1),
        "mib_above_bare_import": round(ran.peak_mib - bare, 1),
    }
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
    if ran.code != step.code:
        sys.stdout.write(f"{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}\n")
    return row


def main() -> int:
    """Tell the story at each size asked for; 1 where a step ended otherwise than it must."""
    parser = argparse.ArgumentParser(description="Tell the whole story, and measure it.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, nargs="+", default=[200_000])
    asked = parser.parse_args()
    rows = [row for records in asked.records for row in _tell(asked.folder, records)]
    return int(any(row["exit"] != row["wanted"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
