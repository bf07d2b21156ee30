"""The log: a file to which each commit appends one line, with what it changed, and flushes it.

A line is a JSON object: table of the state (``records``, ``versions``, …) to name (an entity, or
what the table is kept by) to what is there now: a whole value, or for tables of records by key,
key text to value; null means gone. A last line without its end was cut off by a crash before
anybody was told that it is there: readers pass over it, the next writer cuts it away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec
from cattrs.preconf.json import make_converter

from fluxstore.adapter import Control, Cursor, Part
from fluxstore.codec import Codec, json_value
from fluxstore.entity import Entities
from fluxstore.errors import BackendUnavailableError, UnreadableRecordError
from fluxstore.records import Record, Rejected, Residue, Version
from fluxstore.testing.reference import FileMemory, State

BY_KEY: Mapping[str, Any] = {
    "records": Record,
    "versions": Version,
    "marks": tuple[Version, float],
    "ops": tuple[str, ...],
}
WHOLE: Mapping[str, Any] = {
    "controls": Control,
    "facts": Any,
    "cursors": Cursor,
    "quarantine": tuple[Rejected, ...],
    "parts": tuple[Part, ...],
}


class Log(FileMemory):
    """The state that the lines of a log add up to. Locks and leases are the reference's."""

    def __init__(self, backend: str, path: Path, *, entities: Entities, read_only: bool) -> None:
        """Use the log *path*, which need not be there yet."""
        super().__init__(backend, path, read_only=read_only)
        self._codecs = {name: Codec.of(entity) for name, entity in entities.items()}
        self._json = make_converter()
        self._end = 0

    def load(self) -> State:
        """Return the state after every whole line, reading those that are new."""
        with self.reading:
            try:
                if self.path.stat().st_size > self._end:
                    self._read()
            except FileNotFoundError:
                return self.committed
            except OSError as error:
                raise BackendUnavailableError(str(error), backend=self.backend) from error
            return self.committed

    def save(self, state: State) -> None:
        """Append what differs from what is committed, and flush it to the disk."""
        line = msgspec.json.encode(self._difference(self.load(), state)) + b"\n"
        try:
            with self.path.open("ab") as file:
                file.truncate(self._end)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BackendUnavailableError(str(error), backend=self.backend) from error
        with self.reading:
            self.committed, self._end = state, self._end + len(line)

    def _read(self) -> None:
        state = self.committed.copy()
        with self.path.open("rb") as file:
            file.seek(self._end)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._apply(state, line)
                self._end += len(line)
        self.committed = state

    def _apply(self, state: State, line: bytes) -> None:
        try:
            changes = json.loads(line)
            for table, name, value in ((t, n, v) for t, names in changes.items() for n, v in names):
                self._set(getattr(state, table), table, name, value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            where = f"the line at byte {self._end:,} cannot be read"
            raise UnreadableRecordError(where, file=str(self.path)) from error

    def _set(self, parts: dict[Any, Any], table: str, name: Any, value: Any) -> None:
        if table in BY_KEY:
            one = parts.setdefault(name, {})
            for text, each in value.items():
                key = self._codecs[name].key_of_text(text)
                one.pop(key, None)
                one |= {} if each is None else {key: self._restored(table, name, key, each)}
        else:
            known = tuple(name) if isinstance(name, list) else name
            parts.pop(known, None)
            parts |= {} if value is None else {known: self._json.structure(value, WHOLE[table])}

    def _difference(self, old: State, new: State) -> dict[str, list[Any]]:
        """Return table to the (name, value) pairs that lead from *old* to *new*."""
        made: dict[str, list[Any]] = {}
        for table in attrs.fields_dict(State):
            before, after = getattr(old, table), getattr(new, table)
            names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
            if table in BY_KEY:
                pairs = [(n, self._keys(table, n, before, after)) for n in names]
            else:
                pairs = [(n, self._json.unstructure(after.get(n))) for n in names]
            made |= {table: pairs} if pairs else {}
        return made

    def _keys(self, table: str, name: str, before: Any, after: Any) -> dict[str, Any]:
        old, new, codec = before.get(name, {}), after.get(name, {}), self._codecs[name]
        changed = [key for key in {**old, **new} if old.get(key) is not new.get(key)]
        return {
            codec.key_text(key): self._kept(table, codec, new[key]) if key in new else None
            for key in changed
        }

    def _kept(self, table: str, codec: Codec, value: Any) -> Any:
        if table != "records":
            return self._json.unstructure(value)
        return {"fields": codec.encode(value.values), "residue": value.residue.to_json()}

    def _restored(self, table: str, name: str, key: Any, kept: Any) -> Any:
        if table != "records":
            return self._json.structure(kept, BY_KEY[table])
        values = self._codecs[name].decode(kept["fields"]).values
        return Record(key, values, Residue.from_json(json_value(kept["residue"])))
