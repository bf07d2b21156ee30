-- References that the database itself does not look after, because no foreign key is there.

-- missing: which of some keys no record has
SELECT k.part FROM unnest(%(keys)s::text[]) AS k (part)
WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE t.{key} = {value})

-- missing_held: the same; the records that are there stay until we commit
SELECT k.part FROM unnest(%(keys)s::text[]) AS k (part)
WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE t.{key} = {value} FOR KEY SHARE)

-- referring: the keys of records that refer to one, locked
SELECT {columns} FROM {table} AS t WHERE t.{field} = {value} FOR UPDATE

-- let_go: records that refer to one no longer do
UPDATE {table} AS t SET {field} = NULL WHERE t.{field} = {value}

-- let_go_captured: the same where no trigger watches: let pass first, then noted, in one statement
WITH admitted AS MATERIALIZED (
    SELECT {ledger}.admitted({entity}) AS epoch
), done (noted_key) AS (
    UPDATE {table} AS t SET {field} = NULL
    WHERE t.{field} = {value} AND (SELECT count(*) FROM admitted) = 1
    RETURNING {columns}
)
SELECT {ledger}.note({entity}, array_agg(d.noted_key), true, false, a.epoch)
FROM done AS d CROSS JOIN admitted AS a WHERE a.epoch IS NOT NULL GROUP BY a.epoch

-- taken_along: the keys of records that a foreign key changes with some others, held until we commit
SELECT {key_text} FROM {table} AS t
WHERE t.{field} IN (SELECT {value} FROM unnest(%(keys)s::text[]) AS k (part)) FOR UPDATE OF t

-- note_taken_along: let them pass as a write of their own would, then note them
WITH admitted AS MATERIALIZED (
    SELECT {ledger}.admitted({entity}) AS epoch
)
SELECT {ledger}.note({entity}, %(keys)s::text[], true, {gone}, a.epoch)
FROM admitted AS a WHERE a.epoch IS NOT NULL

-- foreign_keys: which columns of which tables lead to a table now, and what becomes of their records
-- when one that they lead to is deleted; another process may have made them
SELECT n.nspname, c.relname, a.attname, k.confdeltype::text
FROM pg_constraint AS k
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.confrelid = to_regclass(%(table)s) AND cardinality(k.conkey) = 1

-- holder: a record that refers to one of some keys, and is not one of those that change as well
SELECT {key_text}, {parent} FROM {table} AS t
WHERE t.{field} IN (SELECT {value} FROM unnest(%(keys)s::text[]) AS k (part))
  AND NOT ({key_text} = ANY(%(changing)s::text[]))
LIMIT 1
