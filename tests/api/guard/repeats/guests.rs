//! Guests, most of whom have no token.

use reqwest::RequestBuilder;
use serde_json::json;

use super::{Case, act, cases, delete, hold, post};
use crate::guests::{open_door, own, person};
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    create_guest => Key,
    delete_guest => Natural(&[]),
    check_in_guest => Key,
    create_guest_link => Anew(&["guest_links", "audit_log"], "an address that nobody has been told lets nobody in"),
    revoke_guest_link => Key,
    create_own_guest => ClientEventId,
    cancel_own_guest => Natural(&[]),
    check_in_as_guest => Natural(&[200]),
];

#[actix_web::test]
async fn guests_are_put_down_once() {
    hold(CASES).await;
}

async fn create_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}/guests");
    post(t, &path, &tenant.admin, person("王小明", "13812345678"))
}

/// Of a guest that an organiser has put down.
async fn path_of_guest(t: &TestApp, tenant: &Tenant) -> String {
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}/guests");
    let guest = t
        .post(&path, &tenant.admin, person("王小明", "13812345678"))
        .await;
    format!("/guests/{}", guest.expect(201).id())
}

async fn delete_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    delete(t, &path_of_guest(t, tenant).await, &tenant.admin)
}

async fn check_in_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let guest = path_of_guest(t, tenant).await;
    act(t, &format!("{guest}/check-in"), &tenant.admin)
}

async fn create_guest_link(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let link = json!({ "places": 3, "expires_at": t.in_s(600) });
    post(t, &format!("/events/{event}/guest-links"), &tenant.admin, link)
}

async fn revoke_guest_link(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (event, _) = open_door(t, tenant, 3).await;
    let links = t
        .get(&format!("/events/{event}/guest-links"), &tenant.admin)
        .await;
    let path = format!("/guest-links/{}/revoke", links.text("/items/0/id"));
    act(t, &path, &tenant.admin)
}

async fn create_own_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (_, invitation) = open_door(t, tenant, 3).await;
    let body = own("王小明", "13812345678");
    post(t, &format!("{invitation}/guests"), "", body)
}

/// An event, and the pass of a guest of it.
async fn with_pass(t: &TestApp, tenant: &Tenant) -> (String, String) {
    let (event, invitation) = open_door(t, tenant, 3).await;
    let body = own("王小明", "13812345678");
    let guest = t.post(&format!("{invitation}/guests"), "", body).await;
    (event, guest.expect(201).text("/pass"))
}

async fn cancel_own_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (_, pass) = with_pass(t, tenant).await;
    post(t, "/guest-cancellations", "", json!({ "pass": pass }))
}

async fn check_in_as_guest(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (event, pass) = with_pass(t, tenant).await;
    let code = t.code(&tenant.admin, &event).await;
    post(t, "/guest-check-ins", "", json!({ "code": code, "pass": pass }))
}
