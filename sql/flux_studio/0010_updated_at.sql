-- updated_at for clients that do not keep it themselves.
-- The trigger acts only where something changed and updated_at did not, and never for a fluxstore
-- connection (fluxstore.mode or fluxstore.epoch set), whose value must be the same in every backend.
CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('fluxstore.mode', true), '') = ''
       AND coalesce(current_setting('fluxstore.epoch', true), '') = '' THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;

DO $$
DECLARE
    target regclass;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'users', 'organizations', 'teams', 'projects', 'milestones', 'tasks', 'files',
        'conversations', 'messages', 'service_packages', 'client_requests', 'invoices',
        'time_entries', 'portfolios', 'portfolio_items'
    ]::regclass[] LOOP
        EXECUTE format(
            'CREATE TRIGGER set_updated_at BEFORE UPDATE ON %s FOR EACH ROW '
            'WHEN (OLD.updated_at IS NOT DISTINCT FROM NEW.updated_at AND OLD IS DISTINCT FROM NEW) '
            'EXECUTE FUNCTION set_updated_at()',
            target
        );
    END LOOP;
END
$$;
