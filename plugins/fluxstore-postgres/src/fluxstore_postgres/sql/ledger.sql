-- What the ledger is asked and told.

-- control: the control record of an entity, else that of all
SELECT epoch, role, phase, migration, format FROM {ledger}.control
WHERE entity IN (%(entity)s, '*') ORDER BY entity = '*' LIMIT 1

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

-- versions: the versions of touched keys
SELECT key, epoch, seq, deleted FROM {ledger}.versions
WHERE entity = %(entity)s AND key = ANY(%(keys)s::text[])

-- version: the version of one key, held until we commit
SELECT epoch, seq FROM {ledger}.versions WHERE entity = %(entity)s AND key = %(key)s FOR UPDATE

-- write_version: a record's version
INSERT INTO {ledger}.versions (entity, key, epoch, seq, deleted)
VALUES (%(entity)s, %(key)s, %(epoch)s::text::bigint, %(seq)s::text::bigint, %(deleted)s)
ON CONFLICT (entity, key) DO UPDATE SET
    epoch = excluded.epoch, seq = excluded.seq, deleted = excluded.deleted

-- marks: the outbox of an entity, oldest first
SELECT key, o.epoch, o.seq, coalesce(v.deleted, false)
FROM {ledger}.outbox AS o LEFT JOIN {ledger}.versions AS v USING (entity, key)
WHERE entity = %(entity)s ORDER BY number LIMIT %(limit)s::text::bigint

-- clear: marks that still are the ones that were read
DELETE FROM {ledger}.outbox AS o
USING unnest(%(entities)s::text[], %(keys)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[])
    AS m (entity, key, epoch, seq)
WHERE o.entity = m.entity AND o.key = m.key AND o.epoch = m.epoch AND o.seq = m.seq
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

-- holder: who holds a lease
SELECT format('%%s, process %%s, since %%s', a.application_name, a.pid,
              to_char(a.backend_start, 'YYYY-MM-DD HH24:MI'))
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND (l.classid::bigint << 32) + l.objid::bigint
      = hashtextextended(%(name)s, 2)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- apply_mode: what follows is brought by another backend's ledger: no new version, no mark
SELECT set_config('fluxstore.mode', 'apply', true)

-- usual_mode: what follows is an application's again
SELECT set_config('fluxstore.mode', 'serve', true)
