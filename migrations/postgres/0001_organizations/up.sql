-- One tree per tenant; the root's id is the tenant's id. `path` is '/root/…/self/' of ids without hyphens.
CREATE TABLE organizations (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    parent_id uuid REFERENCES organizations (id),
    kind text NOT NULL,
    name text NOT NULL,
    path text COLLATE "C" NOT NULL,
    time_zone text, -- null: as the nearest ancestor that sets it; so with the settings below
    opens_before_s integer,
    late_after_s integer,
    closes_after_s integer,
    code_window_s integer,
    offline_allowed boolean,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    archived_at timestamptz
);
CREATE UNIQUE INDEX organizations_path ON organizations (path);
CREATE UNIQUE INDEX organizations_name ON organizations (parent_id, name) WHERE archived_at IS NULL;
CREATE INDEX organizations_tenant ON organizations (tenant_id, name);

-- Append-only: every admin write, annulment and refused access. Never a secret, never a body.
CREATE TABLE audit_log (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid,
    at timestamptz NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    outcome text NOT NULL,
    object_kind text NOT NULL,
    object_id uuid,
    organization_id uuid,
    detail jsonb NOT NULL,
    request_id text
);
CREATE INDEX audit_log_object ON audit_log (object_id, at);

-- The stored answer of a write, committed with its effect; kept 24 hours.
CREATE TABLE idempotency_keys (
    account_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer NOT NULL,
    etag text,
    location text,
    body text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
