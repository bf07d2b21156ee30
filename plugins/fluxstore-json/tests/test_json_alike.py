"""Documents decoded a column at a time are what they are when they are decoded one by one."""

from __future__ import annotations

import random
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest

from fluxstore import entity, field
from fluxstore.entity import Entities, entity_of
from fluxstore.records import Record
from fluxstore_json.alike import is_clean
from fluxstore_json.forms import Form
from fluxstore_json.places import Places
from fluxstore_json.settings import EntitySettings, Settings


@entity("houses")
class House:
    """Holds rooms."""

    id: str


@entity("rooms", key=("house_id", "number"))
class Room:
    """One field of each kind that has a way of its own, and some of the others."""

    house_id: str = field(references="houses", max_length=3)
    number: int
    name: str = field(max_length=6)
    label: str | None = field(default=None, pattern="^[a-z]")
    colour: Literal["red", "blue"] | None = None
    level: Literal[1, 2] = 1
    size: float | None = None
    share: int = field(default=0, minimum=0, maximum=9)
    is_open: bool | None = None
    price: Decimal | None = None
    code: UUID | None = None
    day: date | None = None
    built: datetime | None = None
    tags: list[str] = field(factory=list)
    notes: dict[str, Any] = field(factory=dict)
    anything: Any = None


STAMPS = (
    "2026-01-02T03:04:05.678Z",
    "2026-01-02T03:04:05.678901Z",
    "2026-01-02T03:04:05.678000Z",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05.678+05:30",
    "2026-02-30T03:04:05.678Z",
    "0000-01-02T03:04:05.678Z",
    "2026-01-02T24:00:00.000Z",
    "2026-01-02T03:04:60.000Z",
    "2026-01-02T03:04:05.678Z\n2026-01-02T03:04:05.678Z",
    "2026-01-02T03:04:05.678Z\n",
    "٢٠٢٦-01-02T03:04:05.678Z",
    "",
)
DEEP = [[]]
for _ in range(70):
    DEEP = [DEEP]
ANY = (None, True, 0, -1, 2**70, 2**5000, "", "é", 1.5, 0.0, -0.0, [], [1, "x"], {}, DEEP)
VALUES: dict[str, tuple[Any, ...]] = {
    "number": (1, 2, -5, 2**63 - 1, 2**63, "1", 1.0, True, None),
    "name": ("", "hall", "longer than it may be", 5, None),
    "label": ("kitchen", "Kitchen", None, 1, ["a"]),
    "colour": ("red", "blue", "green", None, [], 1),
    "level": (1, 2, 3, True, 1.0, "1"),
    "size": (1.5, 2, 0.0, -0.0, True, "1.5", None, 1e300),
    "share": (0, 9, 10, -1, 2.0, None),
    "isOpen": (True, False, None, 0, "true"),
    "price": ("1.10", 1.1, 2, "x", None),
    "code": (
        "6a261468-ac44-47cb-a8c3-e7433258195a",
        "6A261468-AC44-47CB-A8C3-E7433258195A",
        "x",
        None,
    ),
    "day": ("2026-01-02", "2026-02-30", None),
    "built": (*STAMPS, None, 5),
    "tags": ([], ["a"], ["a", 1], ["a", None], None, "a", {}),
    "notes": ({}, {"a": 1}, {"a": {"b": [-0.0]}}, {"a": 2**5000}, {"a": DEEP}, [], None),
    "anything": ANY,
    "houseId": ("h1", "h2"),
    "title": ("hall", "attic", 3),
    "undeclared": ANY,
}
USUAL = {
    "number": 1,
    "name": "hall",
    "label": "kitchen",
    "colour": "red",
    "share": 3,
    "isOpen": True,
    "built": STAMPS[0],
    "tags": ["a"],
    "notes": {"a": [1, "x"]},
}


def form_of_rooms(**own: Any) -> Form:
    settings = EntitySettings(within="houses", parent={"house_id": "id"}, **own)
    entities = Entities([entity_of(House), entity_of(Room)])
    places = Places(entities, Settings(path="data", naming="camelCase"), {"rooms": settings})
    return Form(places["rooms"], places)


def documents(seed: int) -> list[Any]:
    """Return documents of few shapes with all kinds of values, some that are none at all."""
    dice = random.Random(seed)
    shapes = [dice.sample(list(VALUES), dice.randint(1, len(VALUES))) for _ in range(4)]
    found: list[Any] = [5, None, "x", []]
    for _ in range(60):
        shape = dice.choice([*shapes, list(USUAL), list(USUAL)])
        made = {name: USUAL.get(name, VALUES[name][0]) for name in shape}
        for name in dice.sample(shape, dice.randint(0, min(2, len(shape)))):
            made[name] = dice.choice(VALUES[name])
        found.append(made)
    return found


@pytest.mark.parametrize("own", [{}, {"aliases": {"name": ["title"]}}, {"extras": "reject"}])
@pytest.mark.parametrize("seed", range(40))
def test_what_is_decided_at_one_look_is_decided_as_by_a_close_one(
    seed: int, own: dict[str, Any]
) -> None:
    form = form_of_rooms(**own)
    given = documents(seed)
    around = [{"house_id": "h" * (1 + at % 4)} for at in range(len(given))]
    quick = form.alike.records(given, around)
    for document, beside, record in zip(given, around, quick, strict=True):
        if record is not None:
            assert repr(record) == repr(form.record(document, beside))


def test_documents_with_nothing_wrong_are_all_decided_at_one_look() -> None:
    given = [{**USUAL, "number": at, "extra": [at]} for at in range(100)]
    quick = form_of_rooms().alike.records(given, [{"house_id": "h1"}] * 100)
    assert [("h1", at) for at in range(100)] == [one.key for one in quick if one is not None]


def test_one_bad_value_does_not_send_the_others_the_slow_way() -> None:
    given = [{**USUAL, "number": at} for at in range(100)]
    for name in USUAL:
        bad = dict(given[50], **{name: VALUES[name][-1] if name != "label" else 5})
        quick = form_of_rooms().alike.records([*given, bad], [{"house_id": "h1"}] * 101)
        assert 100 == sum(isinstance(one, Record) for one in quick[:100])


def test_a_text_with_a_nul_character_is_not_clean_however_it_is_written() -> None:
    assert not is_clean(rb'{"a": "x\u0000"}')
    assert is_clean(msgspec.json.encode({"a": "0000"}))
