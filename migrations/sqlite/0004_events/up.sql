CREATE TABLE events (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    place TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    status TEXT NOT NULL,
    expected_standings INTEGER NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    opens_before_s INTEGER NOT NULL, -- before starts_at
    late_after_s INTEGER NOT NULL, -- after starts_at
    closes_after_s INTEGER NOT NULL, -- after starts_at
    code_window_s INTEGER NOT NULL,
    offline_allowed INTEGER NOT NULL CHECK (offline_allowed IN (0, 1)),
    geofence_latitude REAL,
    geofence_longitude REAL,
    geofence_radius_m INTEGER,
    check_in_opens_at INTEGER NOT NULL,
    late_from INTEGER NOT NULL,
    check_in_closes_at INTEGER NOT NULL,
    roster_frozen_at INTEGER,
    audience_version INTEGER NOT NULL DEFAULT 0, -- changes of who is expected, once published
    last_seq INTEGER NOT NULL DEFAULT 0, -- of its check-ins; the row is locked while it moves
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB,
    updated_at INTEGER NOT NULL,
    closed_at INTEGER, -- closed or cancelled
    cancel_reason TEXT
) STRICT;
CREATE INDEX events_tenant ON events (tenant_id, starts_at);
CREATE INDEX events_organization ON events (organization_id, starts_at);
CREATE INDEX events_changed ON events (tenant_id, updated_at);
CREATE INDEX events_audience ON events (tenant_id) WHERE audience_version > 0;
CREATE INDEX events_to_freeze ON events (check_in_opens_at) WHERE roster_frozen_at IS NULL AND status = 'published';

CREATE TABLE event_forms (
    event_id BLOB NOT NULL REFERENCES events (id),
    form TEXT NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, form)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_forms_tenant ON event_forms (tenant_id, form);

-- Whose members are expected: each with its subtree.
CREATE TABLE event_organizations (
    event_id BLOB NOT NULL REFERENCES events (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_organizations_organization ON event_organizations (organization_id);
CREATE INDEX event_organizations_tenant ON event_organizations (tenant_id);

-- People named one by one, whatever their organization or standing.
CREATE TABLE event_members (
    event_id BLOB NOT NULL REFERENCES events (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (event_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_members_member ON event_members (member_id);
CREATE INDEX event_members_tenant ON event_members (tenant_id);

CREATE TABLE calendar_feeds (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    token_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX calendar_feeds_token ON calendar_feeds (token_hash);
CREATE UNIQUE INDEX calendar_feeds_once ON calendar_feeds (member_id) WHERE revoked_at IS NULL;
CREATE INDEX calendar_feeds_member ON calendar_feeds (member_id);
CREATE INDEX calendar_feeds_tenant ON calendar_feeds (tenant_id);
