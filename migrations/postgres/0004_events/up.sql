CREATE TABLE events (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    title text NOT NULL,
    description text NOT NULL,
    place text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    time_zone text NOT NULL,
    status text NOT NULL,
    expected_standings integer NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    opens_before_s integer NOT NULL, -- before starts_at
    late_after_s integer NOT NULL, -- after starts_at
    closes_after_s integer NOT NULL, -- after starts_at
    code_window_s integer NOT NULL,
    offline_allowed boolean NOT NULL,
    geofence_latitude double precision,
    geofence_longitude double precision,
    geofence_radius_m integer,
    check_in_opens_at timestamptz NOT NULL,
    late_from timestamptz NOT NULL,
    check_in_closes_at timestamptz NOT NULL,
    roster_frozen_at timestamptz,
    audience_version integer NOT NULL DEFAULT 0, -- changes of who is expected, once published
    last_seq bigint NOT NULL DEFAULT 0, -- of its check-ins; the row is locked while it moves
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid,
    updated_at timestamptz NOT NULL,
    closed_at timestamptz, -- closed or cancelled
    cancel_reason text
);
CREATE INDEX events_tenant ON events (tenant_id, starts_at);
CREATE INDEX events_organization ON events (organization_id, starts_at);
CREATE INDEX events_changed ON events (tenant_id, updated_at);
CREATE INDEX events_audience ON events (tenant_id) WHERE audience_version > 0;
CREATE INDEX events_to_freeze ON events (check_in_opens_at) WHERE roster_frozen_at IS NULL AND status = 'published';

CREATE TABLE event_forms (
    event_id uuid NOT NULL REFERENCES events (id),
    form text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, form)
);
CREATE INDEX event_forms_tenant ON event_forms (tenant_id, form);

-- Whose members are expected: each with its subtree.
CREATE TABLE event_organizations (
    event_id uuid NOT NULL REFERENCES events (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, organization_id)
);
CREATE INDEX event_organizations_organization ON event_organizations (organization_id);
CREATE INDEX event_organizations_tenant ON event_organizations (tenant_id);

-- People named one by one, whatever their organization or standing.
CREATE TABLE event_members (
    event_id uuid NOT NULL REFERENCES events (id),
    member_id uuid NOT NULL REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, member_id)
);
CREATE INDEX event_members_member ON event_members (member_id);
CREATE INDEX event_members_tenant ON event_members (tenant_id);

CREATE TABLE calendar_feeds (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    member_id uuid NOT NULL REFERENCES members (id),
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX calendar_feeds_token ON calendar_feeds (token_hash);
CREATE UNIQUE INDEX calendar_feeds_once ON calendar_feeds (member_id) WHERE revoked_at IS NULL;
CREATE INDEX calendar_feeds_member ON calendar_feeds (member_id);
CREATE INDEX calendar_feeds_tenant ON calendar_feeds (tenant_id);
