-- What somebody who took part in an event took away from it.
CREATE TABLE reflections (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- the event's
    event_id uuid NOT NULL REFERENCES events (id),
    author_id uuid NOT NULL REFERENCES members (id),
    branch_id uuid NOT NULL REFERENCES organizations (id), -- the author's when it was written
    text text NOT NULL,
    visibility text NOT NULL, -- event, branch, tree
    status text NOT NULL, -- pending, published, rejected, hidden, withdrawn
    reason text, -- of a rejection, or of hiding it
    decided_at timestamptz,
    decided_by uuid,
    published_at timestamptz,
    withdrawn_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX reflections_tenant ON reflections (tenant_id, status, id);
CREATE INDEX reflections_event ON reflections (event_id, id);
CREATE INDEX reflections_author ON reflections (author_id, id);
CREATE INDEX reflections_organization ON reflections (organization_id);
CREATE INDEX reflections_branch ON reflections (branch_id);
-- One of each member and event: withdrawn or rejected, it frees the place.
CREATE UNIQUE INDEX reflections_standing ON reflections (event_id, author_id) WHERE status IN ('pending', 'published', 'hidden');

CREATE TABLE reflection_pictures (
    reflection_id uuid NOT NULL REFERENCES reflections (id),
    number integer NOT NULL, -- never given twice
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    media_id uuid NOT NULL REFERENCES media_files (id),
    width integer NOT NULL,
    height integer NOT NULL,
    added_at timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (reflection_id, number)
);
CREATE INDEX reflection_pictures_media ON reflection_pictures (media_id);
CREATE INDEX reflection_pictures_tenant ON reflection_pictures (tenant_id);

-- Shown to the author by name, and counted nowhere.
CREATE TABLE reflection_likes (
    reflection_id uuid NOT NULL REFERENCES reflections (id),
    member_id uuid NOT NULL REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    liked_at timestamptz NOT NULL,
    PRIMARY KEY (reflection_id, member_id)
);
CREATE INDEX reflection_likes_time ON reflection_likes (reflection_id, liked_at, member_id);
CREATE INDEX reflection_likes_member ON reflection_likes (member_id);
CREATE INDEX reflection_likes_tenant ON reflection_likes (tenant_id);

-- Files that go with an event: slides, a route, a notice.
CREATE TABLE event_materials (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL REFERENCES events (id),
    title text NOT NULL,
    media_id uuid NOT NULL REFERENCES media_files (id),
    position integer NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    archived_at timestamptz,
    archived_by uuid
);
CREATE INDEX event_materials_event ON event_materials (event_id, position, id);
CREATE INDEX event_materials_media ON event_materials (media_id);
CREATE INDEX event_materials_tenant ON event_materials (tenant_id);
