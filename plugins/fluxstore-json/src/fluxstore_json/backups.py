"""Backups: verified copies of the files with a manifest, and the way back."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import xxhash

from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger import Checkpoint, Transaction, facts, flush, pending, system_error
from fluxstore_json import replacing
from fluxstore_json.backend import Backend
from fluxstore_json.checkpoints import Checkpointer
from fluxstore_json.folding import Copy
from fluxstore_json.moment import Moment
from fluxstore_json.opened import ABSENT, OpenFile

_MANIFEST, _FILES, _LEDGER = "manifest.json", "files", "ledger.db"
_FORMAT = 1


@attrs.frozen
class Entry:
    """A file in a backup."""

    file: str
    size: int
    digest: str


def back_up(backend: Backend, checkpointer: Checkpointer, folder: Path) -> Path:
    """Copy all files, and what waits in the ledger, to a new folder below *folder*; return it."""
    with checkpointer.alone_if_writing():
        return backend.look(lambda moment: _copied(backend, moment, folder))


def _copied(backend: Backend, moment: Moment, folder: Path) -> Path:
    made = _new_folder(folder, backend.name)
    try:
        entries = [
            _copy(moment, file, made / _FILES / file)
            for file in backend.places.files
            if isinstance(moment.shelf(file).file, OpenFile)
        ]
        ledger = _copy_ledger(moment.connection, made / _LEDGER)
        manifest = {
            "format": _FORMAT,
            "backend": backend.name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": [attrs.asdict(entry) for entry in entries],
            "ledger": attrs.asdict(ledger) if ledger else None,
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        replacing.write(made / _MANIFEST, [text, b"\n"], None).path.rename(made / _MANIFEST)
        for inner in (made / _FILES, made, folder):
            flush(inner)
    except OSError as error:
        raise system_error(made, error) from error
    return made


def _new_folder(folder: Path, name: str) -> Path:
    """Make a folder of its own: two backups of one second are two."""
    stem = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while True:
        made = folder / (stem if number == 1 else f"{stem}-{number}")
        try:
            made.mkdir(parents=True)
            (made / _FILES).mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise system_error(made, error) from error
        else:
            return made


def _copy(moment: Moment, file: str, target: Path) -> Entry:
    source = moment.shelf(file).file
    base = source if isinstance(source, OpenFile) else None
    target.parent.mkdir(parents=True, exist_ok=True)
    written = replacing.write(target, [Copy(0, source.size)], base)
    written.path.rename(target)
    flush(target.parent)
    return _verified(target, file, moment.shelf(file).digest())


def _copy_ledger(connection: sqlite3.Connection | None, target: Path) -> Entry | None:
    if connection is None:
        return None
    with closing(sqlite3.connect(target)) as copy:
        connection.backup(copy)
    flush(target)
    return _verified(target, _LEDGER, None)


def _verified(path: Path, name: str, wanted: str | None) -> Entry:
    """Read a copy again and compare; ``UnreadableRecordError`` where it is another."""
    digest, size = _digest(path)
    if wanted is not None and digest != wanted:
        raise UnreadableRecordError(
            "the copy differs from the file, so there is no backup",
            file=str(path),
            next_step="look at the disk, then try again",
        )
    return Entry(name, size, digest)


def _digest(path: Path) -> tuple[str, int]:
    made, size = xxhash.xxh3_128(), 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            made.update(piece)
            size += len(piece)
    return made.hexdigest(), size


def restore(backend: Backend, checkpointer: Checkpointer, backup: Path) -> None:
    """Replace all files, and what waits in the ledger, by those of *backup*, once verified."""
    entries, ledger = _read_manifest(backend, backup)
    for entry in (*entries, *([ledger] if ledger else [])):
        path = backup / _LEDGER if entry is ledger else backup / _FILES / entry.file
        if not path.is_file() or _digest(path) != (entry.digest, entry.size):
            raise _unusable(path, "is missing or not as it was written")
    with checkpointer.alone():
        identities = {entry.file: _put_back(backend, backup, entry) for entry in entries}
        for file in backend.places.files:
            if file not in identities:
                backend.folder.resolved(file).unlink(missing_ok=True)
                identities[file] = (ABSENT, ABSENT)
        _restore_ledger(backend, backup / _LEDGER if ledger else None, identities)


def _read_manifest(backend: Backend, backup: Path) -> tuple[list[Entry], Entry | None]:
    path = backup / _MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        entries = [Entry(**entry) for entry in found["files"]]
        ledger = Entry(**found["ledger"]) if found["ledger"] else None
        usable = found["format"] == _FORMAT
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unusable(path, f"is no manifest ({error})") from error
    strangers = [entry.file for entry in entries if entry.file not in backend.places.files]
    if not usable or strangers:
        raise _unusable(path, f"is of another backend ({', '.join(strangers[:3]) or 'format'})")
    return entries, ledger


def _unusable(path: Path, problem: str) -> UnreadableRecordError:
    return UnreadableRecordError(
        problem, file=str(path), next_step="name another backup; nothing was changed"
    )


def _put_back(backend: Backend, backup: Path, entry: Entry) -> tuple[str, str]:
    """Put one file back; return its identity and digest."""
    target = backend.folder.resolved(entry.file)
    source = backup / _FILES / entry.file
    base = OpenFile(os.open(source, os.O_RDONLY | os.O_CLOEXEC), str(source))
    written = replacing.write(target, [Copy(0, base.size)], base)
    written.path.replace(target)
    flush(target.parent)
    return written.identity, written.digest


def _restore_ledger(
    backend: Backend, copy: Path | None, identities: dict[str, tuple[str, str]]
) -> None:
    if copy is None and not backend.ledger.exists():
        return
    waiting = list(_waiting(copy)) if copy is not None else []

    def work(transaction: Transaction) -> None:
        connection = transaction.connection
        generation = backend.ledger.next_generation(transaction)
        pending.drop(connection, backend.places, pending.last_change(connection))
        pending.put(connection, waiting)
        for name in backend.places:
            facts.begin(connection, name)
        for file, (identity, digest) in identities.items():
            checkpoint = Checkpoint(file, generation, identity, digest, 0)
            pending.set_checkpoint(connection, checkpoint)

    backend.ledger.submit(work)


def _waiting(copy: Path) -> Iterator[pending.Pending]:
    with closing(sqlite3.connect(copy)) as connection:
        for row in list(pending.since(connection, 0)):
            yield attrs.evolve(row, born=0)
