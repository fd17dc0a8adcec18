-- Who can sign in. A member's account has the member's id; the system admin has no member.
CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB REFERENCES organizations (id),
    account_name TEXT,
    phone TEXT, -- personal
    password_hash TEXT,
    is_system_admin INTEGER NOT NULL CHECK (is_system_admin IN (0, 1)) DEFAULT 0,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_name_in_tenant ON accounts (tenant_id, account_name);
CREATE UNIQUE INDEX accounts_phone_in_tenant ON accounts (tenant_id, phone);
CREATE INDEX accounts_name ON accounts (account_name);
CREATE INDEX accounts_phone ON accounts (phone);

CREATE TABLE activation_codes (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB REFERENCES organizations (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
    code_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by BLOB,
    expires_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT;
CREATE UNIQUE INDEX activation_codes_hash ON activation_codes (code_hash);
CREATE INDEX activation_codes_account ON activation_codes (account_id);
CREATE INDEX activation_codes_tenant ON activation_codes (tenant_id);

-- A refresh token family. Tokens are derived from (id, generation) and a server key, so none is stored.
CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB REFERENCES organizations (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
    device_id TEXT,
    device_name TEXT,
    generation INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    revoke_reason TEXT
) STRICT;
CREATE INDEX sessions_account ON sessions (account_id, created_at);
CREATE INDEX sessions_tenant ON sessions (tenant_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- What every process must learn within a second: sessions and accounts that end, or come back.
CREATE TABLE auth_changes (
    id BLOB NOT NULL PRIMARY KEY,
    account_id BLOB NOT NULL,
    session_id BLOB,
    is_revoked INTEGER NOT NULL CHECK (is_revoked IN (0, 1)),
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX auth_changes_age ON auth_changes (changed_at);
