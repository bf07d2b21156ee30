-- Portfolios: finished work that a user shows.
CREATE TABLE portfolios (
    id          text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    user_id     text COLLATE "C" NOT NULL
                REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    title       text NOT NULL,
    slug        text NOT NULL,
    description text,
    is_public   boolean NOT NULL DEFAULT false,
    settings    jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz DEFAULT now(),
    updated_at  timestamptz DEFAULT now(),
    UNIQUE (user_id, slug) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE portfolio_items (
    id           text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    portfolio_id text COLLATE "C" NOT NULL
                 REFERENCES portfolios ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    project_id   text COLLATE "C"
                 REFERENCES projects ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    title        text NOT NULL,
    description  text,
    image_url    text,
    tags         text[] NOT NULL DEFAULT '{}',
    position     integer NOT NULL DEFAULT 0 CHECK (position >= 0),
    metadata     jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz DEFAULT now(),
    updated_at   timestamptz DEFAULT now()
);
