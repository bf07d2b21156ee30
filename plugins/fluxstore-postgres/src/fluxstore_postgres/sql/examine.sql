-- What doctor asks a server.

-- facts: version, what durability and writing depend on, the clock, and whose session this is
SELECT json_build_object(
    'version', current_setting('server_version'),
    'number', current_setting('server_version_num')::integer,
    'encoding', current_setting('server_encoding'),
    'fsync', current_setting('fsync'),
    'full_page_writes', current_setting('full_page_writes'),
    'synchronous_commit', current_setting('synchronous_commit'),
    'is_standby', pg_is_in_recovery(),
    'is_read_only', (SELECT reset_val = 'on' FROM pg_settings
                     WHERE name = 'default_transaction_read_only'),
    'connections', current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer,
    'role', current_user,
    'database', current_database(),
    'now', extract(epoch FROM clock_timestamp()),
    'may_make_schemas', has_database_privilege(current_database(), 'CREATE'),
    'may_make_stages', has_database_privilege(current_database(), 'TEMPORARY'),
    'may_make_tables', (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace
                        WHERE nspname = %(schema)s),
    'may_use_schema', (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace
                       WHERE nspname = %(schema)s)
)

-- may: whether this session may read and write a table; its owner, where it may make no triggers
SELECT has_table_privilege(c.oid, 'SELECT'),
       has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
       AND has_table_privilege(c.oid, 'DELETE'),
       CASE WHEN NOT pg_has_role(c.relowner, 'USAGE') AND (
           SELECT count(*) FROM pg_trigger AS g WHERE g.tgrelid = c.oid
           AND g.tgname IN ('fluxstore_fence', 'fluxstore_insert', 'fluxstore_update',
                            'fluxstore_delete', 'fluxstore_keep')
       ) < 5 THEN o.rolname END, o.rolsuper
FROM pg_class AS c JOIN pg_roles AS o ON o.oid = c.relowner WHERE c.oid = to_regclass(%(table)s)

-- may_capture: whether this session may add functions to the ledger, and triggers that call them
SELECT has_schema_privilege(n.oid, 'CREATE')
       AND bool_and(p.oid IS NULL OR has_function_privilege(p.oid, 'EXECUTE'))
FROM pg_namespace AS n LEFT JOIN pg_proc AS p ON p.pronamespace = n.oid
WHERE n.nspname = %(schema)s GROUP BY n.oid

-- may_ledger: whether this session may use the ledger and all that it keeps
SELECT has_schema_privilege(n.oid, 'USAGE') AND coalesce(bool_and(
           has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
           AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
       ), true)
FROM pg_namespace AS n LEFT JOIN pg_class AS c
     ON c.relnamespace = n.oid AND c.relkind = 'r' AND c.relname <> 'steps'
WHERE n.nspname = %(schema)s GROUP BY n.oid

-- grant_tables: for an administrator: let a role make tables in a schema
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}

-- grant_schemas: for an administrator: let a role make the ledger's schema
GRANT CREATE ON DATABASE {database} TO {role}

-- grant_table: for an administrator: let a role read and write a table
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}

-- grant_stages: for an administrator: let a role stage what it merges
GRANT TEMPORARY ON DATABASE {database} TO {role}

-- grant_owner: for an administrator: let a role make and drop triggers, as phases come and go
GRANT {owner} TO {role}

-- give_table: for an administrator: the same for a table of a superuser, whom nobody should become
ALTER TABLE {table} OWNER TO {role}

-- grant_ledger: for an administrator: let a role use the ledger
GRANT USAGE ON SCHEMA {schema} TO {role}

-- grant_ledger_tables: for an administrator: and what it keeps
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}

-- grant_ledger_making: for an administrator: let a role add to the ledger what captures
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}

-- grant_ledger_functions: for an administrator: and let its triggers call what is there
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}
