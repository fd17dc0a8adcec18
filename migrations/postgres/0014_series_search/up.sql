-- Lessons in an order. It has no audience of its own: of a published series a member sees the lessons that are for them.
CREATE TABLE lesson_series (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    title text NOT NULL,
    summary text NOT NULL,
    status text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid,
    updated_at timestamptz NOT NULL,
    published_at timestamptz,
    archived_at timestamptz
);
CREATE INDEX lesson_series_tenant ON lesson_series (tenant_id, id);
CREATE INDEX lesson_series_organization ON lesson_series (organization_id);

CREATE TABLE series_lessons (
    series_id uuid NOT NULL REFERENCES lesson_series (id),
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    position integer NOT NULL,
    prerequisite_ids jsonb NOT NULL, -- lessons earlier in the same series, so there is no circle
    PRIMARY KEY (series_id, lesson_id)
);
CREATE INDEX series_lessons_lesson ON series_lessons (lesson_id);
CREATE INDEX series_lessons_tenant ON series_lessons (tenant_id);

-- All that tells who may see a published lesson, without its texts: a search looks at every hit.
CREATE INDEX lessons_shown ON lessons (id, tenant_id, organization_id, audience_standings, kind, published_number, archived_at)
    WHERE published_number IS NOT NULL AND archived_at IS NULL;

-- What is searched, of the published and not archived. Begin of what only PostgreSQL needs.
CREATE TABLE lesson_search (
    lesson_id uuid NOT NULL PRIMARY KEY REFERENCES lessons (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    heading tsvector NOT NULL, -- title and summary: small, for the order of hits
    words tsvector NOT NULL, -- everything, without places: those end at 16,383
    line text NOT NULL -- everything as it is compared: whether words that were found stand side by side
);
CREATE INDEX lesson_search_words ON lesson_search USING gin (words)
    WITH (gin_pending_list_limit = 64); -- kB; what waits there is read by each search
CREATE INDEX lesson_search_tenant ON lesson_search (tenant_id);
-- End of what only PostgreSQL needs.
