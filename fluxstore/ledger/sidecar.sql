-- What SidecarLedger says to its database.

-- set_up_new: once, when a database is made; what it holds is durable before the log is begun
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA synchronous = FULL;

-- begin_log: from here on changes go to a log beside the database
PRAGMA journal_mode = WAL

-- set_up: on every connection; FULL makes every commit durable, cell_size_check notices damage
PRAGMA synchronous = FULL;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;

-- check: whether the database's structure and rules are whole
PRAGMA quick_check(1)

-- data_version: a number that changes when another connection has committed
PRAGMA data_version

-- begin_read: the start of a transaction that sees one state
BEGIN DEFERRED

-- begin_write: the start of a transaction that no other writer runs beside
BEGIN IMMEDIATE

-- commit: the end of either
COMMIT

-- rollback: as if it had not been
ROLLBACK

-- savepoint: the start of one caller's part of a transaction
SAVEPOINT part

-- keep: the end of a part that stays
RELEASE part

-- undo: the end of a part that goes
ROLLBACK TO part

-- shrink: free pages go back to the file system
PRAGMA incremental_vacuum

-- free_pages: how many pages hold nothing
PRAGMA freelist_count

-- all_meta: everything that the database says of itself
SELECT name, value FROM meta

-- set_meta: one thing that it says of itself
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- next_generation: one more checkpoint has been made
UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value

-- purges: how often versions were forgotten
SELECT value FROM meta WHERE name = 'purges'

-- next_purge: once more
UPDATE meta SET value = value + 1 WHERE name = 'purges'

-- touch_meta: a write that changes nothing that counts
UPDATE meta SET value = value WHERE name = 'format'

-- control: the control record of an entity, else that of all
SELECT epoch, role, phase, migration, format
FROM control WHERE entity IN (?1, '*') ORDER BY entity = '*' LIMIT 1

-- control_row: the control record of exactly this name
SELECT epoch, role, phase, migration, format FROM control WHERE entity = ?

-- controls: every control record
SELECT entity, epoch, role, phase, migration, format FROM control ORDER BY entity

-- drop_control: nothing rules an entity any more
DELETE FROM control WHERE entity = ?

-- set_control: what is to be true of the phase from now on
INSERT INTO control (entity, epoch, role, phase, migration, format)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (entity) DO UPDATE SET
    epoch = excluded.epoch, role = excluded.role, phase = excluded.phase,
    migration = excluded.migration, format = excluded.format

-- purge_versions: no versions and tombstones of what a control record governs, by its entity's name or '*'
DELETE FROM versions WHERE entity = ?1
OR (?1 = '*' AND entity NOT IN (SELECT entity FROM control))

-- purge_outbox: no marks of what a control record governs, by its entity's name or '*'
DELETE FROM outbox WHERE entity = ?1
OR (?1 = '*' AND entity NOT IN (SELECT entity FROM control))

-- purge_cursors: no cursors of what a control record governs, by its entity's name or '*'
DELETE FROM cursors WHERE entity = ?1
OR (?1 = '*' AND entity NOT IN (SELECT entity FROM control))

-- versions: the versions of touched keys, given as a JSON array
SELECT key, epoch, seq, deleted FROM versions
WHERE entity = ? AND key IN (SELECT value FROM json_each(?))

-- set_version: how new a record is now; it is the last that was written
INSERT INTO versions (entity, key, epoch, seq, deleted, number) VALUES (
    ?1, ?2, ?3, ?4, ?5,
    (SELECT coalesce(max(w.number), 0) + 1 FROM versions AS w WHERE w.entity = ?1)
)
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, deleted = excluded.deleted,
    number = excluded.number

-- touched: some touched keys beyond a place, in the order in which they were written last
SELECT key, number FROM versions WHERE entity = ? AND number > ? ORDER BY number LIMIT ?

-- last_touch: the place of the last
SELECT coalesce(max(number), 0) FROM versions WHERE entity = ?

-- mark: this key may differ in the follower
INSERT OR REPLACE INTO outbox (entity, key, epoch, seq, deleted, made) VALUES (?, ?, ?, ?, ?, ?)

-- marks: some of the outbox, the oldest first
SELECT key, epoch, seq, deleted FROM outbox WHERE entity = ? ORDER BY number LIMIT ?

-- backlog: how many marks there are, and when the oldest was made
SELECT
    (SELECT count(*) FROM outbox WHERE entity = ?1),
    (SELECT made FROM outbox WHERE entity = ?1 ORDER BY number LIMIT 1)

-- clear: a mark goes if it still is the one that was read
DELETE FROM outbox WHERE entity = ? AND key = ? AND epoch = ? AND seq = ?

-- is_done: whether an operation has changed one of some keys, given as a JSON array
SELECT 1 FROM ops
WHERE entity = ? AND key IN (SELECT value FROM json_each(?)) AND op_id = ? LIMIT 1

-- operations: what has changed some keys, given as a JSON array, since a time
SELECT key, op_id FROM ops
WHERE entity = ? AND key IN (SELECT value FROM json_each(?)) AND made >= ?
ORDER BY epoch, seq

-- owed: those of them that have not crossed in the migration that control names
WITH wanted (key, migration) AS (
    SELECT w.value, coalesce((
        SELECT c.migration FROM control AS c WHERE c.entity IN (?1, '*')
        ORDER BY c.entity = '*' LIMIT 1
    ), '')
    FROM json_each(?2) AS w
)
SELECT o.key, o.op_id FROM wanted AS w CROSS JOIN ops AS o
WHERE o.entity = ?1 AND o.key = w.key AND o.crossed < w.migration AND o.made >= ?3
UNION ALL
SELECT o.key, o.op_id FROM wanted AS w CROSS JOIN ops AS o
WHERE o.entity = ?1 AND o.key = w.key AND o.crossed > w.migration AND o.made >= ?3

-- cross: the other side has got an operation in a migration
UPDATE ops SET crossed = ? WHERE entity = ? AND key = ? AND op_id = ?

-- operated: some keys that operations have changed since a time, after a key
SELECT DISTINCT key FROM ops WHERE entity = ? AND key > ? AND made >= ? ORDER BY key LIMIT ?

-- remember_op: an operation has changed a key
INSERT INTO ops (op_id, entity, key, epoch, seq, made, crossed) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (entity, key, op_id) DO NOTHING

-- forget_ops: operations that no caller may repeat any more
DELETE FROM ops WHERE made < ?

-- note: what is kept under a name
SELECT value FROM notes WHERE name = ?

-- set_note: what is kept under a name from now on
INSERT INTO notes (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- drop_note: nothing is
DELETE FROM notes WHERE name = ?

-- cursor: where a migration stands
SELECT position, fingerprint, counts, format FROM cursors WHERE migration = ? AND entity = ?

-- set_cursor: where a migration stands now
INSERT INTO cursors (migration, entity, position, fingerprint, counts, format)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (migration, entity) DO UPDATE SET
    position = excluded.position, fingerprint = excluded.fingerprint,
    counts = excluded.counts, format = excluded.format

-- drop_cursors: a migration is over
DELETE FROM cursors WHERE migration = ?

-- set_lease: who holds a lease, for messages
INSERT INTO leases (name, holder) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder

-- lease: who held it last
SELECT holder FROM leases WHERE name = ?

-- quarantine: what could not cross
SELECT problem, raw FROM quarantine WHERE entity = ? ORDER BY number

-- drop_quarantine: nothing is in quarantine
DELETE FROM quarantine WHERE entity = ?

-- add_quarantine: one that could not cross
INSERT INTO quarantine (entity, number, problem, raw) VALUES (?, ?, ?, ?)

-- parts: what an entity's file has beside records, in order
SELECT name, number, value FROM parts
WHERE entity = ? AND (name, number) > (?, ?) ORDER BY name, number LIMIT 16

-- part: one piece
SELECT value FROM parts WHERE entity = ? AND name = ? AND number = ?

-- set_part: one piece, as it is now
INSERT INTO parts (entity, name, number, value) VALUES (?, ?, ?, ?)
ON CONFLICT (entity, name, number) DO UPDATE SET value = excluded.value

-- drop_parts: the pieces of one name from a number on
DELETE FROM parts WHERE entity = ? AND name = ? AND number >= ?

-- part_names: which kinds of pieces there are
SELECT DISTINCT name FROM parts WHERE entity = ?

-- pending_since: changes newer than one that is known, oldest first
SELECT change, entity, key, born, fresh, parent, root, payload, digest
FROM pending WHERE change > ? ORDER BY change

-- pending_of: the changes of some keys, given as a JSON array
SELECT change, entity, key, born, fresh, parent, root, payload, digest
FROM pending WHERE entity = ? AND key IN (SELECT value FROM json_each(?))

-- pending_new: changes that made records, in the order in which these were born
SELECT change, entity, key, born, fresh, parent, root, payload, digest
FROM pending
WHERE entity = ?1 AND fresh = 1 AND payload IS NOT NULL AND coalesce(born, change) > ?2
ORDER BY coalesce(born, change) LIMIT ?3

-- pending_inside: changes of one entity inside one outermost document, as they were born
SELECT change, entity, key, born, fresh, parent, root, payload, digest
FROM pending WHERE entity = ? AND root = ? ORDER BY coalesce(born, change)

-- pending_count: how many changes of an entity wait
SELECT count(*), coalesce(max(change), 0) FROM pending WHERE entity = ?

-- last_change: the newest change there ever was
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'pending'), 0)

-- put_pending: a change, in the place of an older one of the same key
INSERT OR REPLACE INTO pending (entity, key, born, fresh, parent, root, payload, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- drop_pending: changes that are in the file now
DELETE FROM pending WHERE entity = ? AND change <= ?

-- checkpoints: the files that changes are in
SELECT file, generation, identity, digest, change, noticed FROM checkpoints

-- set_checkpoint: a file and the changes that are in it
INSERT INTO checkpoints (file, generation, identity, digest, change, noticed)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (file) DO UPDATE SET
    generation = excluded.generation, identity = excluded.identity, digest = excluded.digest,
    change = excluded.change, noticed = excluded.noticed

-- intents: files that are about to take their places
SELECT file, temporary, inode, size, digest, change FROM intents

-- set_intent: a file that is about to take its place
INSERT OR REPLACE INTO intents (file, temporary, inode, size, digest, change)
VALUES (?, ?, ?, ?, ?, ?)

-- drop_intent: it has, or never will
DELETE FROM intents WHERE file = ?

-- add_fact: a record has this value under this name
INSERT OR IGNORE INTO facts (entity, name, value, key) VALUES (?, ?, ?, ?)

-- drop_fact: it no longer has
DELETE FROM facts WHERE entity = ? AND name = ? AND value = ? AND key = ?

-- drop_facts: nothing is known of an entity's records
DELETE FROM facts WHERE entity = ?

-- holders: the records that have this value under this name
SELECT key FROM facts WHERE entity = ? AND name = ? AND value = ? ORDER BY key

-- indexed: under which names an entity's facts are complete
SELECT names FROM indexed WHERE entity = ?

-- set_indexed: they are complete from now on
INSERT INTO indexed (entity, names) VALUES (?, ?)
ON CONFLICT (entity) DO UPDATE SET names = excluded.names

-- drop_indexed: they no longer are
DELETE FROM indexed WHERE entity = ?

-- pending_keys: which keys of an entity have a change, and whether they are deleted
SELECT key, payload IS NULL FROM pending WHERE entity = ? AND key IN (SELECT value FROM json_each(?))

-- pending_fresh_count: how many records wait that no file holds, and how many of a file's are deleted
SELECT
    count(*) FILTER (WHERE fresh = 1 AND payload IS NOT NULL),
    count(*) FILTER (WHERE fresh = 0 AND payload IS NULL)
FROM pending WHERE entity = ? AND change > ?

-- pending_keys_after: the keys that have changes, as they were born, each with the outermost document
SELECT key, coalesce(born, change), root FROM pending WHERE entity = ? AND change > ?
ORDER BY coalesce(born, change)

-- set_fresh: whether a file holds a key whose change waits
UPDATE pending SET fresh = ? WHERE entity = ? AND key = ?
