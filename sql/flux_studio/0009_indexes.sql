-- Indexes for the application's queries, and for every reference that a delete must look up.

-- Projects by organization and status; the newest activities of a project; tasks of a project.
CREATE INDEX projects_organization_status_idx ON projects (organization_id, status);
CREATE INDEX tasks_project_status_idx ON tasks (project_id, status);
CREATE INDEX milestones_project_due_idx ON milestones (project_id, due_date);
CREATE INDEX activities_project_newest_idx
    ON activities (project_id, created_at DESC NULLS LAST, id);
CREATE INDEX messages_conversation_created_idx ON messages (conversation_id, created_at, id);
CREATE INDEX notifications_user_unread_idx ON notifications (user_id, is_read);

CREATE INDEX organizations_created_by_idx ON organizations (created_by);
CREATE INDEX organization_members_user_idx ON organization_members (user_id);
CREATE INDEX teams_created_by_idx ON teams (created_by);
CREATE INDEX team_members_user_idx ON team_members (user_id);
CREATE INDEX projects_team_idx ON projects (team_id);
CREATE INDEX projects_manager_idx ON projects (manager_id);
CREATE INDEX project_members_user_idx ON project_members (user_id);
CREATE INDEX tasks_assigned_to_idx ON tasks (assigned_to);
CREATE INDEX tasks_created_by_idx ON tasks (created_by);
CREATE INDEX activities_user_idx ON activities (user_id);
CREATE INDEX files_project_idx ON files (project_id);
CREATE INDEX files_uploaded_by_idx ON files (uploaded_by);
CREATE INDEX file_permissions_user_idx ON file_permissions (user_id);
CREATE INDEX file_permissions_granted_by_idx ON file_permissions (granted_by);
CREATE INDEX conversations_team_idx ON conversations (team_id);
CREATE INDEX conversations_project_idx ON conversations (project_id);
CREATE INDEX conversations_created_by_idx ON conversations (created_by);
CREATE INDEX conversation_participants_user_idx ON conversation_participants (user_id);
CREATE INDEX messages_author_idx ON messages (author_id);
CREATE INDEX messages_reply_to_idx ON messages (reply_to_id);
CREATE INDEX message_reactions_user_idx ON message_reactions (user_id);
CREATE INDEX client_requests_client_idx ON client_requests (client_id);
CREATE INDEX client_requests_service_package_idx ON client_requests (service_package_id);
CREATE INDEX client_requests_project_idx ON client_requests (project_id);
CREATE INDEX invoices_client_idx ON invoices (client_id);
CREATE INDEX invoices_project_idx ON invoices (project_id);
CREATE INDEX time_entries_user_idx ON time_entries (user_id);
CREATE INDEX time_entries_project_idx ON time_entries (project_id);
CREATE INDEX time_entries_task_idx ON time_entries (task_id);
CREATE INDEX portfolio_items_portfolio_idx ON portfolio_items (portfolio_id, position);
CREATE INDEX portfolio_items_project_idx ON portfolio_items (project_id);
