"""A real run, from phase off to live and back under writers, is a path of the model."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from conducted import ENTITIES, Item
from protocol_model.explorer import Event
from protocol_model.migration import Migration
from protocol_model.scenario import TO_LIVE_AND_BACK, Scenario
from protocol_model.traces import accepts
from recorded import BOTH, CARRIERS, RecordedAdapter, Recorder

import fluxstore
from fluxstore import Plugins
from fluxstore.errors import ConflictError, RecordExistsError, RecordNotFoundError
from fluxstore.hookspecs import hookimpl
from fluxstore.migration.backfill import backfill
from fluxstore.migration.confirm import validate_live
from fluxstore.migration.live import live_of
from fluxstore.migration.plan import End
from fluxstore_phases.phases import Side, phase_of
from fluxstore_phases.sides import Sides
from fluxstore_phases.steps import Walk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # many paths, where threads mingle
KEYS = 2
SCRIPTS = ("a0 d1 a0 a1 d0", "a1 a1 d0 a0 a1", "d1 a0 a1 d1 a1")
SCENARIO = Scenario(
    "a recorded run",
    TO_LIVE_AND_BACK,
    writers=SCRIPTS,
    keys=KEYS,
    batch=KEYS,
    relays=KEYS * CARRIERS,
)
CONFIGURATION = """
entities = ["items"]
[backends.source]
adapter = "recorded"
[backends.target]
adapter = "recorded"
[policy]
adapter = "phases"
source = "source"
target = "target"
"""
ITEMS = """
from conducted import Item
"""


class Run:
    """An application with writers, and somebody who changes the phase."""

    def __init__(self, folder, seed: int) -> None:
        self._chance = random.Random(seed)
        self.recorder = RecordedAdapter.recorder = Recorder(KEYS)
        (folder / "items.py").write_text(ITEMS)
        (folder / "fluxstore.toml").write_text(CONFIGURATION)
        plugins = Plugins.load()
        plugins.add(Offers(), name="recorded")
        self.store = fluxstore.open(folder / "fluxstore.toml", plugins=plugins)
        self.sides = Sides(
            {Side.SOURCE: "source", Side.TARGET: "target"}, ENTITIES, self.store._backends.adapter
        )
        self.problems: list[Exception] = []
        self._turns = threading.Semaphore(0)

    def begin(self) -> None:
        """Have in the source what the model begins with."""
        for number in range(KEYS):
            BOTH[0]._watched._honest.commit(
                [fluxstore.records.Put(f"k{number}", {"id": f"k{number}", "bits": 1})]
            )

    def play(self) -> None:
        """Walk to live and back while the writers work through their scripts."""
        threads = [
            threading.Thread(target=self._write, args=(who, ops), name=f"writer {who}")
            for who, ops in enumerate(SCENARIO.scripts())
        ]
        for thread in threads:
            thread.start()
        for name in ("dual_write", "backfill", None, "shadow", None, "live", "shadow"):
            self._let_some_write()
            self._step(name)
        for _ in range(100):
            self._turns.release()
        for thread in threads:
            thread.join(60)
        assert not self.problems

    def _let_some_write(self) -> None:
        for _ in range(self._chance.randint(1, 4)):
            self._turns.release()

    def _step(self, name: str | None) -> None:
        if name is not None:
            Walk(self.sides).to(phase_of(name))
            return
        ends = [End(one, self.sides.opener(one)) for one in ("source", "target")]
        live = live_of(*ends, ENTITIES.values())
        assert live is not None
        if "backfill" == live.phase:
            self.recorder.is_filling = True
            backfill(live, ENTITIES)
        else:
            validate_live(live, ENTITIES)

    def _write(self, who: int, ops: Any) -> None:
        try:
            for op in ops:
                self._turns.acquire(timeout=30)
                self._do(op)
        except Exception as error:  # noqa: BLE001 - the test's thread judges
            self.problems.append(error)

    def _do(self, op: Any) -> None:
        items, key = self.store[Item], f"k{op.key}"
        while True:
            try:
                if op.kind == "delete":
                    items.delete(key)
                elif (there := items.get(key, None)) is None:
                    items.create(Item(id=key, bits=op.bit))
                else:
                    items.update(key, bits=there.bits | op.bit, expect=there)
            except (ConflictError, RecordExistsError):
                continue
            except RecordNotFoundError:
                if op.kind != "delete":
                    continue
            return


class Offers:
    @hookimpl
    def fluxstore_register_adapters(self, register):
        register("recorded", RecordedAdapter)


def recorded(folder, seed: int) -> list[Event]:
    """Return the events of a run that ended where it should."""
    run = Run(folder, seed)
    try:
        run.begin()
        run.play()
        roles = [side.ledger.control("items").role for side in (BOTH[0], BOTH[1])]
    finally:
        run.store.close()
    assert ["authority", "follower"] == roles
    return run.recorder.events


@pytest.mark.parametrize("seed", range(4))
def test_a_recorded_run_is_a_path_of_the_model(tmp_path, seed: int):
    events = recorded(tmp_path, seed)
    verdict = accepts(Migration.of(SCENARIO), events)

    assert verdict.accepted, f"{verdict}\n" + "\n".join(map(str, events[: verdict.matched + 2]))
    assert verdict.broken is None
    told = {(event.actor, event.verb, event.side) for event in events}
    assert {("message", "arrives", "target"), ("message", "arrives", "source")} <= told
    assert sum(map(len, map(str.split, SCRIPTS))) == sum(map(_is_write, events))


def _is_write(event: Event) -> bool:
    return event.verb in ("adds", "deletes", "finds nothing")


def test_a_run_in_which_a_write_bypassed_the_fence_is_none(tmp_path):
    events = recorded(tmp_path, 0)
    taken_over = next(
        number
        for number, event in enumerate(events)
        if ("message", "target") == (event.actor, event.side)
    )
    bypassing = Event(None, "adds", "source")

    assert accepts(Migration.of(SCENARIO), events[: taken_over + 1]).accepted
    assert not accepts(Migration.of(SCENARIO), [*events[: taken_over + 1], bypassing]).accepted
