"""Validation: both ways, every field, every difference by name, and never a guess."""

from __future__ import annotations

import json
import random

import attrs
import pytest
from moving import (
    ENTITIES,
    Member,
    Note,
    Team,
    User,
    by_entity,
    fill,
    options,
    pile,
    record,
    reference,
)
from pile import rejected

from fluxstore.adapter import Batch
from fluxstore.codec import Codec
from fluxstore.migration.migrate import migrate
from fluxstore.migration.progress import StoppedError
from fluxstore.migration.verify import validate

FAMILY = (
    Team(id="t", name="Team", slug="s", lead_id="u"),
    User(id="u", name="Una", team_id="t", email="u@x"),
    User(id="v", name="Vic", boss_id="u"),
    Member(team_id="t", user_id="v"),
    Member(team_id="t", user_id="u", role="owner"),
)


def migrated(*items: object):
    source, target = pile(*items), reference()
    migrate(source, target, ENTITIES)
    return source, target


def put(end, instance: object, **residue) -> None:
    made = record(instance, **residue)
    end.collection(ENTITIES[entity_name(instance)]).merge(Batch([made]))


def entity_name(instance: object) -> str:
    return {Team: "teams", User: "users", Member: "members", Note: "notes"}[type(instance)]


def delete(end, cls: type, *keys) -> None:
    name = {Team: "teams", User: "users", Member: "members", Note: "notes"}[cls]
    end.collection(ENTITIES[name]).merge(Batch((), deletes=keys))


def kinds(report) -> set[tuple[str, str, str]]:
    return {(one.entity, one.key, one.kind.value) for one in report.differences}


def test_equal_backends_are_equal():
    report = validate(*migrated(*FAMILY, Note(id=1)), ENTITIES)

    assert (0, 0, 1.0) == (report.exit_code, report.difference_count, report.accuracy)
    for one in report.entities:
        assert one.source_records == one.target_records == one.equal == one.union
        assert one.source_root == one.target_root


def test_regression_27_records_only_in_the_target_are_found():
    source, target = migrated(*FAMILY)
    fill(target, User(id="extra"))
    report = validate(source, target, ENTITIES)

    assert (5, {("users", "extra", "orphan")}) == (report.exit_code, kinds(report))


def test_a_record_missing_in_the_target_is_found():
    source, target = migrated(*FAMILY)
    delete(target, User, "v")
    report = validate(source, target, ENTITIES)

    assert {("users", "v", "missing"), ("members", '["t","v"]', "missing")} == kinds(report)
    assert 2 / 3 > by_entity(report)["users"].accuracy >= 1 / 2


@pytest.mark.parametrize(
    ("changed", "field", "source", "target"),
    [
        (User(id="v", name="Viktor", boss_id="u"), "name", '"Vic"', '"Viktor"'),
        (User(id="v", name="Vic"), "boss_id", '"u"', "null"),
        (User(id="v", name="Vic", boss_id="u", email="x"), "email", "null or missing", "(hidden)"),
        (User(id="v", name="Vic", boss_id="u", team_id="t"), "team_id", "null", '"t"'),
    ],
)
def test_regression_28_every_field_is_compared(changed, field, source, target):
    one, other = migrated(*FAMILY)
    put(other, changed)
    (difference,) = validate(one, other, ENTITIES).differences

    assert ("users", "v", "diverged") == (difference.entity, difference.key, difference.kind)
    (found,) = difference.fields
    assert (field, source, target) == (found.field, found.source, found.target)


def test_regression_29_a_differing_record_is_not_counted_as_equal():
    source, target = migrated(*FAMILY)
    put(target, User(id="v", name="other", boss_id="u"))
    one = by_entity(validate(source, target, ENTITIES))["users"]

    assert (2, 1, 1) == (one.union, one.equal, one.diverged)
    assert one.source_root != one.target_root


def test_regression_30_a_missing_or_broken_file_is_never_zero_differences():
    source, target = migrated(*FAMILY, Note(id=1))
    source.adapter.of(Note).broken = "no such file"
    report = validate(source, target, ENTITIES)

    assert 4 == report.exit_code
    assert "no such file; mend it" == by_entity(report)["notes"].refused.expected
    assert 0.0 == by_entity(report)["notes"].accuracy


def test_regression_31_child_counts_are_totals():
    members = [Member(team_id=t, user_id=u) for t in "abc" for u in "xyz"]
    teams, users = [Team(id=t) for t in "abc"], [User(id=u) for u in "xyz"]
    source, target = migrated(*teams, *users, *members)
    delete(target, Member, ("a", "x"), ("c", "z"))
    one = by_entity(validate(source, target, ENTITIES))["members"]

    assert (9, 7, 7, 2) == (one.source_records, one.target_records, one.equal, one.missing)


def test_extras_null_and_missing_are_told_apart():
    whole = record(Note(id=1, text=""), extras={"colour": "red", "size": None})
    source, target = migrated((Note, whole))
    put(target, Note(id=1, text=""), extras={"colour": "blue"})
    (difference,) = validate(source, target, ENTITIES).differences

    assert [("colour", '"red"', '"blue"'), ("size", "null", "(missing)")] == [
        (one.field, one.source, one.target) for one in difference.fields
    ]


def test_a_missing_field_is_not_its_default():
    bare = attrs.evolve(record(Note(id=1)), values={"id": 1})
    source, target = migrated((Note, bare))
    assert 0 == validate(source, target, ENTITIES).exit_code

    put(target, Note(id=1, text=""))
    (difference,) = validate(source, target, ENTITIES).differences
    assert ("text", "(missing)", '""') == attrs.astuple(difference.fields[0])


def test_a_lost_spelling_is_a_difference_and_a_void_one_is_none():
    from datetime import UTC, datetime

    from fluxstore.entity import Entities, entity, entity_of

    @entity("stamps")
    class Stamp:
        id: str
        at: datetime

    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    entities = Entities([entity_of(Stamp)])
    spelled = record(Stamp(id="a", at=noon), spelling={"at": "2026-01-02T17:30:00+05:30"})
    void = record(Stamp(id="b", at=noon), spelling={"at": "2020-01-01T00:00:00.000Z"})
    source = pile((Stamp, spelled), (Stamp, void), entities=entities)
    target = reference(entities=entities)
    fill(target, Stamp(id="a", at=noon), Stamp(id="b", at=noon))
    report = validate(source, target, entities)

    assert {("stamps", "a", "diverged")} == kinds(report)
    usual = Codec.of(entities["stamps"]).encoders["at"](noon)
    assert ("at", '"2026-01-02T17:30:00+05:30"', f'"{usual}"') == attrs.astuple(
        report.differences[0].fields[0]
    )
    (one,) = report.entities
    assert one.source_root == one.target_root
    assert 1 == one.equal


def test_the_scale_of_a_decimal_counts():
    from decimal import Decimal

    from fluxstore.entity import Entities, entity, entity_of

    @entity("prices")
    class Price:
        id: str
        amount: Decimal
        others: list[Decimal] | None = None

    entities = Entities([entity_of(Price)])
    target = reference(entities=entities)
    fill(target, Price(id="a", amount=Decimal("1.10")), Price(id="b", amount=Decimal("1.1")))
    fill(target, Price(id="c", amount=Decimal(1), others=[Decimal("2.0")]))
    source = pile(
        Price(id="a", amount=Decimal("1.10")),
        Price(id="b", amount=Decimal("1.10")),
        Price(id="c", amount=Decimal(1), others=[Decimal("2.00")]),
        entities=entities,
    )
    report = validate(source, target, entities)

    assert [("b", "amount", '"1.10"', '"1.1"'), ("c", "others", '["2.00"]', '["2.0"]')] == [
        (one.key, *attrs.astuple(one.fields[0])) for one in report.differences
    ]


def test_what_is_in_quarantine_is_listed_and_not_counted_equal():
    source, target = migrated(Note(id=1), Note(id=2), Note(id=2), rejected(Note, "3"), User(id="u"))
    fill(target, Note(id=3, text="an older one, from when it was good"))
    report = validate(source, target, ENTITIES)
    one = by_entity(report)["notes"]

    assert (4, 0, 0) == (report.exit_code, one.differences, report.difference_count)
    assert (3, 1, 2) == (one.union, one.equal, one.quarantined)
    assert {"2", "3"} == {problem.key for problem in report.quarantined}


def test_what_cannot_be_decoded_and_is_not_in_quarantine_is_a_difference():
    source, target = migrated(Note(id=1), Note(id=2))
    source.adapter.of(Note).items[1] = rejected(Note, "2")
    report = validate(source, target, ENTITIES)

    assert {("notes", "2", "undecodable")} == kinds(report)
    assert "name: text expected" == report.differences[0].detail
    assert 5 == report.exit_code


def test_two_records_of_one_key_are_a_difference_once():
    source, target = migrated(Note(id=1), Note(id=2))
    source.adapter.of(Note).items.append(record(Note(id=2)))
    report = validate(source, target, ENTITIES)

    assert {("notes", "2", "undecodable")} == kinds(report)
    assert (1, 1, 2) == (report.difference_count, *counts(report))


def counts(report) -> tuple[int, int]:
    one = by_entity(report)["notes"]
    return one.equal, one.union


def test_what_settles_while_it_is_compared_is_no_difference():
    source, target = migrated(Note(id=1), Note(id=2))
    put(target, Note(id=2, text="in flight"))
    notes = source.adapter.of(Note)
    scans = []

    def arrive() -> None:
        scans.append(1)
        if len(scans) == 2:
            put(target, Note(id=2))

    notes.before_page = arrive
    report = validate(source, target, ENTITIES)
    assert (0, 2) == (report.exit_code, by_entity(report)["notes"].equal)
    assert ("notes: 1 records became equal while they were compared",) == report.notices


def test_what_changes_while_it_is_compared_is_noticed():
    source, target = migrated(Note(id=1), Note(id=2))
    put(target, Note(id=2, text="other"))
    notes = source.adapter.of(Note)
    scans = []

    def vanish() -> None:
        scans.append(1)
        if len(scans) == 2:
            notes.items = notes.items[:1]

    notes.before_page = vanish
    report = validate(source, target, ENTITIES)
    assert ("notes: records changed while they were compared; validate again",) == report.notices


def test_differences_of_every_kind_are_all_found(tmp_path):
    random.seed(7)
    items = [Note(id=n, text=f"{n}") for n in range(2000)]
    source, target = migrated(*items)
    chosen = random.sample(range(2000), 150)
    missing, changed = chosen[:70], chosen[70:]
    delete(target, Note, *missing)
    fill(target, *(Note(id=n, text="drift") for n in changed))
    fill(target, *(Note(id=n) for n in range(3000, 3040)))
    listed = tmp_path / "differences.jsonl"
    heard = []
    chosen_options = options(
        differences_file=listed, diverged=lambda entity, key, fields: heard.append((key, fields))
    )
    report = validate(source, target, ENTITIES, chosen_options)

    one = by_entity(report)["notes"]
    assert (70, 40, 80) == (one.missing, one.orphan, one.diverged)
    assert one.equal / one.union == report.accuracy == 1850 / 2040
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    assert {str(n) for n in changed} == {o["key"] for o in lines if o["kind"] == "diverged"}
    assert 190 == len(heard)
    assert {("text",)} == {fields for key, fields in heard if int(key) in changed}


def test_a_lens_is_looked_through_on_both_sides():
    source, target = migrated(Note(id=1, text="Loud"))
    put(target, Note(id=1, text="LOUD"))

    def lower(one):
        return attrs.evolve(one, values={**one.values, "text": one.values["text"].lower()})

    assert 5 == validate(source, target, ENTITIES).exit_code
    assert 0 == validate(source, target, ENTITIES, options(lenses={"notes": lower})).exit_code


def test_a_sample_is_the_same_keys_on_both_sides():
    source, target = migrated(*(Note(id=n) for n in range(1000)))
    report = validate(source, target, ENTITIES, options(sample=0.2))
    one = by_entity(report)["notes"]

    assert (0, 0.2) == (report.exit_code, report.sample)
    assert one.source_records == one.target_records == one.equal
    assert 120 < one.equal < 280


def test_a_validation_can_be_stopped_and_writes_nothing():
    source, target = migrated(*(Note(id=n) for n in range(100)))
    before = target.adapter.memory.current()
    with pytest.raises(StoppedError):
        validate(source, target, ENTITIES, options(stopped=lambda: True))

    assert before is target.adapter.memory.current()


def test_roots_do_not_depend_on_order():
    items = [*FAMILY, *(Note(id=n) for n in range(300))]
    one = validate(*migrated(*items), ENTITIES)
    other = validate(*migrated(*reversed(items)), ENTITIES)

    assert [e.source_root for e in one.entities] == [e.source_root for e in other.entities]


def test_the_root_is_what_the_documentation_says():
    import hashlib

    import xxhash

    codec = Codec.of(ENTITIES["notes"])
    notes = [record(Note(id=n)) for n in range(20)]
    pairs = sorted(
        xxhash.xxh3_128_digest(str(one.key).encode())
        + hashlib.sha256(codec.record_bytes(one)).digest()
        for one in notes
    )
    report = validate(*migrated(*(Note(id=n) for n in range(20))), ENTITIES)

    assert hashlib.sha256(b"".join(pairs)).hexdigest() == by_entity(report)["notes"].source_root


def test_a_difference_reads_as_one_line():
    source, target = migrated(*FAMILY)
    put(target, User(id="v", name="Viktor", boss_id="u"))
    fill(target, User(id="w\n"))
    lines = sorted(str(one) for one in validate(source, target, ENTITIES).differences)

    assert 'users.json users v: name: "Vic" is "Viktor" in the target' == lines[0]
    assert "users.json users w\\n: orphan" == lines[1]


def test_the_report_is_json():
    source, target = migrated(*FAMILY)
    fill(target, User(id="extra"))
    told = json.loads(json.dumps(validate(source, target, ENTITIES).to_json()))

    assert (5, 1) == (told["exit_code"], told["difference_count"])
    assert "orphan" == told["differences"][0]["kind"]
    assert {"accuracy", "source_root", "union"} <= set(told["entities"][0])
