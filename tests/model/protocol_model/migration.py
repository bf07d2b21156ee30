"""The migration protocol: writers, relay, backfill, migrator and reader over two stores."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from protocol_model import backfill, changes, cutover, endings, judge, reader, relay, writes
from protocol_model.explorer import Event
from protocol_model.mechanisms import PROTOCOL, Mechanisms
from protocol_model.scenario import LEGACY, Scenario
from protocol_model.state import (
    AUTHORITY,
    DUAL,
    FOLLOWER,
    NOBODY,
    NOTHING,
    OFF,
    Control,
    Record,
    State,
    Store,
    Writer,
)
from protocol_model.world import World

DRIFTED = 0
"""The value of a record that somebody copied once, and that has changed at the source since."""
NO_OPS: frozenset[int] = frozenset()
TARGETS = {
    "empty": NOTHING,
    "copied": Record(None, LEGACY),
    "drifted": Record(None, DRIFTED),
    "stale": Record((3, 7), DRIFTED),
}


@attrs.frozen(slots=False)
class Migration:
    """A model of one scenario; ``mechanisms`` says which of them are at work."""

    world: World

    @classmethod
    def of(cls, scenario: Scenario, mechanisms: Mechanisms = PROTOCOL) -> Migration:
        """Return the model of *scenario*."""
        return cls(World(scenario, mechanisms))

    def initial(self) -> State:
        """Return the two stores before anything happened, or freshly in dual write."""
        scenario = self.world.scenario
        dual = scenario.begins == DUAL
        legacy = LEGACY if scenario.legacy else None
        stores = (
            self._store(Record(None, legacy), AUTHORITY),
            self._store(TARGETS[scenario.target], FOLLOWER if dual else NOBODY),
        )
        return State(
            stores=stores,
            writers=(Writer(0, None, None),) * len(self.world.scripts),
            foreign=0,
            relays=(None,) * scenario.relays,
            backfills=(None,) * scenario.backfills,
            cursor=scenario.keys if dual else 0,
            reads=scenario.reads,
            read=None,
            messages=(),
            home=0,
            recoveries=scenario.recoveries,
            lost_replies=scenario.lost_replies,
            truth=(legacy,) * scenario.keys,
            effects=frozenset(),
            broken=None,
        )

    def _store(self, record: Record, role: str) -> Store:
        scenario = self.world.scenario
        control = Control(1, role, DUAL) if scenario.begins == DUAL else Control(0, role, OFF)
        return Store(control, (record,) * scenario.keys, (None,) * scenario.keys, NO_OPS, NO_OPS)

    def steps(self, state: State) -> Iterator[tuple[Event, State]]:
        """Yield everything that may happen next."""
        yield from writes.steps(self.world, state)
        yield from relay.steps(self.world, state)
        yield from backfill.steps(self.world, state)
        yield from reader.steps(self.world, state)
        for change in self._changes(state):
            yield from changes.taken(self.world, state, change)
        yield from changes.arrivals(self.world, state)

    def _changes(self, state: State) -> Iterator[changes.Change]:
        yield from cutover.entering(self.world, state)
        yield from cutover.leaving(self.world, state)
        yield from cutover.forward(self.world, state)
        yield from cutover.back(self.world, state)
        yield from endings.changes(self.world, state)

    def violation(self, state: State) -> str | None:
        """Return the promise that *state* breaks, or None."""
        return judge.violation(self.world, state)

    def is_end(self, state: State) -> bool:
        """Return whether the goal of the scenario is reached and nothing is under way."""
        return judge.is_end(self.world, state)
