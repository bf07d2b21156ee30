"""What stays behind: found before anything moves, the same set in ``assess`` and ``migrate``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from killed_migration import target_at
from moving import (
    ENTITIES,
    Member,
    Note,
    Team,
    User,
    by_entity,
    fill,
    keys,
    options,
    pile,
    quarantined,
    reasons,
    record,
    reference,
)
from pile import rejected

from fluxstore.errors import QuarantineError
from fluxstore.migration.assess import assess
from fluxstore.migration.migrate import migrate
from fluxstore.records import Reason


def found(*items: object, target=None, **chosen) -> set[tuple[str, str, str]]:
    """Return (entity, key, reason) of what ``assess`` finds; ``migrate`` must find the same."""
    target = target or reference()
    source = pile(*items)
    report = assess(source, target, ENTITIES, options(**chosen))
    migrated = migrate(source, target, ENTITIES, options(**chosen))
    assert reasons(report) == reasons(migrated)
    assert reasons(report) == quarantined(target)
    assert report.exit_code == (4 if report.problem_count else 0)
    for one in migrated.entities:
        assert one.read == one.written + one.unchanged + one.quarantined
        assert by_entity(report)[one.entity].quarantined == one.quarantined
    return {(entity, key, reason) for _, entity, key, reason in reasons(report)}


def test_a_clean_source_leaves_nothing_behind():
    items = (Team(id="t"), User(id="u", team_id="t"), Member(team_id="t", user_id="u"), Note(id=1))

    assert set() == found(*items)


def test_what_cannot_be_decoded_stays_behind_with_its_bytes():
    target = reference()

    assert {("users", "u1", "type")} == found(
        User(id="u2"), rejected(User, "u1", raw=b'{"id": "u1", "name": 5}'), target=target
    )
    (kept,) = target.adapter.ledger.quarantine("users")
    assert b'{"id": "u1", "name": 5}' == kept.raw


def test_of_two_records_with_one_key_neither_crosses_though_only_one_can_be_decoded():
    assert {("users", "u1", "type"), ("users", "u1", "duplicate_key")} == found(
        User(id="u1"), rejected(User, "u1"), User(id="u2")
    )


def test_all_records_of_one_key_stay_behind():
    assert {("notes", "1", "duplicate_key")} == found(
        Note(id=1, text="a"), Note(id=2), Note(id=1, text="b"), Note(id=1, text="a")
    )


def test_duplicates_are_counted_one_by_one():
    report = assess(pile(Note(id=1), Note(id=2), Note(id=1)), reference(), ENTITIES)

    assert 2 == by_entity(report)["notes"].quarantined
    assert 2 == report.problem_count
    assert 1 == by_entity(report)["notes"].would_cross


def test_all_records_that_share_unique_values_stay_behind():
    assert {("users", "a", "unique"), ("users", "b", "unique")} == found(
        User(id="a", email="x"), User(id="b", email="x"), User(id="c", email="y"), User(id="d")
    )


def test_nulls_never_collide():
    assert set() == found(User(id="a"), User(id="b", email=None), User(id="c", email=""))


def test_a_reference_to_nothing_stays_behind():
    assert {("users", "u", "reference")} == found(User(id="u", team_id="t"))


def test_what_refers_to_what_stays_behind_stays_behind_too():
    assert {
        ("teams", "t", "type"),
        ("users", "u", "reference"),
        ("users", "v", "reference"),
        ("members", '["x","v"]', "reference"),
    } == found(
        rejected(Team, "t"),
        Team(id="x"),
        User(id="u", team_id="t"),
        User(id="v", boss_id="u"),
        Member(team_id="x", user_id="v"),
        User(id="w"),
    )


def test_a_message_says_whether_the_record_referred_to_is_missing_or_stays_behind():
    report = assess(
        pile(rejected(Team, "t"), User(id="u", team_id="t"), User(id="v", team_id="none")),
        reference(),
        ENTITIES,
    )

    words = {one.key: one.expected for one in report.problems}
    assert "a record t of teams expected, it stays behind itself" == words["u"]
    assert "a record none of teams expected, none found" == words["v"]


def test_circles_of_good_records_cross():
    target = reference()
    items = (
        Team(id="t", lead_id="u"),
        User(id="u", team_id="t", boss_id="v"),
        User(id="v", boss_id="u"),
        User(id="own", boss_id="own"),
    )
    report = assess(pile(*items), target, ENTITIES)

    assert 0 == report.problem_count


def test_a_circle_with_one_bad_record_stays_behind_whole():
    assert {
        ("users", "a", "reference"),
        ("users", "b", "reference"),
        ("users", "c", "reference"),
    } == found(
        User(id="a", boss_id="b", team_id="none"),
        User(id="b", boss_id="c"),
        User(id="c", boss_id="a"),
        User(id="d"),
    )


def test_a_long_chain_stays_behind_to_its_end():
    chain = [User(id=f"{n:04}", boss_id=f"{n - 1:04}") for n in range(1, 300)]

    assert 299 == len(found(*chain, User(id="free")))


def test_a_record_that_is_too_large_stays_behind():
    large = Note(id=1)
    made = record(large, extras={"long": "x" * (1024 * 1024 + 1)})
    report = assess(pile((Note, made), Note(id=2)), reference(), ENTITIES)

    assert {("notes.json", "notes", "1", "size")} == reasons(report)


def test_a_file_that_is_refused_is_one_problem_and_the_others_proceed():
    source, target = pile(Note(id=1), Note(id=2), Team(id="t")), reference()
    source.adapter.of(Note).broken = "cut in line 7, column 3"
    report = migrate(source, target, ENTITIES)

    assert {("notes.json", "notes", "", "file")} == reasons(report)
    assert (set(), {"t"}) == (keys(target, Note), keys(target, Team))
    assert 4 == report.exit_code
    refused = by_entity(report)["notes"].refused
    assert "cut in line 7, column 3; mend it" == refused.expected


def test_what_refers_into_a_refused_file_crosses_where_the_target_has_it():
    source, target = pile(Team(id="t"), User(id="a", team_id="t"), User(id="b")), reference()
    fill(target, Team(id="t"))
    source.adapter.of(Team).broken = "no JSON"
    report = migrate(source, target, ENTITIES)

    assert {"a", "b"} == keys(target, User)
    assert {("teams.json", "teams", "", "file")} == reasons(report)


def test_a_chosen_entity_is_checked_against_what_the_target_has_of_the_others():
    source, target = pile(Team(id="t"), User(id="a", team_id="t"), User(id="b")), reference()
    report = migrate(source, target, ENTITIES, options(entities=("users",)))
    assert {("users.json", "users", "a", "reference")} == reasons(report)
    assert "none found in the target" in report.problems[0].expected

    migrate(source, target, ENTITIES, options(entities=("teams",)))
    assert 0 == migrate(source, target, ENTITIES, options(entities=("users",))).exit_code
    assert {"a", "b"} == keys(target, User)


def test_values_that_only_the_target_has_elsewhere_keep_a_record_back():
    target = reference()
    fill(target, User(id="old", email="x"))

    assert {("users", "new", "unique")} == found(User(id="new", email="x"), target=target)


def test_unique_values_may_have_been_swapped_since_the_last_run():
    target = reference()
    fill(target, User(id="a", email="x"), User(id="b", email="y"), User(id="c", email="z"))

    assert set() == found(
        User(id="a", email="y"), User(id="b", email="z"), User(id="c", email="x"), target=target
    )


def test_a_value_held_by_a_record_that_stays_behind_keeps_the_next_one_back():
    target = reference()
    fill(target, User(id="a", email="x"))

    assert {
        ("users", "a", "reference"),
        ("users", "b", "unique"),
        ("users", "c", "reference"),
    } == found(
        User(id="a", email="y", team_id="none"),
        User(id="b", email="x"),
        User(id="c", boss_id="b"),
        target=target,
    )


def test_fail_fast_stops_before_anything_is_written():
    target = reference()
    source = pile(Note(id=1), Note(id=2), rejected(User, "u"))
    with pytest.raises(QuarantineError, match=r"users\.json users u name: text expected"):
        migrate(source, target, ENTITIES, options(fail_fast=True))

    assert set() == keys(target, Note)


def test_assess_writes_nothing():
    target = reference()
    before = target.adapter.memory.current()
    assess(pile(Note(id=1), rejected(User, "u")), target, ENTITIES)

    assert before is target.adapter.memory.current()


def test_a_report_says_how_much_and_how_long():
    report = assess(pile(*(Note(id=n) for n in range(50))), reference(), ENTITIES)

    assert 50 == by_entity(report)["notes"].read
    assert report.estimated_seconds >= report.seconds
    assert report.to_json()["entities"][3]["would_cross"] == 50
    assert 0 == report.to_json()["exit_code"]


KEYS = st.sampled_from("abcdef")
MAYBE = st.none() | KEYS
TEAMS = st.builds(Team, id=KEYS, slug=st.none() | st.sampled_from("xyz"), lead_id=MAYBE)
USERS = st.builds(
    User, id=KEYS, email=st.none() | st.sampled_from("xyzvw"), team_id=MAYBE, boss_id=MAYBE
)
MEMBERS = st.builds(Member, team_id=KEYS, user_id=KEYS)
BAD = st.builds(
    rejected,
    st.sampled_from([Team, User]),
    KEYS,
    st.sampled_from(sorted(set(Reason) - {Reason.FILE})),
)


@settings(max_examples=80, deadline=None)
@given(
    items=st.lists(TEAMS | USERS | MEMBERS | BAD, max_size=14),
    there=st.lists(st.builds(User, id=KEYS, email=st.sampled_from("xyzvw")), max_size=3),
)
def test_assess_and_migrate_name_the_same_records_whatever_the_data(items, there):
    target = reference()
    for one in there:
        target.collection(ENTITIES["users"]).merge(batch(one))
    names = found(*items, target=target)

    again = migrate(pile(*items), target, ENTITIES)
    assert names == {(entity, key, reason) for _, entity, key, reason in reasons(again)}
    assert all(one.written == 0 for one in again.entities)


def batch(one: object):
    from fluxstore.adapter import Batch

    return Batch([record(one)])


@settings(max_examples=15, deadline=None)
@given(items=st.lists(TEAMS | USERS | MEMBERS | BAD, max_size=10))
def test_a_database_refuses_what_assess_said_and_nothing_else(items):
    from fluxstore.migration.verify import validate

    with tempfile.TemporaryDirectory() as folder:
        target = target_at("sqlite", Path(folder) / "target.db")
        try:
            found(*items, target=target)
            assert 0 == validate(pile(*items), target, ENTITIES).difference_count
        finally:
            target.adapter.close()
