-- What a connection says when it is made, and around transactions.

-- set_up: the settings that a pooled connection keeps; fluxstore.mode tells triggers who writes,
-- fluxstore.tell asks them for the version that a record is given, as a notice
SELECT set_config('timezone', 'UTC', false),
       set_config('fluxstore.mode', 'serve', false),
       set_config('fluxstore.epoch', '', false),
       set_config('fluxstore.tell', 'on', false),
       set_config('client_min_messages', 'notice', false),
       set_config('datestyle', 'ISO, YMD', false),
       set_config('intervalstyle', 'postgres', false),
       set_config('extra_float_digits', '1', false),
       set_config('bytea_output', 'hex', false),
       set_config('standard_conforming_strings', 'on', false),
       set_config('statement_timeout', %(timeout)s, false),
       set_config('lock_timeout', '0', false),
       set_config('default_transaction_isolation', 'read committed', false),
       set_config('default_transaction_read_only', %(read_only)s, false)

-- begin: the start of a transaction, and the number by which its outcome can be asked for
BEGIN; SELECT pg_current_xact_id()::text

-- begin_long: the same of bulk work, which may take its time
BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT pg_current_xact_id()::text

-- begin_reading: the start of a transaction in a session that is to read only: it has no number
BEGIN

-- begin_reading_long: the same of bulk work
BEGIN; SET LOCAL statement_timeout = {milliseconds}; SET LOCAL idle_in_transaction_session_timeout = 0

-- begin_snapshot: the start of a transaction whose reads are all of one moment
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT 'this is the moment'

-- no_timeout: a session for work that takes its time
SELECT set_config('statement_timeout', '0', false)

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

-- status: what became of a transaction: committed, aborted, in progress; null if it is too long ago
SELECT pg_xact_status(%(number)s::text::xid8)
