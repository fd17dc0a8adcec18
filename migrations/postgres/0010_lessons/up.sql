-- The working copy: what its lecturer edits and its reviewer looks at. Members see the newest row of lesson_versions.
CREATE TABLE lessons (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    kind text NOT NULL,
    status text NOT NULL,
    title text NOT NULL,
    summary text NOT NULL,
    body text NOT NULL, -- of an article: Markdown
    transcript text NOT NULL,
    media_id uuid, -- of a video or audio
    threshold_permille integer NOT NULL, -- of it must be covered
    speed_percent integer NOT NULL, -- of wall-clock time may be credited
    audience_standings integer NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    published_number integer, -- of lesson_versions; null: never published
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    submitted_by uuid,
    reviewed_at timestamptz,
    reviewed_by uuid,
    review_note text,
    archived_at timestamptz
);
CREATE INDEX lessons_tenant ON lessons (tenant_id, updated_at);
CREATE INDEX lessons_organization ON lessons (organization_id, updated_at);

-- What was published, for good: progress stays with the version it was earned on.
CREATE TABLE lesson_versions (
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    number integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    title text NOT NULL,
    summary text NOT NULL,
    body text NOT NULL,
    body_html text NOT NULL, -- sanitised when it was written
    transcript text NOT NULL,
    media_id uuid,
    duration_ms integer NOT NULL, -- of an article the least time that reading it takes
    sections jsonb NOT NULL, -- of an article: [{"title", "ms"}]
    threshold_permille integer NOT NULL,
    speed_percent integer NOT NULL,
    published_at timestamptz NOT NULL,
    published_by uuid,
    PRIMARY KEY (lesson_id, number)
);
CREATE INDEX lesson_versions_tenant ON lesson_versions (tenant_id);

CREATE TABLE lesson_tags (
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    tag text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (lesson_id, tag)
);
CREATE INDEX lesson_tags_tenant ON lesson_tags (tenant_id, tag);

-- Whose members it is for: each with its subtree.
CREATE TABLE lesson_organizations (
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (lesson_id, organization_id)
);
CREATE INDEX lesson_organizations_organization ON lesson_organizations (organization_id);
CREATE INDEX lesson_organizations_tenant ON lesson_organizations (tenant_id);
