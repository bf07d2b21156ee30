"""Versions, residue, problems: the values that travel."""

from __future__ import annotations

import pytest

from fluxstore.records import NO_RESIDUE, UNTOUCHED, Problem, Reason, Residue, Version


def test_versions_are_ordered_by_epoch_then_sequence():
    ordered = [UNTOUCHED, Version(0, 2), Version(0, 10), Version(1, 1), Version(2, 0)]

    assert ordered == sorted([*ordered[2:], *ordered[:2]])


def test_a_tombstone_is_as_new_as_its_version_says():
    assert not Version(1, 2, deleted=True) > Version(1, 2)
    assert Version(1, 3) > Version(1, 2, deleted=True)


def test_nothing_to_keep_is_no_residue():
    assert not Residue()
    assert Residue() == NO_RESIDUE
    assert None is Residue().to_json()
    assert NO_RESIDUE is Residue.from_json(None)
    assert NO_RESIDUE is Residue.from_json({})


@pytest.mark.parametrize(
    "residue",
    [
        Residue(extras={"a": None}),
        Residue(spelling={"due": "x"}),
        Residue(alias={"name": "title"}),
        Residue(absent=("tasks",)),
        Residue({"a": [1]}, {"b": 2}, {"c": "d"}, ("e", "f")),
    ],
)
def test_residue_comes_back_from_its_json(residue):
    assert residue
    assert residue == Residue.from_json(residue.to_json())


def test_missing_fields_travel_with_the_residue_of_a_typed_column():
    assert {"missing": ["a", "b"]} == NO_RESIDUE.to_json(("b", "a"))
    assert {"missing": ["a"], "extras": {"x": 1}} == Residue({"x": 1}).to_json(("a",))
    assert NO_RESIDUE == Residue.from_json({"missing": ["a"]})


def test_a_problem_says_file_record_field_and_what_was_expected():
    problem = Problem("tasks", Reason.TYPE, "text expected", "t1", "tags[3]", "tasks.json")

    assert "tasks.json tasks t1 tags[3]: text expected (type)" == str(problem)


def test_a_problem_is_one_printable_line():
    problem = Problem("tasks", Reason.FILE, "x\ny", "k\x1b[0m" * 50, "f\u202e", "a\nb.json")

    assert str(problem).isprintable()
    assert len(str(problem)) < 200
