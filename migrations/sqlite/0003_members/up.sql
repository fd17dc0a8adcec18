CREATE TABLE members (
    id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL, -- personal
    employee_no TEXT, -- personal
    standing TEXT NOT NULL,
    standing_since TEXT NOT NULL,
    joined_on TEXT,
    deactivated_at INTEGER,
    deactivate_reason TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX members_employee_no ON members (tenant_id, employee_no);
CREATE INDEX members_organization ON members (organization_id, name);
CREATE INDEX members_tenant ON members (tenant_id, id);

-- Standing by date: voting rights are a function of the date.
CREATE TABLE member_standings (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    standing TEXT NOT NULL,
    since TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    recorded_by BLOB
) STRICT;
CREATE UNIQUE INDEX member_standings_since ON member_standings (member_id, since);
CREATE INDEX member_standings_tenant ON member_standings (tenant_id);

CREATE TABLE member_transfers (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    from_organization_id BLOB NOT NULL REFERENCES organizations (id),
    to_organization_id BLOB NOT NULL REFERENCES organizations (id),
    reason TEXT NOT NULL,
    transferred_at INTEGER NOT NULL,
    transferred_by BLOB
) STRICT;
CREATE INDEX member_transfers_member ON member_transfers (member_id, transferred_at);
CREATE INDEX member_transfers_from ON member_transfers (from_organization_id);
CREATE INDEX member_transfers_to ON member_transfers (to_organization_id);
CREATE INDEX member_transfers_tenant ON member_transfers (tenant_id);

-- A role holds for the organization and everything below it.
CREATE TABLE role_grants (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    role TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    granted_by BLOB,
    revoked_at INTEGER,
    revoked_by BLOB
) STRICT;
CREATE UNIQUE INDEX role_grants_once ON role_grants (organization_id, member_id, role) WHERE revoked_at IS NULL;
CREATE INDEX role_grants_member ON role_grants (member_id);
CREATE INDEX role_grants_organization ON role_grants (organization_id);
CREATE INDEX role_grants_tenant ON role_grants (tenant_id);
