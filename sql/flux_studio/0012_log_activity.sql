-- log_activity(...): writes one activity with the user's and the project's names as they are now,
-- and returns its id. clock_timestamp() keeps the order of several in one transaction.
CREATE FUNCTION log_activity(
    project_id  text,
    user_id     text,
    type        text,
    entity_type text,
    entity_id   text,
    description text DEFAULT NULL,
    metadata    jsonb DEFAULT '{}'
) RETURNS text LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    INSERT INTO activities (id, project_id, project_name, user_id, user_name, type,
                            entity_type, entity_id, description, metadata, created_at)
    VALUES (gen_random_uuid()::text,
            log_activity.project_id,
            (SELECT p.name FROM projects p WHERE p.id = log_activity.project_id),
            log_activity.user_id,
            (SELECT u.name FROM users u WHERE u.id = log_activity.user_id),
            log_activity.type, log_activity.entity_type, log_activity.entity_id,
            log_activity.description, coalesce(log_activity.metadata, '{}'), clock_timestamp())
    RETURNING id
$$;
