"""A live backfill is steered from elsewhere, and refused where the ledgers do not allow it."""

from __future__ import annotations

import threading

import pytest
from backfilling import HUNDRED, before_merges, loaded, run, same
from governed import govern, pair
from moving import ENTITIES, Note, pile, reference

from fluxstore.adapter import Capability
from fluxstore.errors import GateError, LeaseError, UnsupportedError
from fluxstore.migration.assess import assess
from fluxstore.migration.live import live_of
from fluxstore.migration.migrate import migrate
from fluxstore.migration.plan import LEASE
from fluxstore.migration.steering import read_told, tell


def test_a_second_one_is_refused_and_named_its_holder() -> None:
    both = loaded(*HUNDRED)
    with both.follower.adapter.ledger.lease(LEASE), pytest.raises(LeaseError):
        run(both)


def test_it_is_paused_and_sped_up_from_elsewhere() -> None:
    both = loaded(*HUNDRED)
    ledger = both.origin.adapter.ledger
    paused = threading.Event()

    def pause() -> None:
        told = tell(ledger, state="paused")
        assert ("paused", 5000.0) == (told.state, told.rate)
        paused.set()

    before_merges(both, Note, pause)
    running = threading.Thread(target=run, args=(both,), kwargs={"rate": 5000.0})
    running.start()
    assert paused.wait(10)
    running.join(0.5)
    assert running.is_alive()
    assert None is tell(ledger, state="running", rate=0).rate
    running.join(10)
    assert not running.is_alive()
    assert same(both, Note)
    assert "running" == read_told(ledger).state


def test_nobody_is_told_where_no_backfill_runs() -> None:
    with pytest.raises(GateError, match="no backfill is running"):
        tell(pair().origin.adapter.ledger, state="paused")


@pytest.mark.parametrize(
    ("one", "other", "step"),
    [
        (("sealed", 4, "shadow"), ("follower", 3, "shadow"), "cutover is under way"),
        (("authority", 4, "shadow"), ("follower", 3, "shadow"), "fluxstore status"),
        (("authority", 3, "complete"), ("archived", 3, "complete"), "phase back"),
        (("authority", 1, "off"), ("follower", 2, "dual_write"), "fluxstore status"),
    ],
)
def test_what_is_neither_off_nor_live_is_refused_with_the_next_step(one, other, step) -> None:
    both = pair(is_governed=False)
    for end, (role, epoch, phase) in ((both.origin, one), (both.follower, other)):
        govern(end, role, epoch=epoch, phase=phase)
    with pytest.raises(GateError, match=step) as caught:
        live_of(both.origin, both.follower, ENTITIES.values())
    assert 6 == caught.value.exit_code


def test_an_offline_copy_is_refused_while_one_follows_the_other() -> None:
    both = loaded(*HUNDRED)
    with pytest.raises(GateError, match="fluxstore migrate --from source --to target"):
        migrate(both.origin, both.follower, ENTITIES)


def test_an_adapter_without_fencing_is_no_end_of_a_live_migration() -> None:
    both = loaded(*HUNDRED)
    without = both.follower.adapter.capabilities - {Capability.FENCING}
    unfenced = reference("target")
    unfenced.adapter.capabilities = without
    assert None is live_of(pair(is_governed=False).origin, unfenced, ENTITIES.values())
    live = live_of(both.origin, both.follower, ENTITIES.values())
    assert live is not None
    both.follower.adapter.capabilities = without
    with pytest.raises((UnsupportedError, GateError)):
        live_of(both.origin, both.follower, ENTITIES.values())


def test_assess_says_which_end_is_not_fit_for_a_live_migration(tmp_path) -> None:
    unfit = assess(pile(Note(id=1)), reference("target", tmp_path / "store"), ENTITIES)
    found = [one for one in unfit.findings if "live migration" in one.subject]
    assert {"source, live migration"} == {one.subject for one in found}
    assert any("does not check control" in one.problem for one in found)
    assert 0 == unfit.exit_code
