-- The ledger beside the records: control, versions, outbox, operations, and what migrations keep.

-- make: the ledger's schema, tables and format
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.control (
    entity    text COLLATE "C" PRIMARY KEY,
    epoch     bigint NOT NULL,
    role      text NOT NULL
              CHECK (role IN ('authority', 'follower', 'sealed', 'committing', 'archived')),
    phase     text NOT NULL,
    migration text NOT NULL,
    format    integer NOT NULL
);
CREATE TABLE IF NOT EXISTS {schema}.turn (
    number bigint PRIMARY KEY
);
INSERT INTO {schema}.turn SELECT 0 WHERE NOT EXISTS (SELECT FROM {schema}.turn);
COMMENT ON TABLE {schema}.turn IS
    'one row, raised with every change of control: an older snapshot finds that it is one';
CREATE TABLE IF NOT EXISTS {schema}.versions (
    entity  text COLLATE "C",
    key     text COLLATE "C",
    epoch   bigint NOT NULL,
    seq     bigint NOT NULL,
    deleted boolean NOT NULL,
    number  bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (entity, key)
);
CREATE INDEX IF NOT EXISTS versions_number ON {schema}.versions (entity, number);
CREATE TABLE IF NOT EXISTS {schema}.outbox (
    entity text COLLATE "C",
    key    text COLLATE "C",
    epoch  bigint NOT NULL,
    seq    bigint NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity, key)
);
CREATE INDEX IF NOT EXISTS outbox_number ON {schema}.outbox (entity, number);
CREATE TABLE IF NOT EXISTS {schema}.ops (
    entity text COLLATE "C",
    key    text COLLATE "C",
    op_id  text COLLATE "C",
    at     timestamptz NOT NULL DEFAULT now(),
    crossed text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (entity, key, op_id)
);
COMMENT ON COLUMN {schema}.ops.crossed IS
    'the migration in which the other side has got it; empty: none';
CREATE INDEX IF NOT EXISTS ops_at ON {schema}.ops (at);
CREATE INDEX IF NOT EXISTS ops_crossed ON {schema}.ops (entity, key, crossed);
CREATE TABLE IF NOT EXISTS {schema}.cursors (
    migration   text COLLATE "C",
    entity      text COLLATE "C",
    position    text,
    fingerprint text NOT NULL,
    counts      jsonb NOT NULL,
    format      integer NOT NULL,
    PRIMARY KEY (migration, entity)
);
CREATE TABLE IF NOT EXISTS {schema}.quarantine (
    entity   text COLLATE "C",
    number   bigint,
    reason   text NOT NULL,
    expected text NOT NULL,
    key      text NOT NULL,
    field    text NOT NULL,
    file     text NOT NULL,
    raw      bytea NOT NULL,
    PRIMARY KEY (entity, number)
);
CREATE TABLE IF NOT EXISTS {schema}.parts (
    entity text COLLATE "C",
    name   text COLLATE "C",
    number bigint,
    value  text NOT NULL,
    PRIMARY KEY (entity, name, number)
);
CREATE TABLE IF NOT EXISTS {schema}.facts (
    name  text COLLATE "C" PRIMARY KEY,
    value text NOT NULL
);
CREATE TABLE IF NOT EXISTS {schema}.residue (
    entity  text COLLATE "C",
    key     text COLLATE "C",
    residue jsonb NOT NULL,
    PRIMARY KEY (entity, key)
);
CREATE TABLE IF NOT EXISTS {schema}.steps (
    name       text COLLATE "C" PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON SCHEMA {schema} IS {mark}
