"""Where each record of one version of a file is: found once, kept outside of memory."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import attrs

from fluxstore.ledger import statements
from fluxstore_json.frame import Path

SQL = statements("fluxstore_json", "index.sql")
_AT_ONCE = 4096


@attrs.frozen
class Document:
    """A record's text in the file; keys are text. ``is_flawed``: it must not be believed."""

    key: str
    parent: str | None
    root: str | None
    start: int
    length: int
    is_flawed: bool


@attrs.frozen
class Bounds:
    """An array in the file: offsets behind its ``[`` and of its ``]``, and of its first element."""

    start: int
    end: int
    first: int | None


Element: TypeAlias = tuple["str | None", int, "str | None", "str | None", int, int, bool]
"""Key (``None`` where none can be read), ordinal, parent, root, start, length, is_flawed."""


class Index:
    """The documents of one file, and what stands beside them."""

    def __init__(self, names: Sequence[str]) -> None:
        """Begin empty; *names* are the entities in the file."""
        self.bounds: dict[Path, Bounds] = {}
        self.beside: dict[Path, bytes] = {}
        self.frame: list[Path] = []
        """The paths of arrays and of what is beside them, in the order of the file."""
        self._numbers = {name: number for number, name in enumerate(names)}
        self._mutex = threading.Lock()
        # a private database: in memory while it is small, on disk beyond its cache
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(SQL["set_up"])
        self._connection.execute(SQL["begin"])

    def __del__(self) -> None:
        self._connection.close()

    def add(self, name: str, elements: Sequence[Element]) -> None:
        """Add elements of the entity *name*, in the order of the file."""
        number, connection = self._numbers[name], self._connection
        rows = [(number, *one) for one in elements if one[0] is not None]
        before = connection.total_changes
        connection.executemany(SQL["add"], rows)
        if connection.total_changes - before == len(elements):
            return
        doubled = [row for row in rows if self._is_another(number, row)]
        connection.executemany(SQL["double"], [row[:2] for row in doubled])
        others = [one for one in elements if one[0] is None] + [row[1:] for row in doubled]
        connection.executemany(
            SQL["add_nameless"],
            [
                (number, ordinal, parent, root, start, length)
                for _, ordinal, parent, root, start, length, _ in others
            ],
        )

    def _is_another(self, number: int, row: tuple[Any, ...]) -> bool:
        found = self._connection.execute(SQL["ordinal"], (number, row[1])).fetchone()
        return bool(found[0] != row[2])

    def finish(self) -> None:
        """Say that nothing will be added."""
        self._connection.execute(SQL["commit"])
        self._connection.executescript(SQL["index"])

    def find(self, name: str, keys: Sequence[str]) -> dict[str, Document]:
        """Return the documents of *keys*."""
        return {one.key: one for one in self._documents("find", name, json.dumps(keys))}

    def known(self, name: str, keys: Sequence[str]) -> set[str]:
        """Return which of *keys* there are."""
        return {row[0] for row in self._rows("known", self._numbers[name], json.dumps(keys))}

    def count(self, name: str) -> tuple[int, int]:
        """Return how many documents there are, and how many elements without a key."""
        documents, nameless = self._rows("count", self._numbers[name])[0]
        return documents, nameless

    def inside(self, name: str, root: str) -> list[Document]:
        """Return the documents of *name* inside the outermost document *root*, in order."""
        return self._documents("inside", name, root)

    def nameless_inside(self, name: str, root: str, parent: str) -> list[tuple[int, int]]:
        """Return start and length of the elements without a key directly inside *parent*."""
        rows = self._rows("nameless_inside", self._numbers[name], root, parent)
        return [(start, length) for start, length in rows]

    def wished(self, name: str, keys: Sequence[str]) -> dict[str, int]:
        """Return the places of *keys* in the order that is wished for."""
        return dict(self._rows("wished", self._numbers[name], json.dumps(keys)))

    def _documents(self, statement: str, name: str, value: str) -> list[Document]:
        return [
            Document(key, parent, root, start, length, bool(flawed))
            for key, parent, root, start, length, flawed in self._rows(
                statement, self._numbers[name], value
            )
        ]

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._mutex:
            return self._connection.execute(SQL[statement], values).fetchall()

    def stream(self, statement: str, name: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement about the entity *name*, some at a time."""
        cursor = self._connection.execute(SQL[statement], (self._numbers[name],))
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows

    def note(self, statement: str, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for the entity *name* with each of *rows*."""
        number = self._numbers[name]
        with self._mutex:
            self._connection.executemany(SQL[statement], ((number, *row) for row in rows))

    def clear(self, statement: str) -> None:
        """Run a statement that forgets something."""
        with self._mutex:
            self._connection.execute(SQL[statement])
