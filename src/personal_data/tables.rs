//! What each table holds of a person. Data, with no logic but its reading.

/// A table with rows about members.
pub struct Table {
    pub name: &'static str,
    /// SQL: which rows are a member's, whose id is `$1`.
    pub rows: &'static str,
    /// Never given out: secrets, and ids of others who had to do with it.
    pub hidden: &'static [&'static str],
    /// Text, JSON and bytes that stay at an erasure: words of ours (a status, a rule), and what tells nothing of a person.
    pub kept: &'static [&'static str],
    pub erasure: Erasure,
    /// Of these SQLite does not know by itself that they are JSON, or yes and no.
    pub json: &'static [&'static str],
    pub yes_or_no: &'static [&'static str],
}

/// What an erasure does with the rows.
pub enum Erasure {
    Delete,
    /// Columns and the SQL of what they become. All other text, JSON and bytes are among `kept`.
    Blank(&'static [(&'static str, &'static str)]),
}

/// Where a name must be.
const NAME: &str = "'（已刪除）'";
const NULL: &str = "NULL";
const EMPTY: &str = "''";

/// Of tables whose indexes begin with the event: a look for each event of the tree in place of one at every row.
const BY_EVENT: &str = "member_id = $1 AND event_id IN \
     (SELECT e.id FROM events e WHERE e.tenant_id = (SELECT m.tenant_id FROM members m WHERE m.id = $1))";
/// Likewise. What was annulled has an index of its own, by member; of an `OR` PostgreSQL reads every row.
const CHECK_INS: &str = "id IN (SELECT c.id FROM check_ins c WHERE c.member_id = $1 AND c.annulled_at IS NOT NULL UNION ALL \
     SELECT c.id FROM check_ins c WHERE c.member_id = $1 AND c.annulled_at IS NULL AND c.event_id IN \
     (SELECT e.id FROM events e WHERE e.tenant_id = (SELECT m.tenant_id FROM members m WHERE m.id = $1)))";
const SIGN_UP_STEPS: &str = "sign_up_id IN (SELECT s.id FROM sign_ups s WHERE s.member_id = $1 AND s.event_id IN \
     (SELECT e.id FROM events e WHERE e.tenant_id = (SELECT m.tenant_id FROM members m WHERE m.id = $1)))";
/// A look for each period.
const RESULTS: &str = "member_id = $1 AND (tenant_id, span, starts_on) IN (SELECT p.tenant_id, p.span, p.starts_on \
     FROM leaderboard_periods p WHERE p.tenant_id = (SELECT m.tenant_id FROM members m WHERE m.id = $1))";

const PLAIN: Table = Table {
    name: "",
    rows: "member_id = $1",
    hidden: &[],
    kept: &[],
    erasure: Erasure::Blank(&[]),
    json: &[],
    yes_or_no: &[],
};

/// In the order in which they are emptied: that in which rows are locked everywhere.
pub const TABLES: &[Table] = &[
    Table {
        name: "members",
        rows: "id = $1",
        kept: &["standing"],
        erasure: Erasure::Blank(&[("name", NAME), ("employee_no", NULL), ("deactivate_reason", NULL)]),
        ..PLAIN
    },
    Table {
        name: "accounts",
        rows: "id = $1",
        hidden: &["password_hash"],
        erasure: Erasure::Blank(&[("account_name", NULL), ("phone", NULL), ("password_hash", NULL)]),
        yes_or_no: &["is_system_admin"],
        ..PLAIN
    },
    Table {
        name: "sessions",
        rows: "account_id = $1",
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "activation_codes",
        rows: "account_id = $1",
        hidden: &["code_hash", "created_by"],
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "auth_changes",
        rows: "account_id = $1",
        yes_or_no: &["is_revoked"],
        ..PLAIN
    },
    Table {
        name: "member_standings",
        hidden: &["recorded_by"],
        kept: &["standing"],
        ..PLAIN
    },
    Table {
        name: "member_transfers",
        hidden: &["transferred_by"],
        erasure: Erasure::Blank(&[("reason", EMPTY)]),
        ..PLAIN
    },
    Table {
        name: "role_grants",
        hidden: &["granted_by", "revoked_by"],
        kept: &["role"],
        ..PLAIN
    },
    Table {
        name: "event_members",
        ..PLAIN
    },
    Table {
        name: "calendar_feeds",
        hidden: &["token_hash"],
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "roster_entries",
        kept: &["standing"],
        erasure: Erasure::Blank(&[("name", NAME)]),
        yes_or_no: &["may_vote"],
        ..PLAIN
    },
    Table {
        name: "check_ins",
        rows: CHECK_INS,
        hidden: &["submitted_by", "reviewed_by", "annulled_by"],
        kept: &["source", "status", "review", "flags"],
        erasure: Erasure::Blank(&[
            ("device", NULL),
            ("location", NULL),
            ("reason", NULL),
            ("annul_reason", NULL),
        ]),
        ..PLAIN
    },
    Table {
        name: "leave_requests",
        hidden: &["decided_by"],
        kept: &["status"],
        erasure: Erasure::Blank(&[("reason", EMPTY), ("decision_note", NULL)]),
        ..PLAIN
    },
    Table {
        name: "checkpoint_passages",
        rows: BY_EVENT,
        hidden: &["submitted_by", "annulled_by"],
        kept: &["source", "flags"],
        erasure: Erasure::Blank(&[("device", NULL), ("reason", NULL), ("annul_reason", NULL)]),
        ..PLAIN
    },
    Table {
        name: "service_hours",
        hidden: &["confirmed_by", "annulled_by"],
        erasure: Erasure::Blank(&[("reason", NULL), ("annul_reason", NULL)]),
        ..PLAIN
    },
    Table {
        name: "sign_up_steps",
        rows: SIGN_UP_STEPS,
        hidden: &["actor"],
        kept: &["step", "passed_over"],
        erasure: Erasure::Blank(&[("reason", NULL)]),
        json: &["passed_over"],
        ..PLAIN
    },
    Table {
        name: "sign_ups",
        rows: BY_EVENT,
        hidden: &["submitted_by", "ended_by"],
        kept: &["status"],
        erasure: Erasure::Blank(&[("answers", "'{}'"), ("end_reason", NULL)]),
        json: &["answers"],
        ..PLAIN
    },
    Table {
        name: "study_clocks",
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "lesson_progress",
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "lesson_completions",
        kept: &["rule", "played"],
        ..PLAIN
    },
    Table {
        name: "study_reviews",
        hidden: &["decided_by"],
        kept: &["doubt", "played", "status"],
        erasure: Erasure::Blank(&[("note", NULL)]),
        ..PLAIN
    },
    Table {
        name: "study_plan_excuses",
        hidden: &["excused_by"],
        erasure: Erasure::Blank(&[("reason", EMPTY)]),
        ..PLAIN
    },
    Table {
        name: "quiz_attempts",
        kept: &["drawn", "status", "answers"],
        json: &["drawn", "answers"],
        ..PLAIN
    },
    Table {
        name: "quiz_answers",
        rows: "attempt_id IN (SELECT id FROM quiz_attempts WHERE member_id = $1)",
        yes_or_no: &["is_right"],
        ..PLAIN
    },
    Table {
        name: "notices",
        erasure: Erasure::Delete,
        json: &["data"],
        ..PLAIN
    },
    Table {
        name: "notice_settings",
        erasure: Erasure::Delete,
        json: &["muted"],
        ..PLAIN
    },
    // Its pictures, as files, are removed by the slice itself.
    Table {
        name: "reflections",
        rows: "author_id = $1",
        hidden: &["decided_by"],
        kept: &["visibility", "status"],
        erasure: Erasure::Blank(&[("text", EMPTY), ("reason", NULL)]),
        ..PLAIN
    },
    Table {
        name: "reflection_pictures",
        rows: "reflection_id IN (SELECT id FROM reflections WHERE author_id = $1)",
        ..PLAIN
    },
    Table {
        name: "reflection_likes",
        erasure: Erasure::Delete,
        ..PLAIN
    },
    Table {
        name: "point_entries",
        kept: &["rule", "limited_by"],
        ..PLAIN
    },
    Table {
        name: "point_totals",
        kept: &["span"],
        ..PLAIN
    },
    Table {
        name: "point_awards",
        hidden: &["proposed_by", "decided_by", "annulled_by"],
        kept: &["status"],
        erasure: Erasure::Blank(&[("reason", EMPTY), ("note", NULL), ("annul_reason", NULL)]),
        ..PLAIN
    },
    Table {
        name: "leaderboard_wishes",
        erasure: Erasure::Delete,
        yes_or_no: &["hides_name"],
        ..PLAIN
    },
    Table {
        name: "leaderboard_results",
        rows: RESULTS,
        kept: &["span"],
        ..PLAIN
    },
    Table {
        name: "leaderboard_moves",
        ..PLAIN
    },
    // Files they sent. What belongs to lessons and expenses is the organization's; it goes with those.
    Table {
        name: "media_files",
        rows: "created_by = $1",
        hidden: &["deleted_by"],
        kept: &[
            "name",
            "state",
            "refusal",
            "kind",
            "content_type",
            "sha256",
            "upload_metadata",
            "purpose",
        ],
        ..PLAIN
    },
    // Money has to be accounted for, with whom it went to.
    Table {
        name: "expenses",
        rows: "submitted_by = $1",
        hidden: &["decided_by", "annulled_by"],
        kept: &[
            "category",
            "currency",
            "payee",
            "note",
            "status",
            "reason",
            "annul_reason",
        ],
        ..PLAIN
    },
    Table {
        name: "idempotency_keys",
        rows: "account_id = $1",
        hidden: &["fingerprint", "body"],
        erasure: Erasure::Delete,
        ..PLAIN
    },
    // What they did. What others did about them is emptied by `store::empty_mentions`.
    Table {
        name: "audit_log",
        rows: "actor_id = $1",
        kept: &["action", "outcome", "object_kind", "detail", "request_id"],
        json: &["detail"],
        ..PLAIN
    },
];

/// Tables that are not about members, with their columns of text, JSON and bytes: judged to tell of no member. What somebody
/// wrote into a title or a note about somebody else is found by nobody but a reader.
pub const OTHERS: &[(&str, &[&str])] = &[
    ("checkpoint_plans", &["presence"]),
    ("checkpoints", &["name", "kind"]),
    ("devices", &["name", "code_hash", "token_hash"]),
    ("event_budget_lines", &["category", "note"]),
    ("event_budgets", &["currency"]),
    ("event_forms", &["form"]),
    ("event_materials", &["title"]),
    ("event_template_days", &["reason"]),
    (
        "event_templates",
        &[
            "title",
            "description",
            "place",
            "forms",
            "expected",
            "rule",
            "time_zone",
            "sign_up",
            "last_error",
            "last_error_field",
        ],
    ),
    (
        "events",
        &[
            "title",
            "description",
            "place",
            "time_zone",
            "status",
            "cancel_reason",
            "admission",
        ],
    ),
    ("guest_links", &["token_hash"]),
    ("guests", &["name", "phone", "note", "check_in_source"]),
    ("jobs", &["kind", "job_key", "payload", "last_error"]),
    ("leaderboard_periods", &["span"]),
    ("leaderboard_sizes", &["span"]),
    ("lesson_files", &["role", "language"]),
    ("lesson_series", &["title", "summary", "status"]),
    ("lesson_tags", &["tag"]),
    (
        "lesson_versions",
        &["title", "summary", "body", "body_html", "transcript", "sections"],
    ),
    (
        "lessons",
        &[
            "kind",
            "status",
            "title",
            "summary",
            "body",
            "transcript",
            "review_note",
        ],
    ),
    ("organization_budget_lines", &["category", "note"]),
    ("organization_budgets", &["currency"]),
    (
        "organizations",
        &["kind", "name", "path", "time_zone", "leaderboards"],
    ),
    ("point_rules", &["rule"]),
    ("quiz_versions", &["document"]),
    ("series_lessons", &["prerequisite_ids"]),
    ("sign_up_policies", &["questions", "draw_seed"]),
    ("sign_up_sessions", &["name"]),
    (
        "study_plans",
        &["title", "description", "status", "cancel_reason"],
    ),
    ("webhook_deliveries", &["type", "body", "status", "error"]),
    (
        "webhooks",
        &[
            "url",
            "description",
            "language",
            "kinds",
            "key_id",
            "old_key_id",
            "disabled_reason",
        ],
    ),
];
