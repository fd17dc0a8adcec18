-- Devices that belong to a room, not to a person: they show an organization's events, or scan personal codes at them.
CREATE TABLE devices (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL,
    is_screen boolean NOT NULL,
    is_scanner boolean NOT NULL,
    code_hash bytea, -- null once it is used
    code_expires_at timestamptz NOT NULL,
    token_hash bytea, -- null until the code is used
    created_at timestamptz NOT NULL,
    created_by uuid,
    enrolled_at timestamptz,
    expires_at timestamptz, -- null: good until it is revoked
    last_seen_at timestamptz, -- to five minutes
    revoked_at timestamptz,
    revoked_by uuid
);
CREATE UNIQUE INDEX devices_code ON devices (code_hash);
CREATE UNIQUE INDEX devices_token ON devices (token_hash);
CREATE INDEX devices_organization ON devices (organization_id, created_at);
CREATE INDEX devices_tenant ON devices (tenant_id);
