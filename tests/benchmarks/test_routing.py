"""What routing adds to a call, in microseconds of CPU; run with ``-n 0 -s`` to see the numbers.

A call is compared with the same one made directly, on records in a dictionary: on a store that
takes longer a difference of a microsecond is not to be seen. Rounds of both are interleaved.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from phase_changes import NOTES, ends

from fluxstore.bound import Binding, Bound
from fluxstore.calls import Write
from fluxstore.query import Found
from fluxstore.records import Key, Record
from fluxstore_phases.phases import Side
from fluxstore_phases.reading import Deciding, governed, sampled
from fluxstore_phases.shadow import Shadow

ROUNDS, CALLS = 25, 2000
GOAL_MICROSECONDS = 2.0
KEYS = ("a",)
RECORD = Record("a", {"id": "a", "text": "", "log": []})


class Dictionary:
    """One entity's records in a dictionary, and nothing else."""

    entity = NOTES

    def __init__(self) -> None:
        self.records = {"a": RECORD}

    @property
    def governed(self) -> Dictionary:
        return self

    def read(self, keys: Sequence[Key]) -> Mapping[Key, Record]:
        return {key: self.records[key] for key in keys if key in self.records}

    def find(self, query: Any) -> Found:
        return Found(tuple(self.records.values()))

    def count(self, query: Any) -> int:
        return len(self.records)


def seconds(call: Callable[[Any], Any]) -> float:
    began = time.thread_time()
    for _ in range(CALLS):
        call(KEYS)
    return time.thread_time() - began


def added_microseconds(plain: Callable[[Any], Any], routed: Callable[[Any], Any]) -> float:
    """Return what *routed* takes more than *plain*, the median of interleaved rounds."""
    pairs = [(seconds(plain), seconds(routed)) for _ in range(ROUNDS)]
    return statistics.median(after - before for before, after in pairs) / CALLS * 1e6


def told(what: str, microseconds: float) -> float:
    print(f"\n{what:<40} {microseconds:6.2f} µs   goal ≤ {GOAL_MICROSECONDS:g} µs")
    return microseconds


def reads(collection: Any) -> Any:
    return governed(collection, Deciding("notes", None, None))


def bound(read: Any) -> Any:
    return Bound(lambda: Binding(read, Write(None, "one"))).read().get


def test_routing_adds_little_to_a_point_read():
    collection = Dictionary()
    added = added_microseconds(collection.read, bound(reads(collection)))
    assert told("routing, a point read", added) <= GOAL_MICROSECONDS


def test_a_shadow_read_adds_little_whatever_the_follower_does(tmp_path):
    collection = Dictionary()
    with ends(tmp_path) as both:
        shadow = Shadow(both.sides().adapter, reports=None)
        shadow.start = lambda: None  # nobody takes anything: the queue fills up and stays full
        read = reads(collection)
        every = sampled(read, shadow, NOTES, side=Side.SOURCE, share=1.0)
        added = added_microseconds(bound(read), bound(every))
    assert told("a shadow read of every read", added) <= GOAL_MICROSECONDS


def test_not_being_in_the_sample_costs_next_to_nothing(tmp_path):
    collection = Dictionary()
    with ends(tmp_path) as both:
        shadow = Shadow(both.sides().adapter, reports=None)
        read = reads(collection)
        none = sampled(read, shadow, NOTES, side=Side.SOURCE, share=1e-12)
        added = added_microseconds(bound(read), bound(none))
    assert told("a read that is not in the sample", added) <= GOAL_MICROSECONDS
