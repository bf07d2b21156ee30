-- Who waits for whom right now: the waiting statement, for how long, and the sessions that block it.
SELECT waiting.pid,
       now() - waiting.query_start AS waits_for,
       left(waiting.query, 80) AS statement,
       blocking.pid AS blocked_by,
       blocking.state AS blocker_state,
       now() - blocking.xact_start AS blocker_transaction_age,
       left(blocking.query, 80) AS blocker_statement
FROM pg_stat_activity waiting
JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker(pid) ON true
JOIN pg_stat_activity blocking ON blocking.pid = blocker.pid
ORDER BY waits_for DESC;
