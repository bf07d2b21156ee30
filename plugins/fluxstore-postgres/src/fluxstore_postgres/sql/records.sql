-- Statements about one entity's records; {columns} and the like are composed once for an entity.

-- read: the records of some keys
SELECT {columns} FROM {table} AS t {joins} WHERE {where}

-- lock: the same, held until the transaction ends
SELECT {columns} FROM {table} AS t {joins} WHERE {where} ORDER BY {key} FOR UPDATE OF t

-- scan: the next records in the order of their keys
SELECT {columns} FROM {table} AS t {joins} WHERE {where} ORDER BY {key} LIMIT %(limit)s::bigint

-- scan_all: every record after a key in the order of keys, for one cursor over all of them
SELECT {columns} FROM {table} AS t {joins} WHERE {where} ORDER BY {key}

-- find: records that meet conditions, in an order
SELECT {columns} FROM {table} AS t {joins} WHERE {where} ORDER BY {order} {limit}

-- count: how many records meet conditions
SELECT count(*) FROM {table} AS t WHERE {where}

-- governed: a read that control must let pass; one row of nulls where nothing is found, so that the
-- check is made even where the planner knows that nothing can be
SELECT r.* FROM (SELECT) AS always LEFT JOIN ({read}) AS r ON true
WHERE {ledger}.serves({entity})

-- raw: a record as JSON, for one that Python cannot read
SELECT row_to_json(t)::text FROM {table} AS t WHERE {where}

-- scan_keys: the texts of the next keys, for a page with a record that Python cannot read
SELECT {key_text} FROM {table} AS t WHERE {where} ORDER BY {key} LIMIT %(limit)s::bigint

-- create: a record that is new
INSERT INTO {table} AS t ({names}) SELECT {values} {where} ON CONFLICT ({key}) DO NOTHING
RETURNING {columns}

-- replace: a whole record, there or not
INSERT INTO {table} AS t ({names}) SELECT {values} {where}
ON CONFLICT ({key}) DO UPDATE SET {changes} RETURNING {columns}

-- change: some fields of a record that is there
UPDATE {table} AS t SET {changes} WHERE {where} RETURNING {columns}

-- delete: a record
DELETE FROM {table} AS t WHERE {where} RETURNING {columns}

-- once: a write that is not repeated, and the note that it was made; tells whether it is known
WITH known AS (
    SELECT FROM {ledger}.ops
    WHERE op_id = %(op_id)s AND entity = {entity} AND key = %(op_key)s
), done AS (
    {write}
), noted AS (
    INSERT INTO {ledger}.ops (op_id, entity, key)
    SELECT %(op_id)s, {entity}, %(op_key)s FROM done
)
SELECT EXISTS (SELECT FROM known), done.* FROM (SELECT) AS always LEFT JOIN done ON true

-- captured: a write that no trigger watches: let pass first, then noted, in one statement
WITH admitted AS MATERIALIZED (
    SELECT {ledger}.admitted({entity}) AS epoch
), done ({names}) AS (
    {write}
), noted_version AS MATERIALIZED (
    SELECT {ledger}.note({entity}, array_agg(d.noted_key), d.existed, {gone}, a.epoch)
    FROM done AS d CROSS JOIN admitted AS a WHERE a.epoch IS NOT NULL GROUP BY d.existed, a.epoch
)
SELECT {answer} FROM done
WHERE (SELECT count(*) FROM admitted) + (SELECT count(*) FROM noted_version) > 0

-- captured_once: the same for a write that is not repeated
WITH known AS (
    SELECT FROM {ledger}.ops
    WHERE op_id = %(op_id)s AND entity = {entity} AND key = %(op_key)s
), admitted AS MATERIALIZED (
    SELECT {ledger}.admitted({entity}) AS epoch
), done ({names}) AS (
    {write}
), noted AS (
    INSERT INTO {ledger}.ops (op_id, entity, key)
    SELECT %(op_id)s, {entity}, %(op_key)s FROM done
), noted_version AS MATERIALIZED (
    SELECT {ledger}.note({entity}, array_agg(d.noted_key), d.existed, {gone}, a.epoch)
    FROM done AS d CROSS JOIN admitted AS a WHERE a.epoch IS NOT NULL GROUP BY d.existed, a.epoch
)
SELECT EXISTS (SELECT FROM known), {answer} FROM (SELECT) AS always LEFT JOIN done ON true
WHERE (SELECT count(*) FROM admitted) + (SELECT count(*) FROM noted_version) > 0

-- join_residue: the side table of residue, for tables that were there before
LEFT JOIN {ledger}.residue AS r ON r.entity = {entity} AND r.key = {key_text}

-- join_versions: the versions of touched records
LEFT JOIN {ledger}.versions AS v ON v.entity = {entity} AND v.key = {key_text}

-- kept: the residue that a record keeps when it is replaced; missing fields are told anew
{column} = nullif((coalesce(t.{column}, '{{}}') - 'missing') || coalesce(excluded.{column}, '{{}}'), '{{}}')

-- present: the residue that a record keeps when fields change: these are missing no more
{column} = nullif(
    (coalesce(t.{column}, '{{}}') - 'missing')
    || CASE WHEN coalesce(t.{column} -> 'missing', '[]') - %(names)s::text[] = '[]' THEN '{{}}'
       ELSE jsonb_build_object('missing', (t.{column} -> 'missing') - %(names)s::text[]) END,
    '{{}}')

-- given: the residue that a change brings, beside the names of fields that stay missing
{column} = nullif(
    coalesce(%(residue)s::jsonb, '{{}}')
    || CASE WHEN coalesce(t.{column} -> 'missing', '[]') - %(names)s::text[] = '[]' THEN '{{}}'
       ELSE jsonb_build_object('missing', (t.{column} -> 'missing') - %(names)s::text[]) END,
    '{{}}')
