-- Users: everyone who signs in, by password or through an identity provider.
-- Ids are text: most are UUIDs, the oldest are 13-digit numbers. Text keys compare by code point.
CREATE TABLE users (
    id             text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    email          text NOT NULL CHECK (email ~ '^[^@ ]+@[^@ ]+\.[^@ ]+$'),
    name           text NOT NULL,
    user_type      text NOT NULL DEFAULT 'client'
                   CHECK (user_type IN ('client', 'designer', 'admin')),
    password_hash  text,
    oauth_provider text,
    oauth_id       text,
    avatar_url     text,
    is_active      boolean NOT NULL DEFAULT true,
    settings       jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz DEFAULT now(),
    updated_at     timestamptz DEFAULT now(),
    UNIQUE (email) DEFERRABLE INITIALLY IMMEDIATE,
    UNIQUE (oauth_provider, oauth_id) DEFERRABLE INITIALLY IMMEDIATE
);
