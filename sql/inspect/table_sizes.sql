-- Rows (as the planner estimates them), bytes of each table and of its indexes, largest first.
SELECT c.relname AS table_name,
       greatest(c.reltuples, 0)::bigint AS estimated_rows,
       pg_size_pretty(pg_table_size(c.oid)) AS table_size,
       pg_size_pretty(pg_indexes_size(c.oid)) AS index_size
FROM pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
ORDER BY pg_total_relation_size(c.oid) DESC, c.relname;
