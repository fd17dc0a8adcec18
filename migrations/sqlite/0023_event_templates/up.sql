-- Events that come again: each occurrence becomes an event of its own, some time ahead.
CREATE TABLE event_templates (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    place TEXT NOT NULL,
    forms TEXT NOT NULL, -- a list
    expected TEXT NOT NULL,
    rule TEXT NOT NULL, -- RFC 5545, without DTSTART
    starts_on TEXT NOT NULL, -- the first day
    starts_at_min INTEGER NOT NULL, -- of the day, in time_zone
    duration_s INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    ahead_days INTEGER NOT NULL, -- how long before its day an occurrence is made
    publish INTEGER NOT NULL CHECK (publish IN (0, 1)), -- at once, or left a draft
    sign_up TEXT, -- how people sign up, times told from the start
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB NOT NULL,
    updated_at INTEGER NOT NULL,
    ended_at INTEGER,
    ended_by BLOB,
    last_error TEXT -- why the last run has made nothing
) STRICT;
CREATE INDEX event_templates_organization ON event_templates (organization_id, id);
CREATE INDEX event_templates_tenant ON event_templates (tenant_id);
CREATE INDEX event_templates_active ON event_templates (id) WHERE ended_at IS NULL;

-- One row for each day that was made, or is left out.
CREATE TABLE event_template_days (
    template_id BLOB NOT NULL REFERENCES event_templates (id),
    on_day TEXT NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    event_id BLOB REFERENCES events (id), -- none: left out
    reason TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (template_id, on_day)
) STRICT;
CREATE INDEX event_template_days_event ON event_template_days (event_id);
CREATE INDEX event_template_days_tenant ON event_template_days (tenant_id);
