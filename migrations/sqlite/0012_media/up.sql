-- Files of lessons: what was uploaded, how far it has come, and what it was found to be.
CREATE TABLE media_files (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL, -- what its uploader calls it: shown, and never a path
    state TEXT NOT NULL, -- uploading, checking, ready, refused, expired
    refusal TEXT,
    kind TEXT, -- null until it is ready, like all that its bytes tell
    content_type TEXT,
    size_bytes INTEGER NOT NULL,
    received_bytes INTEGER NOT NULL, -- on disk for good
    sha256 BLOB,
    duration_ms INTEGER,
    upload_metadata TEXT NOT NULL, -- as it was sent
    expires_at INTEGER NOT NULL, -- of the upload
    created_at INTEGER NOT NULL,
    created_by BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    deleted_by BLOB,
    cleared_at INTEGER -- its bytes are gone
) STRICT;
CREATE INDEX media_files_tenant ON media_files (tenant_id, state);
CREATE INDEX media_files_organization ON media_files (organization_id, id);
CREATE INDEX media_files_state ON media_files (state, expires_at);
CREATE INDEX media_files_deleted ON media_files (deleted_at) WHERE cleared_at IS NULL;
