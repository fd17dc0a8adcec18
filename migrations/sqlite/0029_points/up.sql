-- 積分: points that were given and taken back; a row never changes. Like check_ins without foreign keys: a hall of phones writes
-- here, and what it refers to is never deleted.
CREATE TABLE point_entries (
    member_id BLOB NOT NULL,
    source_id BLOB NOT NULL, -- the check-in, lesson, plan, confirmed hours, reflection or award
    rule TEXT NOT NULL,
    turn INTEGER NOT NULL, -- of one source and rule: 0 awarded, 1 reversed, 2 awarded again, and so on
    id BLOB NOT NULL,
    tenant_id BLOB NOT NULL,
    organization_id BLOB NOT NULL, -- the member's at the time
    subject_id BLOB NOT NULL, -- what it was done at: the event, lesson or plan; of an award itself
    standing INTEGER NOT NULL, -- the member's at the time, as a bit
    minutes INTEGER NOT NULL, -- of what is given by time; else 0
    points INTEGER NOT NULL, -- negative: taken back
    limited_by TEXT, -- why fewer than the rule gives: standing, off, day_max, week_max, year_max
    day TEXT NOT NULL, -- for which they count, in the tree's zone
    occurred_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    change_no INTEGER NOT NULL, -- see points/changes.rs
    PRIMARY KEY (member_id, source_id, rule, turn)
) STRICT;
CREATE INDEX point_entries_day ON point_entries (member_id, day, id);
CREATE INDEX point_entries_change ON point_entries (change_no);

-- What the entries add up to, kept with each of them. A week is seven days, a quarter three months, all time the years.
CREATE TABLE point_totals (
    member_id BLOB NOT NULL,
    span TEXT NOT NULL, -- day, month, year
    starts_on TEXT NOT NULL,
    tenant_id BLOB NOT NULL,
    points INTEGER NOT NULL,
    reached_at INTEGER NOT NULL, -- when it changed last: of two with equal points the earlier is before
    PRIMARY KEY (member_id, span, starts_on)
) STRICT, WITHOUT ROWID;

-- What a rule gives from a day on, in one tree; the newest that has begun is in force. Written for days to come only.
CREATE TABLE point_rules (
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    rule TEXT NOT NULL,
    from_day TEXT NOT NULL,
    amount INTEGER NOT NULL, -- 0: nothing
    per_minutes INTEGER, -- the amount is for so many
    day_max INTEGER,
    week_max INTEGER,
    year_max INTEGER,
    standings INTEGER NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    set_at INTEGER NOT NULL,
    set_by BLOB NOT NULL,
    PRIMARY KEY (tenant_id, rule, from_day)
) STRICT;

-- Points that a person gives another for a reason, once a second person has approved.
CREATE TABLE point_awards (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- the member's when it was proposed
    member_id BLOB NOT NULL REFERENCES members (id),
    points INTEGER NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL, -- proposed, approved, rejected, withdrawn, annulled
    proposed_at INTEGER NOT NULL,
    proposed_by BLOB NOT NULL,
    decided_at INTEGER,
    decided_by BLOB,
    note TEXT,
    annulled_at INTEGER,
    annulled_by BLOB,
    annul_reason TEXT
) STRICT;
CREATE INDEX point_awards_organization ON point_awards (organization_id, status, id);
CREATE INDEX point_awards_member ON point_awards (member_id);
CREATE INDEX point_awards_tenant ON point_awards (tenant_id, id);

-- Changes are numbered; on PostgreSQL by transactions, whose numbers begin anew where a dump is restored. This is added to them.
CREATE TABLE point_changes (
    id INTEGER NOT NULL PRIMARY KEY, -- 1
    shift INTEGER NOT NULL
) STRICT;
INSERT INTO point_changes (id, shift) VALUES (1, 0);
