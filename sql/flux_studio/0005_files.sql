-- Files that were uploaded, and who may do what with each.
CREATE TABLE files (
    id            text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name          text NOT NULL,
    original_name text,
    mime_type     text,
    size_bytes    bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
    url           text,
    project_id    text COLLATE "C"
                  REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    uploaded_by   text COLLATE "C"
                  REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    tags          text[] NOT NULL DEFAULT '{}',
    metadata      jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz DEFAULT now(),
    updated_at    timestamptz DEFAULT now()
);

CREATE TABLE file_permissions (
    file_id    text COLLATE "C" NOT NULL
               REFERENCES files ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id    text COLLATE "C" NOT NULL
               REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    permission text NOT NULL DEFAULT 'view'
               CHECK (permission IN ('view', 'comment', 'edit', 'owner')),
    granted_by text COLLATE "C"
               REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    granted_at timestamptz DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (file_id, user_id)
);
