"""Scans page by page, each to its end in the version of the file that it began with."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import attrs

from fluxstore.adapter import Page
from fluxstore.errors import CursorError
from fluxstore.ledger.sidecar import purges, versions_of
from fluxstore.records import Key, Record, Rejected
from fluxstore_json.items import Item, Items, Spot
from fluxstore_json.moment import Moment, Stored
from fluxstore_json.opened import OpenFile
from fluxstore_json.places import Place
from fluxstore_json.reading import new_keys, overlaid
from fluxstore_json.shelf import Shelf

_AT_ONCE = 64
_MOST_BYTES = 2 * 1024 * 1024
"""Of the file for one page, whatever its records are like: they are all in memory at once."""
_KEYS_AT_ONCE = 1000
_MOST_RUNS = 4


@attrs.frozen
class Mark:
    """A scan's cursor, read: in the file at ``spot``, or behind it.

    Behind it, ``at`` records of the run's tail are done, the last of them born at ``born``.
    """

    identity: str
    run: str
    spot: Spot | None
    at: int = 0
    born: int = 0

    def text(self) -> str:
        """Return the cursor."""
        spot = list(attrs.astuple(self.spot)) if self.spot else None
        plain = json.dumps([self.identity, self.run, spot, self.at, self.born]).encode()
        return base64.urlsafe_b64encode(plain).decode("ascii").rstrip("=")


def read_mark(text: str) -> Mark:
    """Return what a cursor says; ``CursorError`` for what is none."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        identity, run, spot, at, born = json.loads(plain)
        return Mark(str(identity), str(run), Spot(*spot) if spot else None, int(at), int(born))
    except (ValueError, TypeError):
        raise CursorError("is no cursor of a scan", next_step="begin at the start") from None


class Run:
    """One scan under way: the version of the file that it is of, which stays open for it."""

    def __init__(self, moment: Moment, place: Place) -> None:
        """Begin in the file as it is at *moment*."""
        self.name = secrets.token_hex(4)
        self.shelf: Shelf = moment.shelf(place.file)
        self.identity = self.shelf.file.identity
        self.era = _era(moment, place)
        self.tail: list[tuple[str, int]] | None = None
        """Key and birth of each record behind the file's."""
        self.following: tuple[str, Iterator[Item]] | None = None
        """The cursor of the next page, and the walk through the file that is there already."""


def _era(moment: Moment, place: Place) -> tuple[str | None, int]:
    """Return what stays the same while the ledger knows of every key that is touched."""
    control = moment.control(place)
    return (control.migration if control is not None else None), purges(moment.connection)


class Scanner:
    """Scans one place. What it keeps of a run, a cursor of another process does without."""

    def __init__(self, place: Place) -> None:
        """Begin with no scan under way."""
        self._place = place
        self.begin()

    def begin(self) -> None:
        """Keep no run, as in a forked child."""
        self._mutex = threading.Lock()
        self._runs: dict[str, Run] = {}

    def page(self, moment: Moment, cursor: str | None, limit: int) -> Page:
        """Return about *limit* records after *cursor*; ``CursorError`` where it no longer fits."""
        mark = read_mark(cursor) if cursor is not None else None
        run = self._run(moment, mark)
        if mark is not None and mark.spot is None:
            return self._behind(moment, run, mark, max(limit, 1))
        items = self._items(moment, run, cursor, mark)
        found: list[Record | Rejected] = []
        left, last, start = max(limit, 1), None, None
        while left and (some := list(islice(items, min(left, _AT_ONCE)))):
            found += self._current(moment, run, some)
            left, last = left - len(some), some[-1]  # the others go, and the blocks they are in
            start = some[0].block.offset if start is None else start
            if last.block.offset - start > _MOST_BYTES:
                left = 0
        if left or last is None:
            rest = self._behind(moment, run, Mark(run.identity, run.name, None), left)
            return self._page(moment, found, rest.records, rest.cursor, 1.0)
        spot = last.spot()
        following = Mark(run.identity, run.name, spot).text()
        run.following = following, items
        return self._page(moment, found, (), following, spot.offset / run.shelf.file.size)

    def _run(self, moment: Moment, mark: Mark | None) -> Run:
        """Return the run that a cursor is of; another one takes it up if its file is still there.

        What others wrote in between is not for a run to go on with, nor what the ledger has
        forgotten: a record could be passed over, or travel under another's version.
        """
        shelf = moment.shelf(self._place.file)
        with self._mutex:
            known = self._runs.pop(mark.run, None) if mark is not None else None
            is_there = mark is None or mark.identity == shelf.file.identity
            if not is_there and (known is None or not self._is_ours(moment, known)):
                raise CursorError(
                    f"{shelf.file.shown} is no longer the file that the cursor is of",
                    next_step="begin at the start",
                )
            run = known or Run(moment, self._place)
            self._runs[run.name] = run
            while len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]
            return run

    def _is_ours(self, moment: Moment, run: Run) -> bool:
        """Tell whether nothing but checkpoints of ours came after the file of *run*."""
        file = self._place.file
        is_ours = file in moment.checkpoints and file not in moment.foreign
        return is_ours and _era(moment, self._place) == run.era

    def _items(
        self, moment: Moment, run: Run, cursor: str | None, mark: Mark | None
    ) -> Iterator[Item]:
        following, run.following = run.following, None
        if following is not None and following[0] == cursor:
            return following[1]
        file = run.shelf.file
        if not isinstance(file, OpenFile):
            return iter(())
        return Items(file, self._place, moment.forms)(mark.spot if mark else None)

    def _has_moved(self, moment: Moment, run: Run) -> bool:
        return moment.shelf(self._place.file).file.identity != run.identity

    def _current(
        self, moment: Moment, run: Run, items: Sequence[Item]
    ) -> Iterator[Record | Rejected]:
        """Yield what *items* are at *moment*.

        Where the file has been written anew, changes that the run's version lacks no longer wait in
        the ledger; that a key was touched can be seen from its version.
        """
        if moment.connection is None or not self._has_moved(moment, run):
            yield from overlaid(moment, self._place, items)
            return
        text_of = moment.forms[self._place.name].codec.key_text
        keys = {text_of(i.found.key): i.found.key for i in items if isinstance(i.found, Record)}
        known = versions_of(moment.connection, self._place.name, list(keys))
        touched = {keys[text] for text in known}
        fresh = moment.read(self._place, touched)
        yield from overlaid(moment, self._place, list(_renewed(items, touched, fresh)))

    # behind the file

    def _behind(self, moment: Moment, run: Run, mark: Mark, limit: int) -> Page:
        """Return records that the run's version of the file does not have."""
        if run.tail is None:
            run.tail = self._tail(moment, run, mark.born)
            mark = attrs.evolve(mark, at=0)
        some, end = run.tail[mark.at : mark.at + limit], mark.at + limit
        key_of = moment.forms[self._place.name].codec.key_of_text
        keys = [key_of(text) for text, _ in some]
        stored = moment.read(self._place, keys)
        records = [stored[key].record for key in keys if key in stored]
        if end >= len(run.tail):
            with self._mutex:
                self._runs.pop(run.name, None)
            return self._page(moment, records, (), None, 1.0)
        following = Mark(run.identity, run.name, None, end, some[-1][1])
        return self._page(moment, records, (), following.text(), 1.0)

    def _tail(self, moment: Moment, run: Run, born: int) -> list[tuple[str, int]]:
        """Return keys that came since, or wait: those that have been folded meanwhile, too."""
        place, moved = self._place, self._has_moved(moment, run)
        found: Iterable[tuple[str, int]] = new_keys(moment, place, born)
        if not moved:
            return list(found)
        filed = ((key, 0) for (key,) in moment.shelf(place.file).index.stream("keys", place.name))
        return [*self._unknown(run, filed), *self._unknown(run, iter(found))]

    def _unknown(self, run: Run, found: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        while some := list(islice(found, _KEYS_AT_ONCE)):
            known = run.shelf.index.known(self._place.name, [key for key, _ in some])
            yield from (one for one in some if one[0] not in known)

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


def _renewed(
    items: Iterable[Item], touched: set[Key], fresh: Mapping[Key, Stored]
) -> Iterator[Item]:
    """Yield *items*, those of them that were touched as they are in *fresh*, or not at all."""
    for item in items:
        if isinstance(item.found, Rejected) or item.found.key not in touched:
            yield item
        elif item.found.key in fresh:
            yield item._replace(found=fresh[item.found.key].record)
