-- Fence and capture of what other programs write: triggers on each governed table, composed by
-- sql/triggers.py. The library's own transactions do the same in Python, and only once a record.

-- name: begin_own
-- The library writes from here on.
INSERT OR IGNORE INTO _fluxstore_own (own) VALUES (1)

-- name: end_own
-- The library has written.
DELETE FROM _fluxstore_own

-- name: there
-- The triggers that are there.
SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '\_fluxstore\_%' ESCAPE '\'

-- name: others
-- Whether there is a trigger of an application's own.
SELECT 1 FROM sqlite_master
WHERE type = 'trigger' AND name NOT LIKE '\_fluxstore\_%' ESCAPE '\' LIMIT 1

-- name: drop
-- A trigger that is not wanted any more, or not as it is.
DROP TRIGGER {trigger}

-- name: trigger
-- A trigger for other programs' statements.
CREATE TRIGGER {trigger} {moment} ON {table}
WHEN NOT EXISTS (SELECT 1 FROM _fluxstore_own) BEGIN
{steps}
END

-- name: governor
-- The name of the control record that governs an entity, as a value.
coalesce((SELECT g.entity FROM _fluxstore_control AS g WHERE g.entity = {entity}), '*')

-- name: fence
-- Refuses the statement unless this backend is the authority.
SELECT CASE
    WHEN c.role IN ('sealed', 'committing') THEN RAISE(ABORT, {sealed})
    WHEN c.role <> 'authority' THEN RAISE(ABORT, {elsewhere})
END FROM _fluxstore_control AS c WHERE c.entity = {governor};

-- name: refuse_key
-- Refuses a row whose key no other backend could have.
SELECT RAISE(ABORT, {words}) WHERE ({is_key}) IS NOT TRUE;

-- name: may_displace
-- Remembers a row with the same unique values: OR REPLACE deletes it without its trigger.
INSERT INTO _fluxstore_displaced (entity, key, stored)
SELECT {entity}, {key}, {stored} FROM {table} AS t WHERE {is_same} AND {is_key} AND {is_other}
ON CONFLICT (entity, key) DO NOTHING;

-- name: displaced
-- Gives a tombstone and a mark to each row that was displaced.
INSERT INTO _fluxstore_versions (entity, key, epoch, seq, deleted, number)
SELECT d.entity, d.key, c.epoch, 2, 1, {place} - 1 + row_number() OVER () FROM _fluxstore_displaced AS d, _fluxstore_control AS c
WHERE d.entity = {entity} AND c.entity = {governor}
    AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {is_stored})
    AND NOT EXISTS (
        SELECT 1 FROM _fluxstore_versions AS w
        WHERE w.entity = d.entity AND w.key = d.key AND w.deleted = 1
    )
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = _fluxstore_versions.seq + 1, deleted = 1,
    number = excluded.number;
INSERT INTO _fluxstore_outbox (entity, key, epoch, seq, number, at)
SELECT v.entity, v.key, v.epoch, v.seq, {number}, {now}
FROM _fluxstore_displaced AS d, _fluxstore_versions AS v
WHERE d.entity = {entity} AND v.entity = d.entity AND v.key = d.key AND v.deleted = 1
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, number = excluded.number;
DELETE FROM _fluxstore_displaced WHERE entity = {entity};

-- name: touch
-- Gives a record its next version and a mark.
INSERT INTO _fluxstore_versions (entity, key, epoch, seq, deleted, number)
SELECT {entity}, {key}, c.epoch, {seq}, {deleted}, {place} FROM _fluxstore_control AS c
WHERE c.entity = {governor} AND {condition}
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = _fluxstore_versions.seq + 1, deleted = excluded.deleted,
    number = excluded.number;
INSERT INTO _fluxstore_outbox (entity, key, epoch, seq, number, at)
SELECT v.entity, v.key, v.epoch, v.seq, {number}, {now} FROM _fluxstore_versions AS v
WHERE v.entity = {entity} AND v.key = {key} AND {condition}
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, number = excluded.number;

-- name: number
-- The number of an entity's next mark, as a value.
(SELECT coalesce(max(o.number), 0) + 1 FROM _fluxstore_outbox AS o WHERE o.entity = {entity})

-- name: place
-- The place of the next touched key of an entity, as a value.
(SELECT coalesce(max(w.number), 0) + 1 FROM _fluxstore_versions AS w WHERE w.entity = {entity})

-- name: now
-- Seconds of 1970, as a value.
((julianday('now') - 2440587.5) * 86400.0)

-- name: unique_indexes
-- The unique indexes of a table.
SELECT name, origin FROM pragma_index_list(?) WHERE "unique"

-- name: index_columns
-- The columns of an index, and how it compares them; a part that is an expression has no name.
SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno

-- name: same_expression
-- The condition that a row of the table and the new one have the same value of an expression.
({expression}){collation} = (SELECT {expression} FROM (SELECT {columns}))

-- name: index
-- The statement that made an index; none where a constraint did.
SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?

-- name: kind
-- Whether a name is that of a table, with rows of its own, and whether rows have numbers.
SELECT type = 'table', wr FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)
