-- Fence and capture: control is checked before each write, and versions and marks are kept.

-- make_serves: whether control lets this backend answer; part of each governed read
CREATE OR REPLACE FUNCTION {ledger}.serves(about text) RETURNS boolean
-- In the read's own snapshot. Not a definer's: who reads records through fluxstore reads control.
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $body$
DECLARE
    here record;
BEGIN
    SELECT epoch, role INTO here FROM {ledger}.control
    WHERE entity IN (about, '*') ORDER BY entity = '*' LIMIT 1;
    IF here.role IS NULL OR here.role IN ('authority', 'sealed') THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION '% is % since epoch %', about, here.role, here.epoch
        USING ERRCODE = CASE here.role WHEN 'committing' THEN 'FX001' ELSE 'FX002' END;
END $body$

-- make_admit: refuses a write unless control lets this backend take it, until the transaction ends
CREATE OR REPLACE FUNCTION {ledger}.admit(about text, mode text, wanted_epoch bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    here record;
BEGIN
    -- The locks first, then control in the next statement's snapshot: a check in the write's own
    -- snapshot, or in one statement with the lock, would pass a seal that was just finished.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended({lock} || '*', 1)),
            pg_advisory_xact_lock_shared(hashtextextended({lock} || about, 1));
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- An older snapshot must not hide a newer control: then this row has changed or is unseen.
        PERFORM FROM {ledger}.turn FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'control of % is newer than this snapshot', about
                USING ERRCODE = 'serialization_failure';
        END IF;
    END IF;
    SELECT epoch, role, phase INTO here FROM {ledger}.control
    WHERE entity IN (about, '*') ORDER BY entity = '*' LIMIT 1;
    IF here.role IS NULL AND wanted_epoch IS NULL
       OR (CASE mode
           WHEN 'apply' THEN here.role = 'follower'
                             AND here.epoch = coalesce(wanted_epoch, here.epoch)
           WHEN 'merge' THEN here.role = 'follower' OR here.phase = 'off'
           ELSE here.role = 'authority' END) THEN
        RETURN;
    END IF;
    RAISE EXCEPTION '% is % since epoch %', about,
        coalesce(here.role, 'without control'), coalesce(here.epoch, 0)
        USING ERRCODE = CASE WHEN here.role IN ('sealed', 'committing')
                             AND mode NOT IN ('apply', 'merge') THEN 'FX001' ELSE 'FX002' END;
END $body$

-- make_admitted: the same for a statement of ours that no trigger watches; the epoch in which it is
-- noted, null where it is not: in phase off, without control, or what another backend's ledger brings
CREATE OR REPLACE FUNCTION {ledger}.admitted(about text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    mode text := coalesce(current_setting('fluxstore.mode', true), '');
    here record;
BEGIN
    PERFORM {ledger}.admit(
        about, mode, nullif(current_setting('fluxstore.epoch', true), '')::bigint
    );
    IF mode IN ('apply', 'merge') THEN
        RETURN NULL;
    END IF;
    SELECT epoch, phase INTO here FROM {ledger}.control
    WHERE entity IN (about, '*') ORDER BY entity = '*' LIMIT 1;
    RETURN CASE WHEN here.phase <> 'off' THEN here.epoch END;
END $body$

-- make_fence: the same for every statement of any client
CREATE OR REPLACE FUNCTION {ledger}.fence() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    PERFORM {ledger}.admit(
        TG_ARGV[0],
        coalesce(current_setting('fluxstore.mode', true), ''),
        nullif(current_setting('fluxstore.epoch', true), '')::bigint
    );
    RETURN NULL;
END $body$

-- make_keep: refuses to empty a table past its ledger
CREATE OR REPLACE FUNCTION {ledger}.keep() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % would leave no tombstones; DELETE instead', TG_ARGV[0]
        USING ERRCODE = 'FX003';
END $body$

-- make_note: what capture does for keys of one sort: their next versions, and marks
CREATE OR REPLACE FUNCTION {ledger}.note(
    about text, keys text[], existed boolean, gone boolean, control_epoch bigint
) RETURNS void
LANGUAGE plpgsql VOLATILE AS $body$
DECLARE
    one record;
BEGIN
    WITH noted AS (
        INSERT INTO {ledger}.versions AS v (entity, key, epoch, seq, deleted)
        SELECT about, k.key, control_epoch, CASE WHEN existed THEN 2 ELSE 1 END, gone
        FROM unnest(keys) AS k (key) ORDER BY k.key
        ON CONFLICT (entity, key) DO UPDATE SET
            epoch = excluded.epoch, seq = v.seq + 1, deleted = excluded.deleted, number = DEFAULT
        RETURNING v.key, v.epoch, v.seq
    ), marked AS (
        INSERT INTO {ledger}.outbox AS m (entity, key, epoch, seq)
        SELECT about, noted.key, noted.epoch, noted.seq FROM noted
        ON CONFLICT (entity, key) DO UPDATE SET
            epoch = excluded.epoch, seq = excluded.seq, number = DEFAULT
    )
    SELECT noted.key, noted.epoch, noted.seq INTO one FROM noted LIMIT 1;
    IF cardinality(keys) = 1 AND current_setting('fluxstore.tell', true) = 'on' THEN
        -- The writer learns the version that it was given without asking in a second statement.
        RAISE NOTICE USING ERRCODE = 'FX000', MESSAGE = one.epoch || ' ' || one.seq,
            TABLE = about, COLUMN = one.key;
    END IF;
END $body$

-- make_rights: only who owns the ledger may put its functions behind a table
REVOKE ALL ON FUNCTION {ledger}.fence(), {ledger}.keep() FROM PUBLIC

-- make_capture: gives each touched record of one table its next version, and a mark
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    control record;
BEGIN
    IF coalesce(current_setting('fluxstore.mode', true), '') IN ('apply', 'merge') THEN
        RETURN NULL;  -- who applies another backend's changes writes their versions, too
    END IF;
    SELECT epoch, phase INTO control FROM {ledger}.control
    WHERE entity IN ({entity}, '*') ORDER BY entity = '*' LIMIT 1;
    IF control.epoch IS NULL OR control.phase = 'off' THEN
        RETURN NULL;  -- an administrator may make triggers before there is control
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM {ledger}.note({entity}, array_agg({new_key}), false, false, control.epoch)
        FROM new_rows AS n;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM {ledger}.note({entity}, array_agg({old_key}), true, true, control.epoch)
        FROM old_rows AS o;
    ELSE
        PERFORM {ledger}.note({entity}, array_agg({old_key}), true, true, control.epoch)
        FROM old_rows AS o WHERE {old_key} NOT IN (SELECT {new_key} FROM new_rows AS n);
        PERFORM {ledger}.note({entity}, array_agg({new_key}), {new_key_is_old}, false,
                              control.epoch)
        FROM new_rows AS n GROUP BY {new_key_is_old};
    END IF;
    RETURN NULL;
END $body$

-- make_capture_rights: the same for a table's own function
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC

-- triggers: what this ledger has on which tables, and of which entity
SELECT n.nspname, c.relname, g.tgname,
       convert_from(trim(TRAILING '\x00'::bytea FROM g.tgargs), 'UTF8')
FROM pg_trigger AS g
JOIN pg_class AS c ON c.oid = g.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_proc AS p ON p.oid = g.tgfoid
JOIN pg_namespace AS l ON l.oid = p.pronamespace
WHERE l.nspname = %(ledger)s AND NOT g.tgisinternal

-- unfenced: tables that control governs and that no fence of this ledger stands before
SELECT t.entity
FROM unnest(%(schemas)s::text[], %(names)s::text[], %(entities)s::text[]) AS t (schema, name, entity)
JOIN pg_namespace AS n ON n.nspname = t.schema
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.name
WHERE EXISTS (SELECT FROM {ledger}.control AS k WHERE k.entity IN (t.entity, '*'))
  AND NOT EXISTS (
      SELECT FROM pg_trigger AS g JOIN pg_proc AS p ON p.oid = g.tgfoid
      JOIN pg_namespace AS l ON l.oid = p.pronamespace
      WHERE g.tgrelid = c.oid AND l.nspname = %(ledger)s AND p.proname = 'fence'
  )

-- patience: how long to wait for each lock that a change of control or of triggers takes
SET LOCAL lock_timeout = '200ms'

-- hold_writers: before the fence is closed, where triggers are to be made
LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE

-- hold_everybody: before the fence is closed, where triggers are to be dropped
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE

-- fence_trigger: control is checked before each statement
CREATE TRIGGER fluxstore_fence BEFORE INSERT OR UPDATE OR DELETE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {ledger}.fence({entity})

-- keep_trigger: a table is not emptied past its ledger
CREATE TRIGGER fluxstore_keep BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {ledger}.keep({entity})

-- insert_trigger: what was inserted is captured
CREATE TRIGGER fluxstore_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}({entity})

-- update_trigger: what was updated is captured
CREATE TRIGGER fluxstore_update AFTER UPDATE ON {table}
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}({entity})

-- delete_trigger: what was deleted is captured
CREATE TRIGGER fluxstore_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION {function}({entity})

-- always: a trigger of ours fires in every session, whatever it plays
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}

-- drop_trigger: the end of one
DROP TRIGGER IF EXISTS {trigger} ON {table}
