//! Check-in: every way in, every refusal, review, leave, quorum and the sheet, with a clock that stands still.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use zhibu::platform::db::Instant;

use crate::support::{TestApp, new_uuid};

#[actix_web::test]
async fn a_scanned_code_checks_in_once_and_for_good() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let body = t.with_code(&code);
    let first = t
        .post("/check-ins", &tenant.member_a, body.clone())
        .await
        .expect(201);
    assert_eq!(
        (
            first.text("/status").as_str(),
            &first.json["review"],
            first.text("/event_id")
        ),
        ("present", &json!(false), event.clone())
    );
    let again = t.post("/check-ins", &tenant.member_a, body).await.expect(200);
    assert_eq!(first.bytes, again.bytes);
    let other = t
        .post(
            "/check-ins",
            &tenant.member_a,
            t.with_code(&format!("https://zhibu.test/c/{code}")),
        )
        .await;
    assert_eq!(
        other.refused(409, "already_checked_in").json["check_in"]["id"],
        first.id()
    );

    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    let line = sheet
        .items()
        .iter()
        .find(|line| line["member_id"] == tenant.member_a_id)
        .unwrap();
    assert_eq!(
        (&line["status"], &line["source"], &line["flags"]),
        (&json!("present"), &json!("code"), &json!([]))
    );
    assert_eq!(sheet.json["counts"]["expected"], 3);
}

#[actix_web::test]
async fn codes_that_are_wrong_old_early_or_forged_are_refused() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let try_code = |code: String| {
        let body = t.with_code(&code);
        let t = &t;
        let token = tenant.member_a.clone();
        async move { t.post("/check-ins", &token, body).await }
    };
    let mut bytes = URL_SAFE_NO_PAD.decode(&code).unwrap();
    bytes[30] ^= 1;
    try_code(URL_SAFE_NO_PAD.encode(&bytes))
        .await
        .refused(422, "invalid_code");
    try_code("x".into()).await.refused(422, "invalid_code");
    try_code("長".repeat(500)).await.refused(422, "invalid_code");

    let stranger =
        TestApp::start_with(|c| c.auth.secret_key = Some("another key, quite as long as ours".into())).await;
    let foreign = stranger.tenant().await;
    let theirs = stranger
        .open_event(&foreign.admin, &foreign.branch_a, json!({}))
        .await;
    try_code(stranger.code(&foreign.admin, &theirs).await)
        .await
        .refused(422, "invalid_code");

    let other = t.tenant().await;
    let elsewhere = t.open_event(&other.admin, &other.branch_a, json!({})).await;
    try_code(t.code(&other.admin, &elsewhere).await)
        .await
        .refused(422, "invalid_code");

    let sibling = t.open_event(&tenant.admin, &tenant.branch_b, json!({})).await;
    try_code(t.code(&tenant.admin, &sibling).await)
        .await
        .refused(403, "not_expected");

    t.advance_s(10);
    assert_ne!(t.code(&tenant.organizer_a, &event).await, code);
    t.advance_s(9);
    let verified = t
        .post(
            "/check-in-codes/verify",
            &tenant.member_a,
            json!({ "code": code }),
        )
        .await
        .expect(200);
    assert_eq!(verified.text("/event_id"), event);
    let sent = t.with_code(&code);
    let recorded = t
        .post("/check-ins", &tenant.secretary_a, sent.clone())
        .await
        .expect(201);
    t.advance_s(1);
    try_code(code).await.refused(410, "expired_code");
    // Its answer was lost on the way: the repeat finds the record, though the code is worth nothing now.
    assert_eq!(
        t.post("/check-ins", &tenant.secretary_a, sent)
            .await
            .expect(200)
            .bytes,
        recorded.bytes
    );
}

/// Who has left is on no roster from then on, and nobody's word puts them there.
#[actix_web::test]
async fn who_has_left_is_marked_only_where_they_were_expected() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let before = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let elsewhere = t.open_event(&tenant.admin, &tenant.branch_b, json!({})).await;
    let body =
        json!({ "member_id": tenant.member_a_id, "reason": "當時在場", "client_event_id": new_uuid() });
    let path = format!("/events/{elsewhere}/check-ins");
    let came = t.post(&path, &tenant.admin, body.clone()).await.expect(201);
    let leave = json!({ "reason": "轉出" });
    let leave_path = format!("/members/{}/deactivate", tenant.member_a_id);
    t.post(&leave_path, &tenant.admin, leave).await.expect(200);
    let after = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let mark = async |event: &str| {
        let body =
            json!({ "member_id": tenant.member_a_id, "reason": "當時在場", "client_event_id": new_uuid() });
        t.post(&format!("/events/{event}/check-ins"), &tenant.organizer_a, body)
            .await
    };
    mark(&before).await.expect(201);
    mark(&after).await.refused(409, "member_inactive");
    let repeat = t.post(&path, &tenant.admin, body).await.expect(200);
    assert_eq!(repeat.id(), came.id());
}

#[actix_web::test]
async fn an_event_that_ends_before_it_opens_keeps_its_roster_and_cancels_nobody() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let later = json!({ "starts_at": t.in_s(86_400), "ends_at": t.in_s(90_000) });
    let event = t.open_event(&tenant.admin, &tenant.branch_a, later).await;
    let cancel = format!("/events/{event}/cancel");
    t.post(&cancel, &tenant.admin, json!({ "reason": "颱風" }))
        .await
        .expect(200);
    let body = json!({ "organization_id": tenant.branch_b, "reason": "調動" });
    t.post(
        &format!("/members/{}/transfers", tenant.member_a_id),
        &tenant.admin,
        body,
    )
    .await
    .expect(201);
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(
        (&sheet.json["counts"]["expected"], &sheet.json["counts"]["absent"]),
        (&json!(3), &json!(0))
    );
}

#[actix_web::test]
async fn a_typed_code_that_is_no_longer_on_the_screen_is_reviewed() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .expect(200);
    let when = t.in_s(0);
    t.advance_s(100);
    let item = json!({ "event_id": event, "typed_code": shown.text("/typed_code"), "client_event_id": new_uuid(), "occurred_at": when });
    let reply = t
        .post("/check-ins/batch", &tenant.member_a, json!({ "items": [item] }))
        .await
        .expect(200);
    assert_eq!(reply.items()[0]["outcome"], "review", "{}", reply.json);
}

#[actix_web::test]
async fn the_window_opens_turns_late_and_closes() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let times = json!({ "starts_at": t.in_s(3_600), "ends_at": t.in_s(9_000), "opens_before_s": 600, "late_after_s": 60, "closes_after_s": 900 });
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, times).await;
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .refused(409, "not_open_yet");
    assert_eq!(shown.text("/opens_at"), t.in_s(3_000));
    let by_hand = json!({ "member_id": tenant.member_a_id, "reason": "早到", "client_event_id": new_uuid() });
    t.post(
        &format!("/events/{event}/check-ins"),
        &tenant.organizer_a,
        by_hand,
    )
    .await
    .refused(409, "not_open_yet");

    t.advance_s(3_660);
    let code = t.code(&tenant.organizer_a, &event).await;
    let late = t
        .post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    assert_eq!(late.text("/status"), "late");

    t.advance_s(830);
    let last = t.code(&tenant.organizer_a, &event).await;
    t.advance_s(10);
    let secretary = t
        .post("/check-ins", &tenant.secretary_a, t.with_code(&last))
        .await;
    secretary.refused(409, "closed");
    t.get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .refused(409, "closed");
    let sheet = t
        .get(
            &format!("/events/{event}/attendance?status=absent"),
            &tenant.organizer_a,
        )
        .await
        .expect(200);
    assert_eq!(sheet.items().len(), 2);
    let too_late =
        json!({ "member_id": tenant.member_a_id, "reason": "補登", "client_event_id": new_uuid() });
    t.post(
        &format!("/events/{event}/check-ins"),
        &tenant.organizer_a,
        too_late,
    )
    .await
    .refused(409, "already_checked_in");

    let cancelled = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &cancelled).await;
    t.post(
        &format!("/events/{cancelled}/cancel"),
        &tenant.organizer_a,
        json!({ "reason": "停電" }),
    )
    .await
    .expect(200);
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .refused(409, "event_cancelled");
}

#[actix_web::test]
async fn guessing_the_typed_code_is_stopped() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let shown = t
        .get(&format!("/events/{event}/code"), &tenant.organizer_a)
        .await
        .expect(200);
    let right = shown.text("/typed_code");
    let wrong = format!("{:06}", (right.parse::<u32>().unwrap() + 1) % 1_000_000);
    let typed = |code: &str| json!({ "event_id": event, "typed_code": code, "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
    for _ in 0..5 {
        t.post("/check-ins", &tenant.member_a, typed(&wrong))
            .await
            .refused(422, "invalid_code");
    }
    let stopped = t
        .post("/check-ins", &tenant.member_a, typed(&right))
        .await
        .refused(429, "rate_limited");
    assert!(stopped.header("retry-after").parse::<u64>().unwrap() > 0);
    t.post("/check-ins", &tenant.secretary_a, typed(&right))
        .await
        .expect(201);
}

#[actix_web::test]
async fn a_proof_outlives_its_code_on_its_own_device_only() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let made = t
        .post(
            "/check-in-proofs",
            "",
            json!({ "code": code, "device_id": "phone-1" }),
        )
        .await
        .expect(201);
    assert_eq!(
        (made.text("/event/title").as_str(), &made.json["expires_in_s"]),
        ("支部黨員大會", &json!(600))
    );
    let body = |device: &str| json!({ "proof": made.text("/proof"), "client_event_id": new_uuid(), "occurred_at": t.in_s(0), "device_id": device });
    t.advance_s(500);
    t.post("/check-ins", &tenant.member_a, body("phone-2"))
        .await
        .refused(422, "invalid_code");
    let done = t
        .post("/check-ins", &tenant.member_a, body("phone-1"))
        .await
        .expect(201);
    assert_eq!(done.text("/source"), "proof");
    let shared = t
        .post("/check-ins", &tenant.secretary_a, body("phone-1"))
        .await
        .expect(201);
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    let line = sheet
        .items()
        .iter()
        .find(|line| line["check_in_id"] == shared.id())
        .unwrap();
    assert_eq!(line["flags"], json!(["shared_device"]));
    t.advance_s(200);
    t.post("/check-ins", &tenant.organizer_a, body("phone-1"))
        .await
        .refused(410, "expired_code");
    t.post("/check-in-proofs", "", json!({ "code": code, "device_id": "x" }))
        .await
        .refused(410, "expired_code");
}

#[actix_web::test]
async fn an_organiser_checks_in_by_personal_code_or_by_hand() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/check-ins");
    let personal = t
        .get("/me/code", &tenant.member_a)
        .await
        .expect(200)
        .text("/code");
    let body = json!({ "member_code": personal, "client_event_id": new_uuid() });
    let done = t.post(&path, &tenant.organizer_a, body.clone()).await.expect(201);
    assert_eq!(
        (done.text("/member_id"), done.text("/source")),
        (tenant.member_a_id.clone(), "personal_code".into())
    );
    assert_eq!(
        t.post(&path, &tenant.organizer_a, body).await.expect(200).bytes,
        done.bytes
    );
    t.advance_s(60);
    let old = json!({ "member_code": personal, "client_event_id": new_uuid() });
    t.post(&path, &tenant.organizer_a, old)
        .await
        .refused(410, "expired_code");

    let outsider =
        json!({ "member_id": tenant.member_b_id, "reason": "列席", "client_event_id": new_uuid() });
    t.post(&path, &tenant.organizer_a, outsider.clone())
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.admin, outsider).await.expect(201);
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.admin)
        .await
        .expect(200);
    let guest = sheet
        .items()
        .iter()
        .find(|line| line["member_id"] == tenant.member_b_id)
        .unwrap();
    assert_eq!(
        (&guest["expected"], &guest["reason"]),
        (&json!(false), &json!("列席"))
    );
    t.post(
        &path,
        &tenant.member_a,
        json!({ "member_id": tenant.member_b_id, "reason": "x", "client_event_id": new_uuid() }),
    )
    .await
    .refused(403, "forbidden");
}

#[actix_web::test]
async fn what_was_scanned_offline_is_uploaded_later_and_reviewed() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let strict = t
        .open_event(
            &tenant.organizer_a,
            &tenant.branch_a,
            json!({ "offline_allowed": false }),
        )
        .await;
    let scanned = t.with_code(&t.code(&tenant.organizer_a, &event).await);
    let not_here = t.with_code(&t.code(&tenant.organizer_a, &strict).await);
    let broken = t.with_code("nonsense");
    t.advance_s(40_000);
    let items = json!({ "items": [scanned, not_here, broken, scanned] });
    let reply = t
        .post("/check-ins/batch", &tenant.member_a, items)
        .await
        .expect(200);
    let outcomes: Vec<_> = reply
        .items()
        .iter()
        .map(|i| (i["outcome"].as_str().unwrap(), i["code"].as_str().unwrap_or("")))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("review", ""),
            ("rejected", "offline_not_allowed"),
            ("rejected", "invalid_code"),
            ("duplicate", "")
        ]
    );

    let quorum = |token: String| {
        let t = &t;
        let path = format!("/events/{event}/quorum");
        async move { t.get(&path, &token).await.expect(200).json }
    };
    assert_eq!(quorum(tenant.organizer_a.clone()).await["present"], 0);
    let id = reply.items()[0]["check_in"]["id"].as_str().unwrap().to_owned();
    t.act(&format!("/check-ins/{id}/accept"), &tenant.organizer_a)
        .await
        .expect(200);
    t.act(&format!("/check-ins/{id}/accept"), &tenant.organizer_a)
        .await
        .refused(409, "not_in_review");
    let counted = quorum(tenant.organizer_a.clone()).await;
    assert_eq!(
        (
            &counted["present"],
            &counted["may_vote"],
            &counted["forms"][0]["missing"]
        ),
        (&json!(1), &json!(3), &json!(1))
    );
    assert_eq!(counted["forms"][0]["reached"], false);

    t.advance_s(3 * 86_400);
    let mut odd = t.with_code(scanned["code"].as_str().unwrap());
    odd["surprise"] = json!(1);
    let stale = json!({ "items": [t.with_code(scanned["code"].as_str().unwrap()), odd, 7, scanned] });
    let reply = t
        .post("/check-ins/batch", &tenant.secretary_a, stale)
        .await
        .expect(200);
    assert_eq!(reply.items()[0]["code"], "expired_code");
    // An item of another make of phone is refused by itself, with what is wrong, and keeps nobody else out.
    let wrong = &reply.items()[1];
    assert_eq!(
        (&wrong["code"], &wrong["client_event_id"]),
        (&json!("invalid_fields"), &odd["client_event_id"])
    );
    assert_eq!(wrong["errors"][0]["field"], "/surprise");
    assert_eq!(
        (&reply.items()[2]["code"], &reply.items()[2]["client_event_id"]),
        (&json!("invalid_fields"), &json!(null))
    );
    assert_eq!(reply.items()[3]["code"], "expired_code");
    t.post("/check-ins/batch", &tenant.secretary_a, json!({ "items": [] }))
        .await
        .refused(422, "invalid_fields");
}

#[actix_web::test]
async fn what_was_scanned_offline_counts_for_the_day_of_the_code_whatever_the_phones_clock_says() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let seen_at = t.now();
    let mut scanned = t.with_code(&t.code(&tenant.admin, &event).await);
    // Its battery was empty for a while.
    scanned["occurred_at"] = json!("1970-01-01T00:00:07Z");
    t.advance_s(86_400);
    let kept = t
        .post(
            "/check-ins/batch",
            &tenant.member_a,
            json!({ "items": [scanned] }),
        )
        .await
        .expect(200);
    let kept = &kept.items()[0];
    assert_eq!(kept["outcome"], "review");
    let occurred_at: Instant = kept["check_in"]["occurred_at"].as_str().unwrap().parse().unwrap();
    assert!(
        seen_at.minus(occurred_at).num_seconds().abs() < 120,
        "{occurred_at}"
    );
    let id = kept["check_in"]["id"].as_str().unwrap();
    t.act(&format!("/check-ins/{id}/accept"), &tenant.organizer_a)
        .await
        .expect(200);
    let points = t.get("/me/points", &tenant.member_a).await.expect(200);
    assert_eq!(points.items()[0]["day"], "2026-11-24");
}

#[actix_web::test]
async fn an_annulled_check_in_stays_on_record_and_the_person_may_come_again() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let body = t.with_code(&t.code(&tenant.organizer_a, &event).await);
    let first = t
        .post("/check-ins", &tenant.member_a, body.clone())
        .await
        .expect(201);
    let path = format!("/check-ins/{}/annul", first.id());
    t.post(&path, &tenant.member_a, json!({ "reason": "x" }))
        .await
        .refused(403, "forbidden");
    t.post(&path, &tenant.secretary_b, json!({ "reason": "x" }))
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .expect(200);
    t.post(&path, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .refused(409, "already_annulled");
    assert_eq!(
        t.get(&format!("/events/{event}/quorum"), &tenant.organizer_a)
            .await
            .json["present"],
        0
    );
    // The repeat of what was annulled is still the same answer; a new scan is a new check-in.
    assert_eq!(
        t.post("/check-ins", &tenant.member_a, body)
            .await
            .expect(200)
            .id(),
        first.id()
    );
    let fresh = t.with_code(&t.code(&tenant.organizer_a, &event).await);
    assert_ne!(
        t.post("/check-ins", &tenant.member_a, fresh)
            .await
            .expect(201)
            .id(),
        first.id()
    );
}

#[actix_web::test]
async fn leave_is_asked_before_the_event_and_decided_by_the_organiser() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/leave-requests");
    let ask = json!({ "reason": "出差" });
    let leave = t.post(&path, &tenant.member_a, ask.clone()).await.expect(201);
    t.post(&path, &tenant.member_a, ask.clone())
        .await
        .refused(409, "leave_already_requested");
    t.post(&path, &tenant.member_b, ask.clone())
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.admin, ask.clone())
        .await
        .refused(403, "not_expected");
    let approve = format!("/leave-requests/{}/approve", leave.id());
    t.post(&approve, &tenant.member_a, json!({}))
        .await
        .refused(403, "forbidden");
    t.post(&approve, &tenant.organizer_a, json!({ "note": "同意" }))
        .await
        .expect(200);
    t.post(&approve, &tenant.organizer_a, json!({}))
        .await
        .refused(409, "leave_already_decided");
    assert_eq!(
        t.get(&path, &tenant.organizer_a).await.expect(200).items()[0]["status"],
        "approved"
    );
    let code = t.code(&tenant.organizer_a, &event).await;
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .refused(409, "on_leave");
    let quorum = t
        .get(&format!("/events/{event}/quorum"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(quorum.json["may_vote"], 3);
    // Decided the other way, asked again, approved after all, and taken back by the member, who comes.
    let reject = format!("/leave-requests/{}/reject", leave.id());
    t.post(&reject, &tenant.organizer_a, json!({})).await.expect(200);
    let again = t
        .post(&path, &tenant.member_a, ask.clone())
        .await
        .expect(201)
        .id();
    t.post(&approve, &tenant.organizer_a, json!({}))
        .await
        .refused(409, "leave_already_requested");
    let of_again = |what: &str| format!("/leave-requests/{again}/{what}");
    t.post(&of_again("approve"), &tenant.organizer_a, json!({}))
        .await
        .expect(200);
    t.act(&of_again("withdraw"), &tenant.secretary_a)
        .await
        .refused(403, "forbidden");
    let withdrawn = t.act(&of_again("withdraw"), &tenant.member_a).await.expect(200);
    assert_eq!(withdrawn.text("/status"), "withdrawn");
    t.act(&of_again("withdraw"), &tenant.member_a)
        .await
        .refused(409, "leave_already_decided");
    let came = t
        .post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    let refused = t.post(&path, &tenant.member_a, ask.clone()).await;
    assert_eq!(refused.json["check_in"]["id"], came.json["id"]);
    refused.refused(409, "already_checked_in");
    t.advance_s(601);
    t.post(&path, &tenant.secretary_a, ask)
        .await
        .refused(409, "leave_too_late");
    t.act(&format!("/events/{event}/close"), &tenant.organizer_a)
        .await
        .expect(200);
    for (decide, token) in [
        (approve, &tenant.organizer_a),
        (of_again("withdraw"), &tenant.member_a),
    ] {
        t.act(&decide, token).await.refused(409, "event_over");
    }
}

#[actix_web::test]
async fn a_place_can_be_asked_for_and_is_not_kept() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let fence = json!({ "geofence": { "latitude": 31.23, "longitude": 121.47, "radius_m": 100 } });
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, fence).await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let at = |latitude: f64| {
        let mut body = t.with_code(&code);
        body["location"] = json!({ "latitude": latitude, "longitude": 121.47, "accuracy_m": 20.0 });
        body
    };
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .refused(422, "location_required");
    t.post("/check-ins", &tenant.member_a, at(31.25))
        .await
        .refused(403, "outside_area");
    t.post("/check-ins", &tenant.member_a, at(31.2305))
        .await
        .expect(201);
}

#[actix_web::test]
async fn one_client_event_id_is_one_check_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (one, two) = (
        t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await,
        t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await,
    );
    let mut body = t.with_code(&t.code(&tenant.admin, &one).await);
    t.post("/check-ins", &tenant.member_a, body.clone())
        .await
        .expect(201);
    body["code"] = json!(t.code(&tenant.admin, &two).await);
    t.post("/check-ins", &tenant.member_a, body.clone())
        .await
        .refused(422, "client_event_id_reused");
    // Not even when the other event's code has expired: it is another event's still.
    t.advance_s(120);
    t.post("/check-ins", &tenant.member_a, body)
        .await
        .refused(422, "client_event_id_reused");
}

#[actix_web::test]
async fn the_live_screen_tells_counts_and_names_and_resumes() {
    use futures_util::StreamExt;
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let path = format!("/events/{event}/live");
    t.get(&path, &tenant.member_a).await.refused(403, "forbidden");
    let code = t.code(&tenant.organizer_a, &event).await;
    let first = t
        .post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    let (replica, stop) = t.replica().await;
    let mut screen = t
        .http
        .get(format!("{replica}/api/v1{path}"))
        .bearer_auth(&tenant.organizer_a)
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let mut text = String::new();
    let mut read_until = async |wanted: &str| {
        while !text.contains(wanted) {
            text.push_str(std::str::from_utf8(&screen.next().await.unwrap().unwrap()).unwrap());
        }
        text.clone()
    };
    assert!(read_until("id: 1\n").await.contains("甲成員"));
    t.post("/check-ins", &tenant.secretary_a, t.with_code(&code))
        .await
        .expect(201);
    read_until("id: 2\n").await;
    let resumed = t
        .request(reqwest::Method::GET, &path, &tenant.organizer_a)
        .header("last-event-id", "1")
        .send()
        .await
        .unwrap();
    let mut resumed = resumed.bytes_stream();
    let mut text = String::new();
    while !text.contains("id: 2\n") || !text.ends_with("\n\n") {
        text.push_str(std::str::from_utf8(&resumed.next().await.unwrap().unwrap()).unwrap());
    }
    // The whole state, whatever was seen before: a name that was taken back in between is not there.
    assert!(text.contains("甲書記") && text.contains("甲成員"), "{text}");
    let annul = format!("/check-ins/{}/annul", first.id());
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .expect(200);
    let mut text = String::new();
    while !text.contains("id: 3\n") || !text.ends_with("\n\n") {
        text.push_str(std::str::from_utf8(&resumed.next().await.unwrap().unwrap()).unwrap());
    }
    let last = text.rsplit("id: 3\n").next().unwrap();
    assert!(last.contains("甲書記") && !last.contains("甲成員"), "{text}");
    assert!(
        last.contains("\"present\":1") && last.contains("\"expected\":3"),
        "{text}"
    );
    stop.stop(false).await;
}

#[actix_web::test]
async fn a_screen_shows_who_is_expected_before_check_in_opens() {
    use futures_util::StreamExt;
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(
            &tenant.organizer_a,
            &tenant.branch_a,
            json!({ "starts_at": t.in_s(86_400), "ends_at": t.in_s(90_000) }),
        )
        .await;
    let path = format!("/events/{event}/live");
    let request = t.request(reqwest::Method::GET, &path, &tenant.organizer_a);
    let mut screen = request.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains("data: ") || !text.ends_with("\n\n") {
        text.push_str(std::str::from_utf8(&screen.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(
        text.contains("id: 0\n") && text.contains("\"expected\":3"),
        "{text}"
    );
}

/// What a screen is sent until its stream ends.
async fn read_to_end(
    stream: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
) -> String {
    use futures_util::StreamExt;
    let mut text = String::new();
    while let Some(Ok(chunk)) = stream.next().await {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[actix_web::test]
async fn a_screen_goes_dark_with_the_session_and_with_the_right_to_see() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let watch = |token: &str| {
        let request = t.request(reqwest::Method::GET, &format!("/events/{event}/live"), token);
        async move { request.send().await.unwrap().bytes_stream() }
    };
    let mut signed_out = watch(&tenant.secretary_a).await;
    t.act("/auth/logout", &tenant.secretary_a).await.expect(204);
    let text = read_to_end(&mut signed_out).await;
    assert!(!text.contains("甲成員"), "{text}");

    let mut removed = watch(&tenant.organizer_a).await;
    let roles = t
        .get(
            &format!("/organizations/{}/roles", tenant.branch_a),
            &tenant.admin,
        )
        .await
        .expect(200);
    let grant = roles
        .items()
        .iter()
        .find(|role| role["role"] == "organizer")
        .unwrap();
    let path = format!(
        "/organizations/{}/roles/{}",
        tenant.branch_a,
        grant["id"].as_str().unwrap()
    );
    t.delete(&path, &tenant.admin).await.expect(204);
    // What is sent later than a second after the last 'may they watch?' is asked for again: so the stream ends while
    // people come and go.
    let code = t.code(&tenant.admin, &event).await;
    let watching = read_to_end(&mut removed);
    tokio::pin!(watching);
    loop {
        let come_and_go = async {
            let arrived = t
                .post("/check-ins", &tenant.member_a, t.with_code(&code))
                .await
                .expect(201);
            let annul = format!("/check-ins/{}/annul", arrived.id());
            t.post(&annul, &tenant.admin, json!({ "reason": "測試" }))
                .await
                .expect(200);
        };
        tokio::select! {
            _ = &mut watching => break,
            () = come_and_go => {}
        }
    }
}
