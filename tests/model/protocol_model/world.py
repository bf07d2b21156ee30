"""A scenario under a set of mechanisms: what every process knows of its surroundings."""

from __future__ import annotations

from functools import cached_property

import attrs

from protocol_model.mechanisms import PROTOCOL, Mechanisms
from protocol_model.scenario import Op, Scenario


@attrs.frozen(slots=False)
class World:
    """A scenario and the mechanisms at work in it."""

    scenario: Scenario
    mechanisms: Mechanisms = PROTOCOL

    @cached_property
    def scripts(self) -> tuple[tuple[Op, ...], ...]:
        """The operations of each writer."""
        return self.scenario.scripts()

    @cached_property
    def foreign(self) -> tuple[Op, ...]:
        """The writes of the foreign client."""
        return self.scenario.foreign_script()

    @cached_property
    def first_foreign(self) -> int:
        """The number of the first operation that carries no op_id."""
        return sum(len(script) for script in self.scripts)

    @cached_property
    def key_of_op(self) -> tuple[int, ...]:
        """The key of each operation, by its number."""
        ops = [op for script in (*self.scripts, self.foreign) for op in script]
        return tuple(op.key for op in sorted(ops, key=lambda op: op.number))
