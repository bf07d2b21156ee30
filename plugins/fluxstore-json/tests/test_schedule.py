"""What runs a while after it became due."""

from __future__ import annotations

import threading

from fluxstore_json.schedule import Schedule

NEVER = threading.Event()


def test_it_stops_wherever_its_thread_is() -> None:
    def stop_many() -> None:
        for number in range(15_000):
            schedule = Schedule(0.0002, lambda: True)
            schedule.due()
            NEVER.wait(0.0003 + 0.00001 * (number % 10))
            schedule.stop()

    stopping = threading.Thread(target=stop_many, daemon=True)
    stopping.start()
    stopping.join(120)

    assert not stopping.is_alive()
