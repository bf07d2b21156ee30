"""Checkpoints: what waits in the ledger goes into the files, and nobody else's work is lost."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from fluxstore.ledger import (
    Checkpoint,
    HeldError,
    Intent,
    KernelLock,
    Transaction,
    pending,
    translated,
)
from fluxstore_json import replacing
from fluxstore_json.backend import Backend
from fluxstore_json.folding import Piece, folded
from fluxstore_json.foreign import adopt, settle
from fluxstore_json.framing import framed
from fluxstore_json.moment import Moment
from fluxstore_json.opened import ABSENT, Absent, OpenFile, identity_of
from fluxstore_json.replacing import Written
from fluxstore_json.shelf import Shelf

Pieces = Callable[[Moment, str], Iterator[Piece] | None]
"""Makes the new file; ``None`` where there is nothing to do."""


@attrs.frozen
class _Step:
    """One file on its way: from which version, to which, with the changes up to which."""

    file: str
    target: Path
    before: Checkpoint
    written: Written
    shelf: Shelf
    """The new version, open."""
    change: int

    @property
    def intent(self) -> Intent:
        """What the ledger must know before the file takes its place."""
        made = self.written
        return Intent(self.file, made.path.name, made.inode, made.size, made.digest, self.change)


class Checkpointer:
    """Writes the files of one backend; one process at a time."""

    def __init__(self, backend: Backend) -> None:
        """Write for *backend*."""
        self._backend, self._ledger = backend, backend.ledger
        self._lock = KernelLock(backend.ledger.folder / "checkpoint", what="the checkpoint's lock")
        self._begin()
        backend.forked.append(self._begin)

    def _begin(self) -> None:
        self._mutex = threading.Lock()

    @contextmanager
    def alone(self, patience_seconds: float = math.inf) -> Iterator[None]:
        """Keep every other checkpoint out, of this process and of others."""
        longest = self._backend.settings.lock_timeout.total_seconds()
        with self._mutex, translated(self._ledger.path):
            self._lock.acquire(min(longest, patience_seconds))
            try:
                yield
            finally:
                self._lock.release()

    @contextmanager
    def alone_if_writing(self) -> Iterator[None]:
        """Fold what waits and keep checkpoints out, where this backend may write at all."""
        if self._backend.is_read_only or not self._ledger.exists():
            yield
            return
        with self.alone():
            self._recover()
            for file in self._waiting():
                self._write(file, waiting_only)
            yield

    def settle_all(self) -> None:
        """Finish what a process left when it died, inside ``alone``; take files put back."""
        self._recover()
        adopt(self._backend, at_opening=False)

    def run(self, *, ahead: bool = True, patience_seconds: float = math.inf) -> None:
        """Fold everything that waits into the files; a file that others changed is left alone.

        With *ahead* each new file's index is made before anybody waits for it.
        """
        if not self._waiting():
            return
        with self.alone(patience_seconds):
            self._recover()
            adopt(self._backend, at_opening=False)
            for file in self._waiting():
                self._write(file, waiting_only, ahead=ahead)

    def write(self, file: str, pieces: Pieces) -> None:
        """Write *file* anew, inside ``alone``; ``UnreadableRecordError`` if others changed it."""
        if not self._write(file, pieces):
            raise self._backend.folder.refused(
                file,
                "was changed by another program while changes of ours wait in the ledger",
                "see `fluxstore doctor`; nothing was written to it",
            )

    def _waiting(self) -> list[str]:
        """Return the files for which something waits."""
        with self._ledger.reading() as connection:
            if connection is None:
                return []
            places = self._backend.places.values()
            return list(
                dict.fromkeys(p.file for p in places if pending.count(connection, p.name)[0])
            )

    def _write(self, file: str, pieces: Pieces, *, ahead: bool = False) -> bool:
        """Write one file; tell whether nobody else had changed it."""
        step = self._backend.look(lambda moment: self._made(moment, file, pieces))
        if not isinstance(step, _Step):
            return step
        if ahead:
            step.shelf.fill()
        return self._install(step)

    def _made(self, moment: Moment, file: str, pieces: Pieces) -> _Step | bool:
        """Return a new version, written beside the file; or whether there was nothing to do."""
        shelf = moment.shelf(file)
        if not moment.is_settled(file):
            return False
        parts = pieces(moment, file)
        if parts is None or moment.connection is None:
            return True
        known = moment.checkpoints.get(file)
        before = known or Checkpoint(file, 0, shelf.file.identity, shelf.digest(), 0)
        target = self._backend.folder.resolved(file)
        base = shelf.file if isinstance(shelf.file, OpenFile) else None
        written = replacing.write(target, parts, base)
        before = attrs.evolve(before, identity=shelf.file.identity)
        fresh = self._backend.shelves.opened(file, written.path)
        return _Step(file, target, before, written, fresh, pending.last_change(moment.connection))

    def _install(self, step: _Step) -> bool:
        """Put a new version in its place; tell whether it still was the right one."""
        with translated(step.target), self._backend.shelves.expecting(step.file, step.shelf):
            self._announce(step)
            if not self._replace(step):
                self._forget(step.intent, step.target)
                return False
            replacing.durable(step.target.parent)
        self._finish(step.intent, step.shelf)
        return True

    def _announce(self, step: _Step) -> None:
        try:
            self._ledger.submit(
                lambda transaction: pending.set_intent(transaction.connection, step.intent)
            )
        except BaseException:
            step.written.path.unlink(missing_ok=True)
            raise

    def _replace(self, step: _Step) -> bool:
        """Exchange the files and look at what was displaced; put it back if it is another's."""
        temporary, target = step.written.path, step.target
        is_new = step.before.identity == ABSENT
        if not is_new and not self._is_version(target, step.before):
            return False
        try:
            exchanged = replacing.take_place(temporary, target, is_new=is_new)
        except FileExistsError:
            return False
        if not exchanged:
            return True
        if not self._is_version(temporary, step.before):
            replacing.take_place(temporary, target, is_new=False)
            return False
        temporary.unlink()
        return True

    def _is_version(self, path: Path, checkpoint: Checkpoint) -> bool:
        try:
            if identity_of(path.stat()) == checkpoint.identity:
                return True
        except FileNotFoundError:
            return False
        found = self._backend.folder.open(str(path.relative_to(self._backend.folder.path)))
        return found is not None and OpenFile(found, str(path)).digest() == checkpoint.digest

    def _finish(self, intent: Intent, shelf: Shelf) -> None:
        """Say that the changes are in the file, and forget them.

        Of changes that came meanwhile the file may have the keys now, or no longer.
        """
        places = self._backend.places.of_file(intent.file)

        def work(transaction: Transaction) -> None:
            generation = self._ledger.next_generation(transaction)
            connection = transaction.connection
            pending.set_checkpoint(
                connection,
                Checkpoint(
                    intent.file, generation, shelf.file.identity, intent.digest, intent.change
                ),
            )
            pending.drop(connection, [place.name for place in places], intent.change)
            pending.drop_intent(connection, intent.file)
            for place in places:
                settle(connection, shelf, place)

        self._ledger.submit(work)

    def _forget(self, intent: Intent, target: Path) -> None:
        """Take back what was about to take the file's place."""
        target.with_name(intent.temporary).unlink(missing_ok=True)
        self._ledger.submit(
            lambda transaction: pending.drop_intent(transaction.connection, intent.file)
        )

    # after a crash

    def recover(self) -> None:
        """Finish, or take back, what a process left when it died; remove what it left behind.

        Where another process is writing a file now, what is there is that one's.
        """
        if self._left():
            with suppress(HeldError), self.alone(0.0):
                self._recover()
                for path in self._leftovers():
                    path.unlink(missing_ok=True)

    def _left(self) -> bool:
        with self._ledger.reading() as connection:
            if connection is None:
                return False
            return bool(pending.intents(connection)) or any(self._leftovers())

    def _leftovers(self) -> Iterator[Path]:
        for file in self._backend.places.files:
            yield from replacing.leftovers(self._backend.folder.path / file)

    def _recover(self) -> None:
        with self._ledger.reading() as connection:
            intents = pending.intents(connection) if connection is not None else {}
            checkpoints = pending.checkpoints(connection) if intents and connection else {}
        for file, intent in intents.items():
            self._settle(intent, checkpoints.get(file))

    def _settle(self, intent: Intent, before: Checkpoint | None) -> None:
        target = self._backend.folder.resolved(intent.file)
        temporary = target.with_name(intent.temporary)
        shelf = self._backend.shelves.current(intent.file)
        ours = (shelf.file.inode, shelf.file.size) == (intent.inode, intent.size)
        if not ours or shelf.digest() != intent.digest:
            self._forget(intent, target)
            return
        if before is not None and temporary.exists() and not self._is_version(temporary, before):
            replacing.take_place(temporary, target, is_new=False)  # another program's: it stays
            self._forget(intent, target)
            return
        temporary.unlink(missing_ok=True)
        replacing.durable(target.parent)
        self._finish(intent, shelf)


def waiting_only(moment: Moment, file: str) -> Iterator[Piece]:
    """Return *file* with what waits for it folded in."""
    if isinstance(moment.shelf(file).file, Absent):
        return framed(moment, file)
    return folded(moment, file)
