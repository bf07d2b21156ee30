-- Fence and capture: triggers that check control before each write, and keep versions and marks.

-- fence_function: refuses a write unless control lets this backend take it
CREATE OR REPLACE FUNCTION {ledger}.fence() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    found record;
    applies boolean := coalesce(current_setting('fluxstore.mode', true), '') = 'apply';
    wanted text := CASE WHEN applies THEN 'follower' ELSE 'authority' END;
BEGIN
    -- The lock first, then control in the next statement's snapshot: a check in the write's own
    -- snapshot, or in one statement with the lock, would pass a seal that was just finished.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended({lock}, 1));
    IF current_setting('transaction_isolation') = 'read committed' THEN
        SELECT epoch, role INTO found FROM {ledger}.control
        WHERE entity IN (TG_ARGV[0], '*') ORDER BY entity = '*' LIMIT 1;
    ELSE  -- an older snapshot must not hide a newer control
        SELECT epoch, role INTO found FROM {ledger}.control
        WHERE entity IN (TG_ARGV[0], '*') ORDER BY entity = '*' LIMIT 1 FOR SHARE;
    END IF;
    IF found.role IS NULL OR found.role = wanted THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is % since epoch %', TG_ARGV[0], found.role, found.epoch
        USING ERRCODE = CASE WHEN found.role IN ('sealed', 'committing') THEN 'FX001' ELSE 'FX002' END;
END $body$

-- keep_function: refuses to empty a table past its ledger
CREATE OR REPLACE FUNCTION {ledger}.keep() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would leave no tombstones; DELETE instead', TG_ARGV[0]
        USING ERRCODE = 'FX003';
END $body$

-- capture_function: gives each touched record of one table its next version, and a mark
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    control record;
BEGIN
    IF coalesce(current_setting('fluxstore.mode', true), '') = 'apply' THEN
        RETURN NULL;  -- who applies another backend's changes writes their versions, too
    END IF;
    SELECT epoch, phase INTO control FROM {ledger}.control
    WHERE entity IN ({entity}, '*') ORDER BY entity = '*' LIMIT 1;
    IF TG_OP = 'INSERT' THEN
        PERFORM {ledger}.note({entity}, array_agg({new_key}), false, false, control.epoch, control.phase)
        FROM new_rows AS n;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM {ledger}.note({entity}, array_agg({old_key}), true, true, control.epoch, control.phase)
        FROM old_rows AS o;
    ELSE
        PERFORM {ledger}.note({entity}, array_agg({old_key}), true, true, control.epoch, control.phase)
        FROM old_rows AS o WHERE {old_key} NOT IN (SELECT {new_key} FROM new_rows AS n);
        PERFORM {ledger}.note({entity}, array_agg({new_key}), {new_key_is_old}, false,
                              control.epoch, control.phase)
        FROM new_rows AS n GROUP BY {new_key_is_old};
    END IF;
    RETURN NULL;
END $body$

-- note_function: what capture does for keys of one sort; sparse without a control record
CREATE OR REPLACE FUNCTION {ledger}.note(
    about text, keys text[], existed boolean, gone boolean, control_epoch bigint, phase text
) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    WITH noted AS (
        INSERT INTO {ledger}.versions AS v (entity, key, epoch, seq, deleted)
        SELECT about, k.key, coalesce(control_epoch, 0), CASE WHEN existed THEN 2 ELSE 1 END, gone
        FROM unnest(keys) AS k (key)
        WHERE control_epoch IS NOT NULL OR EXISTS (
            SELECT FROM {ledger}.versions AS w WHERE w.entity = about AND w.key = k.key
        )
        ON CONFLICT (entity, key) DO UPDATE SET
            epoch = coalesce(control_epoch, v.epoch), seq = v.seq + 1, deleted = excluded.deleted
        RETURNING v.key, v.epoch, v.seq
    )
    INSERT INTO {ledger}.outbox AS m (entity, key, epoch, seq)
    SELECT about, noted.key, noted.epoch, noted.seq FROM noted
    WHERE control_epoch IS NOT NULL AND phase <> 'off'
    ON CONFLICT (entity, key) DO UPDATE SET
        epoch = excluded.epoch, seq = excluded.seq, number = DEFAULT
$body$

-- has_triggers: the tables that are governed already
SELECT DISTINCT n.nspname, c.relname
FROM pg_trigger AS g
JOIN pg_class AS c ON c.oid = g.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE g.tgname = 'fluxstore_fence' AND NOT g.tgisinternal

-- is_governed: whether anything in the ledger asks for triggers
SELECT EXISTS (SELECT FROM {ledger}.control) OR EXISTS (SELECT FROM {ledger}.versions)

-- patience: how long to wait for the locks that making triggers takes
SET LOCAL lock_timeout = '5s'

-- fence_trigger: control is checked before each statement
CREATE TRIGGER fluxstore_fence BEFORE INSERT OR UPDATE OR DELETE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {ledger}.fence({entity})

-- keep_trigger: a table is not emptied past its ledger
CREATE TRIGGER fluxstore_keep BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {ledger}.keep({entity})

-- insert_trigger: what was inserted is captured
CREATE TRIGGER fluxstore_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- update_trigger: what was updated is captured
CREATE TRIGGER fluxstore_update AFTER UPDATE ON {table}
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- delete_trigger: what was deleted is captured
CREATE TRIGGER fluxstore_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}()

-- always: a trigger of ours fires in every session, whatever it plays
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}
