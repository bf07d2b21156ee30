-- Where the records of one version of a file are: a private database that goes with its connection.

-- set_up: the tables; a place is the number of an entity's place in the file
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE documents (
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    parent TEXT,
    root TEXT,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    flawed INTEGER NOT NULL,
    PRIMARY KEY (place, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE nameless (
    place INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    root TEXT,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (place, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE plan (
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (place, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE touched (
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (place, key)
) STRICT, WITHOUT ROWID;

-- index: what is asked for once all documents are known
CREATE INDEX documents_order ON documents (place, ordinal);
CREATE INDEX documents_root ON documents (place, root, ordinal) WHERE root IS NOT NULL

-- begin: many rows at once
BEGIN

-- commit: that is all
COMMIT

-- ordinal: which of the documents of one key is known
SELECT ordinal FROM documents WHERE place = ? AND key = ?

-- add: a document
INSERT OR IGNORE INTO documents (place, key, ordinal, parent, root, start, length, flawed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- double: a key that is there more than once belongs to no record
UPDATE documents SET flawed = 1 WHERE place = ? AND key = ?

-- add_nameless: an element that has no key, or another's
INSERT INTO nameless (place, ordinal, root, start, length) VALUES (?, ?, ?, ?, ?)

-- find: the documents of some keys, given as a JSON array
SELECT key, parent, root, start, length, flawed FROM documents
WHERE place = ? AND key IN (SELECT value FROM json_each(?))

-- known: which of some keys there are, given as a JSON array
SELECT key FROM documents WHERE place = ? AND key IN (SELECT value FROM json_each(?))

-- count: how many documents there are, and elements without a key
SELECT
    (SELECT count(*) FROM documents WHERE place = ?1),
    (SELECT count(*) FROM nameless WHERE place = ?1)

-- inside: the documents inside one outermost document, in order
SELECT key, parent, root, start, length, flawed FROM documents
WHERE place = ? AND root = ? ORDER BY ordinal

-- nameless_inside: the elements without a key inside one outermost document
SELECT ordinal, start, length FROM nameless WHERE place = ? AND root = ? ORDER BY ordinal

-- all: every document of a place in the order of the file
SELECT key, ordinal, start, length FROM documents WHERE place = ? ORDER BY ordinal

-- all_nameless: every element of a place without a key, in the order of the file
SELECT ordinal, start, length FROM nameless WHERE place = ? ORDER BY ordinal

-- clear_plan: no order is planned
DELETE FROM plan

-- plan: the next key in the order to come
INSERT OR IGNORE INTO plan (place, key, ordinal) VALUES (?, ?, ?)

-- clear_touched: no document is to be written anew
DELETE FROM touched

-- touch: an outermost document that is to be written anew
INSERT OR IGNORE INTO touched (place, key) VALUES (?, ?)

-- touched_in_order: where those of them are that the file has, in its order
SELECT touched.key, documents.start, documents.length, documents.flawed
FROM touched JOIN documents USING (place, key)
WHERE place = ? ORDER BY documents.ordinal

-- touched_new: those of them that the file does not have
SELECT key FROM touched
WHERE place = ?1 AND key NOT IN (SELECT key FROM documents WHERE place = ?1)
