-- What a connection says when it is made, and around transactions.

-- set_up: what a connection of ours says once, or, behind a pooler that lends its connections for
-- a transaction, at the start of each. fluxstore.mode tells triggers who writes; fluxstore.tell asks
-- them for the version that a record is given, as a notice
SET {scope} timezone = 'UTC';
SET {scope} fluxstore.mode = 'serve';
SET {scope} fluxstore.epoch = '';
SET {scope} fluxstore.tell = 'on';
SET {scope} client_min_messages = 'notice';
SET {scope} datestyle = 'ISO, YMD';
SET {scope} intervalstyle = 'postgres';
SET {scope} extra_float_digits = 1;
SET {scope} bytea_output = 'hex';
SET {scope} standard_conforming_strings = on;
SET {scope} statement_timeout = {milliseconds};
SET {scope} lock_timeout = 0;
SET {scope} idle_in_transaction_session_timeout = {idle_milliseconds};
SET {scope} default_transaction_isolation = 'read committed';
SET {scope} default_transaction_read_only = {read_only}

-- begin: the start of a transaction
BEGIN

-- begin_pooled: the same on a connection that is lent, whatever was said on it before
BEGIN ISOLATION LEVEL READ COMMITTED {access}

-- long: a transaction of bulk work, which may take its time
SET LOCAL statement_timeout = {milliseconds}; SET LOCAL idle_in_transaction_session_timeout = 0

-- number: by which the outcome of a transaction can be asked for, and the run of the server that
-- gave it: one that crashed gives numbers again whose transactions had left nothing on its disk.
-- Its statistics start anew after a crash, also where its first process survived
SELECT concat_ws(' ', pg_current_xact_id(), pg_postmaster_start_time(),
                 pg_stat_get_bgwriter_stat_reset_time())

-- begin_snapshot: the start of a transaction whose reads are all of one moment
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT 'this is the moment'

-- no_timeout: a session for work that takes its time
SELECT set_config('statement_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false)

-- commit: the end of a transaction
COMMIT

-- rollback: the end of a transaction that is not to be
ROLLBACK

-- defer: judge unique values and references when all changes are made
SET CONSTRAINTS ALL DEFERRED

-- judge: judge them now
SET CONSTRAINTS ALL IMMEDIATE

-- is_gone: whether a server process of ours has ended, so that its last write is decided
SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %(pid)s)

-- status: what became of a transaction: committed, aborted, in progress; null if nobody knows. After a
-- crash its number may be another's by now, and one that is committed need not be the one asked for
SELECT CASE
    WHEN %(run)s = concat_ws(' ', pg_postmaster_start_time(),
                             pg_stat_get_bgwriter_stat_reset_time())
    THEN pg_xact_status(%(number)s::text::xid8)
    WHEN %(number)s::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) THEN 'aborted'
    WHEN pg_xact_status(%(number)s::text::xid8) IN ('aborted', 'in progress') THEN 'aborted'
END
