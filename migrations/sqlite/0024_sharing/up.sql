-- What somebody who took part in an event took away from it.
CREATE TABLE reflections (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- the event's
    event_id BLOB NOT NULL REFERENCES events (id),
    author_id BLOB NOT NULL REFERENCES members (id),
    branch_id BLOB NOT NULL REFERENCES organizations (id), -- the author's when it was written
    text TEXT NOT NULL,
    visibility TEXT NOT NULL, -- event, branch, tree
    status TEXT NOT NULL, -- pending, published, rejected, hidden, withdrawn
    reason TEXT, -- of a rejection, or of hiding it
    decided_at INTEGER,
    decided_by BLOB,
    published_at INTEGER,
    withdrawn_at INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX reflections_tenant ON reflections (tenant_id, status, id);
CREATE INDEX reflections_event ON reflections (event_id, id);
CREATE INDEX reflections_author ON reflections (author_id, id);
CREATE INDEX reflections_organization ON reflections (organization_id);
CREATE INDEX reflections_branch ON reflections (branch_id);
-- One of each member and event: withdrawn or rejected, it frees the place.
CREATE UNIQUE INDEX reflections_standing ON reflections (event_id, author_id) WHERE status IN ('pending', 'published', 'hidden');

CREATE TABLE reflection_pictures (
    reflection_id BLOB NOT NULL REFERENCES reflections (id),
    number INTEGER NOT NULL, -- never given twice
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    media_id BLOB NOT NULL REFERENCES media_files (id),
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    removed_at INTEGER,
    PRIMARY KEY (reflection_id, number)
) STRICT;
CREATE INDEX reflection_pictures_media ON reflection_pictures (media_id);
CREATE INDEX reflection_pictures_tenant ON reflection_pictures (tenant_id);

-- Shown to the author by name, and counted nowhere.
CREATE TABLE reflection_likes (
    reflection_id BLOB NOT NULL REFERENCES reflections (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    liked_at INTEGER NOT NULL,
    PRIMARY KEY (reflection_id, member_id)
) STRICT;
CREATE INDEX reflection_likes_time ON reflection_likes (reflection_id, liked_at, member_id);
CREATE INDEX reflection_likes_member ON reflection_likes (member_id);
CREATE INDEX reflection_likes_tenant ON reflection_likes (tenant_id);

-- Files that go with an event: slides, a route, a notice.
CREATE TABLE event_materials (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    event_id BLOB NOT NULL REFERENCES events (id),
    title TEXT NOT NULL,
    media_id BLOB NOT NULL REFERENCES media_files (id),
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by BLOB NOT NULL,
    archived_at INTEGER,
    archived_by BLOB
) STRICT;
CREATE INDEX event_materials_event ON event_materials (event_id, position, id);
CREATE INDEX event_materials_media ON event_materials (media_id);
CREATE INDEX event_materials_tenant ON event_materials (tenant_id);
