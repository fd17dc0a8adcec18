//! Notices, webhooks, and the devices of a room.

use reqwest::RequestBuilder;
use serde_json::json;

use super::{Case, act, cases, delete, hold, post, put};
use crate::devices::make;
use crate::races::run;
use crate::sign_ups::{sign_up, theme_day};
use crate::study::id_sql;
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    mark_notices_read => Key,
    update_notice_settings => Natural(&[]),
    create_webhook => Key,
    update_webhook => Natural(&[]),
    delete_webhook => Natural(&[]),
    rotate_webhook_secret => Key,
    ping_webhook => Key,
    redeliver_webhook_delivery => Key,
    create_device => Anew(&["devices", "audit_log"], "a code that nobody has been told ends in ten minutes"),
    enrol_device => Natural(&[422]),
    revoke_device => Natural(&[404]),
];

#[actix_web::test]
async fn the_outside_is_told_once() {
    hold(CASES).await;
}

async fn mark_notices_read(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    for _ in 0..2 {
        let event = theme_day(t, tenant, json!({ "capacity": 9 })).await;
        sign_up(t, &tenant.member_a, &event).await.expect(201);
    }
    let told = t.get("/notices", &tenant.member_a).await.expect(200);
    let body = json!({ "up_to": told.text("/items/0/id") });
    post(t, "/notices/read", &tenant.member_a, body)
}

async fn update_notice_settings(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "muted": ["event_tomorrow"], "quiet_from": "21:00", "quiet_until": "07:00" });
    put(t, "/me/notice-settings", &tenant.member_a, body)
}

async fn create_webhook(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/webhooks", tenant.branch_a);
    post(
        t,
        &path,
        &tenant.admin,
        json!({ "url": "https://example.org/hook" }),
    )
}

/// Its path.
async fn webhook(t: &TestApp, tenant: &Tenant) -> String {
    let path = format!("/organizations/{}/webhooks", tenant.branch_a);
    let body = json!({ "url": "https://example.org/hook" });
    let made = t.post(&path, &tenant.admin, body).await.expect(201);
    format!("/webhooks/{}", made.id())
}

async fn update_webhook(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "url": "https://example.org/other", "kinds": ["event_cancelled"] });
    put(t, &webhook(t, tenant).await, &tenant.admin, body)
}

async fn delete_webhook(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    delete(t, &webhook(t, tenant).await, &tenant.admin)
}

async fn rotate_webhook_secret(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let webhook = webhook(t, tenant).await;
    act(t, &format!("{webhook}/rotate-secret"), &tenant.admin).header("if-match", "*")
}

async fn ping_webhook(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let webhook = webhook(t, tenant).await;
    act(t, &format!("{webhook}/ping"), &tenant.admin)
}

async fn redeliver_webhook_delivery(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let webhook = webhook(t, tenant).await;
    let ping = t.act(&format!("{webhook}/ping"), &tenant.admin).await;
    let id = ping.expect(201).id();
    let failed = format!(
        "UPDATE webhook_deliveries SET status = 'failed' WHERE id = {}",
        id_sql(t, &id)
    );
    run(&t.app.db, failed).await;
    act(t, &format!("/webhook-deliveries/{id}/redeliver"), &tenant.admin)
}

async fn create_device(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/devices", tenant.branch_a);
    post(
        t,
        &path,
        &tenant.organizer_a,
        json!({ "name": "投影", "purposes": ["screen"] }),
    )
}

/// Whoever loses the answer asks for a new device: the token is told once.
async fn enrol_device(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (_, code) = make(t, &tenant.organizer_a, &tenant.branch_a, &["screen"]).await;
    post(t, "/devices/enrolments", "", json!({ "code": code }))
}

async fn revoke_device(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let (id, _) = make(t, &tenant.organizer_a, &tenant.branch_a, &["screen"]).await;
    let path = format!("/organizations/{}/devices/{id}", tenant.branch_a);
    delete(t, &path, &tenant.organizer_a)
}
