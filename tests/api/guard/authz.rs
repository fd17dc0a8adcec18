//! Every operation without a token is 401; every operation that names another tenant's thing, in its path, its query or
//! its body, is 404. The exceptions are listed here, each with its reason, so that adding one is a decision.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::openapi::operations;
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// Operations that take no token.
pub const OPEN: [&str; 10] = [
    "login",
    "refresh_session",
    "activate_account",
    // The code itself is the right to ask.
    "create_check_in_proof",
    "enrol_device",
    // Guests have no account: a public address, a code or a pass is the right.
    "find_guest_invitation",
    "create_own_guest",
    "cancel_own_guest",
    "check_in_as_guest",
    // The ticket in its address is the right to read.
    "find_media_content",
];

#[actix_web::test]
async fn without_a_token_everything_is_401() {
    let t = TestApp::start().await;
    for (path, method, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        let reply = send(&t, &method, &fill(&path, &BTreeMap::new()), "", &json!({})).await;
        if OPEN.contains(&name) {
            assert_ne!(reply.json["code"], "unauthorized", "{name}");
        } else {
            assert_eq!(reply.status, 401, "{name}: {}", reply.json);
            assert_eq!(reply.json["code"], "unauthorized", "{name}");
        }
        let forged = send(
            &t,
            &method,
            &fill(&path, &BTreeMap::new()),
            "not.a.token",
            &json!({}),
        )
        .await;
        assert!(OPEN.contains(&name) || forged.status == 401, "{name}");
    }
}

async fn send(t: &TestApp, method: &str, path: &str, token: &str, body: &Value) -> Reply {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
    let request = t.request(method.clone(), path.strip_prefix("/api/v1").unwrap(), token);
    let request = if method == Method::GET || method == Method::DELETE {
        request
    } else {
        request.json(body)
    };
    Reply::of(request.header("if-match", "*")).await
}

/// Puts ids into `{…}`: those given for the resource before it, else one that exists nowhere.
pub fn fill(path: &str, ids: &BTreeMap<&str, String>) -> String {
    let mut filled = Vec::new();
    let mut before = "";
    for part in path.split('/') {
        let piece = if let Some((_, rest)) = part.split_once('}') {
            format!("{}{rest}", ids.get(before).cloned().unwrap_or_else(new_uuid))
        } else {
            part.to_owned()
        };
        before = part;
        filled.push(piece);
    }
    filled.join("/")
}

/// A body that passes the operation's own checks, so that what is refused is the access.
pub fn body_of(name: &str, tenant: &Tenant) -> Value {
    let client_event_id = new_uuid();
    match name {
        "create_device" => json!({ "name": "x", "purposes": ["screen"] }),
        "move_organization" => json!({ "parent_id": tenant.root }),
        "grant_role" => json!({ "member_id": tenant.member_a_id, "role": "admin" }),
        "transfer_member" => json!({ "organization_id": tenant.root, "reason": "x" }),
        "check_in_member" => {
            json!({ "member_id": tenant.member_a_id, "reason": "x", "client_event_id": client_event_id })
        }
        "update_organization"
        | "update_event"
        | "update_member"
        | "archive_organization"
        | "publish_event"
        | "publish_lesson"
        | "publish_series"
        | "update_series"
        | "submit_lesson"
        | "accept_study_review"
        | "update_lesson"
        | "close_event"
        | "accept_check_in"
        | "reactivate_member" => json!({}),
        "approve_leave" | "reject_leave" => json!({}),
        "publish_study_plan" | "update_study_plan" => json!({}),
        "update_budget" | "update_event_budget" => json!({ "lines": [] }),
        "create_expense" => {
            json!({ "category": "venue", "amount_cents": 1, "spent_on": "2026-11-20", "payee": "x" })
        }
        "create_reflection" => json!({ "text": "x", "visibility": "event" }),
        "update_reflection" => json!({}),
        "create_material" => json!({ "title": "x", "media_id": client_event_id }),
        "excuse_member" => json!({ "member_id": tenant.member_a_id, "reason": "x" }),
        "unexcuse_member" => json!({ "member_id": tenant.member_a_id }),
        "update_sign_up_policy" => json!({ "capacity": 1 }),
        "create_sign_up" => json!({ "client_event_id": client_event_id }),
        "create_group_sign_up" => json!({ "member_ids": [tenant.member_a_id], "all_or_none": true }),
        "move_sign_up" => json!({ "session_id": client_event_id }),
        "accept_sign_up" | "decline_sign_up" => json!({}),
        "create_event_template" | "update_event_template" => crate::event_templates::monthly(),
        "skip_event_template_day" => json!({ "day": "2027-01-01", "reason": "x" }),
        "end_event_template" => json!({}),
        "clone_event" => json!({ "starts_at": "2027-01-01T00:00:00Z" }),
        "create_guest" => crate::guests::person("王小明", "13812345678"),
        "create_own_guest" => crate::guests::own("王小明", "13812345678"),
        "create_guest_link" => json!({ "places": 3, "expires_at": "2026-11-24T01:31:00Z" }),
        "revoke_guest_link" | "check_in_guest" => json!({}),
        "create_webhook" | "update_webhook" => json!({ "url": "https://example.org/hook" }),
        "ping_webhook" | "rotate_webhook_secret" | "redeliver_webhook_delivery" => json!({}),
        "confirm_service_hours" => json!({ "all": true }),
        "update_checkpoints" => json!({ "checkpoints": [] }),
        "update_point_rule" => {
            json!({ "from_day": "2027-01-01", "scheme": { "amount": 1, "per_minutes": null } })
        }
        "simulate_points" => crate::points::trial(),
        "update_leaderboard_wishes" => json!({ "hides_name": true }),
        "propose_points" => json!({ "points": 1, "reason": "x" }),
        "update_make_up" => json!({ "lesson_id": null }),
        "return_lesson" => json!({ "note": "x" }),
        "update_quiz" => quiz_body(),
        "start_quiz_attempt" => json!({}),
        "hand_in_quiz_attempt" => json!({ "answers": [], "occurred_at": "2026-11-24T01:00:00Z" }),
        "update_progress" => {
            json!({ "session_id": client_event_id, "played": [[0, 1]], "occurred_at": "2026-11-24T01:00:00Z" })
        }
        _ => json!({ "reason": "x" }),
    }
}

fn quiz_body() -> Value {
    json!({ "questions": [{ "kind": "true_false", "text": "x", "options": ["a", "b"], "answer": [0] }] })
}

#[actix_web::test]
async fn another_tenants_and_a_sibling_branchs_things_do_not_exist() {
    let t = TestApp::start().await;
    let (mine, theirs) = (t.tenant().await, t.tenant().await);
    let event = t.open_event(&theirs.admin, &theirs.branch_a, json!({})).await;
    let code = t.code(&theirs.admin, &event).await;
    let check_in = t
        .post("/check-ins", &theirs.member_a, t.with_code(&code))
        .await
        .expect(201)
        .id();
    let leave = format!("/events/{event}/leave-requests");
    let leave = t
        .post(&leave, &theirs.secretary_a, json!({ "reason": "x" }))
        .await
        .expect(201)
        .id();
    let lesson = json!({ "organization_id": theirs.branch_a, "kind": "article", "title": "x", "body": "x" });
    let lesson = t.post("/lessons", &theirs.admin, lesson).await.expect(201).id();
    for what in ["submit", "publish"] {
        t.act(&format!("/lessons/{lesson}/{what}"), &theirs.admin)
            .await
            .expect(200);
    }
    let ahead = json!({ "session_id": new_uuid(), "sections": [0], "occurred_at": t.in_s(86_400) });
    t.put(&format!("/lessons/{lesson}/progress"), &theirs.member_a, ahead)
        .await
        .expect(200);
    let quiz = format!("/lessons/{lesson}/quiz");
    let written = t.request(Method::PUT, &quiz, &theirs.admin).json(&quiz_body());
    Reply::of(written.header("if-match", "*")).await.expect(201);
    let attempt = t.act(&format!("{quiz}/attempts"), &theirs.member_a).await;
    let attempt = attempt.expect(201).id();
    let reviews = t.get("/study-reviews", &theirs.secretary_a).await.expect(200);
    let review = reviews.text("/items/0/id");
    let series =
        json!({ "organization_id": theirs.branch_a, "title": "x", "lessons": [{ "lesson_id": lesson }] });
    let series = t.post("/series", &theirs.admin, series).await.expect(201).id();
    t.act(&format!("/series/{series}/publish"), &theirs.admin)
        .await
        .expect(200);
    let plan = json!({
        "organization_id": theirs.branch_a, "title": "x", "lesson_ids": [lesson], "due_on": "2199-12-31",
    });
    let plan = t.post("/study-plans", &theirs.admin, plan).await.expect(201).id();
    t.act(&format!("/study-plans/{plan}/publish"), &theirs.admin)
        .await
        .expect(200);
    let file = t
        .upload(
            &theirs.secretary_a,
            &theirs.branch_a,
            &crate::media::data("poster.jpg"),
        )
        .await
        .id();
    let templates = format!("/organizations/{}/event-templates", theirs.branch_a);
    let template = t
        .post(&templates, &theirs.admin, crate::event_templates::monthly())
        .await;
    let guest = crate::guests::person("王小明", "13812345678");
    let guest = t
        .post(&format!("/events/{event}/guests"), &theirs.admin, guest)
        .await;
    let link = json!({ "places": 3, "expires_at": t.in_s(600) });
    let link = t
        .post(&format!("/events/{event}/guest-links"), &theirs.admin, link)
        .await;
    let webhooks = format!("/organizations/{}/webhooks", theirs.branch_a);
    let webhook = json!({ "url": "https://example.org/hook" });
    let webhook = t.post(&webhooks, &theirs.admin, webhook).await.expect(201).id();
    let ping = t.act(&format!("/webhooks/{webhook}/ping"), &theirs.admin).await;
    let day = crate::sign_ups::branch_day(&t, &theirs).await;
    let sign_up = crate::sign_ups::sign_up(&t, &theirs.member_a, &day).await;
    let expense = crate::costs::spend(&t, &theirs.secretary_a, &event, json!({})).await;
    let (outing, [bus, ..]) = crate::checkpoints::day_out(&t, &theirs, json!({})).await;
    let passed = crate::checkpoints::pass(&t, &theirs, &outing, &bus, &theirs.member_a).await;
    let hours = crate::volunteering::confirmed(&t, &theirs).await;
    let begun = crate::sharing::begun_event(&t, &theirs, json!({})).await;
    let reflection = crate::sharing::share(&t, &theirs.member_a, &begun, "branch").await;
    let reflection = reflection.expect(201).id();
    crate::sharing::decide(&t, &theirs.admin, &reflection, "approve")
        .await
        .expect(200);
    let award = crate::points::proposed(&t, &theirs).await;
    let material = json!({ "title": "x", "media_id": file });
    let material = t
        .post(&format!("/events/{event}/materials"), &theirs.admin, material)
        .await;
    let ids = BTreeMap::from([
        ("event-templates", template.expect(201).id()),
        ("guests", guest.expect(201).id()),
        ("guest-links", link.expect(201).id()),
        ("webhooks", webhook),
        ("webhook-deliveries", ping.expect(201).id()),
        ("expenses", expense.expect(201).id()),
        ("budgets", "2026".to_owned()),
        ("point-awards", award),
        ("point-rules", "check_in_late".to_owned()),
        ("service-hours", hours),
        ("checkpoint-passages", passed.expect(201).text("/passage/id")),
        ("sign-ups", sign_up.expect(201).id()),
        ("reflections", reflection),
        ("pictures", "1".to_owned()),
        ("materials", material.expect(201).id()),
        ("study-reviews", review),
        ("quiz-attempts", attempt),
        ("study-plans", plan),
        ("uploads", file.clone()),
        ("media", file),
        ("organizations", theirs.branch_a.clone()),
        ("events", event),
        ("members", theirs.member_a_id.clone()),
        ("check-ins", check_in),
        ("leave-requests", leave),
        ("lessons", lesson),
        ("series", series),
    ]);
    let mut tried = 0;
    for (path, method, operation) in operations().into_iter().filter(|(path, ..)| path.contains('{')) {
        let name = operation["operationId"].as_str().unwrap();
        let body = operation.get("requestBody").map(|_| body_of(name, &mine));
        // Another tenant's people, and a sibling branch's of the same tree.
        for token in [&mine.admin, &mine.member_a, &theirs.secretary_b, &theirs.member_b] {
            let path = fill(&path, &ids);
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = t.request(method, path.strip_prefix("/api/v1").unwrap(), token);
            let mut request = request.header("if-match", "*");
            if let Some(body) = &body {
                request = request.json(body);
            }
            let reply = Reply::of(request).await;
            assert_eq!(reply.status, 404, "{name}: {}", reply.json);
            assert_eq!(reply.json["code"], "not_found", "{name}");
            tried += 1;
        }
    }
    assert!(tried >= 80, "only {tried} tried");
}

/// Operations that name things in their query or body rather than in their path.
fn naming_elsewhere(
    theirs: &Tenant,
    mine: &Tenant,
    event: &str,
    t: &TestApp,
) -> Vec<(&'static str, String, Value)> {
    let (organization, member) = (&theirs.branch_a, &theirs.member_a_id);
    let times = json!({ "starts_at": t.in_s(900), "ends_at": t.in_s(1_900) });
    let called = |organization: &str, expected: Value| {
        let mut body = json!({ "organization_id": organization, "title": "x", "forms": ["lecture"], "expected": expected });
        body.as_object_mut()
            .unwrap()
            .extend(times.as_object().unwrap().clone());
        body
    };
    let own = &mine.branch_a;
    let people = crate::support::member_body(organization, "某人", &format!("x-{}", mine.mark));
    let get = |path: &str| {
        (
            "GET",
            format!("{path}?organization_id={organization}"),
            Value::Null,
        )
    };
    let post = |path: &str, body: Value| ("POST", path.to_owned(), body);
    vec![
        get("/events"),
        get("/members"),
        get("/audit-log"),
        get("/lessons"),
        get("/series"),
        post(
            "/series",
            json!({ "organization_id": organization, "title": "x" }),
        ),
        get("/media"),
        post("/members", people),
        post(
            "/organizations",
            json!({ "name": "x", "kind": "group", "parent_id": organization }),
        ),
        post("/events", called(organization, json!({}))),
        post(
            "/events",
            called(own, json!({ "organization_ids": [organization] })),
        ),
        post("/events", called(own, json!({ "member_ids": [member] }))),
        post(
            &format!("/organizations/{own}/roles"),
            json!({ "member_id": member, "role": "organizer" }),
        ),
        post(
            &format!("/organizations/{own}/move"),
            json!({ "parent_id": organization }),
        ),
        post(
            &format!("/members/{}/transfers", mine.member_a_id),
            json!({ "organization_id": organization, "reason": "x" }),
        ),
        post(
            &format!("/events/{event}/check-ins"),
            json!({ "member_id": member, "reason": "x", "client_event_id": new_uuid() }),
        ),
    ]
}

#[actix_web::test]
async fn another_tenants_things_do_not_exist_in_queries_and_bodies_either() {
    let t = TestApp::start().await;
    let (mine, theirs) = (t.tenant().await, t.tenant().await);
    let event = t.open_event(&mine.admin, &mine.branch_a, json!({})).await;
    // And the same with what exists nowhere: nobody can tell the two apart.
    let nowhere = Tenant {
        branch_a: new_uuid(),
        member_a_id: new_uuid(),
        ..theirs.clone()
    };
    let named = |tenant: &Tenant| naming_elsewhere(tenant, &mine, &event, &t);
    for (method, path, body) in named(&theirs).into_iter().chain(named(&nowhere)) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = t.request(method.clone(), &path, &mine.admin);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let reply = Reply::of(request.header("if-match", "*")).await;
        let answer = (reply.status, &reply.json["code"]);
        assert_eq!(
            answer,
            (404, &json!("not_found")),
            "{method} {path}: {}",
            reply.json
        );
    }
}
