-- Files of lessons: what was uploaded, how far it has come, and what it was found to be.
CREATE TABLE media_files (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL, -- what its uploader calls it: shown, and never a path
    state text NOT NULL, -- uploading, checking, ready, refused, expired
    refusal text,
    kind text, -- null until it is ready, like all that its bytes tell
    content_type text,
    size_bytes bigint NOT NULL,
    received_bytes bigint NOT NULL, -- on disk for good
    sha256 bytea,
    duration_ms integer,
    upload_metadata text NOT NULL, -- as it was sent
    expires_at timestamptz NOT NULL, -- of the upload
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    cleared_at timestamptz -- its bytes are gone
);
CREATE INDEX media_files_tenant ON media_files (tenant_id, state);
CREATE INDEX media_files_organization ON media_files (organization_id, id);
CREATE INDEX media_files_state ON media_files (state, expires_at);
CREATE INDEX media_files_deleted ON media_files (deleted_at) WHERE cleared_at IS NULL;
