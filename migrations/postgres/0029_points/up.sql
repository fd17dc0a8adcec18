-- 積分: points that were given and taken back; a row never changes. Like check_ins without foreign keys: a hall of phones writes
-- here, and what it refers to is never deleted.
CREATE TABLE point_entries (
    member_id uuid NOT NULL,
    source_id uuid NOT NULL, -- the check-in, lesson, plan, confirmed hours, reflection or award
    rule text NOT NULL,
    turn integer NOT NULL, -- of one source and rule: 0 awarded, 1 reversed, 2 awarded again, and so on
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    organization_id uuid NOT NULL, -- the member's at the time
    subject_id uuid NOT NULL, -- what it was done at: the event, lesson or plan; of an award itself
    standing integer NOT NULL, -- the member's at the time, as a bit
    minutes integer NOT NULL, -- of what is given by time; else 0
    points integer NOT NULL, -- negative: taken back
    limited_by text, -- why fewer than the rule gives: standing, off, day_max, week_max, year_max
    day date NOT NULL, -- for which they count, in the tree's zone
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    change_no bigint NOT NULL, -- see points/changes.rs
    PRIMARY KEY (member_id, source_id, rule, turn)
);
CREATE INDEX point_entries_day ON point_entries (member_id, day, id);
CREATE INDEX point_entries_change ON point_entries (change_no);

-- What the entries add up to, kept with each of them. A week is seven days, a quarter three months, all time the years.
CREATE TABLE point_totals (
    member_id uuid NOT NULL,
    span text NOT NULL, -- day, month, year
    starts_on date NOT NULL,
    tenant_id uuid NOT NULL,
    points bigint NOT NULL,
    reached_at timestamptz NOT NULL, -- when it changed last: of two with equal points the earlier is before
    PRIMARY KEY (member_id, span, starts_on)
);

-- What a rule gives from a day on, in one tree; the newest that has begun is in force. Written for days to come only.
CREATE TABLE point_rules (
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    rule text NOT NULL,
    from_day date NOT NULL,
    amount integer NOT NULL, -- 0: nothing
    per_minutes integer, -- the amount is for so many
    day_max integer,
    week_max integer,
    year_max integer,
    standings integer NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    set_at timestamptz NOT NULL,
    set_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, rule, from_day)
);

-- Points that a person gives another for a reason, once a second person has approved.
CREATE TABLE point_awards (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- the member's when it was proposed
    member_id uuid NOT NULL REFERENCES members (id),
    points integer NOT NULL,
    reason text NOT NULL,
    status text NOT NULL, -- proposed, approved, rejected, withdrawn, annulled
    proposed_at timestamptz NOT NULL,
    proposed_by uuid NOT NULL,
    decided_at timestamptz,
    decided_by uuid,
    note text,
    annulled_at timestamptz,
    annulled_by uuid,
    annul_reason text
);
CREATE INDEX point_awards_organization ON point_awards (organization_id, status, id);
CREATE INDEX point_awards_member ON point_awards (member_id);
CREATE INDEX point_awards_tenant ON point_awards (tenant_id, id);

-- Changes are numbered; on PostgreSQL by transactions, whose numbers begin anew where a dump is restored. This is added to them.
CREATE TABLE point_changes (
    id integer NOT NULL PRIMARY KEY, -- 1
    shift bigint NOT NULL
);
INSERT INTO point_changes (id, shift) VALUES (1, 0);
