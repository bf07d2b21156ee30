-- Statements on one entity's table. Names in braces are put in by fluxstore_sqlite.sql, quoted.

-- name: read
-- One record by its key, with its residue and its version (epoch, seq).
SELECT {columns}, {residue}, {version} FROM {table} AS t {joins} WHERE {key}

-- name: governed_read
-- The same and the role of this backend, in one row even where there is no record.
SELECT {columns}, {residue}, {version}, {role}
FROM (SELECT 1) LEFT JOIN {table} AS t ON {key} {joins}

-- name: role
-- The role of this backend, as a value: an entity's own control record, else that of '*'.
(SELECT c.role FROM _fluxstore_control AS c WHERE c.entity = {governor})

-- name: page
-- Records by a condition, in an order; their versions are looked up afterwards.
SELECT {columns}, {residue}, NULL, NULL FROM {table} AS t WHERE {condition} ORDER BY {order} LIMIT ?

-- name: beside
-- What is kept beside a record by the text of its key: residue of an adopted table, and version.
SELECT r.residue, v.epoch, v.seq
FROM (SELECT {entity} AS entity, ? AS key) AS k
LEFT JOIN _fluxstore_residue AS r ON r.entity = k.entity AND r.key = k.key
LEFT JOIN _fluxstore_versions AS v ON v.entity = k.entity AND v.key = k.key

-- name: count
-- How many records a condition finds.
SELECT COUNT(*) FROM {table} AS t WHERE {condition}

-- name: exists
-- Whether a condition finds a record.
SELECT 1 FROM {table} AS t WHERE {condition} LIMIT 1

-- name: keys
-- The stored keys of the records that a condition finds.
SELECT {columns} FROM {table} AS t WHERE {condition}

-- name: insert
-- A new record.
INSERT INTO {table} ({columns}) VALUES ({marks})

-- name: update
-- Some columns of one record.
UPDATE {table} AS t SET {assignments} WHERE {key}

-- name: delete
-- One record by its key.
DELETE FROM {table} AS t WHERE {key}

-- name: keep_residue
-- The residue of a record of an adopted table.
INSERT INTO _fluxstore_residue (entity, key, residue) VALUES (?, ?, ?)
ON CONFLICT (entity, key) DO UPDATE SET residue = excluded.residue

-- name: drop_residue
-- The record of an adopted table has none any more.
DELETE FROM _fluxstore_residue WHERE entity = ? AND key = ?

-- name: contains
-- The condition that a JSON array holds an item of a JSON type.
EXISTS (SELECT 1 FROM json_each({array}) AS e WHERE {item})
