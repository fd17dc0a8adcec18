-- The quiz of a lesson: which of its versions members get now.
CREATE TABLE lesson_quizzes (
    lesson_id uuid NOT NULL PRIMARY KEY REFERENCES lessons (id),
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    version integer NOT NULL,
    updated_at timestamptz NOT NULL,
    archived_at timestamptz
);
CREATE INDEX lesson_quizzes_tenant ON lesson_quizzes (tenant_id);

-- Each version as it was written, for ever: attempts refer to it.
CREATE TABLE quiz_versions (
    lesson_id uuid NOT NULL REFERENCES lesson_quizzes (lesson_id),
    number integer NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    document jsonb NOT NULL, -- settings and questions with their answers, see quizzes/rules.rs
    created_at timestamptz NOT NULL,
    created_by uuid,
    PRIMARY KEY (lesson_id, number)
);
CREATE INDEX quiz_versions_tenant ON quiz_versions (tenant_id);

CREATE TABLE quiz_attempts (
    id uuid NOT NULL PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    lesson_id uuid NOT NULL,
    member_id uuid NOT NULL REFERENCES members (id),
    number integer NOT NULL, -- of a member and lesson, from 1, without gaps
    quiz_version integer NOT NULL,
    drawn jsonb NOT NULL, -- which questions, with their options in which order
    status text NOT NULL, -- open, handed_in, expired
    started_at timestamptz NOT NULL,
    ends_at timestamptz,
    answers jsonb, -- what was chosen, question by question
    occurred_at timestamptz, -- the phone's claim of the hand-in
    handed_in_at timestamptz,
    score_permille integer,
    passed boolean NOT NULL,
    FOREIGN KEY (lesson_id, quiz_version) REFERENCES quiz_versions (lesson_id, number)
);
CREATE UNIQUE INDEX quiz_attempts_number ON quiz_attempts (member_id, lesson_id, number);
CREATE UNIQUE INDEX quiz_attempts_open ON quiz_attempts (member_id, lesson_id) WHERE status = 'open';
CREATE INDEX quiz_attempts_passed ON quiz_attempts (lesson_id, member_id) WHERE passed;
CREATE INDEX quiz_attempts_version ON quiz_attempts (lesson_id, quiz_version);
CREATE INDEX quiz_attempts_tenant ON quiz_attempts (tenant_id);

-- What was made of each question of what was handed in: for the lecturer's statistics.
CREATE TABLE quiz_answers (
    attempt_id uuid NOT NULL REFERENCES quiz_attempts (id),
    question_id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES organizations (id),
    lesson_id uuid NOT NULL REFERENCES lesson_quizzes (lesson_id),
    chosen integer NOT NULL, -- bits: 1 the first option as it was written, 2 the second, 4 the third
    is_right boolean NOT NULL,
    PRIMARY KEY (attempt_id, question_id)
);
CREATE INDEX quiz_answers_lesson ON quiz_answers (lesson_id, question_id);
CREATE INDEX quiz_answers_tenant ON quiz_answers (tenant_id);
