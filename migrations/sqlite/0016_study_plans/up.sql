-- Lessons that an organization asks the members of its subtree to finish by a date.
CREATE TABLE study_plans (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    status TEXT NOT NULL, -- draft, published, cancelled
    standings INTEGER NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    due_on TEXT NOT NULL,
    due_at INTEGER NOT NULL, -- the end of that day where the organization is
    grace_days INTEGER NOT NULL, -- for whoever comes later, from the day they come
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    created_by BLOB,
    updated_at INTEGER NOT NULL,
    published_at INTEGER,
    cancelled_at INTEGER,
    cancel_reason TEXT
) STRICT;
CREATE INDEX study_plans_organization ON study_plans (organization_id, status);
CREATE INDEX study_plans_tenant ON study_plans (tenant_id, id);

CREATE TABLE study_plan_lessons (
    plan_id BLOB NOT NULL REFERENCES study_plans (id),
    lesson_id BLOB NOT NULL REFERENCES lessons (id),
    position INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (plan_id, lesson_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_plan_lessons_lesson ON study_plan_lessons (lesson_id);
CREATE INDEX study_plan_lessons_tenant ON study_plan_lessons (tenant_id);

-- Who need not: on leave, ill, abroad. They leave the denominator.
CREATE TABLE study_plan_excuses (
    plan_id BLOB NOT NULL REFERENCES study_plans (id),
    member_id BLOB NOT NULL REFERENCES members (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    reason TEXT NOT NULL,
    excused_at INTEGER NOT NULL,
    excused_by BLOB NOT NULL,
    ended_at INTEGER, -- taken back
    PRIMARY KEY (plan_id, member_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX study_plan_excuses_member ON study_plan_excuses (member_id);
CREATE INDEX study_plan_excuses_tenant ON study_plan_excuses (tenant_id);
