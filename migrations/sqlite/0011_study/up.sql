-- Which wall-clock time a member has used up by studying. The row is locked while anything of them is credited.
CREATE TABLE study_clocks (
    member_id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL,
    slots BLOB NOT NULL -- minutes in use, see study/clock.rs
) STRICT, WITHOUT ROWID;

-- What a member has played of one version of a lesson. Like check_ins without foreign keys and indexes nobody asks for: a
-- hall of phones writes here every few seconds, and what it refers to is never deleted.
CREATE TABLE lesson_progress (
    member_id BLOB NOT NULL,
    lesson_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    tenant_id BLOB NOT NULL,
    played BLOB NOT NULL, -- ranges in milliseconds, see study/played.rs
    covered_ms INTEGER NOT NULL,
    sessions BLOB NOT NULL, -- the latest sittings, see study/sessions.rs
    position_ms INTEGER NOT NULL,
    position_at INTEGER,
    credited_at INTEGER, -- when the last of it was played
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (member_id, lesson_id, number)
) STRICT, WITHOUT ROWID;

-- Once for each member and lesson, and for good: what it was earned on, and by which rule.
CREATE TABLE lesson_completions (
    member_id BLOB NOT NULL REFERENCES members (id),
    lesson_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- the member's when it was completed
    rule TEXT NOT NULL,
    threshold_permille INTEGER NOT NULL,
    covered_ms INTEGER NOT NULL,
    played BLOB NOT NULL, -- as it was then, see study/played.rs
    occurred_at INTEGER NOT NULL, -- the phone's claim, never later than
    received_at INTEGER NOT NULL,
    PRIMARY KEY (member_id, lesson_id),
    FOREIGN KEY (lesson_id, number) REFERENCES lesson_versions (lesson_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX lesson_completions_lesson ON lesson_completions (lesson_id, number);
CREATE INDEX lesson_completions_tenant ON lesson_completions (tenant_id, received_at);
CREATE INDEX lesson_completions_organization ON lesson_completions (organization_id);

-- What was claimed and not credited, until a person decides.
CREATE TABLE study_reviews (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id), -- the member's when it was claimed
    member_id BLOB NOT NULL REFERENCES members (id),
    lesson_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    session_id BLOB NOT NULL,
    doubt TEXT NOT NULL,
    played BLOB NOT NULL,
    claimed_ms INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    status TEXT NOT NULL, -- pending, settled, accepted, refused
    decided_at INTEGER,
    decided_by BLOB,
    note TEXT,
    FOREIGN KEY (lesson_id, number) REFERENCES lesson_versions (lesson_id, number)
) STRICT;
CREATE UNIQUE INDEX study_reviews_pending ON study_reviews (member_id, lesson_id, number, session_id, doubt) WHERE status = 'pending';
CREATE INDEX study_reviews_member ON study_reviews (member_id, lesson_id);
CREATE INDEX study_reviews_organization ON study_reviews (organization_id, status, id);
CREATE INDEX study_reviews_lesson ON study_reviews (lesson_id, number);
CREATE INDEX study_reviews_tenant ON study_reviews (tenant_id);
