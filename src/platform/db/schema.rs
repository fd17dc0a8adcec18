//! The tables as diesel sees them; `migrations/` is where they are made. A guard test compares the two.
#![allow(unused_imports, reason = "each table brings the same set of types")]

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    organizations (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        parent_id -> Nullable<Uuid>,
        kind -> Text,
        name -> Text,
        path -> Text,
        time_zone -> Nullable<Text>,
        opens_before_s -> Nullable<Integer>,
        late_after_s -> Nullable<Integer>,
        closes_after_s -> Nullable<Integer>,
        code_window_s -> Nullable<Integer>,
        offline_allowed -> Nullable<Bool>,
        version -> Integer,
        created_at -> Instant,
        updated_at -> Instant,
        archived_at -> Nullable<Instant>,
        leaderboards -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    audit_log (id) {
        id -> Uuid,
        tenant_id -> Nullable<Uuid>,
        at -> Instant,
        actor_id -> Nullable<Uuid>,
        action -> Text,
        outcome -> Text,
        object_kind -> Text,
        object_id -> Nullable<Uuid>,
        organization_id -> Nullable<Uuid>,
        detail -> Json,
        request_id -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    idempotency_keys (account_id, route, key) {
        account_id -> Uuid,
        route -> Text,
        key -> Text,
        fingerprint -> Binary,
        status -> Integer,
        etag -> Nullable<Text>,
        location -> Nullable<Text>,
        body -> Text,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    accounts (id) {
        id -> Uuid,
        tenant_id -> Nullable<Uuid>,
        account_name -> Nullable<Text>,
        phone -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        is_system_admin -> Bool,
        disabled_at -> Nullable<Instant>,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    activation_codes (id) {
        id -> Uuid,
        tenant_id -> Nullable<Uuid>,
        account_id -> Uuid,
        code_hash -> Binary,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        expires_at -> Instant,
        used_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sessions (id) {
        id -> Uuid,
        tenant_id -> Nullable<Uuid>,
        account_id -> Uuid,
        device_id -> Nullable<Text>,
        device_name -> Nullable<Text>,
        generation -> Integer,
        rotated_at -> Instant,
        created_at -> Instant,
        last_used_at -> Instant,
        expires_at -> Instant,
        revoked_at -> Nullable<Instant>,
        revoke_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    auth_changes (id) {
        id -> Uuid,
        account_id -> Uuid,
        session_id -> Nullable<Uuid>,
        is_revoked -> Bool,
        changed_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    members (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        name -> Text,
        employee_no -> Nullable<Text>,
        standing -> Text,
        standing_since -> Date,
        joined_on -> Nullable<Date>,
        deactivated_at -> Nullable<Instant>,
        deactivate_reason -> Nullable<Text>,
        version -> Integer,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    member_standings (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        member_id -> Uuid,
        standing -> Text,
        since -> Date,
        recorded_at -> Instant,
        recorded_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    member_transfers (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        member_id -> Uuid,
        from_organization_id -> Uuid,
        to_organization_id -> Uuid,
        reason -> Text,
        transferred_at -> Instant,
        transferred_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    role_grants (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        member_id -> Uuid,
        role -> Text,
        granted_at -> Instant,
        granted_by -> Nullable<Uuid>,
        revoked_at -> Nullable<Instant>,
        revoked_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    events (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        title -> Text,
        description -> Text,
        place -> Text,
        starts_at -> Instant,
        ends_at -> Instant,
        time_zone -> Text,
        status -> Text,
        expected_standings -> Integer,
        opens_before_s -> Integer,
        late_after_s -> Integer,
        closes_after_s -> Integer,
        code_window_s -> Integer,
        offline_allowed -> Bool,
        geofence_latitude -> Nullable<Double>,
        geofence_longitude -> Nullable<Double>,
        geofence_radius_m -> Nullable<Integer>,
        check_in_opens_at -> Instant,
        late_from -> Instant,
        check_in_closes_at -> Instant,
        roster_frozen_at -> Nullable<Instant>,
        audience_version -> Integer,
        last_seq -> BigInt,
        version -> Integer,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        updated_at -> Instant,
        closed_at -> Nullable<Instant>,
        cancel_reason -> Nullable<Text>,
        admission -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_forms (event_id, form) {
        event_id -> Uuid,
        form -> Text,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_organizations (event_id, organization_id) {
        event_id -> Uuid,
        organization_id -> Uuid,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_members (event_id, member_id) {
        event_id -> Uuid,
        member_id -> Uuid,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    calendar_feeds (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        member_id -> Uuid,
        token_hash -> Binary,
        created_at -> Instant,
        revoked_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    roster_entries (event_id, member_id) {
        event_id -> Uuid,
        member_id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        name -> Text,
        standing -> Text,
        may_vote -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    check_ins (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        member_id -> Uuid,
        seq -> BigInt,
        submitted_by -> Uuid,
        client_event_id -> Uuid,
        source -> Text,
        status -> Text,
        occurred_at -> Instant,
        received_at -> Instant,
        review -> Nullable<Text>,
        flags -> Text,
        device -> Nullable<Uuid>,
        location -> Nullable<Text>,
        reason -> Nullable<Text>,
        reviewed_at -> Nullable<Instant>,
        reviewed_by -> Nullable<Uuid>,
        annulled_at -> Nullable<Instant>,
        annulled_by -> Nullable<Uuid>,
        annul_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    leave_requests (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        member_id -> Uuid,
        reason -> Text,
        status -> Text,
        requested_at -> Instant,
        decided_at -> Nullable<Instant>,
        decided_by -> Nullable<Uuid>,
        decision_note -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    devices (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        name -> Text,
        is_screen -> Bool,
        is_scanner -> Bool,
        code_hash -> Nullable<Binary>,
        code_expires_at -> Instant,
        token_hash -> Nullable<Binary>,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        enrolled_at -> Nullable<Instant>,
        expires_at -> Nullable<Instant>,
        last_seen_at -> Nullable<Instant>,
        revoked_at -> Nullable<Instant>,
        revoked_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lessons (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        kind -> Text,
        status -> Text,
        title -> Text,
        summary -> Text,
        body -> Text,
        transcript -> Text,
        media_id -> Nullable<Uuid>,
        threshold_permille -> Integer,
        speed_percent -> Integer,
        audience_standings -> Integer,
        published_number -> Nullable<Integer>,
        version -> Integer,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        updated_at -> Instant,
        submitted_at -> Nullable<Instant>,
        submitted_by -> Nullable<Uuid>,
        reviewed_at -> Nullable<Instant>,
        reviewed_by -> Nullable<Uuid>,
        review_note -> Nullable<Text>,
        archived_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_versions (lesson_id, number) {
        lesson_id -> Uuid,
        number -> Integer,
        tenant_id -> Uuid,
        title -> Text,
        summary -> Text,
        body -> Text,
        body_html -> Text,
        transcript -> Text,
        media_id -> Nullable<Uuid>,
        duration_ms -> Integer,
        sections -> Json,
        threshold_permille -> Integer,
        speed_percent -> Integer,
        published_at -> Instant,
        published_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_tags (lesson_id, tag) {
        lesson_id -> Uuid,
        tag -> Text,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_organizations (lesson_id, organization_id) {
        lesson_id -> Uuid,
        organization_id -> Uuid,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    study_clocks (member_id) {
        member_id -> Uuid,
        tenant_id -> Uuid,
        slots -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_progress (member_id, lesson_id, number) {
        member_id -> Uuid,
        lesson_id -> Uuid,
        number -> Integer,
        tenant_id -> Uuid,
        played -> Binary,
        covered_ms -> Integer,
        sessions -> Binary,
        position_ms -> Integer,
        position_at -> Nullable<Instant>,
        credited_at -> Nullable<Instant>,
        started_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_completions (member_id, lesson_id) {
        member_id -> Uuid,
        lesson_id -> Uuid,
        number -> Integer,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        rule -> Text,
        threshold_permille -> Integer,
        covered_ms -> Integer,
        played -> Binary,
        occurred_at -> Instant,
        received_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    study_reviews (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        member_id -> Uuid,
        lesson_id -> Uuid,
        number -> Integer,
        session_id -> Uuid,
        doubt -> Text,
        played -> Binary,
        claimed_ms -> Integer,
        occurred_at -> Instant,
        received_at -> Instant,
        status -> Text,
        decided_at -> Nullable<Instant>,
        decided_by -> Nullable<Uuid>,
        note -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_series (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        title -> Text,
        summary -> Text,
        status -> Text,
        version -> Integer,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        updated_at -> Instant,
        published_at -> Nullable<Instant>,
        archived_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    series_lessons (series_id, lesson_id) {
        series_id -> Uuid,
        lesson_id -> Uuid,
        tenant_id -> Uuid,
        position -> Integer,
        prerequisite_ids -> Json,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    study_plans (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        title -> Text,
        description -> Text,
        status -> Text,
        standings -> Integer,
        due_on -> Date,
        due_at -> Instant,
        grace_days -> Integer,
        version -> Integer,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
        updated_at -> Instant,
        published_at -> Nullable<Instant>,
        cancelled_at -> Nullable<Instant>,
        cancel_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    study_plan_lessons (plan_id, lesson_id) {
        plan_id -> Uuid,
        lesson_id -> Uuid,
        position -> Integer,
        tenant_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    study_plan_excuses (plan_id, member_id) {
        plan_id -> Uuid,
        member_id -> Uuid,
        tenant_id -> Uuid,
        reason -> Text,
        excused_at -> Instant,
        excused_by -> Uuid,
        ended_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    make_ups (event_id) {
        event_id -> Uuid,
        tenant_id -> Uuid,
        lesson_id -> Uuid,
        set_at -> Instant,
        set_by -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    media_files (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        name -> Text,
        state -> Text,
        refusal -> Nullable<Text>,
        kind -> Nullable<Text>,
        content_type -> Nullable<Text>,
        size_bytes -> BigInt,
        received_bytes -> BigInt,
        sha256 -> Nullable<Binary>,
        duration_ms -> Nullable<Integer>,
        upload_metadata -> Text,
        expires_at -> Instant,
        created_at -> Instant,
        created_by -> Uuid,
        updated_at -> Instant,
        deleted_at -> Nullable<Instant>,
        deleted_by -> Nullable<Uuid>,
        cleared_at -> Nullable<Instant>,
        purpose -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_files (lesson_id, number, role, position) {
        lesson_id -> Uuid,
        number -> Integer,
        role -> Text,
        position -> Integer,
        tenant_id -> Uuid,
        language -> Nullable<Text>,
        media_id -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    lesson_quizzes (lesson_id) {
        lesson_id -> Uuid,
        tenant_id -> Uuid,
        version -> Integer,
        updated_at -> Instant,
        archived_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    quiz_versions (lesson_id, number) {
        lesson_id -> Uuid,
        number -> Integer,
        tenant_id -> Uuid,
        document -> Json,
        created_at -> Instant,
        created_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    quiz_attempts (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        lesson_id -> Uuid,
        member_id -> Uuid,
        number -> Integer,
        quiz_version -> Integer,
        drawn -> Json,
        status -> Text,
        started_at -> Instant,
        ends_at -> Nullable<Instant>,
        answers -> Nullable<Json>,
        occurred_at -> Nullable<Instant>,
        handed_in_at -> Nullable<Instant>,
        score_permille -> Nullable<Integer>,
        passed -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    quiz_answers (attempt_id, question_id) {
        attempt_id -> Uuid,
        question_id -> Uuid,
        tenant_id -> Uuid,
        lesson_id -> Uuid,
        chosen -> Integer,
        is_right -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_up_policies (event_id) {
        event_id -> Uuid,
        tenant_id -> Uuid,
        opens_at -> Nullable<Instant>,
        closes_at -> Nullable<Instant>,
        cancel_until -> Nullable<Instant>,
        offer_s -> Nullable<Integer>,
        waiting_limit -> Nullable<Integer>,
        questions -> Json,
        draw_at -> Nullable<Instant>,
        draw_seed -> Nullable<Text>,
        drawn_at -> Nullable<Instant>,
        last_seq -> BigInt,
        next_lapse_at -> Nullable<Instant>,
        version -> Integer,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_up_sessions (id) {
        id -> Uuid,
        event_id -> Uuid,
        tenant_id -> Uuid,
        position -> Integer,
        name -> Text,
        starts_at -> Nullable<Instant>,
        ends_at -> Nullable<Instant>,
        capacity -> Nullable<Integer>,
        taken -> Integer,
        waiting -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_up_quotas (event_id, organization_id) {
        event_id -> Uuid,
        organization_id -> Uuid,
        tenant_id -> Uuid,
        places -> Integer,
        taken -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_ups (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        session_id -> Uuid,
        member_id -> Uuid,
        organization_id -> Uuid,
        quota_id -> Nullable<Uuid>,
        seq -> BigInt,
        draw_rank -> Nullable<Integer>,
        status -> Text,
        answers -> Json,
        submitted_by -> Uuid,
        client_event_id -> Uuid,
        received_at -> Instant,
        confirmed_at -> Nullable<Instant>,
        offer_ends_at -> Nullable<Instant>,
        ended_at -> Nullable<Instant>,
        ended_by -> Nullable<Uuid>,
        end_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_up_lines (session_id, thousand) {
        session_id -> Uuid,
        tenant_id -> Uuid,
        thousand -> Integer,
        waiting -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    sign_up_steps (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        session_id -> Uuid,
        sign_up_id -> Uuid,
        seq -> BigInt,
        step -> Text,
        at -> Instant,
        actor -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        passed_over -> Nullable<Json>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    jobs (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        kind -> Text,
        job_key -> Nullable<Text>,
        payload -> Json,
        run_at -> Instant,
        attempts -> Integer,
        leased_until -> Nullable<Instant>,
        created_at -> Instant,
        finished_at -> Nullable<Instant>,
        failed -> Bool,
        last_error -> Nullable<Text>,
        target_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    notices (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        member_id -> Uuid,
        kind -> Text,
        source_id -> Uuid,
        event_id -> Nullable<Uuid>,
        data -> Json,
        created_at -> Instant,
        rings_at -> Instant,
        read_at -> Nullable<Instant>,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    notice_settings (member_id) {
        member_id -> Uuid,
        tenant_id -> Uuid,
        muted -> Json,
        quiet_from_min -> Nullable<Integer>,
        quiet_until_min -> Nullable<Integer>,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    webhooks (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        url -> Text,
        description -> Text,
        language -> Text,
        kinds -> Json,
        key_id -> Text,
        secret_no -> Integer,
        old_key_id -> Nullable<Text>,
        old_secret_until -> Nullable<Instant>,
        version -> Integer,
        created_at -> Instant,
        created_by -> Uuid,
        updated_at -> Instant,
        failing_since -> Nullable<Instant>,
        disabled_at -> Nullable<Instant>,
        disabled_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    webhook_deliveries (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        webhook_id -> Uuid,
        #[sql_name = "type"]
        type_ -> Text,
        body -> Text,
        created_at -> Instant,
        attempts -> Integer,
        status -> Text,
        next_at -> Nullable<Instant>,
        attempted_at -> Nullable<Instant>,
        response_status -> Nullable<Integer>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_templates (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        title -> Text,
        description -> Text,
        place -> Text,
        forms -> Json,
        expected -> Json,
        rule -> Text,
        starts_on -> Date,
        starts_at_min -> Integer,
        duration_s -> Integer,
        time_zone -> Text,
        ahead_days -> Integer,
        publish -> Bool,
        sign_up -> Nullable<Json>,
        version -> Integer,
        created_at -> Instant,
        created_by -> Uuid,
        updated_at -> Instant,
        ended_at -> Nullable<Instant>,
        ended_by -> Nullable<Uuid>,
        last_error -> Nullable<Text>,
        written_by -> Nullable<Uuid>,
        last_error_field -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_template_days (template_id, on_day) {
        template_id -> Uuid,
        on_day -> Date,
        tenant_id -> Uuid,
        event_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        created_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    guest_links (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        token_hash -> Binary,
        places -> Integer,
        taken -> Integer,
        expires_at -> Instant,
        created_at -> Instant,
        created_by -> Uuid,
        revoked_at -> Nullable<Instant>,
        revoked_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    guests (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        link_id -> Nullable<Uuid>,
        name -> Nullable<Text>,
        phone -> Nullable<Text>,
        note -> Text,
        consent_at -> Instant,
        client_event_id -> Nullable<Uuid>,
        added_by -> Nullable<Uuid>,
        created_at -> Instant,
        cancelled_at -> Nullable<Instant>,
        cancelled_by -> Nullable<Uuid>,
        checked_in_at -> Nullable<Instant>,
        check_in_source -> Nullable<Text>,
        checked_in_by -> Nullable<Uuid>,
        erased_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    organization_budgets (organization_id, year) {
        organization_id -> Uuid,
        year -> Integer,
        tenant_id -> Uuid,
        currency -> Text,
        version -> Integer,
        updated_at -> Instant,
        updated_by -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    organization_budget_lines (organization_id, year, position) {
        organization_id -> Uuid,
        year -> Integer,
        position -> Integer,
        tenant_id -> Uuid,
        category -> Text,
        amount_cents -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_budgets (event_id) {
        event_id -> Uuid,
        tenant_id -> Uuid,
        currency -> Text,
        version -> Integer,
        updated_at -> Instant,
        updated_by -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_budget_lines (event_id, position) {
        event_id -> Uuid,
        position -> Integer,
        tenant_id -> Uuid,
        category -> Text,
        amount_cents -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    expenses (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        event_id -> Uuid,
        category -> Text,
        amount_cents -> BigInt,
        currency -> Text,
        spent_on -> Date,
        payee -> Text,
        note -> Text,
        receipt_media_id -> Nullable<Uuid>,
        status -> Text,
        submitted_at -> Instant,
        submitted_by -> Uuid,
        decided_at -> Nullable<Instant>,
        decided_by -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        annulled_at -> Nullable<Instant>,
        annulled_by -> Nullable<Uuid>,
        annul_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    checkpoint_plans (event_id) {
        event_id -> Uuid,
        tenant_id -> Uuid,
        presence -> Text,
        version -> Integer,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    checkpoints (id) {
        id -> Uuid,
        event_id -> Uuid,
        tenant_id -> Uuid,
        position -> Integer,
        name -> Text,
        kind -> Text,
        opens_after_s -> Nullable<Integer>,
        closes_after_s -> Nullable<Integer>,
        in_area -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    checkpoint_passages (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        checkpoint_id -> Uuid,
        member_id -> Uuid,
        check_in_id -> Uuid,
        submitted_by -> Uuid,
        client_event_id -> Uuid,
        source -> Text,
        passed_at -> Instant,
        occurred_at -> Instant,
        received_at -> Instant,
        flags -> Text,
        device -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        annulled_at -> Nullable<Instant>,
        annulled_by -> Nullable<Uuid>,
        annul_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    service_hours (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        member_id -> Uuid,
        organization_id -> Uuid,
        check_in_id -> Uuid,
        served_on -> Date,
        year -> Integer,
        minutes -> Integer,
        proposed_minutes -> Nullable<Integer>,
        reason -> Nullable<Text>,
        confirmed_at -> Instant,
        confirmed_by -> Uuid,
        annulled_at -> Nullable<Instant>,
        annulled_by -> Nullable<Uuid>,
        annul_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    reflections (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        event_id -> Uuid,
        author_id -> Uuid,
        branch_id -> Uuid,
        text -> Text,
        visibility -> Text,
        status -> Text,
        reason -> Nullable<Text>,
        decided_at -> Nullable<Instant>,
        decided_by -> Nullable<Uuid>,
        published_at -> Nullable<Instant>,
        withdrawn_at -> Nullable<Instant>,
        version -> Integer,
        created_at -> Instant,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    reflection_pictures (reflection_id, number) {
        reflection_id -> Uuid,
        number -> Integer,
        tenant_id -> Uuid,
        media_id -> Uuid,
        width -> Integer,
        height -> Integer,
        added_at -> Instant,
        removed_at -> Nullable<Instant>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    reflection_likes (reflection_id, member_id) {
        reflection_id -> Uuid,
        member_id -> Uuid,
        tenant_id -> Uuid,
        liked_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Json, Uuid};

    event_materials (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        event_id -> Uuid,
        title -> Text,
        media_id -> Uuid,
        position -> Integer,
        created_at -> Instant,
        created_by -> Uuid,
        archived_at -> Nullable<Instant>,
        archived_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    point_entries (member_id, source_id, rule, turn) {
        member_id -> Uuid,
        source_id -> Uuid,
        rule -> Text,
        turn -> Integer,
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        subject_id -> Uuid,
        standing -> Integer,
        minutes -> Integer,
        points -> Integer,
        limited_by -> Nullable<Text>,
        day -> Date,
        occurred_at -> Instant,
        recorded_at -> Instant,
        change_no -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    point_totals (member_id, span, starts_on) {
        member_id -> Uuid,
        span -> Text,
        starts_on -> Date,
        tenant_id -> Uuid,
        points -> BigInt,
        reached_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    point_rules (tenant_id, rule, from_day) {
        tenant_id -> Uuid,
        rule -> Text,
        from_day -> Date,
        amount -> Integer,
        per_minutes -> Nullable<Integer>,
        day_max -> Nullable<Integer>,
        week_max -> Nullable<Integer>,
        year_max -> Nullable<Integer>,
        standings -> Integer,
        set_at -> Instant,
        set_by -> Uuid,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    point_awards (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        organization_id -> Uuid,
        member_id -> Uuid,
        points -> Integer,
        reason -> Text,
        status -> Text,
        proposed_at -> Instant,
        proposed_by -> Uuid,
        decided_at -> Nullable<Instant>,
        decided_by -> Nullable<Uuid>,
        note -> Nullable<Text>,
        annulled_at -> Nullable<Instant>,
        annulled_by -> Nullable<Uuid>,
        annul_reason -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    leaderboard_wishes (member_id) {
        member_id -> Uuid,
        tenant_id -> Uuid,
        hides_name -> Bool,
        updated_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    leaderboard_moves (id) {
        id -> Uuid,
        tenant_id -> Uuid,
        member_id -> Nullable<Uuid>,
        organization_id -> Nullable<Uuid>,
        change_no -> BigInt,
        moved_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::{Instant, Uuid};

    leaderboard_periods (tenant_id, span, starts_on) {
        tenant_id -> Uuid,
        span -> Text,
        starts_on -> Date,
        final_at -> Instant,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::platform::db::sql::Uuid;

    home_changes (subject_id) {
        subject_id -> Uuid,
        change_no -> BigInt,
    }
}

diesel::table! {
    use crate::platform::db::sql::{Instant, Uuid};

    erasures (member_id) {
        member_id -> Uuid,
        tenant_id -> Uuid,
        erased_at -> Instant,
        erased_by -> Uuid,
    }
}

// The tables that one query joins, and no others: each pair of all tables costs a compiler some twenty implementations.
diesel::allow_tables_to_appear_in_same_query!(organizations, members, accounts, role_grants);
diesel::allow_tables_to_appear_in_same_query!(organizations, devices);
diesel::allow_tables_to_appear_in_same_query!(organizations, event_templates);
diesel::allow_tables_to_appear_in_same_query!(events, event_budgets, event_budget_lines);
diesel::allow_tables_to_appear_in_same_query!(events, service_hours);
diesel::allow_tables_to_appear_in_same_query!(events, sign_up_policies);
diesel::allow_tables_to_appear_in_same_query!(events, expenses, media_files);
diesel::allow_tables_to_appear_in_same_query!(members, check_ins);
diesel::allow_tables_to_appear_in_same_query!(lesson_series, series_lessons);
diesel::allow_tables_to_appear_in_same_query!(lesson_quizzes, quiz_versions);
