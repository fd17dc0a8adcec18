-- Lessons in an order. It has no audience of its own: of a published series a member sees the lessons that are for them.
CREATE TABLE lesson_series (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    summary TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB,
    updated_at INTEGER NOT NULL,
    published_at INTEGER,
    archived_at INTEGER
) STRICT;
CREATE INDEX lesson_series_tenant ON lesson_series (tenant_id, id);
CREATE INDEX lesson_series_organization ON lesson_series (organization_id);

CREATE TABLE series_lessons (
    series_id BLOB NOT NULL REFERENCES lesson_series (id),
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    position INTEGER NOT NULL,
    prerequisite_ids TEXT NOT NULL, -- lessons earlier in the same series, so there is no circle
    PRIMARY KEY (series_id, lesson_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX series_lessons_lesson ON series_lessons (lesson_id);
CREATE INDEX series_lessons_tenant ON series_lessons (tenant_id);

-- All that tells who may see a published lesson, without its texts: a search looks at every hit.
CREATE INDEX lessons_shown ON lessons (id, tenant_id, organization_id, audience_standings, kind, published_number, archived_at)
    WHERE published_number IS NOT NULL AND archived_at IS NULL;

-- What is searched, of the published and not archived. Begin of what only SQLite needs.
CREATE TABLE lesson_search_keys (
    id INTEGER PRIMARY KEY, -- the rowid in lesson_search
    lesson_id BLOB NOT NULL UNIQUE REFERENCES lessons (id)
) STRICT;
-- Pieces that were cut and folded before: spaces between them are all that the tokenizer has to know.
CREATE VIRTUAL TABLE lesson_search USING fts5 (
    title, summary, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
-- End of what only SQLite needs.
