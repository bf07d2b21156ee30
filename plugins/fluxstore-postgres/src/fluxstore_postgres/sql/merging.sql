-- Merging a batch of a migration: staged by COPY, then written where it differs.

-- fence: one merger of an entity at a time
SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))

-- batch_fence: the fence alone: no other write of the entity runs until we commit
SELECT pg_advisory_xact_lock(hashtextextended({name}, 1))

-- merge_mode: where there is no ledger, and so no control
SELECT set_config('fluxstore.mode', 'merge', true)

-- touched: which keys have a version here; those of a table without any cost one look
SELECT key FROM {ledger}.versions WHERE entity = %(entity)s AND key = ANY(%(keys)s::text[])

-- has_touched: whether any record of an entity has a version here
SELECT EXISTS (SELECT FROM {ledger}.versions WHERE entity = %(entity)s)

-- allow_writes: a trial in a session that is to read only; it is undone
SET TRANSACTION READ WRITE

-- is_empty: whether a table has no records at all
SELECT NOT EXISTS (SELECT FROM {table})

-- copy_in: records into a table that had none
COPY {table} ({names}) FROM STDIN

-- copy_residue: what such records have beside a table that was there before
COPY {ledger}.residue (entity, key, residue) FROM STDIN

-- forget_residue: what is left of records that a table had, which has none now
DELETE FROM {ledger}.residue WHERE entity = {entity}

-- make_stage: where a batch is put first
CREATE TEMPORARY TABLE fluxstore_stage ({columns}) ON COMMIT DROP

-- copy_stage: a batch into its stage
COPY fluxstore_stage ({names}) FROM STDIN

-- make_trial: an empty copy of a table that was there before, to try records on
CREATE TEMPORARY TABLE fluxstore_trial (
    LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING IDENTITY
) ON COMMIT DROP

-- copy_trial: records into the copy
COPY fluxstore_trial ({names}) FROM STDIN

-- try_out: what is staged into the copy
INSERT INTO fluxstore_trial ({names}) SELECT {values} FROM fluxstore_stage AS s

-- empty_trial: the copy for the next
DELETE FROM fluxstore_trial

-- drop_stage: the end of a stage
DROP TABLE fluxstore_stage

-- unstage: records that are refused
DELETE FROM fluxstore_stage WHERE number = ANY(%(numbers)s::bigint[])

-- write: records of the stage that are new or differ; equal ones are not even locked
INSERT INTO {table} AS t ({names})
SELECT {values}
FROM fluxstore_stage AS s LEFT JOIN {table} AS t ON {same_key}
WHERE t.{key} IS NULL OR ({there}) IS DISTINCT FROM ({staged})
ON CONFLICT ({keys}) DO UPDATE SET {changes}
WHERE ({there}) IS DISTINCT FROM ({offered})
RETURNING {returned}

-- colliding: staged records whose unique values another record has; what is there already keeps
-- its place, then the first
WITH fresh AS (
    SELECT s.* FROM fluxstore_stage AS s LEFT JOIN {table} AS t ON {same_key}
    WHERE t.{key} IS NULL OR ({there}) IS DISTINCT FROM ({staged})
), owners AS (
    SELECT -1::bigint AS number, {owned} FROM {table} AS t
    WHERE NOT EXISTS (SELECT FROM fresh AS s WHERE {same_key})
      AND ({group}) IN (SELECT {group_staged} FROM fresh AS s)
    UNION ALL
    SELECT s.number, {group_staged} FROM fresh AS s
)
SELECT s.number FROM fresh AS s
WHERE EXISTS (SELECT FROM owners AS o WHERE ({group_owned}) = ({group_staged}) AND o.number < s.number)

-- write_residue: residue of staged records, for a table that was there before
INSERT INTO {ledger}.residue AS r (entity, key, residue)
SELECT {entity}, {key_text}, s.residue FROM fluxstore_stage AS s WHERE s.residue IS NOT NULL
ON CONFLICT (entity, key) DO UPDATE SET residue = excluded.residue
WHERE r.residue IS DISTINCT FROM excluded.residue
RETURNING r.key

-- drop_residue: residue that staged records no longer have
DELETE FROM {ledger}.residue AS r USING fluxstore_stage AS s
WHERE s.residue IS NULL AND r.entity = {entity} AND r.key = {key_text}
RETURNING r.key

-- save_cursor: where a migration stands after this batch
INSERT INTO {ledger}.cursors AS c (migration, entity, position, fingerprint, counts, format)
VALUES (%(migration)s, %(entity)s, %(position)s, %(fingerprint)s, %(counts)s::jsonb,
        %(format)s::text::integer)
ON CONFLICT (migration, entity) DO UPDATE SET
    position = excluded.position, fingerprint = excluded.fingerprint,
    counts = excluded.counts, format = excluded.format
