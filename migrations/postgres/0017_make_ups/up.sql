-- Which lesson answers an absence from an event. The last word of its organiser stands.
CREATE TABLE make_ups (
    event_id uuid NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    set_at timestamptz NOT NULL,
    set_by uuid NOT NULL
);
CREATE INDEX make_ups_lesson ON make_ups (lesson_id);
CREATE INDEX make_ups_tenant ON make_ups (tenant_id);
