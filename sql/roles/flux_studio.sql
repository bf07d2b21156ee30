-- Group roles with the least rights that reading, serving and migrating Flux Studio need.
-- Run as the owner of the tables, after the steps of flux_studio/; running it again changes nothing.
-- No role here can log in or has a password: grant one to the role that your service signs in with.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['flux_studio_reader', 'flux_studio_app', 'flux_studio_migrator'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
    END LOOP;
END
$$;

-- Reads every table and view: validation, reports, inspect/.
GRANT SELECT ON
    users, organizations, organization_members, teams, team_members, projects, project_members,
    milestones, tasks, activities, files, file_permissions, conversations,
    conversation_participants, messages, message_reactions, notifications, service_packages,
    client_requests, invoices, time_entries, portfolios, portfolio_items,
    project_task_stats, user_task_stats
TO flux_studio_reader;

-- Serves the application: rows only; no table is made, changed, emptied at once or dropped.
GRANT flux_studio_reader TO flux_studio_app;
GRANT INSERT, UPDATE, DELETE ON
    users, organizations, organization_members, teams, team_members, projects, project_members,
    milestones, tasks, activities, files, file_permissions, conversations,
    conversation_participants, messages, message_reactions, notifications, service_packages,
    client_requests, invoices, time_entries, portfolios, portfolio_items
TO flux_studio_app;
REVOKE EXECUTE ON FUNCTION log_activity(text, text, text, text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log_activity(text, text, text, text, text, text, jsonb) TO flux_studio_app;

-- Migrates: rows, and tables of fluxstore's own beside them (ledger, residue, staging).
GRANT flux_studio_app TO flux_studio_migrator;
DO $$
BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO flux_studio_migrator', current_schema());
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO flux_studio_migrator',
                   current_database());
END
$$;
