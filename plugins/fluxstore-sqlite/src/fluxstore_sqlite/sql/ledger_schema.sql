-- The ledger's tables, beside the records in the same file; made at the first write.

CREATE TABLE IF NOT EXISTS _fluxstore_control (
    entity    TEXT NOT NULL PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    role      TEXT NOT NULL
              CHECK (role IN ('authority', 'follower', 'sealed', 'committing', 'archived')),
    phase     TEXT NOT NULL,
    migration TEXT NOT NULL,
    format    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- number: the place among an entity's keys, the last written last.
CREATE TABLE IF NOT EXISTS _fluxstore_versions (
    entity  TEXT NOT NULL,
    key     TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    number  INTEGER NOT NULL,
    PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS _fluxstore_versions_number ON _fluxstore_versions (entity, number);

-- number: the order in which an entity's marks were made; at: since when the key has had one, as
-- seconds of 1970.
CREATE TABLE IF NOT EXISTS _fluxstore_outbox (
    entity TEXT NOT NULL,
    key    TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at     REAL NOT NULL,
    PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS _fluxstore_outbox_number ON _fluxstore_outbox (entity, number);

-- A row while the library writes: triggers then leave fence and capture to it. No transaction is
-- committed with one.
CREATE TABLE IF NOT EXISTS _fluxstore_own (
    own INTEGER NOT NULL PRIMARY KEY
) STRICT;

-- Rows that another program's statement may displace without a trigger of theirs, until it is seen
-- whether it did; stored: the values of the key's columns as a JSON array.
CREATE TABLE IF NOT EXISTS _fluxstore_displaced (
    entity TEXT NOT NULL,
    key    TEXT NOT NULL,
    stored TEXT NOT NULL,
    PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS _fluxstore_ops (
    op_id  TEXT NOT NULL,
    entity TEXT NOT NULL,
    key    TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    crossed TEXT NOT NULL,  -- the migration in which the other side has got it; empty: none
    PRIMARY KEY (op_id, entity, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS _fluxstore_ops_at ON _fluxstore_ops (at);

CREATE INDEX IF NOT EXISTS _fluxstore_ops_key ON _fluxstore_ops (entity, key, crossed);

CREATE TABLE IF NOT EXISTS _fluxstore_facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS _fluxstore_cursors (
    migration   TEXT NOT NULL,
    entity      TEXT NOT NULL,
    position    TEXT,
    fingerprint TEXT NOT NULL,
    counts      TEXT NOT NULL,
    format      INTEGER NOT NULL,
    PRIMARY KEY (migration, entity)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS _fluxstore_quarantine (
    entity   TEXT NOT NULL,
    number   INTEGER NOT NULL,
    key      TEXT NOT NULL,
    field    TEXT NOT NULL,
    file     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    expected TEXT NOT NULL,
    raw      BLOB NOT NULL,
    PRIMARY KEY (entity, number)
) STRICT;

CREATE TABLE IF NOT EXISTS _fluxstore_parts (
    entity TEXT NOT NULL,
    name   TEXT NOT NULL,
    number INTEGER NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (entity, name, number)
) STRICT;

CREATE TABLE IF NOT EXISTS _fluxstore_residue (
    entity  TEXT NOT NULL,
    key     TEXT NOT NULL,
    residue TEXT NOT NULL,
    PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS _fluxstore_steps (
    name       TEXT NOT NULL PRIMARY KEY,
    checksum   TEXT NOT NULL,
    applied_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
