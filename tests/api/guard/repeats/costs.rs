//! Budgets and expenses.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Case, act, cases, hold, post, put};
use crate::costs::{bus, meeting, spend, treasurer};
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    update_budget => Natural(&[]),
    update_event_budget => Natural(&[]),
    create_expense => Key,
    approve_expense => Key,
    reject_expense => Key,
    withdraw_expense => Key,
    annul_expense => Key,
];

#[actix_web::test]
async fn money_is_spent_once() {
    hold(CASES).await;
}

fn plan() -> Value {
    json!({ "lines": [{ "category": "training", "amount_cents": 2_000_000 }, { "category": "books", "amount_cents": 500_000 }] })
}

async fn update_budget(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/organizations/{}/budgets/2026", tenant.branch_a);
    put(t, &path, &treasurer(t, tenant, &tenant.root).await, plan())
}

async fn update_event_budget(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = meeting(t, tenant).await;
    put(t, &format!("/events/{event}/budget"), &tenant.organizer_a, plan())
}

async fn create_expense(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let event = meeting(t, tenant).await;
    let path = format!("/events/{event}/expenses");
    post(t, &path, &tenant.organizer_a, bus(json!({})))
}

/// Its path.
async fn expense(t: &TestApp, tenant: &Tenant) -> String {
    let event = meeting(t, tenant).await;
    let spent = spend(t, &tenant.organizer_a, &event, json!({})).await;
    format!("/expenses/{}", spent.expect(201).id())
}

async fn approve_expense(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/approve", expense(t, tenant).await);
    act(t, &path, &treasurer(t, tenant, &tenant.root).await)
}

async fn reject_expense(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/reject", expense(t, tenant).await);
    let treasurer = treasurer(t, tenant, &tenant.root).await;
    post(t, &path, &treasurer, json!({ "reason": "發票抬頭不符" }))
}

async fn withdraw_expense(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("{}/withdraw", expense(t, tenant).await);
    act(t, &path, &tenant.organizer_a)
}

async fn annul_expense(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let expense = expense(t, tenant).await;
    let treasurer = treasurer(t, tenant, &tenant.root).await;
    t.act(&format!("{expense}/approve"), &treasurer).await.expect(200);
    post(
        t,
        &format!("{expense}/annul"),
        &treasurer,
        json!({ "reason": "重複報銷" }),
    )
}
