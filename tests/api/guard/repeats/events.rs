//! Events, templates of events, and calendars.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Case, act, cases, delete, hold, patch, post, put};
use crate::event_templates::monthly;
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    create_event => Key,
    update_event => Natural(&[]),
    publish_event => Key,
    cancel_event => Key,
    close_event => Key,
    clone_event => Key,
    update_make_up => Natural(&[]),
    create_calendar_feed => Anew(&["calendar_feeds"], "the newest address is good, and the one before has ended"),
    delete_calendar_feed => Natural(&[]),
    create_event_template => Key,
    update_event_template => Natural(&[]),
    skip_event_template_day => Key,
    end_event_template => Key,
];

#[actix_web::test]
async fn events_happen_once() {
    hold(CASES).await;
}

fn meeting(t: &TestApp, tenant: &Tenant) -> Value {
    json!({
        "organization_id": tenant.branch_a, "title": "支部黨員大會", "forms": ["general_meeting"],
        "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000),
    })
}

/// Its path.
async fn draft(t: &TestApp, tenant: &Tenant) -> String {
    let made = t.post("/events", &tenant.admin, meeting(t, tenant)).await;
    format!("/events/{}", made.expect(201).id())
}

/// Its path.
async fn published(t: &TestApp, tenant: &Tenant) -> String {
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    format!("/events/{event}")
}

async fn create_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    post(t, "/events", &tenant.admin, meeting(t, tenant))
}

async fn update_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = published(t, tenant).await;
    patch(t, &event, &tenant.admin, json!({ "place": "四樓會議室" }))
}

async fn publish_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = draft(t, tenant).await;
    act(t, &format!("{event}/publish"), &tenant.admin)
}

async fn cancel_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = published(t, tenant).await;
    post(
        t,
        &format!("{event}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
}

async fn close_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = published(t, tenant).await;
    act(t, &format!("{event}/close"), &tenant.admin)
}

async fn clone_event(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = published(t, tenant).await;
    let body = json!({ "starts_at": t.in_s(9 * 86_400) });
    post(t, &format!("{event}/clone"), &tenant.admin, body)
}

async fn update_make_up(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = crate::study_plans::lesson(t, tenant, "補課").await;
    let event = published(t, tenant).await;
    let body = json!({ "lesson_id": lesson });
    put(t, &format!("{event}/make-up"), &tenant.admin, body)
}

async fn create_calendar_feed(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    act(t, "/me/calendar-feed", &tenant.member_a)
}

async fn delete_calendar_feed(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    t.act("/me/calendar-feed", &tenant.member_a).await.expect(201);
    delete(t, "/me/calendar-feed", &tenant.member_a)
}

async fn create_event_template(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    post(t, &path, &tenant.admin, monthly())
}

/// Its path.
async fn template(t: &TestApp, tenant: &Tenant) -> String {
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let made = t.post(&path, &tenant.admin, monthly()).await.expect(201);
    format!("/event-templates/{}", made.id())
}

async fn update_event_template(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let template = template(t, tenant).await;
    let mut body = monthly();
    body["place"] = json!("四樓會議室");
    put(t, &template, &tenant.admin, body)
}

async fn skip_event_template_day(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let template = template(t, tenant).await;
    let body = json!({ "day": "2027-01-01", "reason": "元旦" });
    post(t, &format!("{template}/skip"), &tenant.admin, body)
}

async fn end_event_template(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let template = template(t, tenant).await;
    act(t, &format!("{template}/end"), &tenant.admin)
}
