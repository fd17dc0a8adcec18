-- Events that come again: each occurrence becomes an event of its own, some time ahead.
CREATE TABLE event_templates (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    title text NOT NULL,
    description text NOT NULL,
    place text NOT NULL,
    forms jsonb NOT NULL, -- a list
    expected jsonb NOT NULL,
    rule text NOT NULL, -- RFC 5545, without DTSTART
    starts_on date NOT NULL, -- the first day
    starts_at_min integer NOT NULL, -- of the day, in time_zone
    duration_s integer NOT NULL,
    time_zone text NOT NULL,
    ahead_days integer NOT NULL, -- how long before its day an occurrence is made
    publish boolean NOT NULL, -- at once, or left a draft
    sign_up jsonb, -- how people sign up, times told from the start
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by uuid,
    last_error text -- why the last run has made nothing
);
CREATE INDEX event_templates_organization ON event_templates (organization_id, id);
CREATE INDEX event_templates_tenant ON event_templates (tenant_id);
CREATE INDEX event_templates_active ON event_templates (id) WHERE ended_at IS NULL;

-- One row for each day that was made, or is left out.
CREATE TABLE event_template_days (
    template_id uuid NOT NULL REFERENCES event_templates (id),
    on_day date NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid REFERENCES events (id), -- none: left out
    reason text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (template_id, on_day)
);
CREATE INDEX event_template_days_event ON event_template_days (event_id);
CREATE INDEX event_template_days_tenant ON event_template_days (tenant_id);
