"""Stale answers that are allowed of an entity, while a PostgreSQL server is stopped."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from phase_changes import Note, Team, ends, postgres, reference, walk
from two_sided import Application

import fluxstore
from fluxstore import Answer, Plugins
from fluxstore.errors import BackendUnavailableError, FluxstoreError, RecordNotFoundError
from fluxstore.testing.databases import temporary_reachable_folder
from fluxstore_phases import reporting, stale
from fluxstore_phases.phases import Side
from fluxstore_phases.settings import EntitySettings, Settings
from fluxstore_postgres.embedded import EmbeddedServer

BACKFILL, SHADOW, LIVE, COMPLETE = 2, 3, 4, 5
OF_NOTES = "[policy.entities.notes]\nstale_ok = true\n"
NOTE = Note(id="a", text="x", log=["one"])


@pytest.fixture
def server(reachable_folder):
    made = EmbeddedServer(reachable_folder / "postgres")
    yield made
    made.remove()


class Site:
    """An application that follows to or from a PostgreSQL server, which the test stops."""

    def __init__(self, folder, server, number, *, served="two", tables=OF_NOTES):
        dsn = server.start()
        self.stop, self.folder = server.stop, folder
        self.makers = {"one": reference, "two": reference, served: postgres(dsn)}
        self.application = Application(folder, dsn=dsn, tables=tables, **{served: "postgres"})
        with self.sides() as both:
            walk(both.sides(), number)

    def open(self):
        return self.application.open()

    def sides(self):
        return ends(self.folder, **self.makers)


@pytest.fixture
def live(tmp_path, server):
    return Site(tmp_path, server, LIVE)


@pytest.fixture(scope="module")
def away(tmp_path_factory):
    """A store whose authority is stopped; of notes, stale answers are allowed."""
    with temporary_reachable_folder() as folder, EmbeddedServer(folder / "postgres") as server:
        site = Site(tmp_path_factory.mktemp("away"), server, LIVE)
        with site.open() as store:
            filled(store)
            site.stop()
            yield store


def filled(store):
    store[Note].create(NOTE, extras={"colour": "red"})
    store[Note].create(Note(id="b", text="y"))
    store[Team].create(Team(id="t"))
    return store[Note]


def refused(*reads):
    for read in reads:
        with pytest.raises(BackendUnavailableError):
            read()


def test_f32_of_a_stopped_server_nothing_stale_is_read_unless_allowed(away):
    teams = away[Team]
    refused(lambda: teams.get("t"), lambda: teams.get_many("t"), teams.find, teams.count)
    refused(lambda: teams.extras("t"))
    assert Answer(1, stale=True) == teams.count(stale_ok=True)


def test_an_entity_of_the_configuration_is_answered(away):
    notes = away[Note]
    assert NOTE == notes.get("a")
    assert notes.get("c", None) is None
    assert {"b": Note(id="b", text="y")} == notes.get_many("bc")
    assert {"colour": "red"} == notes.extras("a")
    assert 1 == notes.count(text="x")
    with pytest.raises(RecordNotFoundError):
        notes.get("c")


def test_the_same_filters_and_order_hold_and_the_results_are_marked(away):
    found = away[Note].find(text=fluxstore.ge("x"), order_by="-text", limit=1)
    assert (["b"], True) == ([one.id for one in found], found.stale)


def test_who_listens_hears_which_entities_were_stale(away):
    with fluxstore.stale_answers() as page:
        away[Note].get("a")
        with fluxstore.stale_answers() as part, suppress(BackendUnavailableError):
            away[Team].count(stale_ok=True)
            away[Team].count()
    away[Note].get("a")
    assert (["notes", "teams"], ["teams"]) == (page, part)


def test_a_call_that_must_have_the_truth_says_so(away):
    notes = away[Note]
    refused(lambda: notes.get("a", stale_ok=False), lambda: notes.find(stale_ok=False))
    refused(lambda: notes.get_many("a", stale_ok=False), lambda: notes.count(stale_ok=False))


def test_a_write_is_refused_and_goes_nowhere(away):
    refused(lambda: away[Note].update("a", text="z"), lambda: away[Note].delete("a"))
    assert NOTE == away[Note].get("a")


def test_nothing_stale_is_read_inside_a_transaction(live):
    with live.open() as store:
        notes = filled(store)
        with suppress(FluxstoreError), store.transaction():
            live.stop()
            refused(lambda: notes.get("a"), notes.find)
        assert NOTE == notes.get("a")


def test_all_entities_at_once_save_one(tmp_path, server):
    tables = "stale_ok = true\n[policy.entities.notes]\nstale_ok = false\n"
    site = Site(tmp_path, server, LIVE, tables=tables)
    with site.open() as store:
        notes = filled(store)
        site.stop()
        assert "t" == store[Team].get("t").id
        refused(lambda: notes.get("a"))


def test_it_is_counted_and_status_says_what_is_allowed(live):
    with live.open() as store:
        notes = filled(store)
        live.stop()
        for _ in range(3):
            notes.get("a")
    allowed = Settings("one", "two", entities={"notes": EntitySettings(stale_ok=True)})
    with live.sides() as both:
        told = reporting.bind(both.sides(), allowed)()
        assert {"notes": 3} == both.sides().adapter(Side.SOURCE).ledger.fact(stale.FACT)["entities"]
    assert {"notes": 3} == told.data["stale_reads"]["entities"]
    assert ["notes"] == told.data["stale_ok"]
    assert any("3 stale answers given (notes 3)" in line for line in told.lines)
    assert any("unasked of: notes" in line for line in told.lines)


@pytest.mark.parametrize("number", [BACKFILL, SHADOW])
def test_before_the_cutover_only_a_target_that_is_complete_answers(tmp_path, server, number):
    site = Site(tmp_path, server, number, served="one")
    with site.open() as store:
        notes = filled(store)
        site.stop()
        if number == SHADOW:
            assert NOTE == notes.get("a")
        else:
            refused(lambda: notes.get("a"))


def test_in_phase_complete_nothing_stale_is_read(tmp_path, server):
    site = Site(tmp_path, server, COMPLETE)
    with site.open() as store:
        notes = filled(store)
        site.stop()
        refused(lambda: notes.get("a"), notes.find, lambda: notes.get("a", stale_ok=True))


def test_tasks_of_asyncio_hear_of_it_too(live):
    plugins = Plugins.load()
    plugins.add(live.application.heard, name="heard")

    async def main() -> None:
        async with fluxstore.aopen(live.application.configure(), plugins=plugins) as store:
            notes = store[Note]
            await notes.create(NOTE)
            with fluxstore.stale_answers() as given:
                await notes.get("a")
                assert [] == given
                live.stop()
                both = await asyncio.gather(notes.get("a"), notes.get("a"))
            assert ([NOTE, NOTE], ["notes", "notes"]) == (both, given)
            with pytest.raises(BackendUnavailableError):
                await notes.get("a", stale_ok=False)

    asyncio.run(main())


def test_a_phase_of_its_own_and_stale_answers_are_apart():
    settings = Settings(
        "one",
        "two",
        phase="shadow",
        entities={"notes": EntitySettings(stale_ok=True), "teams": EntitySettings(phase=1)},
    )
    assert ["shadow", "dual_write"] == [settings.wanted(one).name for one in ("notes", "teams")]
    assert [True, False] == [settings.takes_stale(one) for one in ("notes", "teams")]
    assert [False, True] == [settings.has_own_phase(one) for one in ("notes", "teams")]
