-- Transactions open for more than a minute: they hold locks, and rows that vacuum could remove.
SELECT pid, usename, application_name, state,
       now() - xact_start AS open_for,
       left(query, 80) AS last_statement
FROM pg_stat_activity
WHERE xact_start < now() - interval '1 minute' AND pid <> pg_backend_pid()
ORDER BY xact_start;
