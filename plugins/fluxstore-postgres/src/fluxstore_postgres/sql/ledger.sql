-- What the ledger is asked and told.

-- control: the control record of an entity, else that of all
SELECT epoch, role, phase, migration, format FROM {ledger}.control
WHERE entity IN (%(entity)s, '*') ORDER BY entity = '*' LIMIT 1

-- controls: every control record
SELECT entity, epoch, role, phase, migration, format FROM {ledger}.control

-- own_control: the control record of exactly this name, held until we commit
SELECT epoch, role, phase, migration, format FROM {ledger}.control
WHERE entity = %(entity)s FOR UPDATE

-- fence: wait until no writer of an entity is under way, and hold back new ones
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 1))

-- write_control: a control record
INSERT INTO {ledger}.control AS c (entity, epoch, role, phase, migration, format)
VALUES (%(entity)s, %(epoch)s::text::bigint, %(role)s, %(phase)s, %(migration)s,
        %(format)s::text::integer)
ON CONFLICT (entity) DO UPDATE SET
    epoch = excluded.epoch, role = excluded.role, phase = excluded.phase,
    migration = excluded.migration, format = excluded.format

-- drop_control: a control record that is to be no more
DELETE FROM {ledger}.control WHERE entity = %(entity)s

-- turn: that control has changed, for those whose snapshot is older
UPDATE {ledger}.turn SET number = number + 1

-- purge: forget versions, marks and cursors of what a control record governs
WITH governed AS (
    SELECT DISTINCT entity FROM (
        SELECT entity FROM {ledger}.versions UNION SELECT entity FROM {ledger}.outbox
        UNION SELECT entity FROM {ledger}.cursors
    ) AS e
    WHERE CASE %(entity)s
          WHEN '*' THEN entity NOT IN (SELECT entity FROM {ledger}.control)
          ELSE entity = %(entity)s END
), versions AS (
    DELETE FROM {ledger}.versions WHERE entity IN (SELECT entity FROM governed)
), marks AS (
    DELETE FROM {ledger}.outbox WHERE entity IN (SELECT entity FROM governed)
)
DELETE FROM {ledger}.cursors WHERE entity IN (SELECT entity FROM governed)

-- holders: who holds the fence, or writes to a table whose triggers are to change
SELECT format('process %%s (%%s) since %%s', a.pid, coalesce(nullif(a.application_name, ''), '?'),
              coalesce(to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS'), 'a moment unknown'))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.locktype = 'advisory' AND l.objsubid = 1
       AND (l.classid::bigint << 32) + l.objid::bigint = ANY (
           SELECT hashtextextended(name, 1) FROM unnest(%(names)s::text[]) AS n (name))
       OR l.locktype = 'relation' AND l.mode <> 'AccessShareLock' AND l.relation = ANY (
           SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS t (name)))
GROUP BY a.pid, a.application_name, a.xact_start ORDER BY a.xact_start LIMIT 3

-- versions: the versions of touched keys
SELECT key, epoch, seq, deleted FROM {ledger}.versions
WHERE entity = %(entity)s AND key = ANY(%(keys)s::text[])

-- touched: some touched keys beyond a place, in the order in which they were written last
SELECT key, number FROM {ledger}.versions
WHERE entity = %(entity)s AND number > %(after)s::text::bigint
ORDER BY number LIMIT %(limit)s::text::bigint

-- last_touch: the place of the last
SELECT coalesce(max(number), 0) FROM {ledger}.versions WHERE entity = %(entity)s

-- operations: the operations that changed keys and may still be repeated, the oldest first
SELECT key, array_agg(op_id ORDER BY at, op_id) FROM {ledger}.ops
WHERE entity = %(entity)s AND key = ANY(%(keys)s::text[]) AND at > now() - interval '1 hour'
GROUP BY key

-- owed: those of them that have not crossed in the migration that control names
WITH control AS (
    SELECT coalesce((
        SELECT c.migration FROM {ledger}.control AS c WHERE c.entity IN (%(entity)s, '*')
        ORDER BY c.entity = '*' LIMIT 1
    ), '') AS migration
), owed AS (
    SELECT o.key, o.op_id, o.at FROM control AS c CROSS JOIN {ledger}.ops AS o
    WHERE o.entity = %(entity)s AND o.key = ANY(%(keys)s::text[]) AND o.crossed < c.migration
    UNION ALL
    SELECT o.key, o.op_id, o.at FROM control AS c CROSS JOIN {ledger}.ops AS o
    WHERE o.entity = %(entity)s AND o.key = ANY(%(keys)s::text[]) AND o.crossed > c.migration
)
SELECT key, array_agg(op_id ORDER BY at, op_id) FROM owed
WHERE at > now() - interval '1 hour' GROUP BY key

-- operated: some keys that operations have changed and may still be repeated, after a key
SELECT DISTINCT key FROM {ledger}.ops
WHERE entity = %(entity)s AND key > %(after)s AND at > now() - interval '1 hour'
ORDER BY key LIMIT %(limit)s::text::bigint

-- take: note the versions of changes that are newer than what is here, and return their keys; keep
-- the operations that come with all of them, which the other side has, so that they are known here
WITH noted AS (
    INSERT INTO {ledger}.ops (entity, key, op_id, crossed)
    SELECT %(entity)s, o.key, o.op_id, coalesce((
        SELECT c.migration FROM {ledger}.control AS c WHERE c.entity IN (%(entity)s, '*')
        ORDER BY c.entity = '*' LIMIT 1
    ), '')
    FROM unnest(%(op_keys)s::text[], %(op_ids)s::text[]) AS o (key, op_id)
    ORDER BY o.key, o.op_id
    ON CONFLICT DO NOTHING
)
INSERT INTO {ledger}.versions AS v (entity, key, epoch, seq, deleted)
SELECT %(entity)s, c.* FROM unnest(
    %(keys)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[], %(deleted)s::boolean[]
) AS c (key, epoch, seq, deleted)
ORDER BY c.key
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, deleted = excluded.deleted
WHERE (excluded.epoch, excluded.seq) > (v.epoch, v.seq)
RETURNING v.key

-- backlog: how many marks an entity has, and how old the oldest is
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::double precision
FROM {ledger}.outbox WHERE entity = %(entity)s

-- fact: what is kept under a name
SELECT value FROM {ledger}.facts WHERE name = %(name)s

-- write_fact: what is to be kept under a name
INSERT INTO {ledger}.facts (name, value) VALUES (%(name)s, %(value)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- drop_fact: a name under which nothing is kept any more
DELETE FROM {ledger}.facts WHERE name = %(name)s

-- marks: the outbox of an entity, oldest first
SELECT key, o.epoch, o.seq, coalesce(v.deleted, false)
FROM {ledger}.outbox AS o LEFT JOIN {ledger}.versions AS v USING (entity, key)
WHERE entity = %(entity)s ORDER BY o.number LIMIT %(limit)s::text::bigint

-- clear: marks that still are the ones that were read; operations that crossed with them, where it
-- was in the migration that control names. All locked in one order: several clear at once
WITH known AS (
    SELECT o.entity, o.key, o.op_id, c.migration
    FROM unnest(
        %(op_entities)s::text[], %(op_keys)s::text[], %(op_ids)s::text[], %(op_epochs)s::bigint[]
    ) AS n (entity, key, op_id, epoch)
    JOIN {ledger}.ops AS o USING (entity, key, op_id)
    CROSS JOIN LATERAL (
        SELECT g.migration, g.epoch FROM {ledger}.control AS g WHERE g.entity IN (n.entity, '*')
        ORDER BY g.entity = '*' LIMIT 1
    ) AS c
    WHERE c.epoch - n.epoch IN (0, 1)
    ORDER BY o.entity, o.key, o.op_id
    FOR UPDATE OF o
), crossed AS (
    UPDATE {ledger}.ops AS o SET crossed = k.migration FROM known AS k
    WHERE o.entity = k.entity AND o.key = k.key AND o.op_id = k.op_id
), found AS (
    SELECT o.entity, o.key FROM {ledger}.outbox AS o
    JOIN unnest(
        %(entities)s::text[], %(keys)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[]
    ) AS m (entity, key, epoch, seq) USING (entity, key, epoch, seq)
    ORDER BY o.entity, o.key
    FOR UPDATE OF o
)
DELETE FROM {ledger}.outbox AS o USING found AS f
WHERE o.entity = f.entity AND o.key = f.key
RETURNING true

-- cursor: where a migration stands
SELECT position, fingerprint, counts, format FROM {ledger}.cursors
WHERE migration = %(migration)s AND entity = %(entity)s

-- drop_cursors: forget where a migration stands
DELETE FROM {ledger}.cursors WHERE migration = %(migration)s

-- quarantine: what could not cross, in the order it was listed
SELECT reason, expected, key, field, file, raw FROM {ledger}.quarantine
WHERE entity = %(entity)s ORDER BY number

-- clear_quarantine: an entity's quarantine
DELETE FROM {ledger}.quarantine WHERE entity = %(entity)s

-- copy_quarantine: an entity's quarantine, new
COPY {ledger}.quarantine (entity, number, reason, expected, key, field, file, raw) FROM STDIN

-- parts: what an entity's file has beside its records
SELECT name, number, value FROM {ledger}.parts WHERE entity = %(entity)s
AND (name, number) > (%(name)s, %(number)s::text::bigint)
ORDER BY name, number LIMIT 100

-- write_part: a part that is new or differs
INSERT INTO {ledger}.parts AS p (entity, name, number, value)
VALUES (%(entity)s, %(name)s, %(number)s::text::bigint, %(value)s)
ON CONFLICT (entity, name, number) DO UPDATE SET value = excluded.value
WHERE p.value <> excluded.value
RETURNING true

-- drop_parts: parts beyond those that are there now
DELETE FROM {ledger}.parts WHERE entity = %(entity)s AND NOT EXISTS (
    SELECT FROM unnest(%(names)s::text[], %(counts)s::bigint[]) AS kept (name, count)
    WHERE kept.name = parts.name AND parts.number < kept.count
)

-- take_lease: a lease of this session, if nobody holds it
SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 2))

-- give_lease: a lease of this session back; its end would do so too, but a moment later
SELECT pg_advisory_unlock(hashtextextended(%(name)s, 2))

-- holder: who holds a lease
SELECT format('%%s, process %%s, since %%s', a.application_name, a.pid,
              to_char(a.backend_start, 'YYYY-MM-DD HH24:MI'))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND (l.classid::bigint << 32) + l.objid::bigint
      = hashtextextended(%(name)s, 2)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- serves: whether control lets this backend answer
SELECT {ledger}.serves(%(entity)s)

-- admit: let an application's writes of an entity pass, or refuse; control stays until we commit
SELECT {ledger}.admit(%(entity)s, 'serve', NULL)

-- follow: the same for what another backend's ledger brings: no new version, no mark
SELECT {ledger}.admit(%(entity)s, %(mode)s, %(epoch)s::text::bigint),
       set_config('fluxstore.mode', %(mode)s, true),
       set_config('fluxstore.epoch', coalesce(%(epoch)s, ''), true)

-- usual_mode: what follows is an application's again
SELECT set_config('fluxstore.mode', 'serve', true), set_config('fluxstore.epoch', '', true)
