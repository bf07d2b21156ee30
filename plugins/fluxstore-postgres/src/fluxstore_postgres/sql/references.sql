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
