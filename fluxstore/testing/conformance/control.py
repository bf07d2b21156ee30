"""Control: compared and set under the fence, one winner of many, and what goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from fluxstore.adapter import Adapter, Batch, Capability, Control, Cursor, Role
from fluxstore.errors import SealedError, StalePhaseError
from fluxstore.records import Delete, Key, Version
from fluxstore.testing import processes
from fluxstore.testing.backend import Backend
from fluxstore.testing.conformance.support import (
    PATIENCE_SECONDS,
    collection,
    count,
    everything_in,
    govern,
    in_threads,
    need,
    put,
    save,
    wait_until,
)
from fluxstore.testing.entities import ENTITIES, Album, Area, Counter, Track

DUAL = Control(1, "authority", "dual_write", "m1")
_GONE: dict[type, object] = {Album: Album(id="gone"), Area: Area(id="gone")}
EPOCHS = 25
WRITES = 40


class _NeedsFencing:
    @pytest.fixture(autouse=True)
    def _declared(self, adapter: Adapter) -> None:
        need(adapter, Capability.FENCING)


class TestControl(_NeedsFencing):
    """Control is compared and set, and says who is the authority."""

    def test_it_is_set_only_where_it_is_as_expected(self, adapter: Adapter) -> None:
        ledger = adapter.ledger
        first, second = Control(1, "follower", "dual_write", "m1"), Control(2, "sealed", "x", "m1")
        assert None is ledger.control("albums")
        assert not ledger.set_control("albums", first, second)
        assert ledger.set_control("albums", None, first)
        assert not ledger.set_control("albums", None, second)
        assert not ledger.set_control("albums", second, first)
        assert first == ledger.control("albums")
        assert ledger.set_control("albums", first, second)
        assert second == ledger.control("albums")

    def test_every_part_of_it_is_compared(self, adapter: Adapter) -> None:
        assert adapter.ledger.set_control("albums", None, DUAL)
        for other in (
            Control(2, "authority", "dual_write", "m1"),
            Control(1, "follower", "dual_write", "m1"),
            Control(1, "authority", "shadow", "m1"),
            Control(1, "authority", "dual_write", "m2"),
        ):
            sealed = Control(9, "sealed", "x", "m1")
            assert not adapter.ledger.set_control("albums", other, sealed)
        assert DUAL == adapter.ledger.control("albums")

    def test_the_star_stands_for_entities_without_their_own(self, adapter: Adapter) -> None:
        ledger = adapter.ledger
        assert ledger.set_control("*", None, DUAL)
        assert DUAL == ledger.control("albums") == ledger.control("*")
        own = Control(4, "follower", "shadow", "m2")
        assert ledger.set_control("albums", None, own)
        assert (own, DUAL) == (ledger.control("albums"), ledger.control("tracks"))

    def test_all_records_are_listed_as_they_were_set(self, adapter: Adapter) -> None:
        assert {} == dict(adapter.ledger.controls())
        star, own = govern(adapter, "*", "authority"), govern(adapter, "albums", "follower")
        assert {"*": star, "albums": own} == dict(adapter.ledger.controls())

    def test_a_record_that_is_taken_away_governs_no_more(self, adapter: Adapter) -> None:
        own = govern(adapter, "albums", "follower")
        assert not adapter.ledger.set_control("albums", None, None)
        assert adapter.ledger.set_control("albums", own, None)
        assert {} == dict(adapter.ledger.controls())
        save(adapter, Album(id="a"))
        assert 0 == len(adapter.ledger.marks("albums", 9))

    def test_in_phase_off_nothing_is_kept_for_a_follower(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority", phase="off")
        save(adapter, Album(id="a"))
        assert 0 == len(adapter.ledger.marks("albums", 9))
        assert {} == dict(adapter.ledger.versions("albums", ["a"]))
        govern(adapter, "*", "authority", epoch=2)
        save(adapter, Album(id="a", name="new"))
        assert ["a"] == [mark.key for mark in adapter.ledger.marks("albums", 9)]

    def test_another_adapter_sees_it_at_once(self, backend: Backend) -> None:
        with backend.opened() as one:
            need(one, Capability.DURABLE)
            with backend.opened() as other:
                save(other, Album(id="a"))
                govern(one, "*", "follower")
                with pytest.raises(StalePhaseError):
                    save(other, Album(id="a", name="stale"))
                govern(other, "*", "authority", epoch=2)
                save(one, Album(id="a", name="new"))
                assert 2 == collection(one, Album).read(["a"])["a"].version.epoch


class TestPurge(_NeedsFencing):
    """With ``purge``, what was kept for a follower goes with the change, of what it governs."""

    def test_versions_marks_and_cursors_are_forgotten_and_records_stay(
        self, adapter: Adapter
    ) -> None:
        self._save_cursors(adapter)
        govern(adapter, "*", "authority")
        self._fill(adapter, Album(id="a"), Area(id="a"))
        assert 5 == len(self._kept(adapter, "albums"))
        control = adapter.ledger.controls()["*"]
        done = Control(2, "authority", "off", "m1")
        assert adapter.ledger.set_control("*", control, done, purge=True)
        assert [[], []] == [self._kept(adapter, name) for name in ("albums", "areas")]
        assert {"a"} == set(everything_in(adapter, Album))

    def test_what_has_a_record_of_its_own_is_left_alone(self, adapter: Adapter) -> None:
        self._save_cursors(adapter)
        star, _ = govern(adapter, "*", "authority"), govern(adapter, "albums", "authority")
        self._fill(adapter, Album(id="a"), Area(id="a"))
        albums = self._kept(adapter, "albums")
        assert adapter.ledger.set_control("*", star, None, purge=True)
        assert (albums, []) == (self._kept(adapter, "albums"), self._kept(adapter, "areas"))

    def test_only_what_it_governs_is_forgotten(self, adapter: Adapter) -> None:
        self._save_cursors(adapter)
        govern(adapter, "*", "authority")
        own = govern(adapter, "albums", "authority")
        self._fill(adapter, Album(id="a"), Area(id="a"))
        areas = self._kept(adapter, "areas")
        assert adapter.ledger.set_control("albums", own, own, purge=True)
        assert ([], areas) == (self._kept(adapter, "albums"), self._kept(adapter, "areas"))

    def test_nothing_is_forgotten_where_control_is_not_as_expected(self, adapter: Adapter) -> None:
        govern(adapter, "*", "authority", epoch=3)
        self._fill(adapter, Album(id="a"))
        before = self._kept(adapter, "albums")
        assert not adapter.ledger.set_control("*", DUAL, None, purge=True)
        assert before == self._kept(adapter, "albums")

    def test_a_purged_record_counts_as_untouched(self, adapter: Adapter) -> None:
        own = govern(adapter, "*", "authority")
        self._fill(adapter, Album(id="a"))
        follower = Control(2, "follower", "dual_write", "m2")
        assert adapter.ledger.set_control("*", own, follower, purge=True)
        batch = Batch([next(iter(everything_in(adapter, Album).values()))], epoch=2)
        assert 1 == collection(adapter, Album).merge(batch).unchanged
        assert Version(0, 1) == collection(adapter, Album).read(["a"])["a"].version

    @staticmethod
    def _save_cursors(adapter: Adapter) -> None:
        for name in ("albums", "areas"):
            tested = adapter.collection(ENTITIES[name])
            tested.merge(Batch([], cursor=Cursor("m1", name, "p", "f")))

    @staticmethod
    def _fill(adapter: Adapter, *instances: object) -> None:
        """Write each record, and beside it one that is deleted again."""
        for one in instances:
            tested = collection(adapter, type(one))
            tested.commit([put(one), put(_GONE[type(one)])])
            tested.commit([Delete("gone")])

    @staticmethod
    def _kept(adapter: Adapter, name: str) -> list[Any]:
        """Return what the ledger keeps of *name*: versions, marks, a cursor."""
        ledger = adapter.ledger
        versions = sorted(ledger.versions(name, ["a", "gone"]).items())
        cursor = ledger.cursor("m1", name)
        return [*versions, *ledger.marks(name, 9), *([cursor] if cursor else [])]


class TestControlRaces(_NeedsFencing):
    """Of all who change control at once, one does."""

    def test_one_of_many_sets_it(self, adapter: Adapter) -> None:
        def race(n: int) -> bool:
            return adapter.ledger.set_control("albums", None, Control(n, "sealed", "x", "m"))

        won = [n for n, did in enumerate(in_threads(8, race)) if did]
        control = adapter.ledger.control("albums")
        assert control is not None
        assert [control.epoch] == won

    def test_eight_threads_take_every_epoch_once(self, adapter: Adapter) -> None:
        won = in_threads(8, lambda n: processes.raise_epochs(adapter, f"t{n}", EPOCHS))
        assert list(range(1, EPOCHS + 1)) == sorted(epoch for mine in won for epoch in mine)

    def test_four_processes_take_every_epoch_once(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            assert 0 == count(adapter, Album)
        work = [(backend, f"p{n}", EPOCHS) for n in range(4)]
        won = processes.run(processes.race_for_epochs, work, timeout_seconds=PATIENCE_SECONDS)
        assert list(range(1, EPOCHS + 1)) == sorted(epoch for mine in won for epoch in mine)


class TestSealing(_NeedsFencing):
    """A seal under load: what it finds stays, and everything acknowledged is in it."""

    @pytest.mark.parametrize("role", ["sealed", "follower"])
    def test_nothing_is_let_through_afterwards(self, adapter: Adapter, role: Role) -> None:
        collection(adapter, Counter).commit([put(Counter(id="shared"))])
        govern(adapter, "*", "authority")
        sealed: dict[Key, Version] = {}

        def work(n: int) -> dict[Key, Version]:
            if n == 8:
                wait_until(lambda: count(adapter, Counter) > WRITES)
                govern(adapter, "*", role, epoch=2)
                sealed.update(_versions(adapter))
                return {}
            return processes.write_while_open(adapter, f"t{n}")

        told = in_threads(9, work)
        assert sealed == _versions(adapter)
        _judge(sealed, told[:8])

    def test_processes_are_kept_out_too(self, backend: Backend) -> None:
        with backend.opened() as adapter:
            need(adapter, Capability.DURABLE)
            collection(adapter, Counter).commit([put(Counter(id="shared"))])
            govern(adapter, "*", "authority")
            sealed: dict[Key, Version] = {}

            def work(n: int) -> list[dict[Key, Version]]:
                if n == 1:
                    wait_until(lambda: count(adapter, Counter) > WRITES)
                    govern(adapter, "*", "sealed", epoch=2)
                    sealed.update(_versions(adapter))
                    return []
                return processes.run(
                    processes.write_until_sealed,
                    [(backend, f"p{one}") for one in range(3)],
                    timeout_seconds=PATIENCE_SECONDS,
                )

            told = in_threads(2, work)[0]
            assert sealed == _versions(adapter)
        _judge(sealed, told)

    def test_an_undone_seal_lets_writes_go_on(self, adapter: Adapter) -> None:
        govern(adapter, "*", "sealed", epoch=2)
        with pytest.raises(SealedError):
            save(adapter, Album(id="a"))
        govern(adapter, "*", "authority", epoch=2)
        save(adapter, Album(id="a"), Track(id="t", album_id="a"))
        assert 2 == collection(adapter, Track).read(["t"])["t"].version.epoch


def _versions(adapter: Adapter) -> dict[Key, Version]:
    return {key: one.version for key, one in everything_in(adapter, Counter).items()}


def _judge(sealed: dict[Key, Version], told: list[dict[Key, Version]]) -> None:
    """Check that every acknowledged write is in what was *sealed*, and no other."""
    for mine in told:
        assert {} == {key: one for key, one in mine.items() if not one <= sealed[key]}
    own = [key for mine in told for key in mine if key != "shared"]
    assert sorted(sealed) == sorted([*own, "shared"])
    assert max(mine["shared"] for mine in told if "shared" in mine) == sealed["shared"]
