-- The side table of residue, for tables that were there before.

-- read: the residue of one record
SELECT residue FROM {ledger}.residue WHERE entity = %(entity)s AND key = %(key)s

-- write: the residue of one record
INSERT INTO {ledger}.residue (entity, key, residue)
VALUES (%(entity)s, %(key)s, %(residue)s::jsonb)
ON CONFLICT (entity, key) DO UPDATE SET residue = excluded.residue

-- delete: the residue of records
DELETE FROM {ledger}.residue WHERE entity = %(entity)s AND key = ANY(%(keys)s::text[])
