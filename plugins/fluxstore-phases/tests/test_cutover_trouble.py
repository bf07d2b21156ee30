"""What a cutover does where a step of it fails: undone before C4½, decided by the target after."""

from __future__ import annotations

import threading

import pytest
from phase_changes import ENTITIES, NOTES, ends, phase, prove, roles, texts, walk, write

from fluxstore.adapter import Finding
from fluxstore.errors import BackendUnavailableError, GateError, LeaseError, SealedError
from fluxstore.migration import relay
from fluxstore.migration.progress import StoppedError
from fluxstore.records import Problem, Put, Reason, Rejected
from fluxstore_phases import accepting, recovery
from fluxstore_phases.phases import Side
from fluxstore_phases.standing import ALL
from fluxstore_phases.steps import Walk

SOURCE, TARGET = Side.SOURCE, Side.TARGET


class Troubled:
    """An adapter, or a part of one, some of whose calls a test answers."""

    def __init__(self, real, answers):
        self._real, self._answers = real, answers

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name == "ledger":
            return Troubled(found, self._answers)
        if name == "collection":
            return lambda entity: Troubled(found(entity), self._answers)
        answer = self._answers.get(name)
        return found if answer is None else lambda *given, **named: answer(found, *given, **named)


@pytest.fixture
def answers():
    return {SOURCE: {}, TARGET: {}}


@pytest.fixture
def both(tmp_path, answers):
    with ends(tmp_path, wrap=lambda side, real: Troubled(real, answers[side])) as made:
        sides = made.sides()
        write(sides, SOURCE, "old", "x")
        walk(sides, 3)
        write(sides, SOURCE, "new", "y")
        prove(sides)
        yield made


@pytest.fixture
def sides(both):
    return both.sides()


def to_live(sides, **more):
    return Walk(sides, **more).to(phase(4))


def unavailable(*_given, **_named):
    raise BackendUnavailableError("is away", backend="two")


def taking_over(refuse, *, after=False):
    """Return a ``set_control`` that fails where the side is to take over."""

    def answer(call, entity, expected, control, **named):
        if control.role != "authority":
            return call(entity, expected, control, **named)
        done = call(entity, expected, control, **named) if after else None
        refuse()
        return done

    return answer


def goes_on(sides, side):
    write(sides, side, "later", "z")
    return "later" in texts(sides, side)


def test_a_writer_that_holds_the_fence_is_named_and_nothing_is_changed(sides, tmp_path):
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with ends(tmp_path) as others, others.open("one").transaction():
            inside.set()
            leave.wait(20)

    relay.drain(sides.adapter(SOURCE), sides.adapter(TARGET), list(ENTITIES.values()))
    holder = threading.Thread(target=hold)
    before = sides.standing(ALL)
    holder.start()
    try:
        assert inside.wait(10)
        walker = Walk(sides, patience_seconds=0.3)
        with pytest.raises(LeaseError):
            walker.to(phase(4))
        with pytest.raises(LeaseError):
            walker.hand_over(phase(4))
        assert before == sides.standing(ALL)
    finally:
        leave.set()
        holder.join()

    assert ["shadow"] == [one.before for one in to_live(sides)]


def test_a_follower_that_dies_while_it_is_drained_lets_writes_go_on(sides, both, answers):
    write(sides, SOURCE, "late", "w")
    sealed = sealing(sides, answers)
    answers[TARGET]["apply_if_newer"] = lambda call, *a, **n: (
        unavailable() if sealed.is_set() else call(*a, **n)
    )
    answers[TARGET]["controls"] = lambda call: unavailable() if sealed.is_set() else call()
    with pytest.raises(BackendUnavailableError):
        to_live(sides)
    del answers[TARGET]["apply_if_newer"], answers[TARGET]["controls"]

    assert ("behind", SOURCE) == (sides.standing(ALL).state.name, sides.standing(ALL).holder)
    assert goes_on(sides, SOURCE)
    assert ("behind",) == recovery.recover(sides, ALL)
    assert sides.standing(ALL).state.done


def sealing(sides, answers):
    """Let a write happen in the last moment before the seal; return what tells of the seal."""
    sealed = threading.Event()

    def answer(call, entity, expected, control, **named):
        if control.role == "sealed":
            write(sides, SOURCE, "last", "before the seal")
            done = call(entity, expected, control, **named)
            sealed.set()
            return done
        return call(entity, expected, control, **named)

    answers[SOURCE]["set_control"] = answer
    return sealed


def test_what_was_written_just_before_the_seal_crosses(sides, answers):
    sealing(sides, answers)
    to_live(sides)

    assert "before the seal" == texts(sides, TARGET)["last"]


def test_a_seal_that_takes_too_long_undoes_itself(sides, answers):
    sealing(sides, answers)
    with pytest.raises(GateError, match="writes were let go on") as error:
        to_live(sides, budget_seconds=0.0)

    assert "drain" == error.value.gate
    assert goes_on(sides, SOURCE)
    assert ("settled", 3, 3) == (
        sides.standing(ALL).state.name,
        sides.standing(ALL).phase.number,
        sides.standing(ALL).epoch,
    )


def test_a_stop_while_writes_wait_lets_them_go_on(sides, answers):
    sealed = sealing(sides, answers)
    with pytest.raises(StoppedError):
        to_live(sides, stopped=sealed.is_set)

    assert goes_on(sides, SOURCE)
    assert sides.standing(ALL).state.done


def test_a_record_that_differs_is_found_while_writes_wait_and_they_go_on(sides, answers):
    def differing(call, keys):
        return {key: one for key, one in call(keys).items() if key != "late"}

    def tell(said):
        if said.startswith("C2"):
            write(sides, SOURCE, "late", "x")

    answers[TARGET]["read"] = differing
    with pytest.raises(GateError, match=r"notes: 1 records .* differ, late for one"):
        to_live(sides, tell=tell)

    assert goes_on(sides, SOURCE)
    assert "shadow" == sides.standing(ALL).phase.name


def test_a_take_over_whose_answer_is_lost_has_happened(sides, answers):
    answers[TARGET]["set_control"] = taking_over(unavailable, after=True)
    taken = to_live(sides)

    assert "live" == taken[-1].after
    assert ["follower", "authority"] == roles(sides)


def test_a_take_over_that_was_refused_is_given_back(sides, answers):
    def held():
        raise LeaseError("a lock is in the way", holder="process 1")

    answers[TARGET]["set_control"] = taking_over(held)
    with pytest.raises(LeaseError):
        to_live(sides)

    assert ["authority", "follower"] == roles(sides)
    assert 4 == sides.standing(ALL).epoch
    assert goes_on(sides, SOURCE)


def test_a_target_lost_at_the_commit_point_keeps_writes_waiting_until_it_answers(sides, answers):
    gone = threading.Event()

    def lose():
        gone.set()
        unavailable()

    answers[TARGET]["set_control"] = taking_over(lose)
    answers[TARGET]["controls"] = lambda call: unavailable() if gone.is_set() else call()
    told = []
    with pytest.raises(BackendUnavailableError):
        to_live(sides, tell=told.append)
    with pytest.raises(SealedError):
        write(sides, SOURCE, "waits", "w")
    gone.clear()

    assert "writes wait until two says whether it took over" in told[-1]
    assert ("committing", "giving back") == recovery.recover(sides, ALL)
    assert goes_on(sides, SOURCE)


def test_a_late_take_over_finds_another_epoch(sides, answers):
    late = []

    def postpone(call, entity, expected, control, **named):
        if control.role == "authority":
            late.append(lambda: call(entity, expected, control, **named))
            unavailable()
        return call(entity, expected, control, **named)

    answers[TARGET]["set_control"] = postpone
    with pytest.raises(BackendUnavailableError):
        to_live(sides)
    arrived = late[0]()

    assert not arrived
    assert ["authority", "follower"] == roles(sides)


def test_whoever_takes_over_late_is_followed_and_not_undone(sides, answers):
    """The take-over arrives between recovery's look and its step."""
    late = []

    def postpone(call, entity, expected, control, **named):
        if control.role == "authority":
            late.append(lambda: call(entity, expected, control, **named))
            raise KeyboardInterrupt
        while late:
            late.pop()()
        return call(entity, expected, control, **named)

    answers[TARGET]["set_control"] = postpone
    with pytest.raises(KeyboardInterrupt):
        to_live(sides)

    assert ["follower", "authority"] == roles(sides)
    assert goes_on(sides, TARGET)


def test_what_is_in_quarantine_shuts_the_gate_until_it_is_accepted(sides):
    problem = Problem("notes", Reason.TYPE, "text expected", "bad", "text", "notes.json")
    sides.adapter(TARGET).ledger.set_quarantine("notes", [Rejected(problem, b"{}")])
    with pytest.raises(GateError, match=r"quarantine.*notes bad: text expected"):
        to_live(sides)
    accepting.accept(sides, sides.standing(ALL), NOTES, "bad")

    assert "live" == to_live(sides)[-1].after


def test_what_was_accepted_for_one_reason_is_not_for_another(sides):
    ledger = sides.adapter(TARGET).ledger
    problem = Problem("notes", Reason.TYPE, "text expected", "bad", "text", "notes.json")
    ledger.set_quarantine("notes", [Rejected(problem, b"{}")])
    accepting.accept(sides, sides.standing(ALL), NOTES, "bad")
    worse = Problem("notes", Reason.UNIQUE, "a value of its own expected", "bad", "text", "x")
    ledger.set_quarantine("notes", [Rejected(worse, b"{}")])

    with pytest.raises(GateError, match="quarantine"):
        to_live(sides)


def test_a_target_that_would_lose_data_is_refused(sides, answers):
    finding = Finding("two", "fsync is off", "switch it on", blocks=True, offline=True)
    answers[TARGET]["examine"] = lambda _: [finding]

    with pytest.raises(GateError, match=r"settings.*fsync is off; switch it on"):
        to_live(sides)
    assert 2 == sides.standing(ALL).epoch


def test_the_side_that_answered_before_may_answer_again_though_it_could_lose_data(sides, answers):
    to_live(sides)
    finding = Finding("one", "fsync is off", "switch it on", blocks=True, offline=True)
    answers[SOURCE]["examine"] = lambda _: [finding]

    assert "shadow" == Walk(sides).to(phase(3))[-1].after


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max_age_seconds": -1.0}, r"was validated .* ago"),
        ({}, "epoch 1, and this is epoch 2"),
    ],
)
def test_a_validation_must_be_fresh_and_of_this_epoch(sides, more, words):
    prove(sides, epoch=1 if not more else None)

    with pytest.raises(GateError, match=words) as shut:
        to_live(sides, **more)
    assert "validation" == shut.value.gate


def test_a_side_that_forgets_what_it_is_told_is_noticed(sides, answers):
    answers[SOURCE]["set_fact"] = lambda call, name, value: None if name == "canary" else call()

    with pytest.raises(GateError, match=r"canary.*one does not keep"):
        to_live(sides)


def test_marks_that_nobody_carried_are_caught_up_before_the_seal(sides):
    values = [{"id": f"k{number:04}", "text": "t", "log": []} for number in range(1500)]
    sides.adapter(SOURCE).collection(NOTES).commit([Put(one["id"], one) for one in values])
    taken = to_live(sides)

    assert taken[-1].pause_seconds < 1
    assert 1502 == len(texts(sides, TARGET))
    assert texts(sides, SOURCE) == texts(sides, TARGET)
