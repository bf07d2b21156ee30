"""The relay as a service: it follows phase changes, waits troubles out, and ends when told."""

from __future__ import annotations

import threading

import pytest
from governed import EPOCH, Pair, control, govern, pair, parents_first
from moving import Note, Team, everything

from fluxstore.errors import BackendUnavailableError, GateError
from fluxstore.migration.rounds import Relayed, relay_on, relay_once


def once(both: Pair) -> Relayed:
    return relay_once(both.origin, both.follower, parents_first(), stopped=lambda: False)


def same(both: Pair, *classes: type) -> bool:
    return all(everything(both.origin, c) == everything(both.follower, c) for c in classes)


def test_it_drains_what_there_is_and_says_how_it_stands() -> None:
    both = pair()
    both.write(Note(id=1), Note(id=2))
    done = once(both)
    assert (2, 2, 0, 0) == (done.applied, done.cleared, done.left.marks, done.exit_code)
    assert ("source", "target") == (done.authority, done.follower)
    assert same(both, Note)


def test_in_phase_off_there_is_nothing_to_relay() -> None:
    with pytest.raises(GateError, match="phase set dual_write"):
        once(pair(is_governed=False))


def test_each_entity_goes_from_its_own_authority() -> None:
    both = pair()
    govern(both.follower, "follower")
    for end, role in ((both.origin, "follower"), (both.follower, "authority")):
        own = control(role, epoch=EPOCH + 2, phase="live")
        assert end.adapter.ledger.set_control("teams", None, own)
    both.write(Note(id=1))
    turned = Pair(both.follower, both.origin)
    turned.write(Team(id="t"))
    done = once(both)
    assert (2, 0) == (done.applied, done.left.marks)
    assert same(both, Note, Team)


def test_it_follows_a_cutover_and_ends_when_it_is_told() -> None:
    both = pair()
    both.write(Note(id=1))
    done = threading.Event()
    seen: list[str] = []

    def tell(now: Relayed) -> None:
        seen.append(f"{now.authority} {now.problem}".strip())
        if len(seen) == 1:
            govern(both.origin, "sealed", epoch=EPOCH + 1)
        elif len(seen) == 2:
            govern(both.follower, "authority", epoch=EPOCH + 1)
            govern(both.origin, "follower", epoch=EPOCH + 1)
            Pair(both.follower, both.origin).write(Note(id=2))
        elif now.applied == 2:
            done.set()

    told = relay_on(both.origin, both.follower, parents_first(), stopped=done.is_set, tell=tell)
    assert "source" == seen[0]
    assert "cutover is under way" in seen[1]
    assert ("target", 2) == (told.authority, told.applied)
    assert same(both, Note)


def test_a_backend_that_is_away_is_waited_for(monkeypatch) -> None:
    both = pair()
    both.write(Note(id=1))
    done = threading.Event()
    problems: list[str] = []
    ledger = both.follower.adapter.ledger

    def away() -> None:
        raise BackendUnavailableError("is away", backend="target")

    monkeypatch.setattr(ledger, "controls", away)

    def tell(now: Relayed) -> None:
        problems.append(now.problem)
        monkeypatch.undo()
        if not now.problem:
            done.set()

    relay_on(both.origin, both.follower, parents_first(), stopped=done.is_set, tell=tell)
    assert ["target: is away", ""] == problems
    assert same(both, Note)
