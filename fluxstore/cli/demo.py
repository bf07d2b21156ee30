"""``demo``: the whole story on generated data, told by the commands themselves."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import attrs
import typer

from fluxstore.cli import exits, render, studio
from fluxstore.cli.render import Styled
from fluxstore.cli.session import Session
from fluxstore.errors import FluxstoreError, UsageError

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
) -> render.Answer:
    """Tell the whole story on generated data and a private PostgreSQL, in under a minute.

    A folder of JSON files is read, assessed, migrated and validated; a planted difference is found
    and repaired; half of the files' records are lost and brought back.
    """
    session = Session.of(ctx)
    for adapter in ("json", "postgres"):
        session.plugins.adapter(adapter)  # says what to install where it is missing
    folder = _folder(into)
    begun = time.monotonic()
    story = Story(session, folder)
    with _inside(folder):
        story.tell(records)
    seconds = time.monotonic() - begun
    data = {
        "folder": str(folder),
        "seconds": round(seconds, 1),
        "steps": [attrs.asdict(one) for one in story.told],
    }
    return render.Answer(data, _ending(story, seconds))


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


@attrs.frozen
class Told:
    """One command of the story."""

    command: str
    exit_code: int
    seconds: float


class Story:
    """Tells itself, chapter by chapter; every command in it is one that the user can type."""

    def __init__(self, session: Session, folder: Path) -> None:
        """Begin in *folder*."""
        self._session = session
        self.folder = folder
        self.told: list[Told] = []
        self.key = ""

    def tell(self, records: int) -> None:
        """Tell all of it; ``FluxstoreError`` where a command ends otherwise than it should."""
        chapters: Sequence[tuple[str, Callable[[], None]]] = (
            ("An application's records, in JSON files", lambda: self._files(records)),
            ("What is in them?", lambda: self._run("init", "data")),
            ("What would a migration meet?", lambda: self._run("assess", *WAY)),
            ("Move them", lambda: self._run("migrate", *WAY)),
            ("Are both sides equal?", self._validate),
            ("Somebody changes one record in PostgreSQL", self._change),
            ("Find it", lambda: self._run("validate", *WAY, code=exits.DIFFERENCES)),
            ("Mend it, by a plan that you can read", self._repair),
            ("Half of the JSON records are lost", self._lose),
            ("Bring everything back", self._bring_back),
        )
        for number, (title, chapter) in enumerate(chapters, 1):
            self._say("", Styled(f"{number}. {title}", "bold"))
            chapter()

    def _say(self, *lines: str) -> None:
        if not (self._session.quiet or self._session.json):
            render.write_lines(lines, sys.stdout)

    def _run(self, *arguments: str, code: int = exits.OK, shown: bool = True) -> None:
        """Run a command here, as if it had been typed; not *shown*, only how it ended is told."""
        from fluxstore.cli.frame import run

        line = f"fluxstore {' '.join(arguments)}"
        self._say(Styled(f"$ {line}", "green"))
        options = [f"--{name}" for name in ("quiet", "debug") if getattr(self._session, name)]
        if self._session.json or not shown:
            options.append("--quiet")
        begun = time.monotonic()
        # Problems stand between the lines they belong to, also where the story goes into a file.
        with nullcontext() if self._session.json else redirect_stderr(sys.stdout or sys.stderr):
            ended = run([*arguments, *options], self._session.signals)
        self.told.append(Told(line, ended, round(time.monotonic() - begun, 2)))
        if self._session.signals.received:
            raise KeyboardInterrupt
        if ended != code:
            raise self._broken(f"`{line}` ended with {ended} where {code} was expected")
        if not shown:
            self._say(f"exit code {ended}: {exits.MEANINGS[ended]}")

    def _broken(self, problem: str) -> FluxstoreError:
        return FluxstoreError(problem, next_step=f"look into {self.folder}, and report it")

    def _files(self, records: int) -> None:
        counts = studio.generate(Path("data"), records=records, seed=SEED)
        sizes = {path.name: path.stat().st_size for path in sorted(Path("data").iterdir())}
        listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        self._say(
            f"{self.folder / 'data'}: {listed}",
            ", ".join(f"{name} {render.size(size)}" for name, size in sizes.items()),
        )
        self._originals = _documents()

    def _validate(self) -> None:
        page = ("--report", "report.html") if find_spec("jinja2") else ()
        self._run("validate", *WAY, *page)

    def _change(self) -> None:
        import fluxstore

        with fluxstore.open("fluxstore.toml", backend="postgres") as store:
            tasks = store["tasks"]
            found = next(iter(tasks.find(limit=1)))
            self.key = str(found.id)
            tasks.update(found.id, title=CHANGED)
        self._say(
            Styled('>>> store = fluxstore.open("fluxstore.toml", backend="postgres")', "green"),
            Styled(f'>>> store["tasks"].update("{self.key}", title="{CHANGED}")', "green"),
        )

    def _repair(self) -> None:
        self._run("repair", "--plan", *WAY, code=exits.DIFFERENCES)
        self._run("repair", "--apply", *WAY)
        self._run("validate", *WAY, shown=False)

    def _lose(self) -> None:
        lost = 0
        for path in sorted(Path("data").glob("*.json")):
            document = json.loads(path.read_bytes())
            for value in document.values():
                if isinstance(value, list):
                    lost += len(value[1::2])
                    del value[1::2]
            path.write_text(json.dumps(document), "utf-8")
        self._say(f"{lost:,} records are gone from the files: a script went wrong")

    def _bring_back(self) -> None:
        self._run("rollback", *WAY, "--force")
        if _documents() != self._originals:
            raise self._broken("the documents are not what they were")
        self._say(
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


def _ending(story: Story, seconds: float) -> list[str]:
    folder = story.folder
    page = [f"  {folder / 'report.html'}: the validation as a page"]
    return [
        "",
        Styled("What happened", "bold"),
        "  records went from JSON files to PostgreSQL, were proven equal, differed, were mended,",
        f"  and came back to the files after a loss; all in {render.duration(seconds)}.",
        "",
        Styled("Where to look", "bold"),
        f"  {folder / 'entities.py'}: the classes that init wrote",
        f"  {folder / 'fluxstore.toml'}: where the records are, and where they go",
        *(page if (folder / "report.html").exists() else []),
        f"  {folder / '.fluxstore'}: certificates, backups, the private PostgreSQL (stopped)",
        "",
        Styled("What to try next", "bold"),
        *_path_line(),
        f"  cd {folder}",
        "  fluxstore status",
        "  change a value in data/users.json, then: fluxstore validate",
        "  fluxstore init /a/folder/of/your/own",
        f"  rm -r {folder}",
    ]
