-- Statements on the ledger's tables.

-- name: controls
-- Every control record; there are few.
SELECT entity, epoch, role, phase, migration, format FROM _fluxstore_control

-- name: role
-- The role of this backend for an entity: its own control record, else that of '*'.
SELECT role FROM _fluxstore_control
WHERE entity = coalesce((SELECT entity FROM _fluxstore_control WHERE entity = ?), '*')

-- name: set_control
-- The new control of an entity, compared before in the same transaction.
INSERT INTO _fluxstore_control (entity, epoch, role, phase, migration, format)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (entity) DO UPDATE SET
    epoch = excluded.epoch, role = excluded.role, phase = excluded.phase,
    migration = excluded.migration, format = excluded.format

-- name: drop_control
-- An entity's control is over; compared before in the same transaction.
DELETE FROM _fluxstore_control WHERE entity = ?

-- name: purge_versions
-- Nothing is known any more of an entity's versions.
DELETE FROM _fluxstore_versions WHERE entity = ?

-- name: purge_outbox
-- Nothing of an entity is to be carried any more.
DELETE FROM _fluxstore_outbox WHERE entity = ?

-- name: purge_cursors
-- No migration of an entity goes on where it stood.
DELETE FROM _fluxstore_cursors WHERE entity = ?

-- name: purge_displaced
-- No statement of another program is under way on an entity.
DELETE FROM _fluxstore_displaced WHERE entity = ?

-- name: known_entities
-- The entities that the ledger knows anything of.
SELECT entity FROM _fluxstore_versions
UNION SELECT entity FROM _fluxstore_outbox
UNION SELECT entity FROM _fluxstore_cursors

-- name: version
-- The version of one touched key.
SELECT epoch, seq, deleted FROM _fluxstore_versions WHERE entity = ? AND key = ?

-- name: has_versions
-- Whether any key of an entity was touched: versions are sparse.
SELECT 1 FROM _fluxstore_versions WHERE entity = ? LIMIT 1

-- name: set_version
-- The version of a key, which is the last that was written.
INSERT INTO _fluxstore_versions (entity, key, epoch, seq, deleted, number)
VALUES (
    ?1, ?2, ?3, ?4, ?5,
    (SELECT coalesce(max(w.number), 0) + 1 FROM _fluxstore_versions AS w WHERE w.entity = ?1)
)
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, deleted = excluded.deleted,
    number = excluded.number

-- name: touched
-- Some touched keys beyond a place, in the order in which they were written last.
SELECT key, number FROM _fluxstore_versions
WHERE entity = ? AND number > ? ORDER BY number LIMIT ?

-- name: last_touch
-- The place of the last.
SELECT coalesce(max(number), 0) FROM _fluxstore_versions WHERE entity = ?

-- name: set_mark
-- This key may differ in the follower; one row a key, the newest, behind all others.
INSERT INTO _fluxstore_outbox (entity, key, epoch, seq, number, at)
VALUES (
    ?1, ?2, ?3, ?4,
    (SELECT coalesce(max(o.number), 0) + 1 FROM _fluxstore_outbox AS o WHERE o.entity = ?1),
    ?5
)
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, number = excluded.number

-- name: marks
-- Marks of one entity, the oldest first.
SELECT o.key, o.epoch, o.seq, coalesce(v.deleted, 0)
FROM _fluxstore_outbox AS o
LEFT JOIN _fluxstore_versions AS v ON v.entity = o.entity AND v.key = o.key
WHERE o.entity = ? ORDER BY o.number LIMIT ?

-- name: backlog
-- How many marks of an entity there are, and since when the oldest waits.
SELECT count(*), min(at) FROM _fluxstore_outbox WHERE entity = ?

-- name: clear
-- A mark that still is the one that was read.
DELETE FROM _fluxstore_outbox WHERE entity = ? AND key = ? AND epoch = ? AND seq = ?

-- name: has_op
-- Whether an operation has taken effect on an entity.
SELECT 1 FROM _fluxstore_ops WHERE op_id = ? AND entity = ? LIMIT 1

-- name: note_op
-- An operation took effect on a key.
INSERT INTO _fluxstore_ops (op_id, entity, key, epoch, seq, at, crossed)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (op_id, entity, key) DO NOTHING

-- name: operations
-- The operations that changed a key and may still be repeated, the oldest first.
SELECT op_id FROM _fluxstore_ops WHERE entity = ? AND key = ? AND at >= ? ORDER BY at, op_id

-- name: owed
-- Those of them that have not crossed in a migration.
SELECT op_id FROM _fluxstore_ops WHERE entity = ?1 AND key = ?2 AND crossed < ?4 AND at >= ?3
UNION ALL
SELECT op_id FROM _fluxstore_ops WHERE entity = ?1 AND key = ?2 AND crossed > ?4 AND at >= ?3

-- name: cross
-- The other side has got an operation in a migration.
UPDATE _fluxstore_ops SET crossed = ? WHERE op_id = ? AND entity = ? AND key = ?

-- name: operated
-- Some keys that operations have changed since a time, after a key.
SELECT DISTINCT key FROM _fluxstore_ops WHERE entity = ? AND key > ? AND at >= ?
ORDER BY key LIMIT ?

-- name: forget_ops
-- Operations whose retention is over.
DELETE FROM _fluxstore_ops WHERE at < ?

-- name: fact
-- The JSON text that is kept under a name.
SELECT value FROM _fluxstore_facts WHERE name = ?

-- name: set_fact
-- A JSON text under a name.
INSERT INTO _fluxstore_facts (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: drop_fact
-- Nothing is kept under a name any more.
DELETE FROM _fluxstore_facts WHERE name = ?

-- name: cursor
-- Where a migration of one entity stands.
SELECT position, fingerprint, counts, format FROM _fluxstore_cursors
WHERE migration = ? AND entity = ?

-- name: set_cursor
-- Where a migration stands after a batch, in the batch's own transaction.
INSERT INTO _fluxstore_cursors (migration, entity, position, fingerprint, counts, format)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (migration, entity) DO UPDATE SET
    position = excluded.position, fingerprint = excluded.fingerprint,
    counts = excluded.counts, format = excluded.format

-- name: drop_cursors
-- A migration is over, or begins afresh.
DELETE FROM _fluxstore_cursors WHERE migration = ?

-- name: quarantine
-- What is in quarantine of an entity.
SELECT key, field, file, reason, expected, raw FROM _fluxstore_quarantine
WHERE entity = ? ORDER BY number

-- name: drop_quarantine
-- The quarantine of an entity, before it is written anew.
DELETE FROM _fluxstore_quarantine WHERE entity = ?

-- name: add_quarantine
-- One record that cannot cross.
INSERT INTO _fluxstore_quarantine (entity, number, key, field, file, reason, expected, raw)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: parts
-- What a whole file has beside its records, a few pieces at a time.
SELECT name, number, value FROM _fluxstore_parts
WHERE entity = ? AND (name, number) > (?, ?) ORDER BY name, number LIMIT 100

-- name: part
-- One piece.
SELECT value FROM _fluxstore_parts WHERE entity = ? AND name = ? AND number = ?

-- name: set_part
-- One piece that is new or differs.
INSERT INTO _fluxstore_parts (entity, name, number, value) VALUES (?, ?, ?, ?)
ON CONFLICT (entity, name, number) DO UPDATE SET value = excluded.value

-- name: part_names
-- Name and number of every piece of an entity.
SELECT name, number FROM _fluxstore_parts WHERE entity = ?

-- name: drop_part
-- A piece that the file has no more.
DELETE FROM _fluxstore_parts WHERE entity = ? AND name = ? AND number = ?

-- name: steps
-- The schema steps that have run.
SELECT name, checksum FROM _fluxstore_steps

-- name: note_step
-- A schema step has run, in its own transaction.
INSERT INTO _fluxstore_steps (name, checksum, applied_at) VALUES (?, ?, ?)

-- name: has_ledger
-- Whether the ledger's tables have been made.
SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_fluxstore_steps'

-- name: tables
-- The tables and views of the file.
SELECT name FROM sqlite_master WHERE type IN ('table', 'view')

-- name: columns
-- The columns of a table, generated ones included.
SELECT cid, name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)

-- name: indexes
-- The indexes of a table.
SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?

-- name: step
-- Whether a schema step has run.
SELECT 1 FROM _fluxstore_steps WHERE name = ?

-- name: counts
-- How many rows a table has, to compare a backup with what it was made of.
SELECT COUNT(*) FROM {table}

-- name: stored_tables
-- The tables of the file that hold rows of somebody's.
SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'

-- name: table
-- The statement that made a table.
SELECT sql FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?)
