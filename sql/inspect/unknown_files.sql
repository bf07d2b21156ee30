-- Files that a project's array names and that have no row: the array is no foreign key.
SELECT p.id AS project_id, file_id
FROM projects p, unnest(p.files) AS file_id
WHERE NOT EXISTS (SELECT FROM files f WHERE f.id = file_id)
ORDER BY p.id, file_id;
