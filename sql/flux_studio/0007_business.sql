-- What is offered, asked for, worked and billed. Amounts keep the scale they came with.
CREATE TABLE service_packages (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    organization_id text COLLATE "C" NOT NULL
                    REFERENCES organizations ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    name            text NOT NULL,
    slug            text NOT NULL,
    description     text,
    price           numeric NOT NULL CHECK (price >= 0),
    currency        text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z][A-Z][A-Z]$'),
    delivery_days   integer CHECK (delivery_days >= 0),
    tags            text[] NOT NULL DEFAULT '{}',
    is_active       boolean NOT NULL DEFAULT true,
    metadata        jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now(),
    UNIQUE (organization_id, slug) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE client_requests (
    id                 text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    client_id          text COLLATE "C" NOT NULL
                       REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    service_package_id text COLLATE "C"
                       REFERENCES service_packages ON DELETE SET NULL
                       DEFERRABLE INITIALLY IMMEDIATE,
    project_id         text COLLATE "C"
                       REFERENCES projects ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    title              text NOT NULL,
    description        text,
    status             text NOT NULL DEFAULT 'new'
                       CHECK (status IN ('new', 'quoted', 'accepted', 'declined', 'completed')),
    priority           text NOT NULL DEFAULT 'medium'
                       CHECK (priority IN ('low', 'medium', 'high', 'critical')),
    budget             numeric CHECK (budget >= 0),
    deadline           timestamptz,
    attachments        jsonb NOT NULL DEFAULT '[]',
    created_at         timestamptz DEFAULT now(),
    updated_at         timestamptz DEFAULT now()
);

-- Billing keeps what it refers to: an organization or a client with invoices, or a user with
-- hours, is not deleted from under them.
CREATE TABLE invoices (
    id              text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    organization_id text COLLATE "C" NOT NULL
                    REFERENCES organizations ON DELETE NO ACTION DEFERRABLE INITIALLY IMMEDIATE,
    client_id       text COLLATE "C" NOT NULL
                    REFERENCES users ON DELETE NO ACTION DEFERRABLE INITIALLY IMMEDIATE,
    project_id      text COLLATE "C"
                    REFERENCES projects ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    invoice_number  text NOT NULL,
    status          text NOT NULL DEFAULT 'draft'
                    CHECK (status IN ('draft', 'sent', 'paid', 'overdue', 'cancelled')),
    currency        text NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z][A-Z][A-Z]$'),
    total           numeric NOT NULL CHECK (total >= 0),
    line_items      jsonb NOT NULL DEFAULT '[]',
    issue_date      date,
    due_date        date,
    paid_at         timestamptz,
    created_at      timestamptz DEFAULT now(),
    updated_at      timestamptz DEFAULT now(),
    UNIQUE (organization_id, invoice_number) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE time_entries (
    id               text COLLATE "C" PRIMARY KEY CHECK (id <> ''),
    user_id          text COLLATE "C" NOT NULL
                     REFERENCES users ON DELETE NO ACTION DEFERRABLE INITIALLY IMMEDIATE,
    project_id       text COLLATE "C" NOT NULL
                     REFERENCES projects ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE,
    task_id          text COLLATE "C"
                     REFERENCES tasks ON DELETE SET NULL DEFERRABLE INITIALLY IMMEDIATE,
    description      text,
    started_at       timestamptz NOT NULL,
    duration_minutes integer NOT NULL DEFAULT 0 CHECK (duration_minutes >= 0),
    hourly_rate      numeric CHECK (hourly_rate >= 0),
    is_billable      boolean NOT NULL DEFAULT true,
    created_at       timestamptz DEFAULT now(),
    updated_at       timestamptz DEFAULT now()
);
