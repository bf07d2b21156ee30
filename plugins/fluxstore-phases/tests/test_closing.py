"""Standing threads whose backend hangs hold up the end of a store once, not each by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fluxstore_phases.attendant import Attendant, close_all

SECONDS = 1.0


class Stuck(Attendant):
    def __init__(self, name: str, free: threading.Event) -> None:
        super().__init__(name)
        self.begun, self._free = threading.Event(), free

    def turn(self) -> float | None:
        self.begun.set()
        self._free.wait(60)
        return None


@pytest.fixture
def stuck() -> Iterator[list[Stuck]]:
    free = threading.Event()
    made = [Stuck(f"stuck {number}", free) for number in range(5)]
    for one in made:
        one.start()
        assert one.begun.wait(30)
    yield made
    free.set()


def test_all_together_have_one_limit(stuck, caplog):
    began = time.monotonic()
    close_all(stuck, SECONDS)

    assert SECONDS <= time.monotonic() - began < 3 * SECONDS
    assert len(stuck) == caplog.text.count("is left behind")


def test_one_that_hangs_takes_no_time_from_those_that_do_not(stuck):
    done = threading.Event()

    class Quick(Attendant):
        def turn(self) -> float | None:
            done.set()
            return None

    quick = Quick("quick")
    quick.start()
    assert done.wait(30)
    close_all([*stuck, quick], SECONDS)

    assert not quick.is_running()
