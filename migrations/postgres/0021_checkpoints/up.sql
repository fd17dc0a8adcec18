-- Points that people pass at an event, in the organiser's order. An event without any has one code and no check-out.
CREATE TABLE checkpoint_plans (
    event_id uuid NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    presence text NOT NULL, -- any, all: how many of its check-in points somebody is asked to pass
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX checkpoint_plans_tenant ON checkpoint_plans (tenant_id);

CREATE TABLE checkpoints (
    id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    position integer NOT NULL,
    name text NOT NULL,
    kind text NOT NULL, -- check_in, check_out
    opens_after_s integer, -- after the event's start, negative: before it; null: with the event's check-in
    closes_after_s integer, -- null: with the event's check-in; of a check-out, two hours after the event's end
    in_area boolean NOT NULL DEFAULT true -- does the event's geofence hold here?
);
CREATE INDEX checkpoints_event ON checkpoints (event_id, position);
CREATE INDEX checkpoints_tenant ON checkpoints (tenant_id);

-- A hot table, without foreign keys for the same reason as check_ins: whoever writes a row holds the event's row locked.
CREATE TABLE checkpoint_passages (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    checkpoint_id uuid NOT NULL,
    member_id uuid NOT NULL,
    check_in_id uuid NOT NULL, -- what made them present; annulled with it
    submitted_by uuid NOT NULL, -- the member, or who recorded it
    client_event_id uuid NOT NULL,
    source text NOT NULL,
    passed_at timestamptz NOT NULL, -- as the server judges it: minutes follow from this
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    flags text NOT NULL, -- hints for a person, separated by commas
    device uuid, -- a hash of the device id, cut to 16 bytes
    reason text,
    annulled_at timestamptz,
    annulled_by uuid,
    annul_reason text
);
CREATE UNIQUE INDEX checkpoint_passages_effective ON checkpoint_passages (checkpoint_id, member_id) WHERE annulled_at IS NULL;
CREATE UNIQUE INDEX checkpoint_passages_client_event ON checkpoint_passages (submitted_by, client_event_id);
CREATE INDEX checkpoint_passages_member ON checkpoint_passages (event_id, member_id);
