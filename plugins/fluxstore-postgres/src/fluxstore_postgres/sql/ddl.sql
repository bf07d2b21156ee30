-- Statements that make tables for entities.

-- create_schema: the schema of a backend's tables
CREATE SCHEMA IF NOT EXISTS {schema}

-- create_table: a table of an entity, with its checks and unique values
CREATE TABLE IF NOT EXISTS {table} (
    {parts}
)

-- mark_table: the sign by which a table of our own is known
COMMENT ON TABLE {table} IS {mark}

-- primary_key: the key of an entity
PRIMARY KEY ({columns})

-- unique: values that no two records share; judged at the end of a statement or a commit
UNIQUE ({columns}) DEFERRABLE INITIALLY IMMEDIATE

-- add_unique: unique values of a table that is there
ALTER TABLE {table} ADD UNIQUE ({columns}) DEFERRABLE INITIALLY IMMEDIATE

-- check: a rule of one field
CHECK ({rule})

-- create_index: an index for queries and for references
CREATE INDEX ON {table} USING {method}

-- add_reference: a reference to another entity
ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {target} ({target_column})
    ON DELETE {action} DEFERRABLE INITIALLY IMMEDIATE

-- add_unchecked_reference: the same, not yet checked for records that are there
ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {target} ({target_column})
    ON DELETE {action} DEFERRABLE INITIALLY IMMEDIATE NOT VALID

-- validate: check a reference for the records that are there
ALTER TABLE {table} VALIDATE CONSTRAINT {name}

-- analyze: tell the planner what is there
ANALYZE {table}

-- patience: how long completing waits for a lock that somebody else has on a table
SET LOCAL lock_timeout = '10s'

-- lock_making: one maker of tables at a time
SELECT pg_advisory_xact_lock(hashtextextended('fluxstore making tables', 0))
