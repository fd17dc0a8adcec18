-- The working copy: what its lecturer edits and its reviewer looks at. Members see the newest row of lesson_versions.
CREATE TABLE lessons (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    body TEXT NOT NULL, -- of an article: Markdown
    transcript TEXT NOT NULL,
    media_id BLOB, -- of a video or audio
    threshold_permille INTEGER NOT NULL, -- of it must be covered
    speed_percent INTEGER NOT NULL, -- of wall-clock time may be credited
    audience_standings INTEGER NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    published_number INTEGER, -- of lesson_versions; null: never published
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB,
    updated_at INTEGER NOT NULL,
    submitted_at INTEGER,
    submitted_by BLOB,
    reviewed_at INTEGER,
    reviewed_by BLOB,
    review_note TEXT,
    archived_at INTEGER
) STRICT;
CREATE INDEX lessons_tenant ON lessons (tenant_id, updated_at);
CREATE INDEX lessons_organization ON lessons (organization_id, updated_at);

-- What was published, for good: progress stays with the version it was earned on.
CREATE TABLE lesson_versions (
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    number INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    body TEXT NOT NULL,
    body_html TEXT NOT NULL, -- sanitised when it was written
    transcript TEXT NOT NULL,
    media_id BLOB,
    duration_ms INTEGER NOT NULL, -- of an article the least time that reading it takes
    sections TEXT NOT NULL, -- of an article: [{"title", "ms"}]
    threshold_permille INTEGER NOT NULL,
    speed_percent INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    published_by BLOB,
    PRIMARY KEY (lesson_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_versions_tenant ON lesson_versions (tenant_id);

CREATE TABLE lesson_tags (
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    tag TEXT NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (lesson_id, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_tags_tenant ON lesson_tags (tenant_id, tag);

-- Whose members it is for: each with its subtree.
CREATE TABLE lesson_organizations (
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (lesson_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_organizations_organization ON lesson_organizations (organization_id);
CREATE INDEX lesson_organizations_tenant ON lesson_organizations (tenant_id);
