-- The quiz of a lesson: which of its versions members get now.
CREATE TABLE lesson_quizzes (
    lesson_id BLOB NOT NULL PRIMARY KEY REFERENCES lessons (id),
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER
) STRICT;
CREATE INDEX lesson_quizzes_tenant ON lesson_quizzes (tenant_id);

-- Each version as it was written, for ever: attempts refer to it.
CREATE TABLE quiz_versions (
    lesson_id BLOB NOT NULL REFERENCES lesson_quizzes (lesson_id),
    number INTEGER NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    document TEXT NOT NULL, -- settings and questions with their answers, see quizzes/rules.rs
    created_at INTEGER NOT NULL,
    created_by BLOB,
    PRIMARY KEY (lesson_id, number)
) STRICT;
CREATE INDEX quiz_versions_tenant ON quiz_versions (tenant_id);

CREATE TABLE quiz_attempts (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    lesson_id BLOB NOT NULL,
    member_id BLOB NOT NULL REFERENCES members (id),
    number INTEGER NOT NULL, -- of a member and lesson, from 1, without gaps
    quiz_version INTEGER NOT NULL,
    drawn TEXT NOT NULL, -- which questions, with their options in which order
    status TEXT NOT NULL, -- open, handed_in, expired
    started_at INTEGER NOT NULL,
    ends_at INTEGER,
    answers TEXT, -- what was chosen, question by question
    occurred_at INTEGER, -- the phone's claim of the hand-in
    handed_in_at INTEGER,
    score_permille INTEGER,
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    FOREIGN KEY (lesson_id, quiz_version) REFERENCES quiz_versions (lesson_id, number)
) STRICT;
CREATE UNIQUE INDEX quiz_attempts_number ON quiz_attempts (member_id, lesson_id, number);
CREATE UNIQUE INDEX quiz_attempts_open ON quiz_attempts (member_id, lesson_id) WHERE status = 'open';
CREATE INDEX quiz_attempts_passed ON quiz_attempts (lesson_id, member_id) WHERE passed;
CREATE INDEX quiz_attempts_version ON quiz_attempts (lesson_id, quiz_version);
CREATE INDEX quiz_attempts_tenant ON quiz_attempts (tenant_id);

-- What was made of each question of what was handed in: for the lecturer's statistics.
CREATE TABLE quiz_answers (
    attempt_id BLOB NOT NULL REFERENCES quiz_attempts (id),
    question_id BLOB NOT NULL,
    tenant_id BLOB NOT NULL REFERENCES organizations (id),
    lesson_id BLOB NOT NULL REFERENCES lesson_quizzes (lesson_id),
    chosen INTEGER NOT NULL, -- bits: 1 the first option as it was written, 2 the second, 4 the third
    is_right INTEGER NOT NULL CHECK (is_right IN (0, 1)),
    PRIMARY KEY (attempt_id, question_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX quiz_answers_lesson ON quiz_answers (lesson_id, question_id);
CREATE INDEX quiz_answers_tenant ON quiz_answers (tenant_id);
