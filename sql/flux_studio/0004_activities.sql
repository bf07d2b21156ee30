-- Activities: what happened to whom, kept when the user or the project is gone.
CREATE TABLE activities (
    id           text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    project_id   text COLLATE "C"
                 REFERENCES projects ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    project_name text,
    user_id      text COLLATE "C"
                 REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    user_name    text,
    type         text NOT NULL,
    entity_type  text NOT NULL,
    entity_id    text NOT NULL,
    description  text,
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz DEFAULT now()
);
