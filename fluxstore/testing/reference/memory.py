"""Where the reference adapter keeps everything: one state, in memory or in one file.

A state is never changed once it is committed: a transaction works on a copy, and committing swaps
it in. That is slow for many records and leaves nothing to argue about, which is what a reference
is for.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

import attrs

from fluxstore.adapter import Control, Cursor, Part
from fluxstore.errors import (
    BackendUnavailableError,
    LeaseError,
    UnreadableRecordError,
    UnsupportedError,
)
from fluxstore.records import Key, Record, Rejected, Version

Noted = tuple[Version, float]
"""What a mark says, and when it was made (seconds of the clock, for its age only)."""
_POLL_SECONDS = 0.001


def _tables() -> dict[str, Any]:
    return {}


@attrs.define
class State:
    """Records and ledger of one backend at one moment."""

    records: dict[str, dict[Key, Record]] = attrs.field(factory=_tables)
    versions: dict[str, dict[Key, Version]] = attrs.field(factory=_tables)
    touches: dict[str, dict[Key, int]] = attrs.field(factory=_tables)
    """The place of each key that was written here, the last written last."""
    marks: dict[str, dict[Key, Noted]] = attrs.field(factory=_tables)
    ops: dict[str, dict[Key, tuple[str, ...]]] = attrs.field(factory=_tables)
    crossed: dict[str, dict[tuple[Key, str], str]] = attrs.field(factory=_tables)
    """In which migration the other side has got an operation on a key."""
    controls: dict[str, Control] = attrs.field(factory=_tables)
    facts: dict[str, Any] = attrs.field(factory=_tables)
    cursors: dict[tuple[str, str], Cursor] = attrs.field(factory=dict)
    quarantine: dict[str, tuple[Rejected, ...]] = attrs.field(factory=_tables)
    parts: dict[str, tuple[Part, ...]] = attrs.field(factory=_tables)

    def copy(self) -> State:
        """Return a state that can be changed without changing this one."""
        parts = attrs.asdict(self, recurse=False)
        made: dict[str, Any] = {name: _copied(part) for name, part in parts.items()}
        return State(**made)

    def table(self, entity: str) -> dict[Key, Record]:
        """Return the records of *entity*, to be read or changed."""
        return self.records.setdefault(entity, {})


def _copied(part: dict[Any, Any]) -> dict[Any, Any]:
    return {name: dict(one) if isinstance(one, dict) else one for name, one in part.items()}


class Memory:
    """One backend's state: committed, and this thread's draft while a transaction lasts."""

    durable: ClassVar[bool] = False
    """Whether what was committed survives a power cut, and is there for other processes."""

    def __init__(self, backend: str, *, read_only: bool = False) -> None:
        """Begin empty."""
        self.backend = backend
        self._read_only = read_only
        self.committed = State()
        self._lock = threading.RLock()
        self._thread = threading.local()
        self._leases: set[str] = set()
        self._closed = False

    def current(self) -> State:
        """Return what this thread sees: its own draft, else what is committed."""
        if self._closed:
            raise BackendUnavailableError("is closed", backend=self.backend)
        draft: State | None = getattr(self._thread, "draft", None)
        view: State | None = getattr(self._thread, "view", None)
        return draft or view or self.load()

    @contextmanager
    def transaction(self, patience_seconds: float | None = None) -> Iterator[State]:
        """Yield a draft that is committed at the end, and forgotten after an error.

        Inside another transaction of the same thread it becomes part of that one's draft. Raises
        ``LeaseError`` where others write for longer than *patience_seconds*.
        """
        if self._read_only:
            raise UnsupportedError("is opened to be read only", backend=self.backend)
        with self.exclusive(patience_seconds):
            outer: State | None = getattr(self._thread, "draft", None)
            judges = [] if outer is None else list(self._thread.judges)
            self._thread.judges = list(judges)
            self._thread.draft = (outer or self.load()).copy()
            try:
                yield self._thread.draft
                if outer is None:
                    self._commit(self._thread.draft)
            except BaseException:
                self._thread.draft, self._thread.judges = outer, judges
                raise

    def _commit(self, draft: State) -> None:
        for judge in self._thread.judges:
            judge(draft)
        self.save(draft)
        self._thread.draft = None

    def at_end(self, judge: Callable[[State], None]) -> None:
        """Call *judge* with what is about to be committed, when this thread's transaction ends."""
        self._thread.judges.append(judge)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let this thread see what is committed now, while the context lasts."""
        self._thread.view = self.current()
        try:
            yield
        finally:
            self._thread.view = None

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold *name*; ``LeaseError`` where anybody holds it already."""
        with self._lock:
            if name in self._leases:
                raise LeaseError(f"the lease {name} is held", holder="this process")
            self._leases.add(name)
        try:
            yield
        finally:
            self._leases.discard(name)

    def close(self) -> None:
        """Refuse everything from now on."""
        self._closed = True

    def describe(self) -> str:
        """Return where the state is, in words."""
        return "memory"

    # what another place for the state says anew

    @contextmanager
    def exclusive(self, patience_seconds: float | None = None) -> Iterator[None]:
        """Keep other writers out while the context lasts; it can be entered again inside."""
        if not self._lock.acquire(timeout=-1 if patience_seconds is None else patience_seconds):
            raise _held(f"a transaction of process {os.getpid()}")
        try:
            yield
        finally:
            self._lock.release()

    def load(self) -> State:
        """Return what is committed."""
        return self.committed

    def save(self, state: State) -> None:
        """Commit *state*; nobody else writes meanwhile."""
        self.committed = state


class FileMemory(Memory):
    """The same in one file that processes share; each commit replaces it, durably.

    The file in use is kept open, so that no later file can have its inode: the same inode is the
    same content.
    """

    durable: ClassVar[bool] = True

    def __init__(self, backend: str, path: Path, *, read_only: bool = False) -> None:
        """Use the file *path*, which need not be there yet."""
        super().__init__(backend, read_only=read_only)
        self.path = path
        self._file: IO[bytes] | None = None
        self._depth = 0
        self.reading = threading.Lock()

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Hold *name* among all processes; ``LeaseError`` where anybody holds it already."""
        lock = self._beside(f"lease-{name}")
        with super().lease(name), ExitStack() as held:
            if not _entered(held, lock):
                holder = f"process {lock.read_text('utf-8')}"
                raise LeaseError(f"the lease {name} is held", holder=holder)
            yield

    def close(self) -> None:
        """Refuse everything from now on, and let go of the file."""
        super().close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def describe(self) -> str:
        """Return the file's path."""
        return str(self.path)

    @contextmanager
    def exclusive(self, patience_seconds: float | None = None) -> Iterator[None]:
        """Keep other threads and processes from writing."""
        with super().exclusive(patience_seconds), ExitStack() as held:
            if self._depth == 0:
                lock = self._beside("lock")
                held.enter_context(
                    _locked(lock) if patience_seconds is None else _tried(lock, patience_seconds)
                )
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def load(self) -> State:
        """Return what the file holds, read again where another process has replaced it."""
        with self.reading:
            try:
                if not self._is_current():
                    self._read()
            except FileNotFoundError:
                return State()
            except OSError as error:
                raise BackendUnavailableError(str(error), backend=self.backend) from error
            return self.committed

    def _is_current(self) -> bool:
        if self._file is None:
            return False
        return os.fstat(self._file.fileno()).st_ino == self.path.stat().st_ino

    def _read(self) -> None:
        file = self.path.open("rb")
        try:
            self.committed = pickle.load(file)  # noqa: S301 - a file of our own tests
        except (pickle.UnpicklingError, EOFError, AttributeError) as error:
            file.close()
            raise UnreadableRecordError(
                "is no reference file", backend=self.backend, file=str(self.path)
            ) from error
        if self._file is not None:
            self._file.close()
        self._file = file

    def save(self, state: State) -> None:
        """Replace the file, durably."""
        try:
            new = self._beside("new")
            with new.open("wb") as file:
                pickle.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise BackendUnavailableError(str(error), backend=self.backend) from error

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Hold *path*, with the number of this process in it for those who wait."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | flags)
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        yield


@contextmanager
def _tried(path: Path, patience_seconds: float) -> Iterator[None]:
    """Hold *path* once it is free; ``LeaseError`` when *patience_seconds* are over."""
    until = time.monotonic() + patience_seconds
    with ExitStack() as held:
        while not _entered(held, path):
            if time.monotonic() > until:
                raise _held(f"process {path.read_text('utf-8')}")
            time.sleep(_POLL_SECONDS)
        yield


def _entered(held: ExitStack, path: Path) -> bool:
    try:
        held.enter_context(_locked(path, fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _held(holder: str) -> LeaseError:
    return LeaseError(
        f"writes are held by {holder}", holder=holder, next_step="let it end, then try again"
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
