-- Lessons that an organization asks the members of its subtree to finish by a date.
CREATE TABLE study_plans (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    organization_id uuid NOT NULL REFERENCES organizations (id),
    title text NOT NULL,
    description text NOT NULL,
    status text NOT NULL, -- draft, published, cancelled
    standings integer NOT NULL, -- bits: 1 full, 2 probationary, 4 activist, 8 guest
    due_on date NOT NULL,
    due_at timestamptz NOT NULL, -- the end of that day where the organization is
    grace_days integer NOT NULL, -- for whoever comes later, from the day they come
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    created_by uuid,
    updated_at timestamptz NOT NULL,
    published_at timestamptz,
    cancelled_at timestamptz,
    cancel_reason text
);
CREATE INDEX study_plans_organization ON study_plans (organization_id, status);
CREATE INDEX study_plans_tenant ON study_plans (tenant_id, id);

CREATE TABLE study_plan_lessons (
    plan_id uuid NOT NULL REFERENCES study_plans (id),
    lesson_id uuid NOT NULL REFERENCES lessons (id),
    position integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    PRIMARY KEY (plan_id, lesson_id)
);
CREATE INDEX study_plan_lessons_lesson ON study_plan_lessons (lesson_id);
CREATE INDEX study_plan_lessons_tenant ON study_plan_lessons (tenant_id);

-- Who need not: on leave, ill, abroad. They leave the denominator.
CREATE TABLE study_plan_excuses (
    plan_id uuid NOT NULL REFERENCES study_plans (id),
    member_id uuid NOT NULL REFERENCES members (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    reason text NOT NULL,
    excused_at timestamptz NOT NULL,
    excused_by uuid NOT NULL,
    ended_at timestamptz, -- taken back
    PRIMARY KEY (plan_id, member_id)
);
CREATE INDEX study_plan_excuses_member ON study_plan_excuses (member_id);
CREATE INDEX study_plan_excuses_tenant ON study_plan_excuses (tenant_id);
