-- Work that must be done after a commit, written in the transaction of its cause. A job that is finished stays for a
-- while, so that the same key makes no second one.
CREATE TABLE jobs (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    job_key TEXT, -- of two jobs with the same one, the second is none
    payload TEXT NOT NULL,
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER, -- whoever does it has until then
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    failed INTEGER NOT NULL DEFAULT 0 CHECK (failed IN (0, 1)), -- given up
    last_error TEXT
) STRICT;
CREATE UNIQUE INDEX jobs_key ON jobs (job_key) WHERE job_key IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at) WHERE finished_at IS NULL;
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_tenant ON jobs (tenant_id);

-- A member's inbox.
CREATE TABLE notices (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    kind TEXT NOT NULL,
    source_id BLOB NOT NULL, -- what caused it: nothing is told twice of one cause
    event_id BLOB REFERENCES events (id),
    data TEXT NOT NULL, -- what its words are made of
    created_at INTEGER NOT NULL,
    rings_at INTEGER NOT NULL, -- not before then does a phone make a sound of it
    read_at INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX notices_source ON notices (source_id, member_id, kind);
CREATE INDEX notices_member ON notices (member_id, id);
CREATE INDEX notices_unread ON notices (member_id, id) WHERE read_at IS NULL;
CREATE INDEX notices_updated ON notices (updated_at);
CREATE INDEX notices_event ON notices (event_id);
CREATE INDEX notices_created ON notices (created_at);
CREATE INDEX notices_tenant ON notices (tenant_id);

-- What a member has set of their inbox; who has set nothing has no row.
CREATE TABLE notice_settings (
    member_id BLOB NOT NULL PRIMARY KEY REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    muted TEXT NOT NULL, -- a list of kinds
    quiet_from_min INTEGER, -- of the day, in the tree's zone; both null: none
    quiet_until_min INTEGER,
    version INTEGER NOT NULL DEFAULT 1,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX notice_settings_tenant ON notice_settings (tenant_id);

-- Where an organization has the notices of its people sent.
CREATE TABLE webhooks (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    language TEXT NOT NULL, -- of the words in messages
    kinds TEXT NOT NULL, -- a list; empty: all
    key_id TEXT NOT NULL, -- the server key its secret is derived from
    secret_no INTEGER NOT NULL DEFAULT 1,
    old_key_id TEXT,
    old_secret_until INTEGER, -- the secret before the current one still signs
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    failing_since INTEGER,
    disabled_at INTEGER,
    disabled_reason TEXT
) STRICT;
CREATE INDEX webhooks_tenant ON webhooks (tenant_id);
CREATE INDEX webhooks_organization ON webhooks (organization_id, id);

-- One message to one address. Its id is the message's, whatever the number of attempts.
CREATE TABLE webhook_deliveries (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    webhook_id BLOB NOT NULL REFERENCES webhooks (id),
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL, -- pending, delivered, failed
    next_at INTEGER,
    attempted_at INTEGER,
    response_status INTEGER,
    error TEXT
) STRICT;
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_created ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_tenant ON webhook_deliveries (tenant_id);

-- Who is reminded of what begins tomorrow.
CREATE INDEX events_starting ON events (starts_at) WHERE status = 'published';
