-- Which lesson answers an absence from an event. The last word of its organiser stands.
CREATE TABLE make_ups (
    event_id BLOB NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    set_at INTEGER NOT NULL,
    set_by BLOB NOT NULL
) STRICT;
CREATE INDEX make_ups_lesson ON make_ups (lesson_id);
CREATE INDEX make_ups_tenant ON make_ups (tenant_id);
