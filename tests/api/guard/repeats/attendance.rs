//! Check-ins, points of an event, leave, and service hours.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Case, act, cases, hold, post};
use crate::checkpoints::{day_out, pass};
use crate::support::{Reply, Tenant, TestApp, new_uuid};
use crate::volunteering::{confirmed, served};

pub const CASES: &[Case] = cases![
    verify_code => Natural(&[]),
    create_check_in_proof => Natural(&[]),
    check_in => ClientEventId,
    check_in_member => ClientEventId,
    check_in_batch => Merged,
    annul_check_in => Key,
    update_checkpoints => Natural(&[412]),
    annul_passage => Key,
    exit_all => Key,
    request_leave => Key,
    approve_leave => Key,
    reject_leave => Key,
    withdraw_leave => Key,
    confirm_service_hours => Key,
    annul_service_hours => Key,
    accept_check_in => Key,
];

#[actix_web::test]
async fn who_comes_is_counted_once() {
    hold(CASES).await;
}

async fn meeting(t: &TestApp, tenant: &Tenant) -> String {
    t.open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await
}

async fn code(t: &TestApp, tenant: &Tenant) -> String {
    let event = meeting(t, tenant).await;
    t.code(&tenant.organizer_a, &event).await
}

async fn verify_code(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let code = code(t, tenant).await;
    post(
        t,
        "/check-in-codes/verify",
        &tenant.member_a,
        json!({ "code": code }),
    )
}

async fn create_check_in_proof(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let code = code(t, tenant).await;
    post(
        t,
        "/check-in-proofs",
        "",
        json!({ "code": code, "device_id": new_uuid() }),
    )
}

async fn check_in(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let code = code(t, tenant).await;
    post(t, "/check-ins", &tenant.member_a, t.with_code(&code))
}

async fn check_in_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = meeting(t, tenant).await;
    let body =
        json!({ "member_id": tenant.member_a_id, "reason": "手機沒電", "client_event_id": new_uuid() });
    post(
        t,
        &format!("/events/{event}/check-ins"),
        &tenant.organizer_a,
        body,
    )
}

async fn check_in_batch(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let items = [code(t, tenant).await, code(t, tenant).await].map(|code| t.with_code(&code));
    post(t, "/check-ins/batch", &tenant.member_a, json!({ "items": items }))
}

async fn annul_check_in(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let code = code(t, tenant).await;
    let came = t.post("/check-ins", &tenant.member_a, t.with_code(&code)).await;
    let path = format!("/check-ins/{}/annul", came.expect(201).id());
    post(t, &path, &tenant.organizer_a, json!({ "reason": "代簽" }))
}

/// Of the version that was read: points without ids are new ones each time they are written on whatever is there.
async fn update_checkpoints(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = meeting(t, tenant).await;
    let points = json!({ "checkpoints": [{ "name": "簽到", "kind": "check_in" }, { "name": "簽退", "kind": "check_out" }] });
    let request = t.request(
        Method::PUT,
        &format!("/events/{event}/checkpoints"),
        &tenant.organizer_a,
    );
    request.json(&points).header("if-match", "\"0\"")
}

async fn annul_passage(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (event, [bus, ..]) = day_out(t, tenant, json!({})).await;
    let passed = pass(t, tenant, &event, &bus, &tenant.member_a).await;
    let path = format!(
        "/checkpoint-passages/{}/annul",
        passed.expect(201).text("/passage/id")
    );
    post(t, &path, &tenant.organizer_a, json!({ "reason": "誤掃" }))
}

async fn exit_all(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (event, [bus, ..]) = day_out(t, tenant, json!({})).await;
    for token in [&tenant.member_a, &tenant.secretary_a] {
        pass(t, tenant, &event, &bus, token).await.expect(201);
    }
    act(t, &format!("/events/{event}/exit-all"), &tenant.organizer_a)
}

async fn request_leave(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = meeting(t, tenant).await;
    let path = format!("/events/{event}/leave-requests");
    post(t, &path, &tenant.member_a, json!({ "reason": "出差" }))
}

/// Its path.
async fn leave(t: &TestApp, tenant: &Tenant) -> String {
    let asked = Reply::of(request_leave(t, tenant).await).await;
    format!("/leave-requests/{}", asked.expect(201).id())
}

async fn approve_leave(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let leave = leave(t, tenant).await;
    post(t, &format!("{leave}/approve"), &tenant.organizer_a, json!({}))
}

async fn reject_leave(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let leave = leave(t, tenant).await;
    post(t, &format!("{leave}/reject"), &tenant.organizer_a, json!({}))
}

async fn withdraw_leave(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let leave = leave(t, tenant).await;
    act(t, &format!("{leave}/withdraw"), &tenant.member_a)
}

async fn confirm_service_hours(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = served(t, tenant, 1).await;
    let path = format!("/events/{event}/service-hours/confirm");
    post(t, &path, &tenant.organizer_a, json!({ "all": true }))
}

async fn annul_service_hours(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let hours = confirmed(t, tenant).await;
    let path = format!("/service-hours/{hours}/annul");
    post(t, &path, &tenant.organizer_a, json!({ "reason": "登記有誤" }))
}

/// Of a phone that was offline: the clock goes on by hours, so it is the last.
async fn accept_check_in(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let scanned = t.with_code(&code(t, tenant).await);
    t.advance_s(40_000);
    let items = json!({ "items": [scanned] });
    let uploaded = t.post("/check-ins/batch", &tenant.member_a, items).await;
    let id = uploaded.expect(200).text("/items/0/check_in/id");
    act(t, &format!("/check-ins/{id}/accept"), &tenant.organizer_a)
}
