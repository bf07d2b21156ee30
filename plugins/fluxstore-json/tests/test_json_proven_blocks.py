"""What one walk through a file has proven, later walks believe: no longer than the file stays."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fluxstore import entity, field
from fluxstore.entity import Entities, entity_of
from fluxstore.records import Reason, Record, Rejected
from fluxstore_json.forms import Form
from fluxstore_json.items import Items
from fluxstore_json.opened import OpenFile
from fluxstore_json.partial import partial_decoder
from fluxstore_json.places import Places
from fluxstore_json.settings import EntitySettings, Settings


@entity("shops")
class Shop:
    """Holds prices."""

    id: str


@entity("prices")
class Price:
    """Has a number whose digits count."""

    id: str
    shop_id: str = field(references="shops")
    amount: Decimal | None = None


TEXT = b'[{"id": "s1", "no": {"a": 1, "b": 2}, "prices": [{"id": "p1", "x": 1, "amount": 1.10}]}]'


def read(path: Path) -> Any:
    """Return the function that reads all records of a kind, always in the file as it was opened."""
    entities = Entities([entity_of(Shop), entity_of(Price)])
    own = {"prices": EntitySettings(within="shops", parent={"shop_id": "id"})}
    places = Places(entities, Settings(path="data"), own)
    forms = {name: Form(places[name], places) for name in places}
    file = OpenFile(os.open(path, os.O_RDONLY), path.name)
    return lambda name: [item.found for item in Items(file, places[name], forms)()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "shops.json"
    made.write_bytes(TEXT)
    return made


def test_records_inside_are_the_same_at_the_first_look_and_at_the_next(path: Path) -> None:
    records = read(path)
    first, again = records("prices"), records("prices")
    assert first == again
    assert [("p1", "s1", Decimal("1.10"))] == [
        (one.values["id"], one.values["shop_id"], one.values["amount"]) for one in again
    ]
    assert "1.10" == str(again[0].values["amount"])


def test_a_name_that_comes_twice_since_the_proof_is_found(path: Path) -> None:
    records = read(path)
    assert [Record] == [type(one) for one in records("prices")]
    with path.open("r+b") as file:
        file.write(TEXT.replace(b'"x": 1', b'"id":2'))
    os.utime(path, (1, 1))
    (found,) = records("prices")
    assert isinstance(found, Rejected)
    assert Reason.DUPLICATE_NAME is found.problem.reason


@pytest.mark.parametrize(
    "text",
    [b'[{"id": 1, "no": {"id": 2}, "of": [3]}, {"of": null}, {}]', b'[5, {"id": 1}]', b"[]"],
)
def test_a_partial_parser_leaves_out_only_what_is_not_asked_for(text: bytes) -> None:
    whole = msgspec.json.decode(text)
    wanted = {"id", "of"}
    kept = [{n: v for n, v in one.items() if n in wanted} for one in whole if isinstance(one, dict)]
    found = partial_decoder(["id", "of", "id"], msgspec.json.decode, None)(text)
    assert (kept if len(kept) == len(whole) else whole) == found


def test_names_that_no_struct_can_have_are_read_with_all_the_others() -> None:
    text = b'[{"a\\"b": 1, "c": 2}]'
    assert [{'a"b': 1, "c": 2}] == partial_decoder(['a"b'], msgspec.json.decode, None)(text)
