"""Keys: application form, plain form, text; each from each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings

from fluxstore.codec import Codec
from fluxstore.entity import entity_of
from fluxstore.errors import UsageError
from fluxstore.testing import strategies
from fluxstore.testing.entities import Album, ByIdent, ByMoment, ByNumber, Place
from fluxstore.testing.samples import KEYS

CLASSES = (Album, ByIdent, ByMoment, ByNumber, Place)
ALBUMS, NUMBERS, IDENTS, MOMENTS, PLACES = (
    Codec.of(entity_of(cls)) for cls in (Album, ByNumber, ByIdent, ByMoment, Place)
)
IDENT = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
DAY = date(2026, 1, 2)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize("cls", CLASSES)
def test_any_key_comes_back_from_its_text(cls):
    codec = Codec.of(entity_of(cls))

    @settings(deadline=None, max_examples=50)
    @given(strategies.instances(entity_of(cls)))
    def check(instance):
        key = codec.key_of(codec.row(instance))
        assert key == codec.key_of_text(codec.key_text(key))
        assert key == codec.key(codec.application_key(key))

    check()


@pytest.mark.parametrize("key", KEYS)
def test_any_text_is_a_key_and_its_own_text(key):
    assert key == ALBUMS.key(key) == ALBUMS.key_text(key) == ALBUMS.key_of_text(key)


@pytest.mark.parametrize(
    ("codec", "key", "text"),
    [
        (NUMBERS, 5, "5"),
        (NUMBERS, -(2**63), "-9223372036854775808"),
        (IDENTS, IDENT, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        (PLACES, ("a", 'b"]'), '["a","b\\"]"]'),
        (MOMENTS, (DAY, MOMENT, True), '["2026-01-02","2026-01-02T03:04:05.000006Z",true]'),
    ],
)  # fmt: skip
def test_the_text_of_a_key_is_canonical(codec, key, text):
    assert text == codec.key_text(key)
    assert key == codec.key_of_text(text)


def test_different_keys_have_different_texts():
    pairs = [("a", "bc"), ("ab", "c"), ('a","b', "c"), ("a", 'b","c'), ("", "x"), ("x", "")]

    assert len(pairs) == len({PLACES.key_text(pair) for pair in pairs})


@pytest.mark.parametrize(
    ("codec", "bad"),
    [
        (ALBUMS, ""), (ALBUMS, None), (ALBUMS, 5), (ALBUMS, ("a",)), (ALBUMS, "a\0"),
        (ALBUMS, "\ud800"), (ALBUMS, "x" * 1025), (NUMBERS, "5"), (NUMBERS, True), (NUMBERS, 2**63),
        (NUMBERS, 1.0), (IDENTS, str(IDENT)), (PLACES, "a"), (PLACES, ("a",)),
        (PLACES, ("a", "b", "c")), (PLACES, ["a", "b"]), (PLACES, ("a", "")), (PLACES, ("a", None)),
    ],
)  # fmt: skip
def test_what_cannot_be_a_key_is_refused(codec, bad):
    with pytest.raises(UsageError, match="key") as caught:
        codec.key(bad)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (NUMBERS, ""), (NUMBERS, "x"), (NUMBERS, "1.0"), (NUMBERS, "1_0"), (NUMBERS, " 1"),
        (NUMBERS, "٣"), (NUMBERS, "01"), (NUMBERS, "9" * 5000), (NUMBERS, "9223372036854775808"),
        (IDENTS, "{" + str(IDENT) + "}"), (IDENTS, f"urn:uuid:{IDENT}"), (IDENTS, ""),
        (PLACES, "a"), (PLACES, "[]"), (PLACES, '["a"]'), (PLACES, '["a", 5]'),
        (PLACES, '["a","b"'),
        (PLACES, '{"a":"b"}'), (ALBUMS, "a\0"), (MOMENTS, '["2026-01-02","x",true]'),
        (PLACES, "[" * 100_000),
    ],
)  # fmt: skip
def test_a_text_that_is_no_key_is_refused(codec, text):
    with pytest.raises(UsageError, match="is no key of"):
        codec.key_of_text(text)
