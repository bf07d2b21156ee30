-- Constraints that are declared but not proven for the rows there are; VALIDATE CONSTRAINT proves one.
SELECT conrelid::regclass AS table_name, conname AS constraint_name,
       pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
ORDER BY conrelid::regclass::text, conname;
