-- Who can sign in. A member's account has the member's id; the system admin has no member.
CREATE TABLE accounts (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid REFERENCES organizations (id),
    account_name text,
    phone text, -- personal
    password_hash text,
    is_system_admin boolean NOT NULL DEFAULT false,
    disabled_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX accounts_name_in_tenant ON accounts (tenant_id, account_name);
CREATE UNIQUE INDEX accounts_phone_in_tenant ON accounts (tenant_id, phone);
CREATE INDEX accounts_name ON accounts (account_name);
CREATE INDEX accounts_phone ON accounts (phone);

CREATE TABLE activation_codes (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid REFERENCES organizations (id),
    account_id uuid NOT NULL REFERENCES accounts (id),
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE UNIQUE INDEX activation_codes_hash ON activation_codes (code_hash);
CREATE INDEX activation_codes_account ON activation_codes (account_id);
CREATE INDEX activation_codes_tenant ON activation_codes (tenant_id);

-- A refresh token family. Tokens are derived from (id, generation) and a server key, so none is stored.
CREATE TABLE sessions (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid REFERENCES organizations (id),
    account_id uuid NOT NULL REFERENCES accounts (id),
    device_id text,
    device_name text,
    generation integer NOT NULL,
    rotated_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoke_reason text
);
CREATE INDEX sessions_account ON sessions (account_id, created_at);
CREATE INDEX sessions_tenant ON sessions (tenant_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- What every process must learn within a second: sessions and accounts that end, or come back.
CREATE TABLE auth_changes (
    id uuid NOT NULL PRIMARY KEY,
    account_id uuid NOT NULL,
    session_id uuid,
    is_revoked boolean NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX auth_changes_age ON auth_changes (changed_at);
