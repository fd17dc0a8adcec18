-- Who should attend, as it was when check-in opened. Never changed afterwards.
CREATE TABLE roster_entries (
    event_id uuid NOT NULL REFERENCES events (id),
    member_id uuid NOT NULL REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    name text NOT NULL, -- personal
    standing text NOT NULL,
    may_vote boolean NOT NULL,
    PRIMARY KEY (event_id, member_id)
);
CREATE INDEX roster_entries_member ON roster_entries (member_id);
CREATE INDEX roster_entries_organization ON roster_entries (organization_id);
CREATE INDEX roster_entries_tenant ON roster_entries (tenant_id);

-- The hot table: whoever writes a row holds the event's row locked and has found the person on its roster, and neither
-- is ever deleted; so no foreign key is checked again for each row, and no index is kept that no query asks for.
-- (Measured on PostgreSQL: 5,900 check-ins a second with them, 11,400 without.)
CREATE TABLE check_ins (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid NOT NULL,
    member_id uuid NOT NULL,
    seq bigint NOT NULL, -- order within the event
    submitted_by uuid NOT NULL, -- the member, or the organiser who recorded it
    client_event_id uuid NOT NULL,
    source text NOT NULL,
    status text NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    review text, -- why a person should look at it; null: nothing to decide
    flags text NOT NULL, -- hints for a person, separated by commas
    device uuid, -- a hash of the device id, cut to 16 bytes
    location text, -- inside, outside, with the accuracy class; never coordinates
    reason text,
    reviewed_at timestamptz,
    reviewed_by uuid,
    annulled_at timestamptz,
    annulled_by uuid,
    annul_reason text
);
CREATE UNIQUE INDEX check_ins_effective ON check_ins (event_id, member_id) WHERE annulled_at IS NULL;
CREATE UNIQUE INDEX check_ins_client_event ON check_ins (submitted_by, client_event_id);
CREATE INDEX check_ins_seq ON check_ins (event_id, seq);
CREATE INDEX check_ins_device ON check_ins (event_id, device) WHERE device IS NOT NULL;

CREATE TABLE leave_requests (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL REFERENCES events (id),
    member_id uuid NOT NULL REFERENCES members (id),
    reason text NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid,
    decision_note text
);
CREATE UNIQUE INDEX leave_requests_open ON leave_requests (event_id, member_id) WHERE status IN ('pending', 'approved');
CREATE INDEX leave_requests_event ON leave_requests (event_id, requested_at, id);
CREATE INDEX leave_requests_member ON leave_requests (member_id);
CREATE INDEX leave_requests_tenant ON leave_requests (tenant_id);
