-- Operations that were done, so that a repetition has no second effect.

-- note: that an operation is being done; no row where it was done before
INSERT INTO {ledger}.ops (op_id, entity, key) VALUES (%(op_id)s, %(entity)s, %(key)s)
ON CONFLICT DO NOTHING RETURNING true

-- is_known: whether an operation was done
SELECT EXISTS (SELECT FROM {ledger}.ops
               WHERE op_id = %(op_id)s AND entity = %(entity)s AND key = %(key)s)

-- forget: operations that nobody will repeat any more
DELETE FROM {ledger}.ops WHERE at < now() - interval '1 hour'
