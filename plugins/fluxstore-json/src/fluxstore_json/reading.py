"""The records of a place in order: the file's, as pending changes leave them, then new ones."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import attrs

from fluxstore.adapter import Page
from fluxstore.errors import CursorError
from fluxstore.ledger import pending
from fluxstore.query import Filter
from fluxstore.records import Record, Rejected
from fluxstore_json.items import Item, Items, Spot
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.sieve import sieve

_AT_ONCE = 64
_KEPT_KEYS = 8
_MOST_WAITING = 20_000


def everything(moment: Moment, place: Place) -> Iterator[Record | Rejected]:
    """Yield every record of *place*, and what stands where a record should be."""
    items = file_items(moment, place, None)
    while some := list(islice(items, _AT_ONCE)):
        yield from overlaid(moment, place, some)
    born = moment.folded(place.file)
    while records := new_records(moment, place, born, _AT_ONCE):
        yield from (record for record, _ in records)
        born = records[-1][1]


def asked_for(
    moment: Moment, place: Place, filters: Sequence[Filter]
) -> Iterator[Record | Rejected]:
    """Yield at least the records that *filters* find, and what may be one of them and is bad."""
    may_pass = sieve(moment.forms[place.name], filters)
    shelf, connection = moment.shelf(place.file), moment.connection
    waiting = pending.count(connection, place.name)[0] if connection is not None else 0
    if may_pass is None or waiting > _MOST_WAITING:
        yield from everything(moment, place)
        return
    changes = _changes(moment, place) if waiting else {}
    for row in changes.values():
        if row.payload is not None:
            yield moment.waiting(place, row).record
    if not isinstance(shelf.file, OpenFile):
        return
    text_of = moment.forms[place.name].codec.key_text
    for item in Items(shelf.file, place, moment.forms, may_pass)():
        found = item.found
        if not changes or isinstance(found, Rejected) or text_of(found.key) not in changes:
            yield found


def _changes(moment: Moment, place: Place) -> dict[str, pending.Pending]:
    """Return all changes of *place* that wait, by key."""
    if moment.connection is None:
        return {}
    folded = moment.folded(place.file)
    rows = pending.since(moment.connection, folded)
    return {row.key: row for row in rows if row.entity == place.name}


def file_items(moment: Moment, place: Place, spot: Spot | None) -> Iterator[Item]:
    """Yield the items of the file, from the start or from *spot*."""
    file = moment.shelf(place.file).file
    if not isinstance(file, OpenFile):
        return iter(())
    return Items(file, place, moment.forms)(spot)


def overlaid(moment: Moment, place: Place, items: Sequence[Item]) -> Iterator[Record | Rejected]:
    """Yield what pending changes leave of *items*."""
    text_of = moment.forms[place.name].codec.key_text
    texts = {
        number: text_of(item.found.key)
        for number, item in enumerate(items)
        if isinstance(item.found, Record)
    }
    changes = moment.changes(place, list(texts.values()))
    for number, item in enumerate(items):
        row = changes.get(texts.get(number, ""))
        if row is None:
            yield item.found
        elif row.payload is not None:
            yield moment.waiting(place, row).record


def new_records(moment: Moment, place: Place, born: int, limit: int) -> list[tuple[Record, int]]:
    """Return up to *limit* records that no file holds, born after *born*, each with its birth."""
    if moment.connection is None:
        return []
    if moment.is_settled(place.file):
        rows = pending.new(moment.connection, place.name, born, limit)
    else:
        rows = _unknown(moment, place, born)[:limit]
    return [(moment.waiting(place, row).record, row.born) for row in rows]


def _unknown(moment: Moment, place: Place, born: int) -> list[pending.Pending]:
    """Return the waiting records whose keys the file, as others left it, does not have."""
    rows = list(_changes(moment, place).values())
    known = moment.shelf(place.file).index.known(place.name, [row.key for row in rows])
    found = [row for row in rows if row.payload is not None and row.key not in known]
    return sorted((row for row in found if row.born > born), key=lambda row: row.born)


@attrs.frozen
class Mark:
    """A scan's cursor, read: in the file at ``spot``, or behind it at birth ``born``.

    ``keys`` are the last records': should a checkpoint have moved everything, they say where.
    """

    identity: str
    spot: Spot | None
    born: int
    keys: list[str]

    def text(self) -> str:
        """Return the cursor."""
        spot = list(attrs.astuple(self.spot)) if self.spot else None
        plain = json.dumps([self.identity, spot, self.born, self.keys]).encode()
        return base64.urlsafe_b64encode(plain).decode("ascii").rstrip("=")


def read_mark(text: str) -> Mark:
    """Return what a cursor says; ``CursorError`` for what is none."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        identity, spot, born, keys = json.loads(plain)
        return Mark(str(identity), Spot(*spot) if spot else None, int(born), list(keys))
    except (ValueError, TypeError):
        raise CursorError("is no cursor of a scan", next_step="begin at the start") from None


class Scanner:
    """Scans one place page by page; a page that goes on at once costs no second look."""

    def __init__(self, place: Place) -> None:
        """Begin with no scan under way."""
        self._place = place
        self._mutex = threading.Lock()
        self._under_way: tuple[str, Iterator[Item]] | None = None

    def page(self, moment: Moment, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor*; ``CursorError`` where it no longer fits."""
        place, shelf = self._place, moment.shelf(self._place.file)
        mark = read_mark(cursor) if cursor is not None else None
        if mark is not None and mark.identity != shelf.file.identity:
            mark = self._moved(moment, mark)
        if mark is not None and mark.spot is None:
            return self._behind(moment, mark.born, limit)
        items = self._items(moment, cursor, mark)
        found: list[Record | Rejected] = []
        left, last = max(limit, 1), None
        while left and (some := list(islice(items, min(left, _AT_ONCE)))):
            found += overlaid(moment, place, some)
            left, last = left - len(some), some[-1]  # the others go, and the blocks they are in
        if left or last is None:
            rest = self._behind(moment, moment.folded(place.file), left)
            return self._page(moment, found, rest.records, rest.cursor, 1.0)
        spot = last.spot()
        following = Mark(shelf.file.identity, spot, 0, _last_keys(moment, place, found)).text()
        with self._mutex:
            self._under_way = following, items
        return self._page(moment, found, (), following, spot.offset / shelf.file.size)

    def _items(self, moment: Moment, cursor: str | None, mark: Mark | None) -> Iterator[Item]:
        with self._mutex:
            under_way, self._under_way = self._under_way, None
        if under_way is not None and under_way[0] == cursor:
            return under_way[1]
        return file_items(moment, self._place, mark.spot if mark else None)

    def _behind(self, moment: Moment, born: int, limit: int) -> Page:
        """Return new records, which come behind those of the file."""
        place = self._place
        found = new_records(moment, place, born, limit + 1)
        records = [record for record, _ in found[:limit]]
        if len(found) <= limit:
            return self._page(moment, records, (), None, 1.0)
        born = found[limit - 1][1] if limit else born
        keys = _last_keys(moment, place, records)
        mark = Mark(moment.shelf(place.file).file.identity, None, born, keys)
        return self._page(moment, records, (), mark.text(), 1.0)

    def _page(
        self,
        moment: Moment,
        found: Iterable[Record | Rejected],
        more: Iterable[Record],
        cursor: str | None,
        done: float,
    ) -> Page:
        both = [*found, *more]
        records = moment.versions(self._place, [one for one in both if isinstance(one, Record)])
        rejected = tuple(one for one in both if isinstance(one, Rejected))
        return Page(tuple(records), cursor, rejected, done)

    def _moved(self, moment: Moment, mark: Mark) -> Mark:
        """Return where a scan goes on in a file that a checkpoint of ours has written since."""
        place, shelf = self._place, moment.shelf(self._place.file)
        if moment.shelves.descends(shelf.file.identity, mark.identity):
            spot = spot_behind(moment, place, mark.keys)
            if spot is not None:
                return Mark(shelf.file.identity, spot, 0, mark.keys)
        shown = moment.shelves.folder.shown(place.file)
        raise CursorError(
            f"{shown} is no longer the file that the cursor is of", next_step="begin at the start"
        )


def _last_keys(moment: Moment, place: Place, found: Sequence[Record | Rejected]) -> list[str]:
    """Return the keys of the last records, as text, the last one last."""
    text_of = moment.forms[place.name].codec.key_text
    return [text_of(one.key) for one in found[-_KEPT_KEYS:] if isinstance(one, Record)]


def spot_behind(moment: Moment, place: Place, keys: Sequence[str]) -> Spot | None:
    """Return where to go on behind the last of *keys* that is still in the file."""
    text_of = moment.forms[place.name].codec.key_text
    ranks = {key: rank for rank, key in enumerate(keys)}
    best: tuple[int, Spot] | None = None
    for item in file_items(moment, place, None):
        rank = ranks.get(text_of(item.found.key)) if isinstance(item.found, Record) else None
        if rank is not None and (best is None or rank > best[0]):
            best = rank, item.spot()
    return best[1] if best is not None else None
