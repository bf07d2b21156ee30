"""Mechanisms of the core: relay, carrying, backfill, the calls that are bound anew."""

from harness.removal import Removal

MIGRATION = "fluxstore/migration"
RELAY = ("tests/integration/test_relay.py", "tests/model/test_conducted.py")
BOTH = """            except (StalePhaseError, SealedError) as error:
                if not self._follows"""
REMOVALS = (
    Removal(
        "relay: takes the follower's epoch",
        "what is carried is refused unless the follower is in the epoch that was looked at",
        f"{MIGRATION}/carrying.py",
        "self._collection.apply_if_newer(changes, epoch=self._epoch)",
        "self._collection.apply_if_newer(changes)",
        RELAY,
    ),
    Removal(
        "relay: clears only the mark it read",
        "a mark that was made meanwhile stays",
        f"{MIGRATION}/carrying.py",
        "done = [Mark(entity.name, change.key, change.version) for change in settled]",
        "there = {m.key: m for m in origin.ledger.marks(entity.name, 999)}\n"
        "    done = [there[s.key] for s in settled if s.key in there]",
        RELAY,
    ),
    Removal(
        "relay: carries operations",
        "all operations of a key travel with it",
        f"{MIGRATION}/current.py",
        "done = origin.ledger.owed(entity.name, [*records, *gone])",
        "done: Mapping[Key, Sequence[str]] = {}",
        RELAY,
    ),
    Removal(
        "crossed: only in this migration",
        "what another follower has got is owed to this one",
        "fluxstore/adapter/facts.py",
        "control is not None and control.epoch - self.epoch in (0, 1)",
        "control is not None",
        ("tests/integration/test_reference_conformance.py",),
    ),
    Removal(
        "relay: tombstones travel",
        "the delete of a key is carried, too",
        f"{MIGRATION}/current.py",
        "None, tuple(done.get(key, ()))) for key in gone]",
        "None, tuple(done.get(key, ()))) for key in ()]",
        RELAY,
    ),
    Removal(
        "relay: leaves alone what nobody touched",
        "a record without a version is not carried: it could bring back what is deleted there",
        f"{MIGRATION}/current.py",
        "        if record.version != UNTOUCHED\n",
        "",
        RELAY,
    ),
    Removal(
        "relay: conflicts together",
        "what a rule holds back is applied together with what it needs",
        f"{MIGRATION}/relay.py",
        "                self._settle()\n",
        "                pass\n",
        RELAY,
    ),
    Removal(
        "calls: bound anew",
        "a call that a backend refused as stale is made again, through a new binding",
        "fluxstore/bound.py",
        BOTH,
        BOTH.replace("(StalePhaseError, SealedError)", "SealedError"),
        ("tests/unit/test_store.py", "plugins/fluxstore-phases/tests/test_following.py"),
    ),
    Removal(
        "calls: wait while sealed",
        "a write that meets a seal waits for its end",
        "fluxstore/bound.py",
        BOTH,
        BOTH.replace("(StalePhaseError, SealedError)", "StalePhaseError"),
        ("plugins/fluxstore-phases/tests/test_cutover_under_load.py",),
    ),
)
