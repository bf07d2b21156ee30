-- Conversations (the application's channels), their messages, and notifications.
CREATE TABLE conversations (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name            text,
    type            text NOT NULL DEFAULT 'channel'
                    CHECK (type IN ('direct', 'group', 'channel')),
    team_id         text COLLATE "C"
                    REFERENCES teams ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    project_id      text COLLATE "C"
                    REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    created_by      text COLLATE "C"
                    REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    is_archived     boolean NOT NULL DEFAULT false,
    metadata        jsonb NOT NULL DEFAULT '{}',
    last_message_at timestamptz,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now()
);

CREATE TABLE conversation_participants (
    conversation_id text COLLATE "C" NOT NULL
                    REFERENCES conversations ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id         text COLLATE "C" NOT NULL
                    REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    role            text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'admin', 'member')),
    is_muted        boolean NOT NULL DEFAULT false,
    last_read_at    timestamptz,
    joined_at       timestamptz DEFAULT now(),
    PRIMARY KEY (conversation_id, user_id)
);

CREATE TABLE messages (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    conversation_id text COLLATE "C" NOT NULL
                    REFERENCES conversations ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    author_id       text COLLATE "C"
                    REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    content         text NOT NULL DEFAULT '',
    type            text NOT NULL DEFAULT 'text'
                    CHECK (type IN ('text', 'image', 'file', 'system')),
    attachments     jsonb NOT NULL DEFAULT '[]',
    mentions        text[] NOT NULL DEFAULT '{}',
    reply_to_id     text COLLATE "C"
                    REFERENCES messages ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    is_edited       boolean NOT NULL DEFAULT false,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now()
);

CREATE TABLE message_reactions (
    message_id text COLLATE "C" NOT NULL
               REFERENCES messages ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id    text COLLATE "C" NOT NULL
               REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    reaction   text COLLATE "C" NOT NULL CHECK (reaction <> ''),
    created_at timestamptz DEFAULT now(),
    PRIMARY KEY (message_id, user_id, reaction)
);

CREATE TABLE notifications (
    id         text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    user_id    text COLLATE "C" NOT NULL
               REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    type       text NOT NULL,
    title      text NOT NULL,
    message    text,
    data       jsonb NOT NULL DEFAULT '{}',
    is_read    boolean NOT NULL DEFAULT false,
    read_at    timestamptz,
    expires_at timestamptz,
    created_at timestamptz DEFAULT now()
);
