-- One tree per tenant; the root's id is the tenant's id. `path` is '/root/…/self/' of ids without hyphens.
CREATE TABLE organizations (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    parent_id BLOB REFERENCES organizations (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    time_zone TEXT, -- null: as the nearest ancestor that sets it; so with the settings below
    opens_before_s INTEGER,
    late_after_s INTEGER,
    closes_after_s INTEGER,
    code_window_s INTEGER,
    offline_allowed INTEGER CHECK (offline_allowed IN (0, 1)),
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER
) STRICT;
CREATE UNIQUE INDEX organizations_path ON organizations (path);
CREATE UNIQUE INDEX organizations_name ON organizations (parent_id, name) WHERE archived_at IS NULL;
CREATE INDEX organizations_tenant ON organizations (tenant_id, name);

-- Append-only: every admin write, annulment and refused access. Never a secret, never a body.
CREATE TABLE audit_log (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB,
    at INTEGER NOT NULL,
    actor_id BLOB,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id BLOB,
    organization_id BLOB,
    detail TEXT NOT NULL,
    request_id TEXT
) STRICT;
CREATE INDEX audit_log_object ON audit_log (object_id, at);

-- The stored answer of a write, committed with its effect; kept 24 hours.
CREATE TABLE idempotency_keys (
    account_id BLOB NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    etag TEXT,
    location TEXT,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, route, key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
