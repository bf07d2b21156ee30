"""The application's verbs, over the reference adapter and through a real configuration.

Every test runs twice: on the store, and on the one for asyncio.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest
from awaited import AwaitedStore

import fluxstore
from fluxstore import Plugins, entity, field, hookimpl
from fluxstore.adapter import Capability
from fluxstore.errors import (
    CheckError,
    ConflictError,
    ConstraintError,
    EntityError,
    EntityNotFoundError,
    RecordExistsError,
    RecordNotFoundError,
    RoutingError,
    UnsupportedError,
    UsageError,
)
from fluxstore.testing.reference import ReferenceAdapter

ENTITIES = "from {module} import Project, Task, Place\n"


@entity("projects")
class Project:
    id: str
    name: str


@entity("tasks")
class Task:
    id: str
    title: str
    project_id: str = field(references="projects", on_delete="cascade")
    status: Literal["todo", "done"] = "todo"
    email: str | None = field(default=None, unique=True, pii=True)
    due: datetime | None = None
    tags: list[str] = field(factory=list)
    created_at: datetime | None = field(default=None, auto="created")
    updated_at: datetime | None = field(default=None, auto="updated")


@entity("places", key=("x", "y"))
class Place:
    x: int
    y: int
    name: str = ""


class Offers:
    @hookimpl
    def fluxstore_register_adapters(self, register):
        register("reference", ReferenceAdapter)

    @hookimpl
    def fluxstore_register_entities(self, register):
        for cls in (Project, Task, Place):
            register(cls)


@pytest.fixture
def plugins():
    made = Plugins()
    made.add(Offers(), name="offers")
    return made


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "fluxstore.toml"
    file.write_text('[backends.memory]\nadapter = "reference"\n')
    return file


@pytest.fixture(params=[fluxstore.open, AwaitedStore], ids=["open", "aopen"])
def open_store(request):
    return request.param


@pytest.fixture
def store(open_store, config, plugins):
    with open_store(config, plugins=plugins) as opened:
        opened[Project].create(Project(id="p1", name="One"))
        yield opened


def task(key, **fields):
    return Task(id=key, title="A task", project_id="p1", **fields)


def test_a_record_that_was_created_is_got(store):
    created = store[Task].create(task("t1", tags=["a"]))
    assert created == store[Task].get("t1") == store["tasks"].get("t1")
    assert ["a"] == created.tags


def test_a_missing_record_is_an_error_or_the_default(store):
    assert store[Task].get("none", None) is None
    with pytest.raises(RecordNotFoundError, match="tasks none"):
        store[Task].get("none")


def test_get_many_leaves_out_what_is_missing(store):
    store[Task].create(task("t1"))
    assert ["t1"] == list(store[Task].get_many(["t1", "t2"]))


def test_composite_keys_are_tuples(store):
    store[Place].create(Place(x=1, y=2, name="here"))
    assert "here" == store[Place].get((1, 2)).name
    assert {(1, 2)} == set(store[Place].get_many([(1, 2), (2, 1)]))
    with pytest.raises(UsageError, match=r"\(x, y\)"):
        store[Place].get(1)


def test_regression_01_a_failed_write_fails(store):
    store[Task].create(task("t1"))
    with pytest.raises(RecordExistsError):
        store[Task].create(task("t1"))
    with pytest.raises(RecordNotFoundError):
        store[Task].delete("never there")
    with pytest.raises(RecordNotFoundError):
        store[Task].update("never there", title="x")


def test_update_changes_the_named_fields_only(store):
    store[Task].create(task("t1", tags=["a"]))
    store[Task].update("t1", status="done")
    assert ("done", ["a"]) == (store[Task].get("t1").status, store[Task].get("t1").tags)


def test_update_with_expect_refuses_what_has_changed(store):
    read = store[Task].create(task("t1"))
    store[Task].update("t1", title="Other", expect=read)
    with pytest.raises(ConflictError, match="no longer"):
        store[Task].update("t1", title="Mine", expect=read)


def test_regression_10_a_record_is_always_of_its_class(store):
    store[Task].create(task("t1"))
    answers = [store[Task].get("t1"), *store[Task].find(), *store[Task].get_many(["t1"]).values()]
    assert {Task} == {type(answer) for answer in answers}


def test_regression_11_a_callers_key_never_becomes_a_column(store):
    with pytest.raises(EntityError, match=r"no field 'title; DROP TABLE tasks'"):
        store[Task].update("t1", {"title; DROP TABLE tasks": 1})
    with pytest.raises(EntityError, match="did you mean title"):
        store[Task].find({"titel": 1})
    with pytest.raises(EntityError, match="no field"):
        store[Task].find(order_by="title desc")


def test_regression_12_a_given_updated_at_is_taken_once(store):
    when = datetime(2026, 1, 2, tzinfo=UTC)
    store[Task].create(task("t1"))
    assert when == store[Task].update("t1", title="x", updated_at=when).updated_at


def test_times_are_set_by_the_store(store):
    before = datetime.now(UTC)
    created = store[Task].create(task("t1"))
    assert before <= created.created_at <= created.updated_at
    changed = store[Task].update("t1", title="x")
    assert created.created_at == changed.created_at
    assert created.updated_at < changed.updated_at


def test_regression_17_a_retried_create_has_one_effect(store):
    first = store[Task].create(task("t1"), op_id="op-1")
    assert first == store[Task].create(task("t1"), op_id="op-1")
    assert 1 == store[Task].count()


def test_rules_are_checked_before_anything_is_touched(store):
    with pytest.raises(CheckError) as caught:
        store[Task].create(task("t1", status="banana", tags=["ok", 3], email=5))
    assert {"status", "tags[1]", "email"} == {one.field for one in caught.value.problems}
    assert 0 == store[Task].count()


def test_unique_and_references_are_refused_with_their_fields(store):
    store[Task].create(task("t1", email="a@b.c"))
    with pytest.raises(ConstraintError) as caught:
        store[Task].create(task("t2", email="a@b.c"))
    assert ("unique", ("email",)) == (caught.value.rule, caught.value.fields)
    with pytest.raises(ConstraintError, match="project_id"):
        store[Task].update("t1", project_id="nowhere")


def test_deletes_cascade(store):
    store[Task].create(task("t1"))
    store[Project].delete("p1")
    assert 0 == store[Task].count()


def test_find_filters_orders_and_pages(store):
    for number in range(5):
        store[Task].create(task(f"t{number}", status="done" if number % 2 else "todo"))
    page = store[Task].find(order_by=("status", "-id"), limit=3)
    assert ["t3", "t1", "t4"] == [one.id for one in page]
    rest = store[Task].find(order_by=("status", "-id"), limit=3, after=page.cursor)
    assert (["t2", "t0"], None) == ([one.id for one in rest], rest.cursor)
    assert 2 == store[Task].count(status=fluxstore.one_of("done"))


@pytest.mark.parametrize(
    "asked", [{"tags": "a"}, {"tags": fluxstore.lt("a")}, {"title": fluxstore.contains("a")}]
)
def test_an_operator_outside_the_closed_set_is_refused(store, asked):
    with pytest.raises(UsageError, match="cannot be asked"):
        store[Task].find(asked)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_a_limit_is_a_whole_number(store, limit):
    with pytest.raises(UsageError, match="limit"):
        store[Task].find(limit=limit)


def test_extras_are_kept_by_put_and_update_and_set_by_name(store):
    store[Task].create(task("t1"), extras={"colour": "red"})
    store[Task].update("t1", title="x")
    store[Task].put(task("t1"))
    assert {"colour": "red"} == store[Task].extras("t1")
    store[Task].update("t1", title="y", extras={})
    assert {} == store[Task].extras("t1")
    with pytest.raises(UsageError, match="title is a field"):
        store[Task].update("t1", extras={"title": "z"})


def test_a_key_cannot_be_changed(store):
    store[Task].create(task("t1"))
    with pytest.raises(UsageError, match="is the key"):
        store[Task].update("t1", id="t2")


def test_an_object_of_another_class_is_refused(store):
    with pytest.raises(EntityError, match="a Task expected, Project found"):
        store[Task].create(Project(id="p2", name="Two"))


def test_an_unknown_entity_has_near_names(store):
    with pytest.raises(EntityNotFoundError, match="did you mean tasks"):
        store["taks"]
    with pytest.raises(EntityNotFoundError, match="@entity"):
        store[int]


def test_a_transaction_is_all_or_nothing(store):
    with pytest.raises(RecordNotFoundError), store.transaction():  # noqa: PT012 - all of it goes
        store[Project].create(Project(id="p2", name="Two"))
        store[Task].create(task("t1"))
        store[Task].get("never there")
    assert (1, 0) == (store[Project].count(), store[Task].count())
    with store.transaction():
        store[Project].create(Project(id="p2", name="Two"))
        assert "Two" == store[Project].get("p2").name
    assert 2 == store[Project].count()


def test_a_transaction_that_the_authority_does_not_offer_is_refused(open_store, config):
    class Plain(ReferenceAdapter):
        def __init__(self, opening):
            super().__init__(opening)
            self.capabilities = self.capabilities - {Capability.TRANSACTIONS}

    class Offer(Offers):
        @hookimpl
        def fluxstore_register_adapters(self, register):
            register("reference", Plain)

    plugins = Plugins()
    plugins.add(Offer(), name="offers")
    with (
        open_store(config, plugins=plugins) as store,
        pytest.raises(UnsupportedError, match="transactions"),
        store.transaction(),
    ):
        pass


def test_a_transaction_over_two_authorities_is_refused(open_store, config, plugins):
    class Split:
        @hookimpl
        def fluxstore_bind_write(self, entity, collections):
            if entity.name != "tasks":
                return None
            return fluxstore.calls.Write(collections["other"].commit, "other")

    config.write_text(config.read_text() + '[backends.other]\nadapter = "reference"\n')
    plugins.add(Split(), name="split")
    with (
        open_store(config, backend="memory", plugins=plugins) as store,
        pytest.raises(RoutingError, match="memory, other"),
        store.transaction(),
    ):
        pass


def test_no_hook_is_called_between_binding_and_closing(open_store, config, plugins):
    called = []
    stop = plugins.watch_hooks(called.append)
    store = open_store(config, plugins=plugins)
    assert {"fluxstore_bind_read", "fluxstore_bind_write"} == set(called)
    called.clear()
    store[Project].create(Project(id="p1", name="One"))
    store[Task].create(task("t1"))
    store[Task].update("t1", title="x")
    store[Task].put(task("t1"))
    store[Task].find(title="x")
    store[Task].get("t1")
    store[Task].count()
    with store.transaction():
        store[Task].delete("t1")
    assert [] == called
    store.close()
    stop()


def test_an_observer_wraps_what_is_bound(open_store, config, plugins):
    seen = []

    def noted(name):
        def wrap(call):
            def observed(*args, **kwargs):
                seen.append(name)
                return call(*args, **kwargs)

            return observed

        return wrap

    class Observer:
        @hookimpl(wrapper=True)
        def fluxstore_bind_read(self, entity):
            return (yield).each(noted(entity.name))

        @hookimpl(wrapper=True)
        def fluxstore_bind_write(self, entity):
            return (yield).each(noted(f"{entity.name} written"))

    plugins.add(Observer(), name="observer")
    with open_store(config, plugins=plugins) as store:
        store[Project].create(Project(id="p1", name="One"))
        store[Project].get("p1")
    assert ["projects written", "projects"] == seen


def test_a_store_that_fails_to_open_leaves_nothing_open(open_store, config, plugins):
    closed = []

    class Refuses:
        @hookimpl
        def fluxstore_bind_write(self, entity, collections):
            adapter = collections.adapter("memory")
            close = adapter.close
            adapter.close = lambda: (closed.append("memory"), close())
            raise RoutingError("not today", entity=entity.name)

    plugins.add(Refuses(), name="refuses")
    with pytest.raises(RoutingError, match="not today"):
        open_store(config, plugins=plugins)
    assert ["memory"] == closed
