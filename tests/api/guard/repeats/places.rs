//! Sign-ups.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Case, act, cases, hold, post};
use crate::sign_ups::{draft, sign_up, sign_up_with, theme_day};
use crate::support::{Tenant, TestApp, new_uuid};

pub const CASES: &[Case] = cases![
    update_sign_up_policy => Natural(&[412]),
    create_sign_up => ClientEventId,
    create_group_sign_up => Key,
    cancel_sign_up => Key,
    accept_sign_up => Key,
    decline_sign_up => Key,
    move_sign_up => Key,
];

#[actix_web::test]
async fn places_are_given_once() {
    hold(CASES).await;
}

/// Of the version that was read: sessions without ids are new ones each time they are written on whatever is there.
async fn update_sign_up_policy(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = draft(t, tenant).await;
    let path = format!("/events/{event}/sign-up-policy");
    let body = json!({ "sessions": [{ "name": "上午場", "capacity": 1 }, { "name": "下午場" }] });
    let request = t.request(Method::PUT, &path, &tenant.admin).json(&body);
    request.header("if-match", "\"0\"")
}

async fn create_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = theme_day(t, tenant, json!({ "capacity": 9 })).await;
    let body = json!({ "client_event_id": new_uuid() });
    post(t, &format!("/events/{event}/sign-ups"), &tenant.member_a, body)
}

async fn create_group_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = theme_day(t, tenant, json!({ "capacity": 9 })).await;
    let body = json!({ "member_ids": [tenant.member_a_id, tenant.member_b_id], "all_or_none": true });
    post(t, &format!("/events/{event}/sign-ups/group"), &tenant.admin, body)
}

/// The only place is member A's, and member B waits, who is offered it when it becomes free: the paths of both sign-ups.
async fn one_place(t: &TestApp, tenant: &Tenant) -> [String; 2] {
    let event = theme_day(t, tenant, json!({ "capacity": 1, "offer_s": 3_600 })).await;
    let first = sign_up(t, &tenant.member_a, &event).await.expect(201).id();
    let second = sign_up(t, &tenant.member_b, &event).await.expect(201).id();
    [first, second].map(|id| format!("/sign-ups/{id}"))
}

async fn cancel_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let [first, _] = one_place(t, tenant).await;
    post(t, &format!("{first}/cancel"), &tenant.member_a, json!({}))
}

/// What member B is offered: its path.
async fn offered(t: &TestApp, tenant: &Tenant) -> String {
    let [first, second] = one_place(t, tenant).await;
    let gone = t
        .post(&format!("{first}/cancel"), &tenant.member_a, json!({}))
        .await;
    gone.expect(200);
    second
}

async fn accept_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let offered = offered(t, tenant).await;
    act(t, &format!("{offered}/accept"), &tenant.member_b)
}

async fn decline_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let offered = offered(t, tenant).await;
    act(t, &format!("{offered}/decline"), &tenant.member_b)
}

async fn move_sign_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let sessions =
        json!({ "sessions": [{ "name": "上午場", "capacity": 1 }, { "name": "下午場", "capacity": 1 }] });
    let event = theme_day(t, tenant, sessions).await;
    let policy = t
        .get(&format!("/events/{event}/sign-up-policy"), &tenant.admin)
        .await;
    let session = |n: usize| policy.text(&format!("/sessions/{n}/id"));
    let morning = json!({ "session_id": session(0) });
    let first = sign_up_with(t, &tenant.member_a, &event, morning.clone()).await;
    sign_up_with(t, &tenant.member_b, &event, morning)
        .await
        .expect(201);
    let path = format!("/sign-ups/{}/move", first.expect(201).id());
    post(t, &path, &tenant.member_a, json!({ "session_id": session(1) }))
}
