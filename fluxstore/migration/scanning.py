"""Reading a collection from one end to the other, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from fluxstore.adapter import Collection, Page, Size
from fluxstore.migration.patience import Patience
from fluxstore.migration.progress import StoppedError

T = TypeVar("T")
LARGEST_PAGE_RECORDS = 1024
SMALLEST_PAGE_RECORDS = 16
_PAGE_BYTES = 512 * 1024
_UNKNOWN_PAGE_RECORDS = 1024


def page_records(size: Size) -> int:
    """Return how many records of this size to take at once: about ½ MiB, decoded some 4 MiB."""
    if not size.records or not size.bytes:
        return _UNKNOWN_PAGE_RECORDS
    fitting = _PAGE_BYTES * size.records // size.bytes
    return max(SMALLEST_PAGE_RECORDS, min(fitting, LARGEST_PAGE_RECORDS))


def pages(
    collection: Collection,
    limit: Callable[[], int],
    cursor: str | None = None,
    *,
    patience: Patience | None = None,
) -> Iterator[Page]:
    """Yield the pages after *cursor*; *limit* is asked before each, *patience* bears outages.

    Nothing of a page is kept here while the next is read; a caller that lets go of it as well
    (``del page``) needs memory for one.
    """
    more = True
    while more:
        page = _page(collection, cursor, limit(), patience)
        cursor, more = page.cursor, page.cursor is not None
        yield page
        del page


def _page(
    collection: Collection, cursor: str | None, limit: int, patience: Patience | None
) -> Page:
    if patience is None:
        return collection.scan(cursor, limit)
    return patience(lambda: collection.scan(cursor, limit))


def side_by_side(executor: Executor | None, tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Return the tasks' results in order, run by *executor* where there is one.

    The first error is raised when every task has ended: none is left running behind the caller.
    One task's error stops the others, so that theirs may be ``StoppedError``: it does not count.
    """
    if executor is None or len(tasks) < 2:
        return [task() for task in tasks]
    running = [executor.submit(task) for task in tasks]
    errors = [error for each in running if (error := each.exception())]
    for error in sorted(errors, key=lambda one: isinstance(one, StoppedError)):
        raise error
    return [each.result() for each in running]
