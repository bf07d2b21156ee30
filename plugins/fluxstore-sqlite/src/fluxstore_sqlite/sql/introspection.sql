-- What `fluxstore init` asks of a file that was there before.

-- name: application_tables
-- the tables of an application, without SQLite's own and fluxstore's
SELECT name FROM sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
  AND name NOT LIKE '\_fluxstore%' ESCAPE '\'
ORDER BY name

-- name: references
-- foreign keys of one table: which one, its column, the other table and its column
SELECT id, "from", "table", "to", on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq

-- name: everything
-- every row of one table, for the types that its values have
SELECT * FROM {table}
