"""What ``init`` makes of values: types that every value fits, and nothing cleverer."""

from __future__ import annotations

import pytest

from fluxstore.inference import naming
from fluxstore.inference.fields import plan_field
from fluxstore.inference.observing import Shape


def planned(*values: object, name: str = "field_name"):
    """Return the plan of a field with *values*; ``...`` stands for a record without it."""
    shape = Shape()
    for value in values:
        shape.see({} if value is ... else {name: value})
    return plan_field(name, name, shape.fields[name], count=len(values), in_key=False)


UUID_TEXT = "6f1c1f5e-0000-4000-a000-000000000001"


@pytest.mark.parametrize(
    ("values", "annotation"),
    [
        (["a", "b"], "str"),
        (["", "x"], "str"),
        ([1, 2], "int"),
        ([1, 2.5], "float"),
        ([1.0, 2**60], "Any"),
        ([True, False], "bool"),
        ([1, True], "bool | int"),
        ([1, "a"], "int | str"),
        ([2**70, "a"], "Any"),
        ([{"a": 1}, {}], "dict[str, Any]"),
        ([{"a": 1}, "x"], "Any"),
        ([["a"], []], "list[str]"),
        ([[1], [2]], "list[int]"),
        ([[1], ["a"]], "list[Any]"),
        ([["a", None]], "list[Any]"),
        ([[2**70]], "list[Any]"),
        ([[[1]]], "list[Any]"),
        ([[{"a": 1}]], "list[dict[str, Any]]"),
        ([[]], "list[Any]"),
        ([None], "Any"),
        (["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123+05:30"], "datetime"),
        (["2026-01-02T03:04:05Z", "2026-01-02T03:04:05"], "str"),
        (["2026-01-02T03:04:05"], "str"),
        (["2026-01-02", "2026-12-31"], "date"),
        (["2026-01-02", "2026-02-30"], "str"),
        (["2026-01-02", "2026-01-02T03:04:05Z"], "str"),
        (["0001-01-01T00:00:00+14:00"], "str"),
        ([UUID_TEXT], "UUID"),
        ([UUID_TEXT, UUID_TEXT.upper()], "str"),
        ([UUID_TEXT, "1700000000000"], "str"),
        (["12", "13"], "str"),
        (["todo", "done"], "str"),
    ],
)
def test_a_type_fits_every_value(values, annotation):
    assert annotation == planned(*values).annotation


@pytest.mark.parametrize(
    ("values", "nullable", "default"),
    [
        (["a", "b"], False, ""),
        (["a", None], True, "None"),
        (["a", ...], True, "None"),
        (["a", None, ...], True, "None"),
        ([["a"], ...], False, "list"),
        ([["a"], None], True, "None"),
        ([{"a": 1}, ...], False, "dict"),
        ([None, 1], True, "None"),
    ],
)
def test_what_may_be_missing_has_a_default(values, nullable, default):
    made = planned(*values)

    assert (nullable, default) == (made.nullable, made.default)


def test_integers_beyond_63_bits_are_declared_so():
    assert planned(2**63).bigint
    assert not planned(2**63 - 1).bigint


@pytest.mark.parametrize("name", ["email", "password_hash", "phone", "googleId", "apiKey"])
def test_personal_values_are_masked(name):
    assert planned("x", name=name).pii


@pytest.mark.parametrize(
    ("name", "values", "unique"),
    [
        ("email", ["a@x", "b@x"], True),
        ("email", ["a@x", "a@x"], False),
        ("email", ["a@x"], False),
        ("workEmail", ["a@x", None, "b@x"], True),
        ("title", ["a", "b"], False),
        ("lastLogin", ["2026-01-02T03:04:05Z", "2026-01-03T03:04:05Z"], False),
    ],
)
def test_only_what_is_named_like_an_address_is_unique(name, values, unique):
    assert unique == planned(*values, name=name).unique


def test_a_few_words_of_a_status_are_a_remark_and_no_rule():
    made = planned("todo", "done", name="status")

    assert ("str", "seen: done, todo") == (made.annotation, made.comment)


def test_a_status_that_looks_like_data_is_not_repeated():
    assert "" == planned("Ada Lovelace <ada@example.com>", name="status").comment


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("projectId", "project_id"),
        ("HTMLBody", "html_body"),
        ("userID", "user_id"),
        ("address2", "address2"),
        ("first-name", "first_name"),
        ("class", "class_"),
        ("date", "date_"),
        ("list", "list_"),
        ("_id", "id"),
        ("__proto__", "proto"),
        ("2fa", "n2fa"),
        ("Größe", "große".replace("ß", "")),
        ("名前", ""),
        ("", ""),
    ],
)
def test_a_field_has_a_python_name(name, field):
    assert field == naming.field_name(name)


@pytest.mark.parametrize(
    ("entity", "name"),
    [
        ("tasks", "Task"),
        ("activities", "Activity"),
        ("addresses", "Address"),
        ("people", "Person"),
        ("order_lines", "OrderLine"),
        ("statuses", "Status"),
        ("boxes", "Box"),
        ("news", "News"),
        ("bus", "Bus"),
        ("data", "Data"),
    ],
)
def test_a_class_is_called_as_one_record(entity, name):
    assert name == naming.class_name(entity)
