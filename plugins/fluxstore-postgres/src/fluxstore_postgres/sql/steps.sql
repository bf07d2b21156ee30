-- Numbered schema steps: which have run, and the record that one has.

-- lock: one applier of steps at a time
SELECT pg_advisory_lock(hashtextextended('fluxstore schema steps', 0))

-- applied: the steps that have run
SELECT name, checksum FROM {ledger}.steps

-- note: that a step has run
INSERT INTO {ledger}.steps (name, checksum) VALUES (%(name)s, %(checksum)s)

-- search_path: where a step's unqualified names lead
SELECT set_config('search_path', %(path)s, false)
