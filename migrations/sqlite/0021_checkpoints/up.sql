-- Points that people pass at an event, in the organiser's order. An event without any has one code and no check-out.
CREATE TABLE checkpoint_plans (
    event_id BLOB NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    presence TEXT NOT NULL, -- any, all: how many of its check-in points somebody is asked to pass
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX checkpoint_plans_tenant ON checkpoint_plans (tenant_id);

CREATE TABLE checkpoints (
    id BLOB NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL, -- check_in, check_out
    opens_after_s INTEGER, -- after the event's start, negative: before it; null: with the event's check-in
    closes_after_s INTEGER, -- null: with the event's check-in; of a check-out, two hours after the event's end
    in_area INTEGER NOT NULL DEFAULT 1 CHECK (in_area IN (0, 1)) -- does the event's geofence hold here?
) STRICT;
CREATE INDEX checkpoints_event ON checkpoints (event_id, position);
CREATE INDEX checkpoints_tenant ON checkpoints (tenant_id);

-- A hot table, without foreign keys for the same reason as check_ins: whoever writes a row holds the event's row locked.
CREATE TABLE checkpoint_passages (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    checkpoint_id BLOB NOT NULL,
    member_id BLOB NOT NULL,
    check_in_id BLOB NOT NULL, -- what made them present; annulled with it
    submitted_by BLOB NOT NULL, -- the member, or who recorded it
    client_event_id BLOB NOT NULL,
    source TEXT NOT NULL,
    passed_at INTEGER NOT NULL, -- as the server judges it: minutes follow from this
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    flags TEXT NOT NULL, -- hints for a person, separated by commas
    device BLOB, -- a hash of the device id, cut to 16 bytes
    reason TEXT,
    annulled_at INTEGER,
    annulled_by BLOB,
    annul_reason TEXT
) STRICT;
CREATE UNIQUE INDEX checkpoint_passages_effective ON checkpoint_passages (checkpoint_id, member_id) WHERE annulled_at IS NULL;
CREATE UNIQUE INDEX checkpoint_passages_client_event ON checkpoint_passages (submitted_by, client_event_id);
CREATE INDEX checkpoint_passages_member ON checkpoint_passages (event_id, member_id);
