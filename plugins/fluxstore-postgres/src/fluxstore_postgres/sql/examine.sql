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
    'may_make_tables', (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace
                        WHERE nspname = %(schema)s),
    'may_use_schema', (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace
                       WHERE nspname = %(schema)s)
)

-- may: whether this session may read and write a table
SELECT has_table_privilege(%(table)s, 'SELECT'),
       has_table_privilege(%(table)s, 'INSERT, UPDATE, DELETE')

-- grant_tables: for an administrator: let a role make tables in a schema
GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}

-- grant_schemas: for an administrator: let a role make the ledger's schema
GRANT CREATE ON DATABASE {database} TO {role}

-- grant_table: for an administrator: let a role read and write a table
GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}
