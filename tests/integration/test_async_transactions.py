"""A transaction of the store for asyncio, and the tasks that are in it or are not."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from gated import Project, Setup

from fluxstore import AsyncStore


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_tasks_started_inside_belong_to_the_transaction(setup):
    async def main() -> None:
        async with setup.aopen() as store:
            with pytest.raises(ZeroDivisionError):  # noqa: PT012 - all of it goes
                async with store.transaction():
                    await asyncio.gather(
                        *(store[Project].create(Project(id=f"p{n}")) for n in range(5))
                    )
                    await asyncio.wait_for(store[Project].create(Project(id="p5")), 10)
                    assert 6 == await store[Project].count()
                    raise ZeroDivisionError
            assert {} == setup.records()

    asyncio.run(main())


def test_an_inner_transaction_that_fails_takes_nothing_else_with_it(setup):
    async def main() -> None:
        inside = asyncio.Event()

        async def fail_inside(store: AsyncStore) -> None:
            with pytest.raises(ZeroDivisionError):  # noqa: PT012 - all of it goes
                async with store.transaction():
                    await store[Project].create(Project(id="undone"))
                    inside.set()
                    await asyncio.sleep(0)
                    raise ZeroDivisionError

        async def write_meanwhile(store: AsyncStore) -> None:
            await inside.wait()
            await store[Project].create(Project(id="kept"))

        async with setup.aopen() as store:
            async with store.transaction():
                await asyncio.gather(fail_inside(store), write_meanwhile(store))
            assert {"kept"} == setup.records().keys()

    asyncio.run(main())


def test_a_task_that_outlives_its_transaction_goes_on_without_it(setup):
    async def main() -> None:
        over = asyncio.Event()

        async def write_later(store: AsyncStore) -> None:
            await over.wait()
            await store[Project].create(Project(id="later"))

        async with setup.aopen() as store:
            async with store.transaction():
                later = asyncio.create_task(write_later(store))
                await store[Project].create(Project(id="inside"))
            over.set()
            await later
            assert {"inside", "later"} == setup.records().keys()

    asyncio.run(main())


def test_others_are_not_in_the_transaction(setup):
    async def main() -> None:
        async with setup.aopen() as store:
            inside, seen = asyncio.Event(), asyncio.Event()

            async def look() -> int:
                await inside.wait()
                found = await store[Project].count()
                seen.set()
                return found

            looking = asyncio.create_task(look())
            async with store.transaction():
                await store[Project].create(Project(id="p"))
                inside.set()
                await seen.wait()
            assert 0 == await looking

    asyncio.run(main())


def test_transactions_wait_for_their_turn_where_there_are_many(setup):
    inside: set[str] = set()
    threads: set[threading.Thread] = set()

    async def write(store: AsyncStore, name: str) -> None:
        async with store.transaction():
            inside.add(name)
            assert len(inside) <= 2
            threads.update(one for one in threading.enumerate() if one.name.endswith("transaction"))
            await store[Project].create(Project(id=name))
            inside.discard(name)

    async def main() -> None:
        async with setup.aopen(threads=2) as store:
            await asyncio.gather(*(write(store, f"p{n}") for n in range(20)))
        assert 20 == len(setup.records())

    asyncio.run(main())
    for thread in threads:
        thread.join(10)
    assert threads
    assert not any(thread.is_alive() for thread in threads)
