-- Which wall-clock time a member has used up by studying. The row is locked while anything of them is credited.
CREATE TABLE study_clocks (
    member_id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL,
    slots bytea NOT NULL -- minutes in use, see study/clock.rs
);

-- What a member has played of one version of a lesson. Like check_ins without foreign keys and indexes nobody asks for: a
-- hall of phones writes here every few seconds, and what it refers to is never deleted.
CREATE TABLE lesson_progress (
    member_id uuid NOT NULL,
    lesson_id uuid NOT NULL,
    number integer NOT NULL,
    tenant_id uuid NOT NULL,
    played bytea NOT NULL, -- ranges in milliseconds, see study/played.rs
    covered_ms integer NOT NULL,
    sessions bytea NOT NULL, -- the latest sittings, see study/sessions.rs
    position_ms integer NOT NULL,
    position_at timestamptz,
    credited_at timestamptz, -- when the last of it was played
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, lesson_id, number)
);

-- Once for each member and lesson, and for good: what it was earned on, and by which rule.
CREATE TABLE lesson_completions (
    member_id uuid NOT NULL REFERENCES members (id),
    lesson_id uuid NOT NULL,
    number integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- the member's when it was completed
    rule text NOT NULL,
    threshold_permille integer NOT NULL,
    covered_ms integer NOT NULL,
    played bytea NOT NULL, -- as it was then, see study/played.rs
    occurred_at timestamptz NOT NULL, -- the phone's claim, never later than
    received_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, lesson_id),
    FOREIGN KEY (lesson_id, number) REFERENCES lesson_versions (lesson_id, number)
);
CREATE INDEX lesson_completions_lesson ON lesson_completions (lesson_id, number);
CREATE INDEX lesson_completions_tenant ON lesson_completions (tenant_id, received_at);
CREATE INDEX lesson_completions_organization ON lesson_completions (organization_id);

-- What was claimed and not credited, until a person decides.
CREATE TABLE study_reviews (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id), -- the member's when it was claimed
    member_id uuid NOT NULL REFERENCES members (id),
    lesson_id uuid NOT NULL,
    number integer NOT NULL,
    session_id uuid NOT NULL,
    doubt text NOT NULL,
    played bytea NOT NULL,
    claimed_ms integer NOT NULL,
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    status text NOT NULL, -- pending, settled, accepted, refused
    decided_at timestamptz,
    decided_by uuid,
    note text,
    FOREIGN KEY (lesson_id, number) REFERENCES lesson_versions (lesson_id, number)
);
CREATE UNIQUE INDEX study_reviews_pending ON study_reviews (member_id, lesson_id, number, session_id, doubt) WHERE status = 'pending';
CREATE INDEX study_reviews_member ON study_reviews (member_id, lesson_id);
CREATE INDEX study_reviews_organization ON study_reviews (organization_id, status, id);
CREATE INDEX study_reviews_lesson ON study_reviews (lesson_id, number);
CREATE INDEX study_reviews_tenant ON study_reviews (tenant_id);
