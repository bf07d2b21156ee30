"""Cancelled at any ``await``, a call has all its effect or none, and that is settled by then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from gated import Project, Setup, Slow, Task
from stepped import cancelled_at

from fluxstore import AsyncStore


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


Work = Callable[[AsyncStore], Awaitable[Any]]
BEFORE = {"p": Project(id="p", name="before"), "t": Task(id="t", project_id="p")}


async def changed_together(store: AsyncStore) -> None:
    async with store.transaction():
        await store[Project].create(Project(id="new"))
        async with store.transaction([Task]):
            await store[Task].create(Task(id="new task", project_id="new"))
        await store[Project].update("p", name="after")


async def refused_together(store: AsyncStore) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - all of it goes
        async with store.transaction():
            await store[Project].create(Project(id="new"))
            raise ZeroDivisionError


AFTER = {
    "p": Project(id="p", name="after"),
    "t": BEFORE["t"],
    "new": Project(id="new"),
    "new task": Task(id="new task", project_id="new"),
}
WRITES: dict[str, tuple[Work, dict[str, Any]]] = {
    "create": (
        lambda store: store[Project].create(Project(id="new")),
        BEFORE | {"new": Project(id="new")},
    ),
    "put": (lambda store: store[Project].put(AFTER["p"]), BEFORE | {"p": AFTER["p"]}),
    "update": (lambda store: store[Project].update("p", name="after"), BEFORE | {"p": AFTER["p"]}),
    "delete": (lambda store: store[Project].delete("p"), {}),
    "transaction": (changed_together, AFTER),
    "refused transaction": (refused_together, BEFORE),
}
READS: dict[str, Work] = {
    "get": lambda store: store[Project].get("p"),
    "get_many": lambda store: store[Project].get_many(["p"]),
    "find": lambda store: store[Project].find(name="before"),
    "count": lambda store: store[Project].count(),
    "extras": lambda store: store[Project].extras("p"),
}


async def fill(store: AsyncStore) -> None:
    """Make the records those of ``BEFORE``."""
    for project in await store[Project].find():
        await store[Project].delete(project.id)
    await store[Project].create(BEFORE["p"])
    await store[Task].create(BEFORE["t"])


@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_cancelled_has_all_its_effect_or_none(setup, name, when, again):
    work, after = WRITES[name]

    async def step(store: AsyncStore, number: int) -> bool:
        await fill(store)
        was_cancelled = await cancelled_at(number, lambda: work(store), when, again=again)
        settled = setup.records()
        await store[Project].get("p", None)
        assert settled == setup.records()
        assert settled in ((BEFORE, after) if was_cancelled else (after,))
        return was_cancelled

    async def main() -> None:
        async with setup.aopen(threads=1) as store:
            number = 1
            while await step(store, number):
                number += 1
        assert number > 1

    asyncio.run(main())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", READS)
def test_a_read_that_is_cancelled_leaves_the_store_usable(setup, name, when):
    async def main() -> None:
        async with setup.aopen(threads=1) as store:
            await fill(store)
            number = 1
            while await cancelled_at(number, lambda: READS[name](store), when):
                assert BEFORE["p"] == await store[Project].get("p")
                number += 1

    asyncio.run(main())


@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_opening_that_is_cancelled_leaves_nothing_open(setup, when, again):
    async def opened_and_closed() -> None:
        async with setup.aopen():
            assert 1 == len(setup.open_adapters)

    async def main() -> None:
        number = 1
        while await cancelled_at(number, opened_and_closed, when, again=again):
            assert set() == setup.open_adapters
            number += 1
        assert number > 1
        assert set() == setup.open_adapters

    asyncio.run(main())


def test_a_write_that_has_begun_is_finished_before_its_caller_hears(setup):
    async def main() -> None:
        async with setup.aopen() as store:
            with setup.gate.shut():
                writing = asyncio.create_task(store[Project].create(Project(id="p")))
                await setup.gate.wait()
                for _ in range(3):
                    writing.cancel()
                    await asyncio.sleep(0)
                    assert not writing.done()
                setup.gate.open()
                with pytest.raises(asyncio.CancelledError):
                    await writing
            assert {"p"} == setup.records().keys()

    asyncio.run(main())


def test_a_write_that_has_not_begun_is_taken_back(setup):
    async def main() -> None:
        async with setup.aopen(threads=1) as store:
            with setup.gate.shut():
                first = asyncio.create_task(store[Project].create(Project(id="first")))
                await setup.gate.wait()
                second = asyncio.create_task(store[Project].create(Project(id="second")))
                await asyncio.sleep(0)
                second.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await second
                assert not first.done()
            await first
            assert {"first"} == setup.records().keys()

    asyncio.run(main())


def test_a_timeout_comes_when_the_outcome_is_settled(setup):
    limits: list[asyncio.Timeout] = []

    async def main() -> None:
        async with setup.aopen() as store:
            with setup.gate.shut():
                writing = asyncio.create_task(hurried(store))
                await setup.gate.wait()
                limits[0].reschedule(0)
                assert not (await asyncio.wait([writing], timeout=0.1))[0]
                setup.gate.open()
                with pytest.raises(TimeoutError):
                    await writing
            assert {"p"} == setup.records().keys()

    async def hurried(store: AsyncStore) -> None:
        async with asyncio.timeout(None) as limit:
            limits.append(limit)
            await store[Project].create(Project(id="p"))

    asyncio.run(main())


def test_what_a_cancelled_call_raised_is_the_cause(setup):
    async def main() -> None:
        async with setup.aopen() as store:
            refused = asyncio.create_task(refuse(store))
            await setup.gate.wait()
            refused.cancel()
            setup.gate.open()
            with pytest.raises(asyncio.CancelledError) as caught:
                await refused
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    async def refuse(store: AsyncStore) -> None:
        setup.gate.error = ZeroDivisionError()
        await store[Project].create(Project(id="p"))

    with setup.gate.shut():
        asyncio.run(main())


def test_a_transaction_that_is_cancelled_inside_is_undone(setup):
    async def main() -> None:
        inside = asyncio.Event()

        async def wait_inside(store: AsyncStore) -> None:
            async with store.transaction():
                await store[Project].create(Project(id="p"))
                inside.set()
                await asyncio.Event().wait()

        async with setup.aopen(threads=1) as store:
            waiting = asyncio.create_task(wait_inside(store))
            await inside.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert {} == setup.records()
            async with store.transaction():
                await store[Project].create(Project(id="next"))
            assert {"next"} == setup.records().keys()

    asyncio.run(main())


def test_closing_that_is_cancelled_before_it_begins_is_done_all_the_same(setup):
    async def main() -> None:
        async def write_and_leave() -> None:
            async with setup.aopen(threads=1) as store:
                held = asyncio.create_task(store[Project].create(Project(id="p")))
                await setup.gate.wait()
                writes.append(held)

        writes: list[asyncio.Task[Project]] = []
        with setup.gate.shut():
            leaving = asyncio.create_task(write_and_leave())
            await setup.gate.wait()
            await cancelled_twice(leaving)
            setup.gate.open()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        assert set() == setup.open_adapters
        await asyncio.gather(*writes)

    asyncio.run(main())


def test_undoing_that_is_cancelled_before_it_begins_is_done_all_the_same(setup):
    async def main() -> None:
        async def change_slowly(store: AsyncStore) -> None:
            async with store.transaction():
                await store[Project].put(Project(id="p", name="after"))
                await asyncio.gather(
                    store[Project].update("p", Slow(setup.gate, name="slowly")),
                    asyncio.Event().wait(),
                )

        async with setup.aopen() as store:
            await fill(store)
            with setup.gate.shut():
                changing = asyncio.create_task(change_slowly(store))
                await setup.gate.wait()
                await cancelled_twice(changing)
                setup.gate.open()
                with pytest.raises(asyncio.CancelledError):
                    await changing
            assert BEFORE == setup.records()
            await store[Project].put(Project(id="p", name="again"))

    asyncio.run(main())


async def cancelled_twice(task: asyncio.Task[Any]) -> None:
    """Cancel *task*, and again when it has begun to leave what it was in."""
    for _ in range(2):
        task.cancel()
        for _ in range(20):
            await asyncio.sleep(0)
