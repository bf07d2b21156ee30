"""The store for asyncio type-checks as the other one does: every verb, awaited."""

from __future__ import annotations

from typing import Any, assert_type

import fluxstore
from fluxstore import Answer, AsyncRecords, AsyncStore, Results, entity


@entity("projects")
class Project:
    id: str
    name: str = ""


async def main() -> None:
    async with fluxstore.aopen("fluxstore.toml", threads=4) as store:
        assert_type(store, AsyncStore)
        projects = store[Project]
        assert_type(projects, AsyncRecords[Project])
        assert_type(store["projects"], AsyncRecords[Any])
        assert_type(await projects.create(Project(id="p")), Project)
        assert_type(await projects.put(Project(id="p"), op_id="1"), Project)
        assert_type(await projects.get("p"), Project)
        assert_type(await projects.get("p", None), Project | None)
        assert_type(await projects.get("p", default="none"), Project | str)
        assert_type(await projects.get_many(["p"]), dict[Any, Project])
        found = await projects.find(name=fluxstore.one_of("a"), order_by="-name", limit=5)
        assert_type(found, Results[Project])
        assert_type(found.cursor, str | None)
        assert_type(await projects.update("p", name="x", expect=Project(id="p")), Project)
        assert_type(await projects.count(name="x"), int)
        assert_type(await projects.extras("p"), dict[str, Any])
        assert_type(await projects.get("p", stale_ok=True), Answer[Project])
        assert_type(await projects.get("p", None, stale_ok=True), Answer[Project | None])
        assert_type(await projects.get_many(["p"], stale_ok=True), Answer[dict[Any, Project]])
        assert_type((await projects.find(name="x", stale_ok=True)).stale, bool)
        assert_type(await projects.count(name="x", stale_ok=True), Answer[int])
        async with store.transaction([Project]):
            await projects.delete("p")
