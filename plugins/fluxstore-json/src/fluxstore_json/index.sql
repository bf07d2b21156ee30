-- Where the records of one version of a file are: a private database that goes with its connection.

-- set_up: the tables; a place is the number of an entity's place in the file. Each file has an index
-- of its own, so its cache is small; a larger one was not faster
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -512;
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
    parent TEXT,
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
    born INTEGER NOT NULL,
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
INSERT INTO nameless (place, ordinal, parent, root, start, length) VALUES (?, ?, ?, ?, ?, ?)

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

-- nameless_inside: the elements without a key directly inside one document
SELECT start, length FROM nameless WHERE place = ? AND root = ? AND parent = ? ORDER BY ordinal

-- nameless_between: elements of an outermost array without a key, each with the key before it
SELECT nameless.start, nameless.length, (
    SELECT key FROM documents
    WHERE documents.place = nameless.place AND documents.ordinal < nameless.ordinal
    ORDER BY documents.ordinal DESC LIMIT 1
) FROM nameless WHERE place = ? ORDER BY nameless.ordinal

-- keys: every key of a place in the order of the file
SELECT key FROM documents WHERE place = ? ORDER BY ordinal

-- clear_plan: no order is wished for
DELETE FROM plan

-- plan: a key's place in the order that is wished for
INSERT OR IGNORE INTO plan (place, key, ordinal) VALUES (?, ?, ?)

-- wished: the places of some keys, given as a JSON array, in the order that is wished for
SELECT key, ordinal FROM plan WHERE place = ? AND key IN (SELECT value FROM json_each(?))

-- out_of_order: outermost documents whose order, or that of what is inside them, is another
SELECT DISTINCT coalesce(root, key) FROM (
    SELECT
        key,
        root,
        coalesce(plan.ordinal, 1 << 62) AS wished,
        lag(coalesce(plan.ordinal, 1 << 62), 1, -1)
            OVER (PARTITION BY root, parent ORDER BY documents.ordinal) AS before
    FROM documents LEFT JOIN plan USING (place, key)
    WHERE place = ?
) WHERE before > wished

-- clear_touched: no document is to be written anew
DELETE FROM touched

-- touch: an outermost document that is to be written anew
INSERT OR IGNORE INTO touched (place, key, born) VALUES (?, ?, ?)

-- touched_in_order: where those of them are that the file has, in its order
SELECT touched.key, documents.start, documents.length, documents.flawed
FROM touched JOIN documents USING (place, key)
WHERE place = ? ORDER BY documents.ordinal

-- touched_new: those of them that the file does not have
SELECT key FROM touched
WHERE place = ?1 AND key NOT IN (SELECT key FROM documents WHERE place = ?1) ORDER BY born

-- planned: every outermost document in the order that is wished for, the rest behind
SELECT found.key, start, length, flawed, touched FROM (
    SELECT
        documents.key, start, length, flawed, documents.ordinal AS own, 0 AS born,
        touched.key IS NOT NULL AS touched
    FROM documents LEFT JOIN touched USING (place, key)
    WHERE documents.place = ?1
    UNION ALL
    SELECT key, NULL, NULL, 0, NULL, born, 1 FROM touched
    WHERE place = ?1 AND key NOT IN (SELECT key FROM documents WHERE place = ?1)
) AS found LEFT JOIN plan ON plan.place = ?1 AND plan.key = found.key
ORDER BY coalesce(plan.ordinal, 1 << 62), own IS NULL, own, born
