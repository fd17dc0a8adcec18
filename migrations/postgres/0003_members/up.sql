CREATE TABLE members (
    id uuid NOT NULL PRIMARY KEY REFERENCES accounts (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL, -- personal
    employee_no text, -- personal
    standing text NOT NULL,
    standing_since date NOT NULL,
    joined_on date,
    deactivated_at timestamptz,
    deactivate_reason text,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX members_employee_no ON members (tenant_id, employee_no);
CREATE INDEX members_organization ON members (organization_id, name);
CREATE INDEX members_tenant ON members (tenant_id, id);

-- Standing by date: voting rights are a function of the date.
CREATE TABLE member_standings (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    member_id uuid NOT NULL REFERENCES members (id),
    standing text NOT NULL,
    since date NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by uuid
);
CREATE UNIQUE INDEX member_standings_since ON member_standings (member_id, since);
CREATE INDEX member_standings_tenant ON member_standings (tenant_id);

CREATE TABLE member_transfers (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    member_id uuid NOT NULL REFERENCES members (id),
    from_organization_id uuid NOT NULL REFERENCES organizations (id),
    to_organization_id uuid NOT NULL REFERENCES organizations (id),
    reason text NOT NULL,
    transferred_at timestamptz NOT NULL,
    transferred_by uuid
);
CREATE INDEX member_transfers_member ON member_transfers (member_id, transferred_at);
CREATE INDEX member_transfers_from ON member_transfers (from_organization_id);
CREATE INDEX member_transfers_to ON member_transfers (to_organization_id);
CREATE INDEX member_transfers_tenant ON member_transfers (tenant_id);

-- A role holds for the organization and everything below it.
CREATE TABLE role_grants (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    member_id uuid NOT NULL REFERENCES members (id),
    role text NOT NULL,
    granted_at timestamptz NOT NULL,
    granted_by uuid,
    revoked_at timestamptz,
    revoked_by uuid
);
CREATE UNIQUE INDEX role_grants_once ON role_grants (organization_id, member_id, role) WHERE revoked_at IS NULL;
CREATE INDEX role_grants_member ON role_grants (member_id);
CREATE INDEX role_grants_organization ON role_grants (organization_id);
CREATE INDEX role_grants_tenant ON role_grants (tenant_id);
