-- Organizations that projects or teams name and that have no row: record them, or mend the names.
SELECT named.organization_id,
       count(*) FILTER (WHERE named.by = 'project') AS projects,
       count(*) FILTER (WHERE named.by = 'team') AS teams
FROM (
    SELECT organization_id, 'project' AS by FROM projects
    UNION ALL
    SELECT organization_id, 'team' FROM teams
) named
WHERE named.organization_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM organizations o WHERE o.id = named.organization_id)
GROUP BY named.organization_id
ORDER BY named.organization_id;
