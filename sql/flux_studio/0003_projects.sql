-- Projects and what each holds: members, milestones and tasks.
CREATE TABLE projects (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name            text NOT NULL,
    description     text,
    team_id         text COLLATE "C"
                    REFERENCES teams ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    organization_id text COLLATE "C",
    manager_id      text COLLATE "C"
                    REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    status          text NOT NULL DEFAULT 'planning'
                    CHECK (status IN ('planning', 'active', 'on-hold', 'review', 'completed',
                                      'cancelled', 'archived')),
    priority        text NOT NULL DEFAULT 'medium'
                    CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    start_date      timestamptz,
    due_date        timestamptz,
    progress        integer NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    files           text[] NOT NULL DEFAULT '{}',
    metadata        jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now()
);

-- 'owner' is what the application writes for whoever made the project.
CREATE TABLE project_members (
    project_id text COLLATE "C" NOT NULL
               REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id    text COLLATE "C" NOT NULL
               REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    role       text NOT NULL DEFAULT 'contributor'
               CHECK (role IN ('owner', 'manager', 'contributor', 'client', 'viewer')),
    joined_at  timestamptz DEFAULT now(),
    PRIMARY KEY (project_id, user_id)
);

CREATE TABLE milestones (
    id           text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    project_id   text COLLATE "C" NOT NULL
                 REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    name         text NOT NULL,
    description  text,
    status       text NOT NULL DEFAULT 'pending'
                 CHECK (status IN ('pending', 'in-progress', 'completed', 'cancelled')),
    due_date     timestamptz,
    completed_at timestamptz,
    created_at   timestamptz DEFAULT now(),
    updated_at   timestamptz DEFAULT now()
);

CREATE TABLE tasks (
    id           text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    project_id   text COLLATE "C" NOT NULL
                 REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    title        text NOT NULL,
    description  text,
    status       text NOT NULL DEFAULT 'todo'
                 CHECK (status IN ('todo', 'in-progress', 'review', 'blocked', 'completed')),
    priority     text NOT NULL DEFAULT 'medium'
                 CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    assigned_to  text COLLATE "C"
                 REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    created_by   text COLLATE "C"
                 REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    due_date     timestamptz,
    completed_at timestamptz,
    created_at   timestamptz DEFAULT now(),
    updated_at   timestamptz DEFAULT now()
);
