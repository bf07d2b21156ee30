-- Organizations, their teams, and who belongs to either.
CREATE TABLE organizations (
    id            text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name          text NOT NULL,
    slug          text NOT NULL,
    description   text,
    logo_url      text,
    billing_email text CHECK (billing_email ~ '^[^@ ]+@[^@ ]+\.[^@ ]+$'),
    settings      jsonb NOT NULL DEFAULT '{}',
    created_by    text COLLATE "C"
                  REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    created_at    timestamptz DEFAULT now(),
    updated_at    timestamptz DEFAULT now(),
    UNIQUE (slug) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE organization_members (
    organization_id text COLLATE "C" NOT NULL
                    REFERENCES organizations ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id         text COLLATE "C" NOT NULL
                    REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    role            text NOT NULL DEFAULT 'member'
                    CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    joined_at       timestamptz DEFAULT now(),
    PRIMARY KEY (organization_id, user_id)
);

-- organization_id is no foreign key here and in projects: teams and projects named organizations
-- long before organizations had a place of their own. inspect/unknown_organizations.sql lists them.
CREATE TABLE teams (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    name            text NOT NULL,
    slug            text,
    description     text,
    organization_id text COLLATE "C",
    created_by      text COLLATE "C"
                    REFERENCES users ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now(),
    UNIQUE (organization_id, slug) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE team_members (
    team_id   text COLLATE "C" NOT NULL
              REFERENCES teams ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    user_id   text COLLATE "C" NOT NULL
              REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    role      text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'lead', 'member')),
    joined_at timestamptz DEFAULT now(),
    PRIMARY KEY (team_id, user_id)
);
