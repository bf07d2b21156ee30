"""What must not type-check with the store for asyncio: lines marked ``# E:`` have that error.

Nothing here is ever run.
"""

from __future__ import annotations

import fluxstore
from fluxstore import entity


@entity("projects")
class Project:
    id: str
    name: str = ""


async def main() -> None:
    with fluxstore.aopen("fluxstore.toml"):  # E: has no attribute "__enter__"
        pass
    async with fluxstore.aopen(5):  # E: incompatible type "int"
        pass
    async with fluxstore.aopen(threads="many") as store:  # E: incompatible type "str"
        projects = store[Project]
        store[5]  # E: No overload variant
        print(projects.get("p").name)  # E: has no attribute "name"
        await projects.get()  # E: All overload variants
        print((await projects.get("p", None)).name)  # E: Item "None" of "Project | None"
        await projects.create("p")  # E: expected "Project"
        print((await projects.find())[0].title)  # E: "Project" has no attribute "title"
        count: str = await projects.count()  # E: Incompatible types in assignment
        with store.transaction():  # E: has no attribute "__enter__"
            pass
        async with store.transaction(Project):  # E: incompatible type
            print(count)
