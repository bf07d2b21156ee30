"""Changes that a follower's rules refuse one by one, made together with those they wait for.

Two records swap a unique value, a child comes before its parent, a parent goes before its child:
each alone breaks a rule, and all of them together do not. A change *needs* another where that one
holds a unique value now that it wants, makes the record that it refers to, or is a record that
still refers to the one it deletes. Whatever a change needs, however indirectly, is made with it
in one transaction; a record that cannot cross holds up only what needs it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TypeAlias

import attrs

from fluxstore.adapter import Adapter, Capability
from fluxstore.entity import Entity
from fluxstore.migration import holders, identity, quarantine
from fluxstore.migration.carrying import REFUSALS, Carried, Waiting, clear
from fluxstore.migration.current import current, readable
from fluxstore.records import Key, Record, Rejected, Versioned

TOGETHER = 500
"""So many at once are tried where nothing is known of what they need: rules of the backend."""
Name: TypeAlias = tuple[str, Key]
"""Entity and key."""
Token: TypeAlias = tuple[str, ...]
Step: TypeAlias = tuple[Entity, list[Versioned]]


def settle(
    origin: Adapter,
    follower: Adapter,
    entities: Sequence[Entity],
    waiting: Sequence[Waiting],
    *,
    epochs: Mapping[str, int],
) -> Carried:
    """Carry what waits of *entities* (parents first) together; what still waits is in the answer.

    The state of each is read again: it may have changed since. ``StalePhaseError`` as ``carry``.
    """
    knot = Knot(origin, follower, entities, epochs)
    more: Sequence[Name] = [(one.entity, one.key) for one in waiting]
    while more:
        knot.take(more)
        for group in knot.groups():
            knot.make(group)
        left = knot.left()
        if 1 < len(left) <= TOGETHER:
            knot.make(left)
        more = knot.touch_holders()
    return knot.carried(waiting)


class Knot:
    """The changes that wait, and what each of them needs."""

    def __init__(
        self,
        origin: Adapter,
        follower: Adapter,
        entities: Sequence[Entity],
        epochs: Mapping[str, int],
    ) -> None:
        """Begin with no change."""
        self._origin, self._follower = origin, follower
        self._entities = {one.name: one for one in entities}
        self._epochs = epochs
        self._changes: dict[Name, Versioned] = {}
        self._there: dict[Name, Record] = {}
        """What the follower has under the same keys now."""
        self._unreadable: list[Rejected] = []
        self._absent: list[Key] = []
        self._made: set[Name] = set()
        self._applied = 0

    def take(self, names: Sequence[Name]) -> None:
        """Read both sides' state of the keys that wait."""
        for entity in self._entities.values():
            keys = [key for name, key in names if name == entity.name]
            if not keys:
                continue
            found = current(self._origin, entity, keys)
            there, _ = readable(self._follower, entity, keys)
            self._unreadable += found.unreadable
            self._absent += found.absent
            self._changes |= {(entity.name, one.key): one for one in found.changes}
            self._there |= {(entity.name, key): record for key, record in there.items()}
            quarantine.put_in(self._follower.ledger, entity, found.unreadable)

    def groups(self) -> Iterator[list[Name]]:
        """Yield each change with everything it needs, the smallest groups first."""
        needs = Needs(self._entities, self._changes, self._there)
        for group in sorted(map(needs.closure, self._changes), key=len):
            if left := [name for name in group if name not in self._made]:
                yield left

    def touch_holders(self) -> list[Name]:
        """Touch what nobody has touched and what keeps a change from its place; return it."""
        found: list[Name] = []
        left = self.left()
        for entity in self._entities.values():
            changes = [self._changes[name] for name in left if name[0] == entity.name]
            touched = holders.touch(self._origin, self._follower, entity, changes)
            found += [(entity.name, key) for key in touched]
        return found

    def left(self) -> list[Name]:
        """Return what waits still."""
        return [name for name in self._changes if name not in self._made]

    def make(self, names: Iterable[Name]) -> None:
        """Make the changes *names* in one transaction, in any order that the follower takes."""
        chosen = set(names)
        puts: list[Step] = []
        deletes: list[Step] = []
        for entity in self._entities.values():
            own = [
                c for name, c in self._changes.items() if name in chosen and name[0] == entity.name
            ]
            puts.append((entity, [one for one in own if one.record is not None]))
            deletes.append((entity, [one for one in own if one.record is None]))
        for plan in (
            [*reversed(deletes), *puts],
            [*puts, *reversed(deletes)],
            [*reversed(puts), *reversed(deletes)],
        ):
            if self._attempt(_joined(plan)):
                return

    def _attempt(self, plan: Sequence[Step]) -> bool:
        """Tell whether the follower took the whole plan."""
        if len(plan) > 1 and Capability.TRANSACTIONS not in self._follower.capabilities:
            return False
        unit = self._follower.transaction() if len(plan) > 1 else nullcontext()
        applied = 0
        try:
            with unit:
                for entity, changes in plan:
                    collection = self._follower.collection(entity)
                    epoch = self._epochs[entity.name]
                    applied += sum(collection.apply_if_newer(changes, epoch=epoch))
        except REFUSALS:
            return False  # the next plan, or a larger group; what waits in the end is reported
        self._applied += applied
        self._made |= {(entity.name, one.key) for entity, changes in plan for one in changes}
        return True

    def carried(self, waiting: Sequence[Waiting]) -> Carried:
        """Clear the marks of what was made, and return what came of it all."""
        cleared = 0
        for entity in self._entities.values():
            changes = [self._changes[name] for name in self._made if name[0] == entity.name]
            cleared += clear(self._origin, entity, changes, {}, epoch=self._epochs[entity.name])
        left = set(self.left())
        return Carried(
            applied=self._applied,
            newer=len(self._made) - self._applied,
            cleared=cleared,
            absent=tuple(self._absent),
            waiting=tuple(one for one in waiting if (one.entity, one.key) in left),
            quarantined=tuple(self._unreadable),
        )


def _joined(plan: Iterable[Step]) -> list[Step]:
    """Return the steps that do anything; neighbours of one entity are one step."""
    made: list[Step] = []
    for entity, changes in plan:
        if not changes:
            continue
        if made and made[-1][0].name == entity.name:
            made[-1] = (entity, [*made[-1][1], *changes])
        else:
            made.append((entity, changes))
    return made


class Needs:
    """Which changes need which others, told by tokens: what one wants is what another gives."""

    def __init__(
        self,
        entities: Mapping[str, Entity],
        changes: Mapping[Name, Versioned],
        there: Mapping[Name, Record],
    ) -> None:
        """Work out what each change wants and gives."""
        self._tokens = {name: Tokens(one, entities) for name, one in entities.items()}
        givers: dict[Token, set[Name]] = defaultdict(set)
        for name, change in changes.items():
            for token in self._tokens[name[0]].given(change, there.get(name)):
                givers[token].add(name)
        self._wants = {
            name: set().union(*(givers[token] for token in self._tokens[name[0]].wanted(change)))
            for name, change in changes.items()
        }

    def closure(self, name: Name) -> list[Name]:
        """Return *name* with everything it needs, however indirectly."""
        found, open_ = {name}, [name]
        while open_:
            new = self._wants[open_.pop()] - found
            found |= new
            open_ += new
        return list(found)


@attrs.frozen
class Tokens:
    """What changes of one entity want and give, as comparable tokens."""

    entity: Entity
    entities: Mapping[str, Entity]

    def wanted(self, change: Versioned) -> Iterator[Token]:
        """Yield what must be so before the change can be made."""
        if change.record is None:
            yield "unreferred", *self._named(self.entity, change.key)
            return
        yield from self._unique(change.record)
        yield from (("there", *parent) for parent in self._parents(change.record))

    def given(self, change: Versioned, there: Record | None) -> Iterator[Token]:
        """Yield what the change makes so, if it replaces *there*."""
        if change.record is not None:
            yield "there", *self._named(self.entity, change.key)
        if there is not None:
            yield from self._unique(there)
            yield from (("unreferred", *parent) for parent in self._parents(there))

    def _unique(self, record: Record) -> Iterator[Token]:
        for at, group in enumerate(self.entity.unique):
            found = identity.unique_digest(self.entity, group)(record.values)
            if found is not None:
                yield "unique", self.entity.name, str(at), found.hex()

    def _parents(self, record: Record) -> Iterator[tuple[str, str]]:
        for field in self.entity.references:
            name = str(field.rules.references)
            parent = self.entities.get(name)
            if parent is not None:
                found = identity.reference_digest(self.entity, field, parent)(record.values)
                if found is not None:
                    yield name, found.hex()

    def _named(self, entity: Entity, key: Key) -> tuple[str, str]:
        return entity.name, identity.key_digest(entity)(key).hex()
