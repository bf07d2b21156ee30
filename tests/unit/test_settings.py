"""Secrets that never show, durations that cannot be meant otherwise."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from fluxstore.settings import Secret, duration


def test_a_secret_never_shows():
    secret = Secret("hunter2")

    shown = f"{secret} {secret!r} {secret!s:>8} {[secret]} {{'a': secret}}"
    assert "hunter2" not in shown
    assert "hunter2" == secret.reveal()


def test_secrets_compare_by_text():
    assert Secret("a") == Secret("a") == copy.copy(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert 1 == len({Secret("a"), Secret("a")})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("1.5 s", 1.5),
        ("5m", 300),
        ("5min", 300),
        ("1h", 3600),
        ("2d", 172800),
        ("10us", 0.00001),
        (3, 3),
        (0, 0),
        (0.5, 0.5),
        (timedelta(hours=1), 3600),
    ],
)
def test_durations_are_read(text, seconds):
    assert timedelta(seconds=seconds) == duration(text)


@pytest.mark.parametrize(
    "bad",
    ["", "s", "5", "-5s", "5 weeks", "nan", "infs", "1e3s", "٣s", "5s5s", float("nan"),
     float("inf"), -1, True, None, [], "400d", 10**400],
)  # fmt: skip
def test_anything_else_is_refused(bad):
    with pytest.raises(ValueError, match="a duration"):
        duration(bad)
