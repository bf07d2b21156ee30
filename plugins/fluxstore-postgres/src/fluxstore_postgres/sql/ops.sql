-- Operations that were done, so that a repetition has no second effect.

-- note: that an operation is being done; no row where it was done before
INSERT INTO {ledger}.ops (op_id, entity, key) VALUES (%(op_id)s, %(entity)s, %(key)s)
ON CONFLICT DO NOTHING RETURNING true

-- note_many: operations that were done on the other side, by the keys that they changed
INSERT INTO {ledger}.ops (entity, key, op_id, crossed)
SELECT %(entity)s, o.key, o.op_id, coalesce((
    SELECT c.migration FROM {ledger}.control AS c WHERE c.entity IN (%(entity)s, '*')
    ORDER BY c.entity = '*' LIMIT 1
), '')
FROM unnest(%(keys)s::text[], %(op_ids)s::text[]) AS o (key, op_id)
ORDER BY o.key, o.op_id
ON CONFLICT DO NOTHING

-- is_known: whether an operation was done
SELECT EXISTS (SELECT FROM {ledger}.ops
               WHERE op_id = %(op_id)s AND entity = %(entity)s AND key = %(key)s)

-- forget: operations that nobody will repeat any more
DELETE FROM {ledger}.ops WHERE at < now() - interval '1 hour'
