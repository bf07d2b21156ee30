"""The records of a place in order: the file's, as pending changes leave them, then new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from fluxstore.ledger import pending
from fluxstore.query import Filter
from fluxstore.records import Record, Rejected
from fluxstore_json.items import Item, Items
from fluxstore_json.moment import Moment
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.sieve import sieve

_AT_ONCE = 64
_KEYS_AT_ONCE = 1000
_MOST_WAITING = 20_000


def everything(moment: Moment, place: Place) -> Iterator[Record | Rejected]:
    """Yield every record of *place*, and what stands where a record should be."""
    file = moment.shelf(place.file).file
    items = Items(file, place, moment.forms)() if isinstance(file, OpenFile) else iter(())
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
    changes = all_changes(moment, place) if waiting else {}
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


def all_changes(moment: Moment, place: Place) -> dict[str, pending.Pending]:
    """Return all changes of *place* that wait, by key."""
    if moment.connection is None:
        return {}
    folded = moment.folded(place.file)
    rows = pending.since(moment.connection, folded)
    return {row.key: row for row in rows if row.entity == place.name}


def overlaid(moment: Moment, place: Place, items: Sequence[Item]) -> Iterator[Record | Rejected]:
    """Yield what pending changes leave of *items*."""
    if moment.connection is None:
        yield from (item.found for item in items)
        return
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
    if moment.knows_keys(place.file):
        rows = pending.new(moment.connection, place.name, born, limit)
    else:
        rows = _unknown(moment, place, born)[:limit]
    return [(moment.waiting(place, row).record, row.born) for row in rows]


def new_keys(moment: Moment, place: Place, born: int) -> Iterator[tuple[str, int]]:
    """Yield key and birth of the records that no file holds, born after *born*."""
    text_of = moment.forms[place.name].codec.key_text
    born = max(born, moment.folded(place.file))
    while some := new_records(moment, place, born, _KEYS_AT_ONCE):
        yield from ((text_of(record.key), at) for record, at in some)
        born = some[-1][1]


def _unknown(moment: Moment, place: Place, born: int) -> list[pending.Pending]:
    """Return the waiting records whose keys the file does not have, whatever they say."""
    rows = list(all_changes(moment, place).values())
    known = moment.shelf(place.file).index.known(place.name, [row.key for row in rows])
    found = [row for row in rows if row.payload is not None and row.key not in known]
    return sorted((row for row in found if row.born > born), key=lambda row: row.born)
