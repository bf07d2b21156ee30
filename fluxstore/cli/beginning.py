"""``init``: from records that are there to entities and a configuration."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from fluxstore.cli import exits, flags, render
from fluxstore.cli.files import write_together
from fluxstore.cli.progress import Tell, reporting
from fluxstore.cli.session import Session
from fluxstore.errors import UnsupportedError, UsageError, shortened

if TYPE_CHECKING:
    from fluxstore.inference import EntityPlan, Plan, Reading, Source

ENTITIES = "entities.py"
CONFIGURATION = "fluxstore.toml"
SQLITE_MAGIC = b"SQLite format 3\x00"
DSN_PREFIXES = ("postgres://", "postgresql://")


def init(
    ctx: typer.Context,
    place: Annotated[
        str,
        typer.Argument(metavar="[DIR]", help="A folder of JSON files, an SQLite file, or a DSN."),
    ] = "",
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are there; they are kept beside.")
    ] = False,
    from_env: Annotated[
        bool,
        typer.Option("--from-env", help=f"Take the phase from {flags.READ} and {flags.DUAL}."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
) -> render.Answer:
    """Read the records that are there, and write entities.py and fluxstore.toml for them.

    Says what it decided and why. The records themselves are only read.
    """
    session = Session.of(ctx)
    file = Path(session.config_file or CONFIGURATION).absolute()
    phase = flags.phase(os.environ) if from_env else "off"
    found = _found(session, place or _usual_place(), file.parent)
    texts = _texts(session, found, file, phase)
    written = [] if dry_run else write_together(texts, force=force)
    return _answer(found, texts, written, dry_run=dry_run)


@attrs.frozen
class Found:
    """What was read, and the backend that it was read from."""

    plan: Plan
    source: Source
    where: str


def _usual_place() -> str:
    if any(Path().glob("*.json")) or not Path("data").is_dir():
        return "."
    return "data"


def _found(session: Session, place: str, folder: Path) -> Found:
    if place.startswith(DSN_PREFIXES):
        return _postgres(session, place)
    path = Path(place)
    if path.is_dir():
        return _folder(session, path, folder)
    if path.is_file():
        return _file(session, path, folder)
    raise UsageError(
        f"{shortened(place, 200)}: there is no such folder or file",
        next_step="name a folder of JSON files, an SQLite file, or postgresql://…",
    )


def _folder(session: Session, path: Path, folder: Path) -> Found:
    from fluxstore.inference import Source, infer_folder

    with reporting(session) as tell:
        plan = infer_folder(path, tell=_told(tell))
    _require_entities(plan, path)
    settings = {"path": _relative(path, folder), "naming": plan.naming}
    return Found(plan, Source("json", "json", settings), str(path))


def _told(tell: Tell) -> Callable[[Reading], None]:
    """Return what tells a reading as any other progress."""
    from fluxstore.migration.progress import Progress

    begun = time.monotonic()

    def told(reading: Reading) -> None:
        seconds = max(time.monotonic() - begun, 1e-9)
        pace, done = reading.records / seconds, reading.fraction
        left = seconds * (1 - done) / done if done else None
        tell(Progress("read", reading.file, reading.records, seconds, pace, done, left))

    return told


def _require_entities(plan: Plan, path: Path) -> None:
    if plan.entities:
        return
    reasons = [f"{name}: {reason}" for name, reason in (*plan.refused, *plan.skipped)]
    told = f" ({'; '.join(reasons[:5])})" if reasons else ""
    raise UsageError(
        f"{path}: no JSON file here holds records{told}", next_step="name the folder that does"
    )


def _relative(path: Path, folder: Path) -> str:
    """Return *path* as the configuration in *folder* should name it."""
    relative = os.path.relpath(path.absolute(), folder)
    return str(path.absolute()) if relative.startswith("../..") else relative


def _tables(session: Session, name: str, settings: dict[str, str], folder: Path) -> Plan:
    """Return the plan of the tables that the adapter *name* finds with *settings*."""
    from fluxstore.adapter import Opening, Use
    from fluxstore.config.structuring import structure
    from fluxstore.entity import Entities
    from fluxstore.inference import HasTables, plan_tables

    cls = session.plugins.adapter(name)
    own: Any = structure(
        settings, cls.Settings, file=folder / CONFIGURATION, key=f"backends.{name}"
    )
    adapter = cls(Opening(name, own, Entities(), {}, folder, Use.SOURCE))
    try:
        if not isinstance(adapter, HasTables):
            raise UnsupportedError("it cannot say which tables are there", backend=name)
        plan = plan_tables(adapter.tables())
    finally:
        adapter.close()
    if not plan.entities:
        reasons = "; ".join(f"{table}: {reason}" for table, reason in plan.skipped)
        raise UsageError(f"no table with a primary key is there{reasons and f' ({reasons})'}")
    return plan


def _file(session: Session, path: Path, folder: Path) -> Found:
    with path.open("rb") as stream:
        magic = stream.read(len(SQLITE_MAGIC))
    if magic != SQLITE_MAGIC:
        hint = f"name its folder: {path.parent}" if path.suffix == ".json" else ""
        raise UsageError(f"{path}: is no SQLite database and no folder", next_step=hint)
    from fluxstore.inference import Source

    plan = _tables(session, "sqlite", {"path": str(path.absolute())}, folder)
    return Found(plan, Source("sqlite", "sqlite", {"path": _relative(path, folder)}), str(path))


def _postgres(session: Session, dsn: str) -> Found:
    from fluxstore.inference import Source

    plan = _tables(session, "postgres", {"dsn": dsn}, Path.cwd())
    return Found(plan, Source("postgres", "postgres", {"dsn": "${DATABASE_URL:-}"}), "PostgreSQL")


def _texts(session: Session, found: Found, file: Path, phase: str) -> dict[Path, str]:
    """Return the text of each file, tried first: what does not load is not written."""
    from fluxstore.config import Config
    from fluxstore.inference import module_text, toml_text

    policy = any(offer.name == "phases" for offer in session.plugins.offers("policy"))
    texts = {
        file.parent / ENTITIES: module_text(found.plan, source=found.where),
        file: toml_text(found.plan, found.source, policy=policy, phase=phase),
    }
    with tempfile.TemporaryDirectory(prefix="fluxstore-init-") as folder:
        for path, text in texts.items():
            (Path(folder) / path.name).write_text(text, "utf-8")
        Config.load(Path(folder) / file.name, plugins=session.plugins)
    return texts


def _answer(
    found: Found, texts: dict[Path, str], written: list[str], *, dry_run: bool
) -> render.Answer:
    plan = found.plan
    head = ("entity", "key", "records", "from")
    rows = [[one.name, ", ".join(one.key), one.records, one.place.words()] for one in plan.entities]
    lines = [*render.table(head, rows), ""]
    lines += [f"{one.name}: {'; '.join(one.reasons)}" for one in plan.entities]
    lines += [f"{name}: not covered: {reason}" for name, reason in plan.skipped]
    lines += ["", *map(render.near, written or [f"{path}: would be written" for path in texts])]
    if not dry_run:
        lines += _next(found)
    refused = [f"{name}: refused: {reason}" for name, reason in plan.refused]
    data = {
        "entities": [_entity(one) for one in plan.entities],
        "not_covered": dict(plan.skipped),
        "refused": dict(plan.refused),
        "files": [str(path) for path in texts],
        "dry_run": dry_run,
    }
    code = exits.DATA if plan.refused else exits.OK
    return render.Answer(data, lines, [*plan.warnings, *refused], code)


def _entity(one: EntityPlan) -> dict[str, object]:
    return {
        "name": one.name,
        "class": one.class_name,
        "key": list(one.key),
        "records": one.records,
        "place": one.place.words(),
        "fields": {field.name: field.annotation for field in one.fields},
        "reasons": list(one.reasons),
    }


def _next(found: Found) -> list[str]:
    if found.source.adapter == "postgres":
        return [
            "",
            "next:",
            "  export DATABASE_URL=…    what you named is not written into the file",
            "  read entities.py: it is yours to change",
            "  fluxstore doctor",
        ]
    way = f"--from {found.source.name} --to postgres"
    return [
        "",
        "next:",
        "  read entities.py: it is yours to change",
        "  fluxstore doctor",
        f"  fluxstore assess {way}",
        f"  fluxstore migrate {way}",
    ]
