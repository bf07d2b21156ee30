-- Statements that make an entity's table. What is in braces is made by sql/definitions.py.

-- name: table
-- A table with typed columns, checks and references.
CREATE TABLE IF NOT EXISTS {table} (
    {lines}
) STRICT

-- name: index
-- An index for a rule or a reference.
CREATE {kind} IF NOT EXISTS {index} ON {table} ({columns})

-- name: add_column
-- A column for a field that was declared later.
ALTER TABLE {table} ADD COLUMN {column}
