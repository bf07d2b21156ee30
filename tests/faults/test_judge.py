"""The judge finds every violation that is planted, and passes what was right."""

from __future__ import annotations

from random import Random

import attrs
import pytest
from harness.history import Call
from harness.judge import judge

STEP = 100


def call(op, verb, began, ended=None, **told):
    """A call of worker ``op[0]`` on one key; it ends 50 after it began unless said otherwise."""
    chosen = {"outcome": "ok"} | told
    if "entries" in chosen:
        chosen |= {"saw": True}
        chosen["entries"] = chosen["entries"] and tuple(chosen["entries"])
    return Call(op, op[0], verb, "k", began, began + 50 if ended is None else ended, **chosen)


CREATE = call("c", "create", 0, entries=["c"])
A = call("a", "append", 100, entries=["c", "a"])
B = call("b", "append", 200, entries=["c", "a", "b"])
DELETE = call("d", "delete", 300)
READ = call("r", "read", 400, entries=None)

RIGHT = {
    "one after the other": [CREATE, A, B, DELETE, READ],
    "an unknown append that took effect": [
        CREATE,
        call("u", "append", 100, outcome="unknown"),
        call("r", "read", 900, entries=["c", "u"]),
    ],
    "an unknown append that had none": [
        CREATE,
        call("u", "append", 100, outcome="unknown"),
        call("r", "read", 900, entries=["c"]),
    ],
    "an unknown delete that took effect late": [
        CREATE,
        call("u", "delete", 100, outcome="unknown"),
        call("r", "read", 200, entries=["c"]),
        call("s", "read", 900, entries=None),
    ],
    "an unknown create between two lives": [
        CREATE,
        DELETE,
        call("u", "create", 350, outcome="unknown"),
        call("r", "read", 900, entries=["u"]),
    ],
    "two appends at the same time, in any order": [
        CREATE,
        call("a", "append", 100, 400, entries=["c", "b", "a"]),
        call("b", "append", 200, 300, entries=["c", "b"]),
    ],
    "a repeated append that saw a later one": [
        CREATE,
        call("a", "append", 100, 400, entries=["c", "a", "b"], repeated=True),
        call("b", "append", 200, 300, entries=["c", "a", "b"]),
    ],
    "a refused create, a refused append": [
        call("x", "append", 0, outcome="fail", exists=False),
        call("c", "create", 100, entries=["c"]),
        call("y", "create", 200, outcome="fail", exists=True),
    ],
    "a read during a delete": [
        CREATE,
        call("d", "delete", 100, 400),
        call("r", "read", 200, 500, entries=["c"]),
        call("s", "read", 600, entries=None),
    ],
}

WRONG = {
    "an acknowledged append is lost": (
        "lost",
        [CREATE, A, call("b", "append", 200, entries=["c", "b"])],
    ),
    "an acknowledged append is missing at the end": (
        "backwards",
        [CREATE, A, B, call("r", "read", 400, entries=["c", "a"])],
    ),
    "an acknowledged create is lost": ("no order", [CREATE, call("r", "read", 400, entries=None)]),
    "a whole record is lost in a second life": (
        "no order",
        [
            CREATE,
            DELETE,
            call("e", "create", 400, entries=["e"]),
            call("r", "read", 500, entries=None),
        ],
    ),
    "a deleted record comes back": (
        "resurrected",
        [CREATE, A, B, DELETE, call("r", "read", 400, entries=["c", "a", "b"])],
    ),
    "a deleted record comes back in part": (
        "resurrected",
        [CREATE, A, DELETE, call("r", "read", 400, entries=["c", "a"])],
    ),
    "an operation has two effects": (
        "twice",
        [CREATE, A, call("r", "read", 400, entries=["c", "a", "a"])],
    ),
    "a failed operation had an effect": (
        "effect",
        [CREATE, call("x", "append", 100, outcome="fail"), call("r", "read", 400, entries="cx")],
    ),
    "an entry that nobody wrote": ("effect", [CREATE, call("r", "read", 400, entries=["c", "z"])]),
    "an append of before comes after": (
        "order",
        [
            CREATE,
            call("a", "append", 100, outcome="unknown"),
            call("b", "append", 200, entries=["c", "b"]),
            call("e", "append", 300, 320, entries=["c", "b", "e"]),
            call("f", "append", 400, entries=["c", "b", "e", "f"]),
            call("r", "read", 500, entries=["c", "b", "e", "f", "a"]),
            call("g", "append", 90, 95, entries=["c", "b", "e", "f", "a", "g"]),
        ],
    ),
    "a reader goes backwards": (
        "backwards",
        [
            CREATE,
            call("a", "append", 100, 900, entries=["c", "a"]),
            call("r", "read", 200, entries=["c", "a"]),
            call("s", "read", 300, entries=["c"]),
        ],
    ),
    "a reader does not see what was acknowledged before it began": (
        "backwards",
        [CREATE, A, call("r", "read", 200, entries=["c"])],
    ),
    "a reader finds nothing where a create was acknowledged": (
        "no order",
        [CREATE, call("r", "read", 200, entries=None), A],
    ),
    "a create succeeds where the record is": (
        "no order",
        [CREATE, A, call("e", "create", 200, entries=["e"]), call("r", "read", 300, entries="e")],
    ),
    "two creates succeed": ("no order", [CREATE, call("e", "create", 20, entries=["e"])]),
    "a create is refused where nothing is": (
        "no order",
        [
            call("x", "create", 0, outcome="fail", exists=True),
            call("c", "create", 100, entries="c"),
        ],
    ),
    "an append is refused where the record is": (
        "no order",
        [CREATE, call("x", "append", 100, outcome="fail", exists=False)],
    ),
    "a compared delete took another state away": (
        "backwards",
        [CREATE, A, B, call("d", "delete", 300, entries=["c", "a"]), READ],
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name):
    assert [] == judge(RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found(name):
    rule, calls = WRONG[name]

    assert rule in {violation.rule for violation in judge(calls)}


def lived(seed: int, workers: int = 6, steps: int = 300) -> list[Call]:
    """Return the history of workers at one correct record, with calls that overlap."""
    random, state, calls, at = Random(seed), None, [], 0
    busy_until = [0] * workers
    for number in range(steps):
        at += random.randrange(1, 40)
        worker = random.randrange(workers)
        began = max(at - random.randrange(60), busy_until[worker] + 1)
        instant = max(at, began)
        ended = instant + random.randrange(60)
        at, busy_until[worker] = instant, ended
        op, verb = (
            f"{worker}:{number}",
            random.choice(["append"] * 6 + ["read", "create", "delete"]),
        )
        told, state = effect(op, verb, state)
        if random.random() < 0.1 and verb != "read":
            told = {"outcome": "unknown"}
        calls.append(attrs.evolve(call(op, verb, began, ended, **told), worker=str(worker)))
    return [*calls, call("last", "read", at + 1000, entries=state)]


def effect(op, verb, state):
    """Return what a call is told, and what the record is after it."""
    if verb == "read":
        return {"entries": state}, state
    if verb == "create":
        return ({"outcome": "fail", "exists": True}, state) if state else ({"entries": [op]}, [op])
    if state is None:
        return {"outcome": "fail", "exists": False}, None
    if verb == "delete":
        return {}, None
    return {"entries": [*state, op]}, [*state, op]


@pytest.mark.parametrize("seed", range(20))
def test_histories_of_a_correct_record_pass(seed):
    assert [] == judge(lived(seed))


@pytest.mark.parametrize("seed", range(20))
def test_a_correct_history_with_one_answer_changed_does_not_pass(seed):
    calls = lived(seed)
    known = {one.op for one in calls if one.outcome == "ok"}
    sights = [(n, one.entries or ()) for n, one in enumerate(calls) if one.saw]
    seen = [n for n, entries in sights if len(entries) > 2 and entries[-2] in known]
    chosen = Random(seed).choice(seen)
    shorter = (*calls[chosen].entries[:-2], calls[chosen].entries[-1])
    calls[chosen] = attrs.evolve(calls[chosen], entries=shorter)

    assert judge(calls)


def test_a_long_history_is_judged_in_seconds():
    assert [] == judge(lived(1, workers=10, steps=3000))


def without_an_answer(count: int, began: int) -> list[Call]:
    """Return calls that nobody answered, as a disk that has failed leaves them."""
    return [
        call(f"{verb}{n}", verb, began + n, outcome="unknown")
        for n in range(count)
        for verb in ("create", "delete", "append")
    ]


@pytest.mark.parametrize("began", [0, 1000, 100_000])
def test_many_calls_without_an_answer_are_judged_in_seconds(began):
    assert [] == judge([*lived(2), *without_an_answer(100, began)])


def test_calls_without_an_answer_do_not_explain_everything():
    wrong = [
        call("there", "create", 200_000, 200_001, outcome="fail", exists=True),
        call("absent", "append", 200_000, 200_001, outcome="fail", exists=False),
        call("new", "create", 200_002, 200_003, entries=["new"]),
        call("again", "create", 200_004, 200_005, entries=["again"]),
        call("seen", "read", 200_006, 200_007, entries=["new"]),
    ]
    assert judge([*lived(2), *without_an_answer(100, 0), *wrong])
