"""One state of all files and of what waits in the ledger, seen together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import attrs

from fluxstore.adapter import Control
from fluxstore.codec import Refusal
from fluxstore.errors import UnreadableRecordError
from fluxstore.ledger import Pending, pending
from fluxstore.ledger.sidecar import control_of, versions_of
from fluxstore.records import UNTOUCHED, Key, Reason, Record
from fluxstore_json.forms import Bad, Form
from fluxstore_json.index import Document
from fluxstore_json.opened import Absent
from fluxstore_json.places import Place, Places
from fluxstore_json.shelf import Shelf, Shelves

_TWICE = Refusal(Reason.DUPLICATE_KEY, "one record with this key, each name in it once, expected")


class Stale(Exception):  # noqa: N818 - a signal to look again, which never leaves this package
    """A file is not the one that the ledger names: look again."""

    def __init__(self, file: str) -> None:
        """Name the file."""
        super().__init__(file)
        self.file = file


@attrs.frozen
class Stored:
    """A record as it is kept: its text, where it is, and what it says."""

    record: Record
    text: bytes = attrs.field(repr=False)
    parent: str | None
    root: str | None
    fresh: bool
    born: int = 0


class Moment:
    """What everything is at one moment; made for one call, inside one transaction of the ledger."""

    def __init__(
        self,
        connection: sqlite3.Connection | None,
        shelves: Shelves,
        *,
        accept: bool = False,
    ) -> None:
        """Look through *connection*; *accept* takes files that others changed as they are."""
        self.connection, self.shelves, self._accept = connection, shelves, accept
        self.places: Places = shelves.places
        self.forms: Mapping[str, Form] = shelves.forms
        self.checkpoints = pending.checkpoints(connection) if connection else {}
        self.intents = pending.intents(connection) if connection else {}
        self._found: dict[str, tuple[Shelf, int]] = {}
        self.foreign: dict[str, str] = {}
        """Files that another program changed, and their identities."""

    def shelf(self, file: str) -> Shelf:
        """Return the version of *file* that belongs to this moment."""
        return self._look(file)[0]

    def folded(self, file: str) -> int:
        """Return the change up to which everything is in *file*, though the ledger has it still."""
        return self._look(file)[1]

    def _look(self, file: str) -> tuple[Shelf, int]:
        if file not in self._found:
            self._found[file] = self._checked(file, self.shelves.current(file))
        return self._found[file]

    def _checked(self, file: str, shelf: Shelf) -> tuple[Shelf, int]:
        checkpoint, intent = self.checkpoints.get(file), self.intents.get(file)
        if checkpoint is None:
            if isinstance(shelf.file, Absent) and self.shelves.is_missed(file):
                raise self.shelves.folder.refused(
                    file,
                    "is named in the configuration and is not there",
                    "put it back, or correct its name",
                )
            return shelf, 0
        if checkpoint.identity == shelf.file.identity:
            return shelf, 0
        if isinstance(shelf.file, Absent):
            raise self.shelves.folder.refused(
                file,
                "was there and is gone",
                "put it back from a backup, or put a file without records in its place",
            )
        found = shelf.file.inode, shelf.file.size
        if intent is not None and found == (intent.inode, intent.size):
            return shelf, intent.change
        if shelf.digest() == checkpoint.digest:
            return shelf, 0
        if not self._accept:
            raise Stale(file)
        self.foreign[file] = shelf.file.identity
        return shelf, 0

    def control(self, place: Place) -> Control | None:
        """Return the control that *place* is under."""
        return control_of(self.connection, place.name)

    def is_settled(self, file: str) -> bool:
        """Tell whether the ledger knows which keys *file* has: not while an edit is noticed."""
        self._look(file)
        checkpoint = self.checkpoints.get(file)
        return file not in self.foreign and (checkpoint is None or checkpoint.noticed is None)

    def knows_keys(self, file: str) -> bool:
        """Tell whether changes that wait say rightly which keys *file* has.

        They do not while a checkpoint of ours is about to end, or another program's edit is there.
        """
        return self.is_settled(file) and not self.folded(file)

    # records

    def changes(self, place: Place, texts: Sequence[str]) -> dict[str, Pending]:
        """Return the changes of some keys that wait."""
        if self.connection is None:
            return {}
        folded = self.folded(place.file)
        rows = pending.of_keys(self.connection, place.name, texts)
        return {row.key: row for row in rows if row.change > folded}

    def read(self, place: Place, keys: Iterable[Key]) -> dict[Key, Stored]:
        """Return the records of *keys*; ``UnreadableRecordError`` for one that is none."""
        form = self.forms[place.name]
        texts = {form.codec.key_text(key): key for key in keys}
        changes = self.changes(place, list(texts))
        rest = [text for text in texts if text not in changes]
        found: dict[Key, Stored] = {
            texts[text]: self.waiting(place, row)
            for text, row in changes.items()
            if row.payload is not None
        }
        shelf = self.shelf(place.file)
        for text, document in (shelf.index.find(place.name, rest) if rest else {}).items():
            found[texts[text]] = self.filed(place, shelf, document)
        return self.versioned(place, found)

    def versioned(self, place: Place, found: dict[Key, Stored]) -> dict[Key, Stored]:
        """Return *found* with the versions that the ledger knows."""
        if self.connection is None or not found:
            return found
        text = self.forms[place.name].codec.key_text
        by_text = {text(key): key for key in found}
        for name, version in versions_of(self.connection, place.name, list(by_text)).items():
            stored = found[by_text[name]]
            record = attrs.evolve(stored.record, version=version)
            found[by_text[name]] = attrs.evolve(stored, record=record)
        return found

    def versions(self, place: Place, records: Sequence[Record]) -> list[Record]:
        """Return *records* with the versions that the ledger knows."""
        if self.connection is None:
            return list(records)
        text = self.forms[place.name].codec.key_text
        texts = [text(record.key) for record in records]
        known = versions_of(self.connection, place.name, texts)
        if not known:
            return list(records)
        return [
            attrs.evolve(record, version=known.get(name, UNTOUCHED))
            for name, record in zip(texts, records, strict=True)
        ]

    def waiting(self, place: Place, row: Pending) -> Stored:
        """Return the record of a change that waits."""
        text = row.payload or b""
        record = self._decoded(place, text, row.parent, row.key)
        return Stored(record, text, row.parent, row.root, row.fresh, row.born)

    def filed(self, place: Place, shelf: Shelf, document: Document) -> Stored:
        """Return a record of the file."""
        if document.is_flawed:
            raise self._unreadable(place, document.key, Bad("", "", _TWICE))
        text = shelf.read(document.start, document.length)
        record = self._decoded(place, text, document.parent, document.key)
        return Stored(record, text, document.parent, document.root, fresh=False)

    def roots(self, place: Place, texts: Sequence[str]) -> tuple[dict[str, str], set[str]]:
        """Return the outermost document of each key that is there, and which are flawed."""
        changes = self.changes(place, texts)
        rows = {key: row for key, row in changes.items() if row.payload is not None}
        found = {key: row.root or key for key, row in rows.items()}
        rest = [text for text in texts if text not in changes]
        documents = self.shelf(place.file).index.find(place.name, rest) if rest else {}
        flawed = {key for key, one in documents.items() if one.is_flawed}
        return found | {key: one.root or key for key, one in documents.items()}, flawed

    def exists(self, place: Place, texts: Sequence[str]) -> set[str]:
        """Return which of some keys have a record."""
        changed = pending.keys(self.connection, place.name, texts) if self.connection else {}
        rest = [text for text in texts if text not in changed]
        known = self.shelf(place.file).index.known(place.name, rest) if rest else set()
        return known | {text for text, is_there in changed.items() if is_there}

    def _decoded(self, place: Place, text: bytes, parent: str | None, key: str) -> Record:
        form = self.forms[place.name]
        found = form.record(form.one(text), self.inherited(place, parent), len(text))
        if isinstance(found, Bad):
            raise self._unreadable(place, key, found)
        return found

    def inherited(self, place: Place, parent: str | None) -> dict[str, object]:
        """Return what a record has from the document around it, whose key is given as text."""
        if place.parent is None or parent is None:
            return {}
        key = self.forms[place.parent.name].codec.key_of_text(parent)
        return self.forms[place.name].inherited(key)

    def _unreadable(self, place: Place, key: str, bad: Bad) -> UnreadableRecordError:
        return UnreadableRecordError(
            f"cannot be decoded: {bad.refusal.expected}",
            backend=self.shelves.backend,
            entity=place.name,
            key=key,
            file=self.shelves.folder.shown(place.file),
            field=bad.field + bad.refusal.path,
            next_step="mend it in the file; it was not touched",
        )
