-- Projects in which nobody is owner: nobody may invite or delete there.
SELECT p.id, p.name, p.manager_id
FROM projects p
WHERE NOT EXISTS (
    SELECT FROM project_members m WHERE m.project_id = p.id AND m.role = 'owner'
)
ORDER BY p.id;
