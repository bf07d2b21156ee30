"""Control in the ledger beside files: set against whoever is writing, and what it governs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from fluxstore.adapter import Backlog, Control, Cursor
from fluxstore.entity import Entities, entity, entity_of
from fluxstore.errors import LeaseError, SealedError, StalePhaseError
from fluxstore.ledger import SidecarLedger
from fluxstore.ledger.sidecar import check_answers
from fluxstore.records import Version


@entity("stones")
class Stone:
    id: str


@entity("sticks")
class Stick:
    id: str


ENTITIES = Entities(map(entity_of, (Stone, Stick)))
AUTHORITY = Control(1, "authority", "dual_write", "m1")
SEALED = Control(2, "sealed", "shadow", "m1")
HOLDER = """
import sys
from pathlib import Path
from fluxstore.entity import Entities
from fluxstore.ledger import SidecarLedger

ledger = SidecarLedger(Path(sys.argv[1]), Entities())
with ledger.alone():
    print("inside", flush=True)
    sys.stdin.read()
ledger.close()
"""


def open_ledger(folder, **options):
    return SidecarLedger(folder, ENTITIES, **options)


@pytest.fixture
def ledger(tmp_path):
    made = open_ledger(tmp_path)
    yield made
    made.close()


@pytest.fixture
def holder(ledger, tmp_path):
    """A process that writes, and is stopped in the middle."""
    ledger.set_control("*", None, AUTHORITY)
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert "inside\n" == process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        yield process
        go_on(process)


def go_on(process):
    process.send_signal(signal.SIGCONT)
    process.stdin.close()


def touch(ledger, *keys, control=AUTHORITY, deleted=False, name="stones"):
    ledger.submit(lambda tx: ledger.touch(tx, name, dict.fromkeys(keys, deleted), control))


def test_f13_a_writer_stopped_inside_is_named_in_time_and_nothing_changes(ledger, holder):
    began = time.monotonic()
    with pytest.raises(LeaseError, match=f"process {holder.pid}") as refused:
        ledger.set_control("*", AUTHORITY, SEALED, patience_seconds=0.5)

    assert time.monotonic() - began < 5
    assert f"process {holder.pid}" == refused.value.holder
    assert {"*": AUTHORITY} == ledger.controls()

    go_on(holder)
    assert ledger.set_control("*", AUTHORITY, SEALED, patience_seconds=30)


def test_f13_threads_that_wait_before_it_do_not_take_its_patience(ledger, holder):
    writer = threading.Thread(target=touch, args=(ledger, "a"))
    writer.start()
    while not ledger._writer._led:
        pass
    with pytest.raises(LeaseError, match=f"held for 0.3 s by process {holder.pid}"):
        ledger.set_control("*", AUTHORITY, SEALED, patience_seconds=0.3)

    assert writer.is_alive()
    go_on(holder)
    writer.join(30)
    assert {"a": Version(1, 2)} == ledger.versions("stones", ["a"])


def test_those_behind_it_wait_on_when_it_gives_up(ledger, holder):
    with pytest.raises(LeaseError):
        ledger.set_control("*", AUTHORITY, SEALED, patience_seconds=0.05)
    writers = [threading.Thread(target=touch, args=(ledger, key)) for key in "ab"]
    for writer in writers:
        writer.start()
    go_on(holder)
    for writer in writers:
        writer.join(30)

    assert {"a", "b"} == ledger.versions("stones", ["a", "b"]).keys()


def test_control_is_taken_away_and_listed(ledger):
    assert not ledger.set_control("stones", AUTHORITY, None)
    assert ledger.set_control("*", None, AUTHORITY)
    assert ledger.set_control("stones", None, SEALED)
    assert {"*": AUTHORITY, "stones": SEALED} == ledger.controls()

    assert ledger.set_control("stones", SEALED, None)
    assert {"*": AUTHORITY} == ledger.controls()


def test_a_purge_forgets_what_is_kept_of_all_that_have_no_record_of_their_own(ledger):
    ledger.set_control("*", None, AUTHORITY)
    ledger.set_control("sticks", None, AUTHORITY)
    for name in ("stones", "sticks"):
        touch(ledger, "a", name=name)
        cursor = Cursor("m1", name, "here", "f")
        ledger.submit(lambda tx, one=cursor: ledger.save_cursor(tx, one))

    assert ledger.set_control("*", AUTHORITY, SEALED, purge=True)
    kept = [
        (ledger.versions(name, ["a"]), ledger.marks(name, 9), ledger.cursor("m1", name))
        for name in ("stones", "sticks")
    ]
    assert ({}, [], None) == kept[0]
    assert all(kept[1])


def test_marks_come_oldest_first_and_have_an_age(ledger):
    ledger.set_control("*", None, AUTHORITY)
    assert Backlog(0) == ledger.backlog("stones")
    touch(ledger, "z", "a", "m")
    touch(ledger, "z")

    assert ["a", "m", "z"] == [mark.key for mark in ledger.marks("stones", 9)]
    backlog = ledger.backlog("stones")
    assert 3 == backlog.marks
    assert 0 <= backlog.seconds < 60


def test_in_phase_off_only_what_has_a_version_gets_another(ledger):
    touch(ledger, "a", control=AUTHORITY)
    ledger.clear(ledger.marks("stones", 9))
    touch(ledger, "a", "b", control=Control(7, "authority", "off", ""))

    assert {"a": Version(7, 3)} == ledger.versions("stones", ["a", "b"])
    assert [] == ledger.marks("stones", 9)


def test_a_version_never_falls_back_to_an_older_epoch(ledger):
    touch(ledger, "a", control=Control(5, "authority", "shadow", "m"))
    touch(ledger, "a", control=Control(2, "authority", "shadow", "m"))
    assert {"a": Version(5, 3)} == ledger.versions("stones", ["a"])


def test_operations_are_told_by_key_while_they_may_be_repeated(tmp_path):
    for seconds, expected in ((3600.0, {"a": ["one", "two"], "b": ["one"]}), (-9.0, {})):
        ledger = open_ledger(tmp_path, op_retention_seconds=seconds)
        first, second = {"a": Version(1, 2), "b": None}, {"a": Version(1, 3)}
        ledger.submit(lambda tx, own=ledger, made=first: own.remember(tx, "stones", made, ["one"]))
        ledger.submit(lambda tx, own=ledger, made=second: own.remember(tx, "stones", made, ["two"]))
        assert expected == ledger.operations("stones", ["a", "b", "c"])
        ledger.close()


def test_facts_are_kept_until_they_are_forgotten(ledger, tmp_path):
    assert ledger.fact("certificate") is None
    ledger.set_fact("certificate", None)
    assert not ledger.exists()
    ledger.set_fact("certificate", {"root": [1, "é"]})
    other = open_ledger(tmp_path)
    assert {"root": [1, "é"]} == other.fact("certificate")
    other.set_fact("certificate", None)
    assert ledger.fact("certificate") is None
    other.close()


@pytest.mark.parametrize(
    ("role", "refusal"),
    [
        ("authority", None),
        ("sealed", None),
        ("committing", SealedError),
        ("follower", StalePhaseError),
        ("archived", StalePhaseError),
    ],
)
def test_who_may_answer(role, refusal):
    control = Control(3, role, "shadow", "m1")
    if refusal is None:
        check_answers(control, "stones")
    else:
        with pytest.raises(refusal, match="epoch 3"):
            check_answers(control, "stones")


def test_only_a_follower_of_the_epoch_takes_what_comes_from_an_authority(ledger):
    asked = lambda epoch: ledger.submit(lambda tx: ledger.fence_follower(tx, "stones", epoch))  # noqa: E731
    assert asked(None) is None
    with pytest.raises(StalePhaseError, match="no policy rules"):
        asked(2)
    follower = Control(2, "follower", "live", "m1")
    ledger.set_control("*", None, follower)
    assert follower == asked(None) == asked(2)
    with pytest.raises(StalePhaseError, match="follower in epoch 2"):
        asked(3)
    ledger.set_control("*", follower, SEALED)
    with pytest.raises(StalePhaseError, match="sealed in epoch 2"):
        asked(None)
