-- What `fluxstore init` asks of a database that was there before.

-- application_tables: the tables of a schema, without those of extensions and of fluxstore
SELECT c.relname, greatest(c.reltuples, 0)::bigint
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = %(schema)s
  AND NOT EXISTS (
      SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY c.relname

-- references: single-column foreign keys of a schema: table, column, the other table, on delete
SELECT c.relname, a.attname, t.relname, k.confdeltype
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_class t ON t.oid = k.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND n.nspname = %(schema)s
ORDER BY c.relname, a.attname
