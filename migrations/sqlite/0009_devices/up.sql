-- Devices that belong to a room, not to a person: they show an organization's events, or scan personal codes at them.
CREATE TABLE devices (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    is_screen INTEGER NOT NULL CHECK (is_screen IN (0, 1)),
    is_scanner INTEGER NOT NULL CHECK (is_scanner IN (0, 1)),
    code_hash BLOB, -- null once it is used
    code_expires_at INTEGER NOT NULL,
    token_hash BLOB, -- null until the code is used
    created_at INTEGER NOT NULL,
    created_by BLOB,
    enrolled_at INTEGER,
    expires_at INTEGER, -- null: good until it is revoked
    last_seen_at INTEGER, -- to five minutes
    revoked_at INTEGER,
    revoked_by BLOB
) STRICT;
CREATE UNIQUE INDEX devices_code ON devices (code_hash);
CREATE UNIQUE INDEX devices_token ON devices (token_hash);
CREATE INDEX devices_organization ON devices (organization_id, created_at);
CREATE INDEX devices_tenant ON devices (tenant_id);
