"""What is to happen in a forked child happens there, and only for what still lives."""

from __future__ import annotations

import gc
import os

from fluxstore.forks import in_child


class Counter:
    def __init__(self):
        self.count = 0

    def forget(self):
        self.count += 1


def counted_in_child(counter):
    """Return what a forked child finds."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(counter.count).encode())
        os._exit(0)
    os.waitpid(child, 0)
    found = os.read(reading, 8).decode()
    os.close(reading)
    os.close(writing)
    return found


def test_a_method_is_called_in_the_child_and_not_in_the_parent():
    counter = Counter()
    in_child(counter.forget)

    assert "1" == counted_in_child(counter)
    assert 0 == counter.count


def test_what_is_gone_is_not_called():
    gone, kept = Counter(), Counter()
    in_child(gone.forget)
    in_child(kept.forget)
    del gone
    gc.collect()

    assert "1" == counted_in_child(kept)
