"""Versions of files, each with its index, kept for as long as anybody reads them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from fluxstore.ledger import translated
from fluxstore_json.filling import Filler
from fluxstore_json.folder import Folder
from fluxstore_json.forms import Form
from fluxstore_json.index import Index
from fluxstore_json.opened import ABSENT, Absent, OpenFile, identity_of
from fluxstore_json.places import Place, Places

_abandoned: list[dict[str, Shelf]] = []


class Shelf:
    """One version of a file, or its absence."""

    def __init__(
        self, file: OpenFile | Absent, places: Sequence[Place], forms: Mapping[str, Form]
    ) -> None:
        """Keep *file* open; nothing is read before it is asked for."""
        self.file = file
        self._places, self._forms = places, forms
        self._mutex = threading.Lock()
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """Where each record is; the first question walks through the file."""
        return self.fill()

    def fill(self) -> Index:
        """Make the index where it is not there yet; return it."""
        with self._mutex:
            if self._index is None:
                self._index = self._filled()
            return self._index

    def _filled(self) -> Index:
        index = Index([place.name for place in self._places])
        if isinstance(self.file, OpenFile):
            Filler(self._places, self._forms).fill(index, self.file)
        index.finish()
        return index

    def count(self, name: str) -> int | None:
        """Return how many records of the entity *name* there are, where that is known already."""
        return self.index.count(name)[0] if self._index is not None else None

    @cached_property
    def _digest(self) -> str:
        return self.file.digest() if isinstance(self.file, OpenFile) else ABSENT

    def digest(self) -> str:
        """Return a digest of the whole text."""
        return self._digest

    def read(self, start: int, length: int) -> bytes:
        """Return some of the text."""
        return self.file.read(start, length) if isinstance(self.file, OpenFile) else b""


class Shelves:
    """The current version of each file of a folder."""

    def __init__(
        self,
        folder: Folder,
        places: Places,
        forms: Mapping[str, Form],
        *,
        backend: str,
        must_exist: bool,
    ) -> None:
        """Open files in *folder*; *must_exist* refuses one that is named and missing."""
        self.backend = backend
        self.folder, self.places, self.forms = folder, places, forms
        self._must_exist = must_exist
        self._mutex = threading.Lock()
        self._current: dict[str, Shelf] = {}
        self._expected: dict[str, Shelf] = {}

    def current(self, file: str) -> Shelf:
        """Return the version that is there now; ``UnreadableRecordError`` where none may be."""
        with self._mutex:
            known, identity = self._current.get(file), self._identity(file)
            if known is None or known.file.identity != identity:
                expected = self._expected.get(file)
                is_there = expected is not None and expected.file.identity == identity
                known = expected if expected is not None and is_there else self._opened(file)
                self._current[file] = known
            return known

    def _identity(self, file: str) -> str:
        try:
            return identity_of((self.folder.path / file).stat())
        except FileNotFoundError:
            return ABSENT
        except OSError:
            return ""  # opening it will say why

    def _opened(self, file: str) -> Shelf:
        shown = self.folder.shown(file)
        descriptor = self.folder.open(file)
        if descriptor is not None:
            return self._shelf(OpenFile(descriptor, shown), file)
        return self._shelf(Absent(shown), file)

    def is_missed(self, file: str) -> bool:
        """Tell whether it is a mistake that *file* is not there."""
        return self._must_exist and any(place.is_named for place in self.places.roots(file))

    def _shelf(self, opened: OpenFile | Absent, file: str) -> Shelf:
        return Shelf(opened, self.places.of_file(file), self.forms)

    def opened(self, file: str, path: Path) -> Shelf:
        """Return the version of *file* that is still at *path*, under another name."""
        with translated(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._shelf(OpenFile(descriptor, self.folder.shown(file)), file)

    @contextmanager
    def expecting(self, file: str, shelf: Shelf) -> Iterator[None]:
        """Take *shelf*, with the index it has, for the version of *file* once it is in its place.

        Whoever looks just after the file was replaced would have to read it all otherwise.
        """
        with self._mutex:
            self._expected[file] = shelf
        try:
            yield
            self.current(file)
        finally:
            with self._mutex:
                self._expected.pop(file, None)

    def forget_all(self) -> None:
        """In a forked child: leave the parent's indexes alone; the parent has them open."""
        _abandoned.extend([self._current, self._expected])
        self._mutex, self._current, self._expected = threading.Lock(), {}, {}

    def close(self) -> None:
        """Let go of all files."""
        with self._mutex:
            self._current.clear()
