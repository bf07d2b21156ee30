-- How far the work is: one row for each project, and one for each user, with or without tasks.
CREATE VIEW project_task_stats AS
SELECT p.id AS project_id,
       count(t.id) AS total_tasks,
       count(t.id) FILTER (WHERE t.status = 'completed') AS completed_tasks,
       count(t.id) FILTER (WHERE t.status = 'in-progress') AS in_progress_tasks,
       count(t.id) FILTER (WHERE t.status = 'todo') AS todo_tasks,
       count(t.id) FILTER (WHERE t.status = 'blocked') AS blocked_tasks,
       count(t.id) FILTER (WHERE t.status <> 'completed' AND t.due_date < now()) AS overdue_tasks,
       coalesce(
           round(100.0 * count(t.id) FILTER (WHERE t.status = 'completed')
                 / nullif(count(t.id), 0), 2),
           0
       ) AS completion_percentage
FROM projects p
LEFT JOIN tasks t ON t.project_id = p.id
GROUP BY p.id;

CREATE VIEW user_task_stats AS
SELECT u.id AS user_id,
       count(t.id) AS total_tasks,
       count(t.id) FILTER (WHERE t.status = 'completed') AS completed_tasks,
       count(t.id) FILTER (WHERE t.status = 'in-progress') AS in_progress_tasks,
       count(t.id) FILTER (WHERE t.status = 'todo') AS todo_tasks,
       count(t.id) FILTER (WHERE t.status = 'blocked') AS blocked_tasks,
       count(t.id) FILTER (WHERE t.status <> 'completed' AND t.due_date < now()) AS overdue_tasks,
       coalesce(
           round(100.0 * count(t.id) FILTER (WHERE t.status = 'completed')
                 / nullif(count(t.id), 0), 2),
           0
       ) AS completion_percentage
FROM users u
LEFT JOIN tasks t ON t.assigned_to = u.id
GROUP BY u.id;
