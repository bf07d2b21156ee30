"""A stale answer: for who asks for one, marked, counted, and only of a side that follows."""

from __future__ import annotations

import asyncio
import threading

import pytest
from phase_changes import Note, walk
from two_sided import Application, Heard, wait_until

import fluxstore
from fluxstore import Answer, Plugins
from fluxstore.calls import Told
from fluxstore.errors import BackendUnavailableError, LeaseError, RecordNotFoundError
from fluxstore_phases import reporting, stale
from fluxstore_phases.phases import Side
from fluxstore_phases.settings import Settings

SOURCE, TARGET = Side.SOURCE, Side.TARGET
LIVE, COMPLETE = 4, 5


@pytest.fixture
def application(tmp_path, trouble):
    return Application(tmp_path, two="troubled", heard=Heard(trouble))


def served(store):
    notes = store[Note]
    notes.create(Note(id="a", text="x"))
    notes.create(Note(id="b", text="y"))
    return notes


def completed(sides):
    try:
        walk(sides, COMPLETE)
    except LeaseError:  # the application mends what seems half done, and holds the lease for it
        return False
    return True


def said(sides):
    found = reporting.bind(sides, Settings(source="one", target="two"))()
    assert isinstance(found, Told)
    return found


def test_f32_no_answer_is_stale_unless_it_was_asked_for(application, sides, trouble):
    walk(sides, LIVE)
    with application.open() as store:
        notes = served(store)
        trouble.go_away()
        for read in (lambda: notes.get("a"), lambda: notes.find(text="x"), notes.count):
            with pytest.raises(BackendUnavailableError):
                read()
        with pytest.raises(BackendUnavailableError):
            notes.get_many(["a"], stale_ok=False)
        with pytest.raises(BackendUnavailableError):
            notes.extras("a")


def test_a_stale_answer_is_marked_and_meets_the_same_filters(application, sides, trouble):
    walk(sides, LIVE)
    with application.open() as store:
        notes = served(store)
        trouble.go_away()
        assert Answer(Note(id="a", text="x"), stale=True) == notes.get("a", stale_ok=True)
        assert Answer(None, stale=True) == notes.get("c", None, stale_ok=True)
        assert Answer({"b": Note(id="b", text="y")}, True) == notes.get_many("bc", stale_ok=True)
        found = notes.find(text=fluxstore.ge("y"), order_by="-text", stale_ok=True)
        assert (["b"], True) == ([one.id for one in found], found.stale)
        assert Answer(1, stale=True) == notes.count(text="x", stale_ok=True)
        with pytest.raises(RecordNotFoundError):
            notes.get("c", stale_ok=True)


def test_while_the_authority_answers_nothing_is_stale(application, sides):
    walk(sides, LIVE)
    with application.open() as store:
        notes = served(store)
        assert Answer(Note(id="a", text="x"), stale=False) == notes.get("a", stale_ok=True)
        assert not notes.find(stale_ok=True).stale
        assert Answer(2, stale=False) == notes.count(stale_ok=True)
    assert "stale answer" not in " ".join(map(str, said(sides).lines))


def test_stale_answers_are_counted_in_status(application, sides, trouble):
    walk(sides, LIVE)
    with application.open() as store:
        notes = served(store)
        trouble.go_away()
        for _ in range(3):
            notes.get("a", stale_ok=True)
        notes.count(stale_ok=True)
        ledger = sides.adapter(SOURCE).ledger
        wait_until(lambda: (ledger.fact(stale.FACT) or {}).get("count") == 4)
        notes.get("a", stale_ok=True)
    assert {"notes": 5} == said(sides).data["stale_reads"]["entities"]
    assert any("5 stale answers given (notes 5)" in str(line) for line in said(sides).lines)


def test_a_write_is_never_answered_by_the_follower(application, sides, trouble):
    walk(sides, LIVE)
    with application.open() as store:
        notes = served(store)
        control = sides.adapter(TARGET).ledger.control("notes")
        trouble.go_away()
        notes.get("a", stale_ok=True)
        assert "follower" == sides.adapter(SOURCE).ledger.control("notes").role
        assert control == sides.adapter(TARGET).ledger.control("notes")


@pytest.mark.parametrize("number", [LIVE, COMPLETE])
def test_in_phase_complete_there_is_none(application, sides, trouble, number):
    walk(sides, number)
    with application.open() as store:
        notes = served(store)
        wait_until(lambda: completed(sides))
        trouble.go_away()
        with pytest.raises(BackendUnavailableError):
            notes.get("a", stale_ok=True)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_follower_that_is_being_filled_gives_none(tmp_path, trouble, sides, number):
    application = Application(tmp_path, one="troubled", heard=Heard(trouble))
    walk(sides, number)
    with application.open() as store:
        notes = served(store)
        trouble.go_away()
        with pytest.raises(BackendUnavailableError):
            notes.get("a", stale_ok=True)


def test_before_the_cutover_the_target_gives_them(tmp_path, trouble, sides):
    application = Application(tmp_path, one="troubled", heard=Heard(trouble))
    walk(sides, 3)
    with application.open() as store:
        notes = served(store)
        trouble.go_away()
        assert notes.get("a", stale_ok=True).stale


def test_the_verbs_of_asyncio_take_it_too(application, sides, trouble):
    walk(sides, LIVE)
    plugins = Plugins.load()
    plugins.add(application.heard, name="heard")

    async def main() -> None:
        async with fluxstore.aopen(application.configure(), plugins=plugins) as store:
            notes = store[Note]
            await notes.create(Note(id="a", text="x"))
            trouble.go_away()
            with pytest.raises(BackendUnavailableError):
                await notes.get("a")
            assert Answer(Note(id="a", text="x"), True) == await notes.get("a", stale_ok=True)
            assert {"a"} == set((await notes.get_many(["a"], stale_ok=True)).value)
            assert (await notes.find(text="x", stale_ok=True)).stale
            assert Answer(1, True) == await notes.count(stale_ok=True)

    asyncio.run(main())
    assert not [one for one in threading.enumerate() if one.name == "fluxstore-stale-reads"]
