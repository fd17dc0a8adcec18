-- Work that must be done after a commit, written in the transaction of its cause. A job that is finished stays for a
-- while, so that the same key makes no second one.
CREATE TABLE jobs (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    kind text NOT NULL,
    job_key text, -- of two jobs with the same one, the second is none
    payload jsonb NOT NULL,
    run_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    leased_until timestamptz, -- whoever does it has until then
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    failed boolean NOT NULL DEFAULT false, -- given up
    last_error text
);
CREATE UNIQUE INDEX jobs_key ON jobs (job_key) WHERE job_key IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_tenant ON jobs (tenant_id);

-- A member's inbox.
CREATE TABLE notices (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    member_id uuid NOT NULL REFERENCES members (id),
    kind text NOT NULL,
    source_id uuid NOT NULL, -- what caused it: nothing is told twice of one cause
    event_id uuid REFERENCES events (id),
    data jsonb NOT NULL, -- what its words are made of
    created_at timestamptz NOT NULL,
    rings_at timestamptz NOT NULL, -- not before then does a phone make a sound of it
    read_at timestamptz,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX notices_source ON notices (source_id, member_id, kind);
CREATE INDEX notices_member ON notices (member_id, id);
CREATE INDEX notices_unread ON notices (member_id, id) WHERE read_at IS NULL;
CREATE INDEX notices_updated ON notices (updated_at);
CREATE INDEX notices_event ON notices (event_id);
CREATE INDEX notices_created ON notices (created_at);
CREATE INDEX notices_tenant ON notices (tenant_id);

-- What a member has set of their inbox; who has set nothing has no row.
CREATE TABLE notice_settings (
    member_id uuid NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    muted jsonb NOT NULL, -- a list of kinds
    quiet_from_min integer, -- of the day, in the tree's zone; both null: none
    quiet_until_min integer,
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL
);
CREATE INDEX notice_settings_tenant ON notice_settings (tenant_id);

-- Where an organization has the notices of its people sent.
CREATE TABLE webhooks (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    url text NOT NULL,
    description text NOT NULL,
    language text NOT NULL, -- of the words in messages
    kinds jsonb NOT NULL, -- a list; empty: all
    key_id text NOT NULL, -- the server key its secret is derived from
    secret_no integer NOT NULL DEFAULT 1,
    old_key_id text,
    old_secret_until timestamptz, -- the secret before the current one still signs
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_reason text
);
CREATE INDEX webhooks_tenant ON webhooks (tenant_id);
CREATE INDEX webhooks_organization ON webhooks (organization_id, id);

-- One message to one address. Its id is the message's, whatever the number of attempts.
CREATE TABLE webhook_deliveries (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    webhook_id uuid NOT NULL REFERENCES webhooks (id),
    type text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    status text NOT NULL, -- pending, delivered, failed
    next_at timestamptz,
    attempted_at timestamptz,
    response_status integer,
    error text
);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_tenant ON webhook_deliveries (tenant_id);

-- Who is reminded of what begins tomorrow.
CREATE INDEX events_starting ON events (starts_at) WHERE status = 'published';
