"""Errors: one line, escaped, picklable; facts as attributes, an exit code each."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from fluxstore import errors
from fluxstore.errors import (
    AdapterNotFoundError,
    BackendError,
    CheckError,
    ConfigError,
    ConstraintError,
    FluxstoreError,
    PluginError,
    RecordNotFoundError,
    UnreadableRecordError,
    printable,
    shortened,
)

CLASSES = sorted(
    (one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)),
    key=lambda one: one.__name__,
)
NASTY = "line\nline\r\x00 \x1b[31mred \u202egnp \u2028 \u200b \ud800 \x85"


@pytest.mark.parametrize("cls", CLASSES)
def test_an_error_keeps_all_its_facts_in_a_pickle(cls):
    facts = {name: f"{name}!" for name in cls("x").facts()}

    again = pickle.loads(pickle.dumps(cls(**facts)))

    assert type(again) is cls
    assert facts == again.facts()
    assert str(cls(**facts)) == str(again)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_message_is_one_printable_line(cls):
    facts = dict.fromkeys(cls("x").facts(), NASTY)

    text = str(cls(**facts))

    assert text.isprintable()
    assert text.encode()


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_a_documented_exit_code(cls):
    assert cls.exit_code in range(1, 9)
    assert issubclass(cls, FluxstoreError)


def test_a_message_says_subject_problem_and_next_step():
    error = RecordNotFoundError(
        "no such record", backend="json", entity="tasks", key="t1", next_step="list them"
    )

    assert "json tasks t1: no such record; list them" == str(error)
    assert "RecordNotFoundError('json tasks t1: no such record; list them')" == repr(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FluxstoreError("went wrong"), "went wrong"),
        (ConfigError("a number expected", file="f.toml", key="pool.max"), "f.toml: pool.max: a"),
        (PluginError("broken", plugin="x", distribution="fluxstore-x"), "plugin x of fluxstore-x:"),
        (PluginError("broken", plugin="x"), "plugin x: broken"),
        (BackendError("gone", backend="pg"), "pg: gone"),
        (BackendError("gone", key=("a", 1)), "('a', 1): gone"),
        (UnreadableRecordError("cut off", file="a.json", entity="tasks", field="due"), "a.json ta"),
        (CheckError("name: text expected", entity="tasks", key="t1"), "tasks t1: name: text"),
    ],
)
def test_a_message_names_what_it_is_about(error, expected):
    assert str(error).startswith(expected)


def test_a_long_key_is_cut():
    error = BackendError("x", key="k" * 500)

    assert len(str(error)) < 100


def test_facts_are_attributes():
    error = ConstraintError("taken", rule="unique", fields=("email",), entity="users", key="u1")

    assert ("unique", ("email",), "users", "u1") == (
        error.rule,
        error.fields,
        error.entity,
        error.key,
    )
    assert ("json", "sqlite") == AdapterNotFoundError("x", installed=("json", "sqlite")).installed


def test_errors_are_told_apart_by_identity_and_can_be_copied():
    error = BackendError("x")

    assert error != BackendError("x")
    assert {error: 1}[error] == 1
    assert str(error) == str(copy.copy(error))


def test_a_cause_is_kept_when_an_error_is_translated():
    def write() -> None:
        try:
            raise OSError("disk")
        except OSError as error:
            raise BackendError("no space") from error

    with pytest.raises(BackendError) as caught:
        write()

    assert "disk" == str(caught.value.__cause__)


def test_the_tree_in_the_docstring_names_every_class():
    tree = errors.__doc__ or ""

    assert [] == [cls.__name__ for cls in CLASSES if cls.__name__ not in tree]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain é 😀", "plain é 😀"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
    ],
)
def test_control_and_direction_characters_are_escaped(text, expected):
    assert expected == printable(text)


def test_a_shortened_value_is_printable_and_short():
    assert "abc" == shortened("abc")
    assert 40 == len(shortened("x" * 50))
    assert shortened("x" * 50).endswith("…")
    assert "['a\\nb']" == shortened(["a\nb"])


def test_a_long_path_is_named_whole():
    file = "/".join(["folder"] * 30) + "/users.json"

    assert f"{file} users k name: bad" == str(
        errors.UnreadableRecordError("bad", file=file, entity="users", key="k", field="name")
    )
