-- What PostgreSQL's catalogue says about tables.

-- tables: columns, constraints and indexes of the tables that are there, one JSON document each
SELECT json_build_object(
    'schema', n.nspname,
    'name', c.relname,
    'comment', obj_description(c.oid, 'pg_class'),
    'columns', (
        SELECT json_agg(json_build_object(
            'name', a.attname,
            'type', t.typname,
            'words', format_type(a.atttypid, a.atttypmod),
            'modifier', a.atttypmod,
            'is_enum', t.typtype = 'e',
            'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
                       FROM pg_enum e WHERE e.enumtypid = t.oid),
            'required', a.attnotnull,
            'has_default', a.atthasdef OR a.attidentity <> '',
            'is_generated', a.attgenerated <> '' OR a.attidentity = 'a',
            'by_code_point', coalesce(
                o.collname IN ('C', 'POSIX', 'ucs_basic')
                OR o.collname = 'default' AND d.datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8'),
                true)
        ) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation o ON o.oid = a.attcollation
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ),
    'constraints', (
        SELECT coalesce(json_agg(json_build_object(
            'name', k.conname,
            'type', k.contype,
            'is_deferrable', k.condeferrable,
            'is_valid', k.convalidated,
            'target', k.confrelid::regclass::text,
            'columns', (
                SELECT coalesce(json_agg(a.attname ORDER BY place), '[]')
                FROM unnest(k.conkey) WITH ORDINALITY AS part (number, place)
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = part.number
            )
        )), '[]')
        FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')
    ),
    'indexes', (
        SELECT coalesce(json_agg(json_build_object(
            'name', i.relname,
            'is_unique', x.indisunique,
            'is_valid', x.indisvalid,
            'is_partial', x.indpred IS NOT NULL OR x.indexprs IS NOT NULL,
            'columns', (
                SELECT coalesce(json_agg(a.attname ORDER BY place), '[]')
                FROM unnest(x.indkey::smallint[]) WITH ORDINALITY AS part (number, place)
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = part.number
                WHERE place <= x.indnkeyatts
            )
        )), '[]')
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid
    )
)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_database d ON d.datname = current_database()
WHERE c.relkind IN ('r', 'p')
  AND (n.nspname, c.relname) IN (
      SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[])
  )

-- has_ledger: whether the ledger's schema is there, of the format that we know
SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = %(schema)s

-- sizes: a table's bytes with all that belongs to it, and its records as the planner counts them
SELECT pg_total_relation_size(c.oid), c.reltuples::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s

-- count_all: how many records a table has
SELECT count(*) FROM {table}

-- has_schema: whether a schema is there
SELECT to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL
