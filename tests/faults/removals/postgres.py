"""Mechanisms of the PostgreSQL adapter."""

from harness.removal import Removal

SOURCE = "plugins/fluxstore-postgres/src/fluxstore_postgres"
SQL = f"{SOURCE}/sql"
TESTS = "plugins/fluxstore-postgres/tests"
KIT = f"{TESTS}/test_postgres_conformance.py"
UNKNOWN = f"{TESTS}/test_unknown_commits.py"
REMOVALS = (
    Removal(
        "postgres: fence",
        "a write is refused unless control says authority",
        f"{SQL}/capture.sql",
        "ELSE here.role = 'authority' END) THEN",
        "ELSE true END) THEN",
        (KIT, "-k", "only_the_authority or sealed"),
    ),
    Removal(
        "postgres: fence locks",
        "a write holds a shared lock that a change of control waits for",
        f"{SQL}/capture.sql",
        "    PERFORM pg_advisory_xact_lock_shared(hashtextextended({lock} || '*', 1)),\n"
        "            pg_advisory_xact_lock_shared(hashtextextended({lock} || about, 1));\n",
        "",
        (KIT, f"{TESTS}/test_control_changes.py", "-k", "seal or control or racing"),
    ),
    Removal(
        "postgres: FOR SHARE",
        "an older snapshot does not hide a newer control",
        f"{SQL}/capture.sql",
        "        IF NOT FOUND THEN\n            RAISE EXCEPTION 'control of",
        "        IF false THEN\n            RAISE EXCEPTION 'control of",
        (f"{TESTS}/test_capture.py", f"{TESTS}/test_control_changes.py"),
    ),
    Removal(
        "postgres: follower's fence",
        "what an authority brings is refused unless this side follows in that epoch",
        f"{SQL}/capture.sql",
        "WHEN 'apply' THEN here.role = 'follower'\n"
        "                             AND here.epoch = coalesce(wanted_epoch, here.epoch)",
        "WHEN 'apply' THEN true",
        (KIT, "-k", "another_epoch or no_follower"),
    ),
    Removal(
        "postgres: governed reads",
        "a read is refused unless control, read with the record, lets this side answer",
        f"{SQL}/capture.sql",
        "IF here.role IS NULL OR here.role IN ('authority', 'sealed') THEN",
        "IF true THEN",
        (KIT, "-k", "refuse_every_read or noticed"),
    ),
    Removal(
        "postgres: newer versions win",
        "a follower takes only what is newer than what it has",
        f"{SQL}/ledger.sql",
        "WHERE (excluded.epoch, excluded.seq) > (v.epoch, v.seq)\n",
        "",
        (KIT, "-k", "newest_version or come_back"),
    ),
    Removal(
        "postgres: marks",
        "a governed commit leaves a mark",
        f"{SQL}/capture.sql",
        "SELECT about, noted.key, noted.epoch, noted.seq FROM noted\n",
        "SELECT about, noted.key, noted.epoch, noted.seq FROM noted WHERE false\n",
        (KIT, "-k", "mark or backlog"),
    ),
    Removal(
        "postgres: tombstones",
        "a delete leaves a version row",
        f"{SQL}/capture.sql",
        "        PERFORM {ledger}.note({entity}, array_agg({old_key}), true, true, control.epoch)\n"
        "        FROM old_rows AS o;\n",
        "        NULL;\n",
        (KIT, "-k", "tombstone"),
    ),
    Removal(
        "postgres: clears only the mark it read",
        "clearing leaves a newer mark of the key",
        f"{SQL}/ledger.sql",
        "AS m (entity, key, epoch, seq) USING (entity, key, epoch, seq)",
        "AS m (entity, key, epoch, seq) USING (entity, key)",
        (KIT, "-k", "mark_is_cleared"),
    ),
    Removal(
        "postgres: a changed key leaves a tombstone",
        "another client's update of a key deletes the old one",
        f"{SQL}/capture.sql",
        "FROM old_rows AS o WHERE {old_key} NOT IN (SELECT {new_key} FROM new_rows AS n);",
        "FROM old_rows AS o WHERE false;",
        (f"{TESTS}/test_capture.py", KIT, "-k", "key"),
    ),
    Removal(
        "postgres: no TRUNCATE",
        "a governed table is not emptied past its ledger",
        f"{SQL}/capture.sql",
        "    RAISE EXCEPTION 'TRUNCATE of",
        "    RETURN NULL;\n    RAISE EXCEPTION 'TRUNCATE of",
        (f"{TESTS}/test_capture.py", "-k", "truncate or empt"),
    ),
    Removal(
        "postgres: triggers in every session",
        "they fire whatever session_replication_role a session plays",
        f"{SQL}/capture.sql",
        "ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}",
        "ALTER TABLE {table} ENABLE TRIGGER {trigger}",
        (f"{TESTS}/test_capture.py",),
    ),
    Removal(
        "postgres: batch fence",
        "no other write of the entity runs between a live batch's look and its commit",
        f"{SQL}/merging.sql",
        "SELECT pg_advisory_xact_lock(hashtextextended({name}, 1))",
        "SELECT pg_advisory_xact_lock(hashtextextended({name}, 3))",
        (KIT, f"{TESTS}/test_following.py", "-k", "racing or batch or fence"),
    ),
    Removal(
        "postgres: merge asks versions",
        "a live batch leaves alone what has a version here",
        f"{SQL}/merging.sql",
        "SELECT key FROM {ledger}.versions WHERE entity",
        "SELECT key FROM {ledger}.versions WHERE false AND entity",
        (KIT, "-k", "has_a_version_here"),
    ),
    Removal(
        "postgres: operations are unique",
        "an operation is noted once",
        f"{SQL}/ops.sql",
        "VALUES (%(op_id)s, %(entity)s, %(key)s)\nON CONFLICT DO NOTHING RETURNING true",
        "VALUES (%(op_id)s, %(entity)s, %(key)s)\n"
        "ON CONFLICT (op_id, entity, key) DO UPDATE SET at = now() RETURNING true",
        (KIT, "-k", "op_id or operation or repeat"),
    ),
    Removal(
        "postgres: asks what became of a commit",
        "after a lost answer pg_xact_status decides",
        f"{SQL}/session.sql",
        "    THEN pg_xact_status(%(number)s::text::xid8)\n",
        "    THEN 'aborted'\n",
        (UNKNOWN,),
    ),
    Removal(
        "postgres: a crash ends a transaction's number",
        "a number given before the server crashed may be another transaction's by now",
        f"{SQL}/session.sql",
        "    WHEN %(run)s = concat_ws(",
        "    WHEN %(run)s = '' OR '' <> concat_ws(",
        (UNKNOWN,),
    ),
    Removal(
        "postgres: what a crash undid",
        "a number that a crashed server has yet to give again is of nothing that is there",
        f"{SQL}/session.sql",
        "pg_snapshot_xmax(pg_current_snapshot()) THEN 'aborted'",
        "pg_snapshot_xmax(pg_current_snapshot()) THEN NULL",
        (UNKNOWN,),
    ),
    Removal(
        "postgres: a commit that happened is a success",
        "what pg_xact_status says to have been committed is acknowledged",
        f"{SOURCE}/unit.py",
        '        if said == "committed":\n            return\n',
        "",
        (UNKNOWN,),
    ),
    Removal(
        "postgres: repeated once it is decided",
        "an operation whose connection died is made again only when the server has ended the first",
        f"{SOURCE}/retrying.py",
        "return not is_silent and connections.is_lost_write_decided()",
        "return not is_silent",
        (UNKNOWN, f"{TESTS}/test_outages.py"),
    ),
    Removal(
        "postgres: deadlocks are tried again",
        "of two writes in each other's way the one that PostgreSQL ends is made again",
        f"{SOURCE}/retrying.py",
        "return state_of(error) in RETRIED or isinstance(error.__cause__, Undone)",
        "return isinstance(error.__cause__, Undone)",
        (f"{TESTS}/test_outages.py", "-k", "deadlock"),
    ),
    Removal(
        "client capture: control is asked in the write",
        "a write that no trigger watches happens where this side is the authority, or not at all",
        f"{SQL}/capture.sql",
        "    PERFORM {ledger}.admit(\n"
        "        about, mode, nullif(current_setting('fluxstore.epoch', true), '')::bigint\n"
        "    );\n"
        "    IF mode",
        "    IF mode",
        (f"{TESTS}/test_client_capture.py",),
    ),
    Removal(
        "postgres: a place is told when those before it are over",
        "no write that is under way gets a place that a validation has passed",
        f"{SOURCE}/ledger.py",
        "return self._controls.alone(entity, self._last_touch)",
        "with self._database.connections.unit() as unit:\n"
        "            return self._last_touch(unit, entity)",
        (f"{TESTS}/test_following.py",),
    ),
)
