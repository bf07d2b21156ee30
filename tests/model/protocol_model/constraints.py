"""Constraints on a follower: records that can only cross together.

The authority's transactions keep its constraints; legs, marks and batches carry single records, in
any order, and meet the follower's constraints halfway: two records that swap a unique value, a
child before its parent. A mark that meets one is applied together with the records in its way, read
anew, in one transaction that is checked at its end. A batch does the same, and only what the
source itself would refuse is quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import attrs

from protocol_model.explorer import Event

Values = tuple[str | None, ...]
Way = Callable[[Values, int], frozenset[int]]


def same_value(values: Values, key: int) -> frozenset[int]:
    """Return the keys that hold the unique value of *key*."""
    mine = values[key]
    others = (other for other, value in enumerate(values) if other != key and value == mine)
    return frozenset(others if mine is not None else ())


def child_and_parent(values: Values, key: int) -> frozenset[int]:
    """Return the parent (key 1) that a child (key 0) lacks, or the child that a parent leaves."""
    orphan = values[0] is not None and values[1] is None
    return frozenset({1 - key}) if orphan else frozenset()


class Row(NamedTuple):
    """A record and its version; (0, None) is no row, 1 untouched."""

    version: int
    value: str | None


class Carried(NamedTuple):
    """What a leg, a relay or a backfill holds: some keys and their rows as they were read."""

    keys: tuple[int, ...]
    rows: tuple[Row, ...]
    applied: bool


class Constrained(NamedTuple):
    """Both sides, the marks, and who carries what."""

    done: int
    authority: tuple[Row, ...]
    follower: tuple[Row, ...]
    marks: tuple[int, ...]
    legs: tuple[Carried, ...]
    relay: Carried | None
    batch: Carried | None
    cursor: int
    quarantined: frozenset[int]


Step = tuple[Event, Constrained]
Steps = Iterator[Step]


@attrs.frozen
class Constraints:
    """Transactions at an authority, and a follower with a constraint of its own.

    *transactions* are tuples of (key, value), ``None`` for a delete; *begins* what both sides hold,
    *follower* what the follower holds where that is older.
    """

    transactions: tuple[tuple[tuple[int, str | None], ...], ...]
    begins: Values
    follower: Values | None = None
    in_the_way: Way = same_value
    backfills: bool = False
    together: bool = True
    """A mark that meets a constraint is applied together with those in its way."""
    one_snapshot: bool = True
    """What is applied together was read in one transaction."""
    checked_at_end: bool = True
    """The constraint is deferred: checked when the transaction ends, not at each record."""
    leg_leaves_mark: bool = True
    """A leg that meets a constraint leaves its mark."""
    follower_never_cascades: bool = True
    """A child in the way of its parent's delete is taken along, not deleted by the follower."""
    batch_takes_along: bool = True
    """A batch that meets a constraint merges the records in the way with it, read anew."""

    def initial(self) -> Constrained:
        """Return both sides with what they hold at first; nothing is marked."""
        rows = tuple(Row(int(value is not None), value) for value in self.begins)
        older = self.follower if self.follower is not None else self.begins
        there = tuple(Row(int(value is not None), value) for value in older)
        cursor = 0 if self.backfills else len(rows)
        marks = (0,) * len(rows)
        return Constrained(0, rows, there, marks, (), None, None, cursor, frozenset())

    def steps(self, state: Constrained) -> Steps:
        """Yield every step of the application, its legs, the relay and the backfill."""
        if state.done < len(self.transactions):
            yield self._commit(state)
        for leg in state.legs:
            yield from self._leg(state, leg)
        yield from self._relay(state)
        if state.cursor < len(self.begins):
            yield from self._backfill(state)

    def violation(self, state: Constrained) -> str | None:
        """Return I8 where a record is in quarantine that nothing is wrong with, I3 at rest."""
        if any(self._is_fine(state, key) for key in state.quarantined):
            return "I8"
        if not self._at_rest(state):
            return None
        apart = any(mine != its for mine, its in zip(state.authority, state.follower, strict=True))
        return "I3" if apart and not state.quarantined else None

    def is_end(self, state: Constrained) -> bool:
        """Return whether every transaction has crossed."""
        return state.done == len(self.transactions) and self._at_rest(state)

    def _at_rest(self, state: Constrained) -> bool:
        busy = any(state.marks) or state.legs or state.relay or state.batch
        return not busy and state.cursor == len(self.begins)

    def _is_fine(self, state: Constrained, key: int) -> bool:
        return not self.in_the_way(tuple(row.value for row in state.authority), key)

    def _commit(self, state: Constrained) -> Step:
        rows, marks = list(state.authority), list(state.marks)
        changes = self.transactions[state.done]
        for key, value in changes:
            rows[key] = Row(rows[key].version + 1, value)
            marks[key] = rows[key].version
        keys = tuple(key for key, _ in changes)
        leg = Carried(keys, tuple(rows[key] for key in keys), applied=False)
        after = state._replace(
            done=state.done + 1,
            authority=tuple(rows),
            marks=tuple(marks),
            legs=(*state.legs, leg),
        )
        return Event("writer", "commits", detail=changes), after

    def _leg(self, state: Constrained, leg: Carried) -> Steps:
        rest = state._replace(legs=tuple(other for other in state.legs if other is not leg))
        yield Event("leg", "gives up", detail=leg.keys), rest
        if leg.applied:
            yield Event("leg", "clears", detail=leg.keys), _cleared(rest, leg)
            return
        follower = self._applied(state.follower, leg)
        if follower is not None:
            moved = rest._replace(follower=follower, legs=(*rest.legs, leg._replace(applied=True)))
            yield Event("leg", "applies", detail=leg.keys), moved
        elif not self.leg_leaves_mark:
            yield Event("leg", "meets a constraint", detail=leg.keys), _cleared(rest, leg)

    def _applied(
        self, rows: tuple[Row, ...], carried: Carried, *, repairs: bool = False
    ) -> tuple[Row, ...] | None:
        """Return the follower's rows after one transaction, or None where it is refused."""
        after = list(rows)
        for key, row in sorted(zip(carried.keys, carried.rows, strict=True), key=_deletes_first):
            untouched = repairs and row.version == 1 and after[key].version <= 1
            if row.version > after[key].version or untouched:
                after[key] = row
                self._cascade(after, key)
            if not self.checked_at_end and self._way(after, key):
                return None
        refused = any(self._way(after, key) for key in carried.keys)
        return None if refused else tuple(after)

    def _cascade(self, rows: list[Row], key: int) -> None:
        """Delete what refers to a deleted record, as the database would: what an ablation does."""
        if rows[key].value is None and not self.follower_never_cascades:
            for child in self._way(rows, key):
                rows[child] = rows[child]._replace(value=None)

    def _way(self, rows: list[Row], key: int) -> frozenset[int]:
        return self.in_the_way(tuple(row.value for row in rows), key)

    def _reread(self, state: Constrained, carried: Carried) -> Carried:
        """Return what was carried and what stands in its way, read anew."""
        after = list(state.follower)
        for key, row in zip(carried.keys, carried.rows, strict=True):
            after[key] = row
        way = frozenset(other for key in carried.keys for other in self._way(after, key))
        keys = tuple(sorted({*carried.keys, *way}))
        old = {} if self.one_snapshot else dict(zip(carried.keys, carried.rows, strict=True))
        rows = tuple(old.get(key, state.authority[key]) for key in keys)
        return Carried(keys, rows, applied=False)

    def _relay(self, state: Constrained) -> Steps:
        carried, idle = state.relay, state._replace(relay=None)
        if carried is None:
            for key in (key for key, mark in enumerate(state.marks) if mark):
                read = Carried((key,), (state.authority[key],), applied=False)
                yield Event("relay", "reads", key=key), state._replace(relay=read)
            return
        yield Event("relay", "dies"), idle
        if carried.applied:
            yield Event("relay", "clears", detail=carried.keys), _cleared(idle, carried)
        else:
            yield self._drain(state, idle, carried)

    def _drain(self, state: Constrained, idle: Constrained, carried: Carried) -> Step:
        follower = self._applied(state.follower, carried)
        if follower is not None:
            applied = state._replace(follower=follower, relay=carried._replace(applied=True))
            return Event("relay", "applies", detail=carried.keys), applied
        reread = self._reread(state, carried)
        if self.together and reread != carried:
            return Event("relay", "takes along", detail=reread.keys), state._replace(relay=reread)
        return Event("relay", "leaves it", detail=carried.keys), idle

    def _backfill(self, state: Constrained) -> Steps:
        batch, idle = state.batch, state._replace(batch=None)
        if batch is None:
            read = Carried((state.cursor,), (state.authority[state.cursor],), applied=False)
            yield Event("backfill", "reads", key=state.cursor), state._replace(batch=read)
            return
        yield Event("backfill", "dies"), idle
        passed = idle._replace(cursor=state.cursor + 1)
        follower = self._applied(state.follower, batch, repairs=True)
        reread = self._reread(state, batch)
        if follower is not None:
            yield Event("backfill", "merges", detail=batch.keys), passed._replace(follower=follower)
        elif self.batch_takes_along and reread != batch:
            yield Event("backfill", "takes along", detail=reread.keys), state._replace(batch=reread)
        else:
            refused = passed._replace(quarantined=state.quarantined | {state.cursor})
            yield Event("backfill", "quarantines", key=state.cursor), refused


def _deletes_first(item: tuple[int, Row]) -> tuple[bool, int]:
    return item[1].value is not None, item[0]


def _cleared(state: Constrained, carried: Carried) -> Constrained:
    """Return *state* without the marks of what was carried, where they still are the same."""
    marks = list(state.marks)
    for key, row in zip(carried.keys, carried.rows, strict=True):
        if marks[key] == row.version:
            marks[key] = 0
    return state._replace(marks=tuple(marks))
