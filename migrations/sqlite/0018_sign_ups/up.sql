-- How somebody comes to an event: called (roster), or by signing up for one of its places (sign_up).
ALTER TABLE events ADD COLUMN admission TEXT NOT NULL DEFAULT 'roster';

-- Who has a place changes only under the lock of the event's row; so the counters below are never behind the sign-ups.
CREATE TABLE sign_up_policies (
    event_id BLOB NOT NULL PRIMARY KEY REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    opens_at INTEGER, -- null: as soon as the event is published
    closes_at INTEGER, -- null: when check-in opens
    cancel_until INTEGER, -- null: when check-in opens
    offer_s INTEGER, -- how long a freed place is offered to the first in line; null: they have it at once
    waiting_limit INTEGER, -- of each session; null: as many as like, 0: nobody waits
    questions TEXT NOT NULL,
    draw_at INTEGER, -- until then people enter a draw; null: first come, first served
    draw_seed TEXT, -- in hexadecimal; nobody is told before the draw
    drawn_at INTEGER,
    last_seq INTEGER NOT NULL DEFAULT 0, -- of its sign-ups, in order of arrival
    next_lapse_at INTEGER, -- when the first of its offers ends
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_up_policies_tenant ON sign_up_policies (tenant_id);
CREATE INDEX sign_up_policies_draw ON sign_up_policies (draw_at) WHERE draw_at IS NOT NULL AND drawn_at IS NULL;
CREATE INDEX sign_up_policies_lapse ON sign_up_policies (next_lapse_at) WHERE next_lapse_at IS NOT NULL;

-- An event has at least one; that of an event without sessions has no name.
CREATE TABLE sign_up_sessions (
    id BLOB NOT NULL PRIMARY KEY,
    event_id BLOB NOT NULL REFERENCES events (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    starts_at INTEGER,
    ends_at INTEGER,
    capacity INTEGER, -- null: no limit
    taken INTEGER NOT NULL DEFAULT 0 CHECK (capacity IS NULL OR taken <= capacity), -- confirmed or offered
    waiting INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX sign_up_sessions_event ON sign_up_sessions (event_id, position);
CREATE INDEX sign_up_sessions_tenant ON sign_up_sessions (tenant_id);

-- How many of an organization's people may have a place, in all sessions together.
CREATE TABLE sign_up_quotas (
    event_id BLOB NOT NULL REFERENCES events (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    places INTEGER NOT NULL,
    taken INTEGER NOT NULL DEFAULT 0 CHECK (taken <= places),
    PRIMARY KEY (event_id, organization_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_up_quotas_organization ON sign_up_quotas (organization_id);
CREATE INDEX sign_up_quotas_tenant ON sign_up_quotas (tenant_id);

-- A hot table, without foreign keys for the same reason as check_ins.
CREATE TABLE sign_ups (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    member_id BLOB NOT NULL,
    organization_id BLOB NOT NULL, -- theirs at the time
    quota_id BLOB, -- the organization whose quota they count for
    seq INTEGER NOT NULL, -- who is first in line: order of arrival, or of the draw
    draw_rank INTEGER,
    status TEXT NOT NULL, -- entered, confirmed, offered, waitlisted, declined, expired, cancelled
    answers TEXT NOT NULL,
    submitted_by BLOB NOT NULL, -- the member, or who signed them up
    client_event_id BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    offer_ends_at INTEGER,
    ended_at INTEGER,
    ended_by BLOB,
    end_reason TEXT
) STRICT;
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
    session_id BLOB NOT NULL,
    tenant_id BLOB NOT NULL,
    thousand INTEGER NOT NULL, -- seq / 1000
    waiting INTEGER NOT NULL,
    PRIMARY KEY (session_id, thousand)
) STRICT, WITHOUT ROWID;

-- What became of a sign-up after it was made, and why. Never changed.
CREATE TABLE sign_up_steps (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    event_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    sign_up_id BLOB NOT NULL,
    seq INTEGER NOT NULL, -- of the sign-up
    step TEXT NOT NULL, -- promoted, offered, accepted, declined, expired, cancelled, moved
    at INTEGER NOT NULL,
    actor BLOB, -- none: the system
    reason TEXT,
    passed_over TEXT -- a list of organizations whose quota was full while their people stood further ahead in line
) STRICT;
CREATE INDEX sign_up_steps_sign_up ON sign_up_steps (sign_up_id, id);
CREATE INDEX sign_up_steps_passed ON sign_up_steps (session_id, seq) WHERE passed_over IS NOT NULL;
