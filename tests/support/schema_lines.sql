-- The schema in use as sorted lines that are alike on every supported PostgreSQL: tables and views
-- with their columns, constraints, indexes beside them, triggers and functions.
WITH relations AS (
    SELECT oid, relname, relkind
    FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
)
SELECT line
FROM (
    SELECT format('%s %s.%s %s%s%s%s',
                  CASE r.relkind WHEN 'v' THEN 'view' ELSE 'column' END,
                  r.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attcollation NOT IN (0, 100) THEN ' COLLATE ' || c.collname END,
                  CASE WHEN a.attnotnull THEN ' NOT NULL' END,
                  ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
    FROM relations r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT format('constraint %s.%s %s', r.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM relations r
    JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('c', 'f', 'p', 'u')
    UNION ALL
    SELECT format('index %s', regexp_replace(pg_get_indexdef(i.indexrelid), ' ON \w+\.', ' ON '))
    FROM relations r
    JOIN pg_index i ON i.indrelid = r.oid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid
                      AND k.contype IN ('p', 'u'))
    UNION ALL
    SELECT format('trigger %s.%s ENABLED %s', r.relname, t.tgname, t.tgenabled)
    FROM relations r
    JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT format('function %s(%s) RETURNS %s', p.proname, pg_get_function_arguments(p.oid),
                  pg_get_function_result(p.oid))
    FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace
) lines (line)
ORDER BY line COLLATE "C";
