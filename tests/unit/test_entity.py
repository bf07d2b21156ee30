"""Entities: what a declaration means, and what is refused when it is made."""

from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from fluxstore.entity import Entities, entity, entity_of, field, is_entity
from fluxstore.errors import EntityError, EntityNotFoundError
from fluxstore.kinds import Kind
from fluxstore.testing.entities import ENTITIES, Area, Person, Place, Room


@entity("teams")
class Team:
    id: str
    name: str = "?"


@entity("players", unique=[("team_id", "number")], shard_key="team_id")
class Player:
    id: str
    team_id: str = field(references="teams", on_delete="cascade")
    number: int = field(default=0, minimum=0, maximum=99)
    email: str | None = field(default=None, unique=True, index=True, pii=True)
    tags: list[str] = field(factory=list)
    seen: datetime | None = field(default=None, auto="updated")


def test_an_entity_has_its_name_key_and_fields():
    team = entity_of(Team)

    assert ("teams", ("id",), Team) == (team.name, team.key, team.cls)
    assert ["id", "name"] == [one.name for one in team.fields]
    assert [True, False] == [one.required for one in team.fields]
    assert [Kind.STR, Kind.STR] == [one.type.kind for one in team.fields]


def test_the_class_is_an_attrs_class_with_keyword_arguments():
    assert Team(id="a", name="?") == Team(id="a")
    assert "Team(id='a', name='?')" == repr(Team(id="a"))
    with pytest.raises(TypeError):
        Team("a")
    with pytest.raises(TypeError):
        Team(name="x")


def test_an_attrs_class_is_taken_as_it_is():
    @entity("own")
    @attrs.frozen
    class Own:
        id: str
        size: int = 1
        made: int = attrs.field(init=False, default=5)

    assert ["id", "size"] == [one.name for one in entity_of(Own).fields]
    assert Own("a") == Own(id="a", size=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Own("a").size = 2


def test_rules_are_the_fields():
    player = entity_of(Player)

    assert "teams" == player.field("team_id").rules.references
    assert "cascade" == player.field("team_id").rules.on_delete
    assert (0, 99) == (player.field("number").rules.minimum, player.field("number").rules.maximum)
    assert player.field("email").rules.pii
    assert "updated" == player.field("seen").rules.auto
    assert (("email",), ("team_id", "number")) == player.unique
    assert ["team_id"] == [one.name for one in player.references]


def test_defaults_are_made_anew():
    tags = entity_of(Player).field("tags").make_default

    assert [] == tags()
    assert tags() is not tags()


def test_inherited_fields_are_fields():
    @attrs.define(kw_only=True)
    class Base:
        id: str
        made: datetime | None = None

    @entity("heirs")
    class Heir(Base):
        size: int = 0

    assert ["id", "made", "size"] == [one.name for one in entity_of(Heir).fields]


def test_an_unknown_field_has_near_names():
    with pytest.raises(EntityError, match="did you mean team_id"):
        entity_of(Player).field("teamid")
    with pytest.raises(EntityError, match="it has id, name"):
        entity_of(Team).field("xxxxxxx")


def test_only_decorated_classes_are_entities():
    class Sub(Team):
        pass

    assert is_entity(Team)
    assert not any(map(is_entity, (str, Sub, Team(id="a"), None)))
    with pytest.raises(EntityNotFoundError, match="decorate it"):
        entity_of(Sub)


def declare(body: dict[str, Any], **options: Any) -> type:
    annotations = {name: kind for name, (kind, _) in body.items()}
    defaults = {name: value for name, (_, value) in body.items() if value is not ...}
    made = type("Made", (), {"__annotations__": annotations, **defaults})
    return entity(options.pop("name", "made"), **options)(made)


ID = {"id": (str, ...)}


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        (ID, {"name": ""}, "a name has letters"),
        (ID, {"name": "1st"}, "a name has letters"),
        (ID, {"name": 'x"; drop'}, "a name has letters"),
        (ID, {"name": "x" * 64}, "a name has letters"),
        (ID, {"key": "none"}, "no field 'none'"),
        (ID, {"key": ()}, "the key names"),
        (ID, {"key": ("id", "id")}, "the key names"),
        ({"id": (str | None, ...)}, {}, "plain, non-null"),
        ({"id": (float, ...)}, {}, "plain, non-null"),
        ({"id": (list[str], ...)}, {}, "plain, non-null"),
        (ID, {"unique": [("none",)]}, "no field 'none'"),
        (ID, {"shard_key": "none"}, "no field 'none'"),
        (ID | {"a": (complex, ...)}, {}, "made.a"),
        (ID | {"a": ("Nothing", ...)}, {}, "names nothing known"),
        (ID | {"a": (list[str], [])}, {}, "factory="),
        (ID | {"a": (dict, {})}, {}, "factory="),
        (ID | {"a": (str, field(default="", on_delete="set_null"))}, {}, "may be None"),
        (ID | {"a": (str, field(default="", auto="created"))}, {}, "auto needs datetime"),
        (ID | {"a": (float, field(default=0.0, bigint=True))}, {}, "bigint needs int"),
        (ID | {"a": (str, field(default="", minimum=0))}, {}, "minimum needs"),
        (ID | {"a": (datetime | None, field(default=None, maximum=0))}, {}, "maximum needs"),
        (ID | {"a": (int, field(default=0, pattern="x"))}, {}, "pattern needs str"),
        (ID | {"a": (int, field(default=0, max_length=5))}, {}, "max_length needs"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_it_is_declared(body, options, words):
    with pytest.raises(EntityError, match=words):
        declare(body, **options)


def test_rules_fit_every_kind_they_make_sense_for():
    declare(
        ID
        | {
            "a": (Decimal | None, field(default=None, minimum=0, maximum=1)),
            "b": (list[str], field(factory=list, max_length=3)),
            "c": (bytes, field(default=b"", max_length=3)),
            "d": (int, field(default=0, bigint=True, minimum=0)),
        }
    )


def test_a_default_that_depends_on_the_object_is_refused():
    with pytest.raises(EntityError, match="may not depend"):

        @entity("made")
        @attrs.define
        class Made:
            id: str
            size: int = attrs.field()

            @size.default
            def _size(self):
                return len(self.id)


def test_a_key_may_be_made_by_its_default():
    @entity("events")
    class Event:
        id: uuid.UUID = field(factory=uuid.uuid4)

    assert Event().id != Event().id
    assert not entity_of(Event).field("id").required


class TestEntities:
    def test_they_are_found_by_name(self):
        known = Entities([entity_of(Team), entity_of(Player)])

        assert entity_of(Team) is known["teams"] is known.get("teams")
        assert ["teams", "players"] == list(known)
        assert "teams" in known
        assert "none" not in known
        assert None is known.get("none")
        assert 2 == len(known)

    def test_an_unknown_name_has_near_names(self):
        with pytest.raises(EntityNotFoundError, match="did you mean teams") as caught:
            Entities([entity_of(Team)])["team"]
        assert ("teams",) == caught.value.near

    def test_one_name_is_one_class(self):
        other = entity_of(declare(ID, name="teams"))

        with pytest.raises(EntityError, match="declared twice"):
            Entities([entity_of(Team), other])
        assert 1 == len(Entities([entity_of(Team), entity_of(Team)]))

    def test_a_reference_needs_an_entity_with_a_single_key_of_its_type(self):
        composite = declare({"a": (str, ...), "b": (str, ...)}, name="pairs", key=("a", "b"))
        numbered = declare({"id": (int, ...)}, name="numbers")

        def referring(to: str) -> Any:
            return entity_of(declare(ID | {"at": (str, field(references=to))}, name="from"))

        for target, others in (("none", []), ("pairs", [composite]), ("numbers", [numbered])):
            with pytest.raises(EntityError, match="field at"):
                Entities([referring(target), *map(entity_of, others)])

    def test_parents_come_first_and_a_circle_is_cut(self):
        order = [one.name for one in ENTITIES.parents_first()]

        assert sorted(ENTITIES) == sorted(order)
        assert order.index("areas") < order.index("sites") < order.index("rooms")
        assert order.index("rooms") < order.index("places") > order.index("people")

        one = entity_of(declare(ID | {"to": (str, field(references="two"))}, name="one"))
        two = entity_of(declare(ID | {"to": (str, field(references="one"))}, name="two"))
        assert {"one", "two"} == {each.name for each in Entities([one, two]).parents_first()}

    def test_who_refers_to_an_entity_is_known(self):
        def names(cls: type) -> list[tuple[str, str]]:
            found = ENTITIES.referring_to(entity_of(cls).name)
            return [(one.name, each.name) for one, each in found]

        assert [("desks", "room_id"), ("places", "room_id")] == names(Room)
        assert [("people", "boss_id"), ("places", "person_id")] == names(Person)
        assert [("areas", "parent_id"), ("sites", "area_id")] == names(Area)
        assert [] == names(Place)
