-- How somebody comes to an event: called (roster), or by signing up for one of its places (sign_up).
ALTER TABLE events ADD COLUMN admission text NOT NULL DEFAULT 'roster';

-- Who has a place changes only under the lock of the event's row; so the counters below are never behind the sign-ups.
CREATE TABLE sign_up_policies (
    event_id uuid NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    opens_at timestamptz, -- null: as soon as the event is published
    closes_at timestamptz, -- null: when check-in opens
    cancel_until timestamptz, -- null: when check-in opens
    offer_s integer, -- how long a freed place is offered to the first in line; null: they have it at once
    waiting_limit integer, -- of each session; null: as many as like, 0: nobody waits
    questions jsonb NOT NULL,
    draw_at timestamptz, -- until then people enter a draw; null: first come, first served
    draw_seed text, -- in hexadecimal; nobody is told before the draw
    drawn_at timestamptz,
    last_seq bigint NOT NULL DEFAULT 0, -- of its sign-ups, in order of arrival
    next_lapse_at timestamptz, -- when the first of its offers ends
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX sign_up_policies_tenant ON sign_up_policies (tenant_id);
CREATE INDEX sign_up_policies_draw ON sign_up_policies (draw_at) WHERE draw_at IS NOT NULL AND drawn_at IS NULL;
CREATE INDEX sign_up_policies_lapse ON sign_up_policies (next_lapse_at) WHERE next_lapse_at IS NOT NULL;

-- An event has at least one; that of an event without sessions has no name.
CREATE TABLE sign_up_sessions (
    id uuid NOT NULL PRIMARY KEY,
    event_id uuid NOT NULL REFERENCES events (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    position integer NOT NULL,
    name text NOT NULL,
    starts_at timestamptz,
    ends_at timestamptz,
    capacity integer, -- null: no limit
    taken integer NOT NULL DEFAULT 0 CHECK (capacity IS NULL OR taken <= capacity), -- confirmed or offered
    waiting integer NOT NULL DEFAULT 0
);
CREATE INDEX sign_up_sessions_event ON sign_up_sessions (event_id, position);
CREATE INDEX sign_up_sessions_tenant ON sign_up_sessions (tenant_id);

-- How many of an organization's people may have a place, in all sessions together.
CREATE TABLE sign_up_quotas (
    event_id uuid NOT NULL REFERENCES events (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    places integer NOT NULL,
    taken integer NOT NULL DEFAULT 0 CHECK (taken <= places),
    PRIMARY KEY (event_id, organization_id)
);
CREATE INDEX sign_up_quotas_organization ON sign_up_quotas (organization_id);
CREATE INDEX sign_up_quotas_tenant ON sign_up_quotas (tenant_id);

-- A hot table, without foreign keys for the same reason as check_ins.
CREATE TABLE sign_ups (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    session_id uuid NOT NULL,
    member_id uuid NOT NULL,
    organization_id uuid NOT NULL, -- theirs at the time
    quota_id uuid, -- the organization whose quota they count for
    seq bigint NOT NULL, -- who is first in line: order of arrival, or of the draw
    draw_rank integer,
    status text NOT NULL, -- entered, confirmed, offered, waitlisted, declined, expired, cancelled
    answers jsonb NOT NULL,
    submitted_by uuid NOT NULL, -- the member, or who signed them up
    client_event_id uuid NOT NULL,
    received_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    offer_ends_at timestamptz,
    ended_at timestamptz,
    ended_by uuid,
    end_reason text
);
CREATE UNIQUE INDEX sign_ups_standing ON sign_ups (event_id, member_id) WHERE status IN ('entered', 'confirmed', 'offered', 'waitlisted');
CREATE UNIQUE INDEX sign_ups_client_event ON sign_ups (submitted_by, client_event_id);
CREATE INDEX sign_ups_seq ON sign_ups (event_id, seq);
CREATE INDEX sign_ups_line ON sign_ups (session_id, seq) WHERE status = 'waitlisted';
CREATE INDEX sign_ups_quota_line ON sign_ups (session_id, quota_id, seq) WHERE status = 'waitlisted' AND quota_id IS NOT NULL;
CREATE INDEX sign_ups_offered ON sign_ups (event_id, offer_ends_at) WHERE status = 'offered';
CREATE INDEX sign_ups_drawn ON sign_ups (event_id, draw_rank) WHERE draw_rank IS NOT NULL;
CREATE INDEX sign_ups_member ON sign_ups (member_id, event_id, seq);

-- How many of each thousand arrivals wait: a place in a long line is counted without walking it.
CREATE TABLE sign_up_lines (
    session_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    thousand integer NOT NULL, -- seq / 1000
    waiting integer NOT NULL,
    PRIMARY KEY (session_id, thousand)
);

-- What became of a sign-up after it was made, and why. Never changed.
CREATE TABLE sign_up_steps (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    session_id uuid NOT NULL,
    sign_up_id uuid NOT NULL,
    seq bigint NOT NULL, -- of the sign-up
    step text NOT NULL, -- promoted, offered, accepted, declined, expired, cancelled, moved
    at timestamptz NOT NULL,
    actor uuid, -- none: the system
    reason text,
    passed_over jsonb -- a list of organizations whose quota was full while their people stood further ahead in line
);
CREATE INDEX sign_up_steps_sign_up ON sign_up_steps (sign_up_id, id);
CREATE INDEX sign_up_steps_passed ON sign_up_steps (session_id, seq) WHERE passed_over IS NOT NULL;
