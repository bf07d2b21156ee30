"""Mechanisms of the JSON adapter and its sidecar."""

from harness.removal import Removal

LEDGER, MERGING = "fluxstore/ledger/sidecar.py", "plugins/fluxstore-json/src/fluxstore_json"
KIT = "plugins/fluxstore-json/tests/test_json_conformance.py"
REMOVALS = (
    Removal(
        "json: fence",
        "a commit is refused unless control, read in its own transaction, says authority",
        LEDGER,
        'if control is not None and control.role != "authority":',
        "if False:",
        (KIT, "-k", "only_the_authority or stays_where or racing or seal"),
    ),
    Removal(
        "json: seal",
        "a sealed side takes no writes",
        LEDGER,
        'if control is not None and control.role in ("sealed", "committing"):',
        "if False:",
        (KIT, "-k", "sealed"),
    ),
    Removal(
        "json: follower's fence",
        "what an authority brings is refused unless this side follows in that epoch",
        LEDGER,
        'if control.role != "follower" or epoch not in (None, control.epoch):',
        "if False:",
        (KIT, "-k", "epoch or follower or takes_nothing"),
    ),
    Removal(
        "json: marks",
        "a governed commit leaves a mark",
        LEDGER,
        'transaction.connection.executemany(SQL["mark"], marks)',
        "del marks",
        (KIT, "-k", "mark or backlog"),
    ),
    Removal(
        "json: clears only the mark it read",
        "clearing leaves a newer mark of the key",
        "fluxstore/ledger/sidecar.sql",
        " AND epoch = ? AND seq = ?",
        " AND ? > 0 AND ? > 0",
        (KIT, "-k", "mark_is_cleared"),
    ),
    Removal(
        "json: purge with control",
        "entering and leaving forget versions, tombstones, marks in the same transaction",
        LEDGER,
        "            if purge:\n                _forget(transaction, entity)\n",
        "",
        (KIT, "-k", "purge or forget"),
    ),
    Removal(
        "json: governed reads",
        "a read is refused unless control, read with the record, lets this side answer",
        LEDGER,
        'if control is None or control.role in ("authority", "sealed"):',
        "if True:",
        (KIT, "-k", "refuse_every_read or reader or noticed"),
    ),
    Removal(
        "json: operations",
        "a repeated op_id is recognised",
        LEDGER,
        "return found.fetchone() is not None",
        "return False and found.fetchone()",
        (KIT, "-k", "op_id or operation or repeat"),
    ),
    Removal(
        "json: compare and set",
        "control changes only from what was expected",
        LEDGER,
        "if (Control(*row) if row else None) != expected:",
        "if False:",
        (KIT, "-k", "control or compare"),
    ),
    Removal(
        "json: queue before SQLite",
        "writers of several processes queue on a kernel lock",
        "fluxstore/ledger/writer.py",
        "            self._lock.acquire(self.timeout_seconds)\n",
        "            pass\n",
        (
            "tests/unit/test_sidecar_ledger.py",
            "tests/unit/test_sidecar_control.py",
            KIT,
            "-k",
            "lock or process or lose",
        ),
    ),
    Removal(
        "json: failed commit overwritten",
        "after a failed fsync the commit's frames are overwritten, or the outcome is unknown",
        "fluxstore/ledger/writer.py",
        "                self._make_sure(error)\n",
        "                pass\n",
        ("plugins/fluxstore-json/tests/test_json_failed_flush.py",),
    ),
)
