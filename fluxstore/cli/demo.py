"""``demo``: the whole story on generated data, told by the commands themselves."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from fluxstore.cli import exits, render, studio
from fluxstore.cli.live_demo import LiveStory
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.cli.telling import Teller
from fluxstore.errors import UsageError

RECORDS, SEED = 3000, 7
WAY = ("--from", "json", "--to", "postgres")
THEIRS = ("DATABASE_URL", "FLUXSTORE_CONFIG")
CHANGED = "changed behind fluxstore's back"


def demo(
    ctx: typer.Context,
    *,
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Play in this empty folder; kept.")
    ] = None,
    records: Annotated[int, typer.Option(min=100, metavar="N", help="How many records.")] = RECORDS,
    live: Annotated[
        bool, typer.Option("--live", help="Move them while an application serves its users.")
    ] = False,
) -> render.Answer:
    """Tell the whole story on generated data and a private PostgreSQL, in under a minute.

    A folder of JSON files is read, assessed, migrated and validated; a planted difference is found
    and repaired; half of the files' records are lost and brought back. With --live, a web
    application serves users who write all the while, through every phase and back.
    """
    session = Session.of(ctx)
    for adapter in ("json", "postgres"):
        session.plugins.adapter(adapter)  # says what to install where it is missing
    folder = _folder(into)
    begun = time.monotonic()
    teller: Story | LiveStory = LiveStory(session, folder) if live else Story(session, folder)
    with _inside(folder):
        teller.tell(records, seed=SEED)
    seconds = time.monotonic() - begun
    data = {
        "folder": str(folder),
        "seconds": round(seconds, 1),
        "steps": [attrs.asdict(one) for one in teller.told],
        **({"users": teller.users} if isinstance(teller, LiveStory) else {}),
    }
    return render.Answer(data, _ending(teller, seconds))


def _folder(into: Path | None) -> Path:
    if into is None:
        made = Path(tempfile.mkdtemp(prefix="fluxstore-demo-"))
        made.chmod(0o755)  # generated data; a server that root starts runs as another user
        return made
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into}: is not empty", next_step="name a new folder")
    into.mkdir(parents=True, exist_ok=True)
    return into.absolute()


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in *folder*, and with nothing of the user's: no database and no configuration."""
    before = Path.cwd()
    theirs = {name: os.environ.pop(name) for name in THEIRS if name in os.environ}
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.update(theirs)


class Story(Teller):
    """Records that rest: copied, compared, mended, lost and brought back."""

    def __init__(self, session: Session, folder: Path) -> None:
        """Begin in *folder*."""
        super().__init__(session, folder)
        self.key = ""

    def tell(self, records: int, *, seed: int) -> None:
        """Tell all of it; ``FluxstoreError`` where a command ends otherwise than it should."""
        self.tell_all(
            (
                ("An application's records, in JSON files", lambda: self._files(records, seed)),
                ("What is in them?", lambda: self.run("init", "data")),
                ("What would a migration meet?", lambda: self.run("assess", *WAY)),
                ("Move them", lambda: self.run("migrate", *WAY)),
                ("Are both sides equal?", self._validate),
                ("Somebody changes one record in PostgreSQL", self._change),
                ("Find it", lambda: self.run("validate", *WAY, code=exits.DIFFERENCES)),
                ("Mend it, by a plan that you can read", self._repair),
                ("Half of the JSON records are lost", self._lose),
                ("Bring everything back", self._bring_back),
            )
        )

    def _files(self, records: int, seed: int) -> None:
        counts = studio.generate(Path("data"), records=records, seed=seed)
        sizes = {path.name: path.stat().st_size for path in sorted(Path("data").iterdir())}
        listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        self.say(
            f"{self.folder / 'data'}: {listed}",
            ", ".join(f"{name} {render.size(size)}" for name, size in sizes.items()),
        )
        self._originals = _documents()

    def _validate(self) -> None:
        page = ("--report", "report.html") if find_spec("jinja2") else ()
        self.run("validate", *WAY, *page)

    def _change(self) -> None:
        import fluxstore

        with fluxstore.open("fluxstore.toml", backend="postgres") as store:
            tasks = store["tasks"]
            found = next(iter(tasks.find(limit=1)))
            self.key = str(found.id)
            tasks.update(found.id, title=CHANGED)
        self.say(
            Styled('>>> store = fluxstore.open("fluxstore.toml", backend="postgres")', "green"),
            Styled(f'>>> store["tasks"].update("{self.key}", title="{CHANGED}")', "green"),
        )

    def _repair(self) -> None:
        self.run("repair", "--plan", *WAY, code=exits.DIFFERENCES)
        self.run("repair", "--apply", *WAY)
        self.run("validate", *WAY, shown=False)

    def _lose(self) -> None:
        lost = 0
        for path in sorted(Path("data").glob("*.json")):
            document = json.loads(path.read_bytes())
            for value in document.values():
                if isinstance(value, list):
                    lost += len(value[1::2])
                    del value[1::2]
            path.write_text(json.dumps(document), "utf-8")
        self.say(f"{lost:,} records are gone from the files: a script went wrong")

    def _bring_back(self) -> None:
        self.run("rollback", *WAY, "--force")
        if _documents() != self._originals:
            raise self.broken("the documents are not what they were")
        self.say(
            Styled("every document is what it was before the loss, to the last field", "green")
        )


def _documents() -> dict[str, Any]:
    """Return the parsed documents by name: equal values are equal documents."""
    return {path.name: json.loads(path.read_bytes()) for path in Path("data").glob("*.json")}


def _path_line() -> list[str]:
    """Return how to find the command in another folder, where `uv run` found it for the user."""
    if "UV_RUN_RECURSION_DEPTH" not in os.environ:
        return []
    return [f"  export PATH={Path(sys.argv[0]).absolute().parent}:$PATH"]


_RESTED = (
    "records went from JSON files to PostgreSQL, were proven equal, differed, were mended,",
    "and came back to the files after a loss",
)
_LIVE = (
    "records went from JSON files to PostgreSQL, back, there again for good, and home, while",
    "users wrote; none of them was refused, lost a write, or saw a deleted record return",
)


def _ending(teller: Story | LiveStory, seconds: float) -> list[str]:
    folder, is_live = teller.folder, isinstance(teller, LiveStory)
    first, second = _LIVE if is_live else _RESTED
    places = (
        ("entities.py", "what a record is"),
        ("fluxstore.toml", "where the records are, and where they go"),
        ("report.html", "the validation as a page"),
        ("application.log", "what the application had to say"),
        (".fluxstore", "certificates, backups, the private PostgreSQL (stopped)"),
    )
    return [
        "",
        Styled("What happened", "bold"),
        f"  {first}",
        f"  {second}; all in {render.duration(seconds)}.",
        "",
        Styled("Where to look", "bold"),
        *(f"  {folder / name}: {words}" for name, words in places if (folder / name).exists()),
        "",
        Styled("What to try next", "bold"),
        *_path_line(),
        f"  cd {folder}",
        "  fluxstore status",
        "  change a value in data/users.json, then: fluxstore validate",
        "  fluxstore init /a/folder/of/your/own",
        f"  rm -r {folder}",
    ]
