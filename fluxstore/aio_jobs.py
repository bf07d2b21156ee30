"""Blocking calls as jobs on threads, awaited: taken back, or finished, but never abandoned.

A job that has not begun when its caller is cancelled is taken back and has no effect. One that has
begun goes on; the caller gets its ``CancelledError`` when the job has ended and let go of
everything. What the job raised, if anything, is the cause of that error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Worker(Protocol):
    """What runs calls on another thread: an executor, or one thread (``OwnThread``)."""

    def submit(self, call: Callable[[], T], /) -> Future[T]:
        """Return the future of *call*."""
        ...


async def run(worker: Worker, call: Callable[[], T]) -> T:
    """Return what *call* returns on *worker*; cancelled, take it back or wait for its end."""
    job = worker.submit(partial(copy_context().run, call))
    try:
        return await asyncio.shield(asyncio.wrap_future(job))
    except asyncio.CancelledError as cancelled:
        if job.cancel():
            raise
        raise cancelled from await _ended(job)


async def finish(worker: Worker, call: Callable[[], T]) -> T:
    """Return what *call* returns on *worker*, which it does even for a caller that is cancelled."""
    job = worker.submit(partial(copy_context().run, call))
    try:
        return await asyncio.shield(asyncio.wrap_future(job))
    except asyncio.CancelledError as cancelled:
        raise cancelled from await _ended(job)


async def _ended(job: Future[Any]) -> BaseException | None:
    """Return what *job* raised, once it has ended; the caller is being cancelled already."""
    waiting = asyncio.wrap_future(job)
    while not waiting.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([waiting])
    return waiting.exception()


class OwnThread:
    """One thread for calls that have to follow each other on the same one."""

    def __init__(self) -> None:
        """Start the thread; it does not keep a program from ending that forgot about it."""
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._serve, name="fluxstore transaction", daemon=True).start()

    def submit(self, call: Callable[[], T], /) -> Future[T]:
        """Return the future of *call*, made after those that were submitted before."""
        job: Future[T] = Future()
        self._calls.put(lambda: _settle(job, call))
        return job

    def end(self) -> None:
        """End the thread once it has done what was submitted."""
        self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(job: Future[T], call: Callable[[], T]) -> None:
    if not job.set_running_or_notify_cancel():
        return
    try:
        made = call()
    except BaseException as error:  # noqa: BLE001 - it is raised where the job is awaited
        job.set_exception(error)
    else:
        job.set_result(made)


class Jobs:
    """The threads of one store: so many for single calls, as many again for transactions."""

    def __init__(self, threads: int) -> None:
        """Have up to *threads* of each; they start when they are needed."""
        self._threads = threads
        self.pool = ThreadPoolExecutor(threads, "fluxstore")
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._slots = WeakKeyDictionary()

    def slot(self) -> asyncio.Semaphore:
        """Return what a transaction holds while it lasts, so that there are not too many."""
        loop = asyncio.get_running_loop()
        return self._slots.setdefault(loop, asyncio.Semaphore(self._threads))

    def close(self) -> None:
        """Take no more jobs."""
        self.pool.shutdown(wait=False)
