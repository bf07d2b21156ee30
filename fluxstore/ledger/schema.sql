-- The tables of a ledger beside files: what SidecarLedger keeps, one database per backend.

-- What this database is: id (also in the witness file beside it), format, generation (how many
-- checkpoints there were), purges (how often versions were forgotten).
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The only truth about the phase, per entity or '*'.
CREATE TABLE control (
    entity TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    role TEXT NOT NULL
        CHECK (role IN ('authority', 'follower', 'sealed', 'committing', 'archived')),
    phase TEXT NOT NULL,
    migration TEXT NOT NULL,
    format INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How new each touched record is; a record without a row has version (0, 1). "number" is the place
-- among an entity's keys, the last written last.
CREATE TABLE versions (
    entity TEXT NOT NULL,
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    number INTEGER NOT NULL,
    PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX versions_order ON versions (entity, number);

-- Marks: this key may differ in the follower; one row per key, the newest. "number" orders them;
-- "made" is this machine's clock in milliseconds, only to be shown.
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    made INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX outbox_key ON outbox (entity, key);
CREATE INDEX outbox_order ON outbox (entity, number);

-- Operations already done, for as long as a caller may repeat them.
CREATE TABLE ops (
    op_id TEXT NOT NULL,
    entity TEXT NOT NULL,
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    made INTEGER NOT NULL,
    crossed TEXT NOT NULL,  -- the migration in which the other side has got it; empty: none
    PRIMARY KEY (entity, key, op_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ops_crossed ON ops (entity, key, crossed);
CREATE INDEX ops_made ON ops (made);

-- JSON values kept under a name.
CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a migration stands, saved with what it covers.
CREATE TABLE cursors (
    migration TEXT NOT NULL,
    entity TEXT NOT NULL,
    position TEXT,
    fingerprint TEXT NOT NULL,
    counts TEXT NOT NULL,
    format INTEGER NOT NULL,
    PRIMARY KEY (migration, entity)
) STRICT, WITHOUT ROWID;

-- Who holds a lease, for messages; a kernel lock beside this database is what excludes others.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Records that could not cross, with the reason and their bytes.
CREATE TABLE quarantine (
    entity TEXT NOT NULL,
    number INTEGER NOT NULL,
    problem TEXT NOT NULL,
    raw BLOB NOT NULL,
    PRIMARY KEY (entity, number)
) STRICT;

-- What files have beside records, in pieces: order, wrapper.
CREATE TABLE parts (
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (entity, name, number)
) STRICT;

-- Changes that are durable here and not yet in the files. "change" grows with every change and is
-- never used again; "born" is the change that made the record; "root" is the key of the outermost
-- document that holds it; "digest" is of the payload, so that a flipped bit is noticed.
CREATE TABLE pending (
    change INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    key TEXT NOT NULL,
    born INTEGER,
    fresh INTEGER NOT NULL CHECK (fresh IN (0, 1)),
    parent TEXT,
    root TEXT,
    payload BLOB,
    digest INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pending_key ON pending (entity, key);
CREATE INDEX pending_root ON pending (entity, root) WHERE root IS NOT NULL;

-- What rules ask of records, files and pending changes taken together: which record holds a unique
-- value, which ones refer to a record. Complete for the entities named in "indexed".
CREATE TABLE facts (
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (entity, name, value, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE indexed (
    entity TEXT PRIMARY KEY,
    names TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The file that the changes up to "change" are in.
CREATE TABLE checkpoints (
    file TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    identity TEXT NOT NULL,
    digest TEXT NOT NULL,
    change INTEGER NOT NULL,
    noticed TEXT
) STRICT, WITHOUT ROWID;

-- A file that is about to take its place: whoever finds it there knows that it is ours.
CREATE TABLE intents (
    file TEXT PRIMARY KEY,
    temporary TEXT NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    change INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
