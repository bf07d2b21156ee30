-- Group roles with the least rights that fluxstore itself needs, in the schema that is current.
-- Run as a superuser, or as the owner of the database and of the ledger; running it again changes
-- nothing, and is needed once more when the ledger and fluxstore's own tables have been made.
-- No role here can log in or has a password: grant one to the role that your service signs in with.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['fluxstore_app', 'fluxstore_migrator'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- it is there already
        END;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
    END LOOP;
END
$$;

-- Migrates and changes phases: makes tables, the ledger beside them, and stages what it merges.
-- Of a table that was there before it must be the owner, or a member of the owner: triggers come
-- and go with the phases (GRANT the_owner TO my_migrator).
DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO fluxstore_migrator', current_schema());
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO fluxstore_migrator',
                   current_database());
END
$$;

-- Serves an application in every phase: rows of fluxstore's own tables and of the ledger. It makes,
-- changes and empties no table, and fires triggers that only their owner can make or drop. Rights
-- on tables that were there before are yours to grant.
DO $$
DECLARE
    ledger text := CASE current_schema() WHEN 'public' THEN 'fluxstore'
                   ELSE 'fluxstore_' || current_schema() END;
    own oid;
BEGIN
    FOR own IN
        SELECT c.oid FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND obj_description(c.oid, 'pg_class') LIKE 'made by fluxstore%'
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO fluxstore_app', own::regclass);
    END LOOP;
    IF to_regnamespace(quote_ident(ledger)) IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO fluxstore_app', ledger);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I '
                       'TO fluxstore_app', ledger);
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I.steps FROM fluxstore_app', ledger);
    END IF;
END
$$;
