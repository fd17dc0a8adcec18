//! Lessons, series, and study plans.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Case, act, cases, hold, patch, post};
use crate::lessons::{draft, publish};
use crate::study_plans::{day, lesson, plan, published};
use crate::support::{Tenant, TestApp};

pub const CASES: &[Case] = cases![
    create_lesson => Key,
    update_lesson => Natural(&[]),
    submit_lesson => Key,
    return_lesson => Key,
    publish_lesson => Key,
    archive_lesson => Key,
    create_series => Key,
    update_series => Natural(&[]),
    publish_series => Key,
    archive_series => Key,
    create_study_plan => Key,
    update_study_plan => Natural(&[]),
    publish_study_plan => Key,
    cancel_study_plan => Key,
    excuse_member => Key,
    unexcuse_member => Key,
];

#[actix_web::test]
async fn lessons_and_plans_are_written_once() {
    hold(CASES).await;
}

async fn create_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({
        "organization_id": tenant.root, "kind": "article", "title": "五分鐘微黨課", "body": "# 要點", "tags": ["黨史"],
    });
    post(t, "/lessons", &tenant.admin, body)
}

/// Of a draft.
async fn path_of_lesson(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = draft(t, &tenant.admin, &tenant.root, json!({})).await;
    format!("/lessons/{lesson}")
}

async fn submitted(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = path_of_lesson(t, tenant).await;
    t.act(&format!("{lesson}/submit"), &tenant.admin)
        .await
        .expect(200);
    lesson
}

async fn update_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = json!({ "title": "修訂", "tags": ["黨史", "黨章"] });
    patch(t, &path_of_lesson(t, tenant).await, &tenant.admin, body)
}

async fn submit_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = path_of_lesson(t, tenant).await;
    act(t, &format!("{lesson}/submit"), &tenant.admin)
}

async fn return_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = submitted(t, tenant).await;
    let why = json!({ "note": "請補出處" });
    post(t, &format!("{lesson}/return"), &tenant.admin, why)
}

async fn publish_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = submitted(t, tenant).await;
    act(t, &format!("{lesson}/publish"), &tenant.admin)
}

async fn archive_lesson(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = draft(t, &tenant.admin, &tenant.root, json!({})).await;
    publish(t, tenant, &lesson).await;
    let path = format!("/lessons/{lesson}/archive");
    post(t, &path, &tenant.admin, json!({ "reason": "過時" }))
}

async fn series(t: &TestApp, tenant: &Tenant) -> Value {
    let lesson = lesson(t, tenant, "第一講").await;
    json!({ "organization_id": tenant.root, "title": "黨史專題", "lessons": [{ "lesson_id": lesson }] })
}

async fn create_series(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let body = series(t, tenant).await;
    post(t, "/series", &tenant.admin, body)
}

/// Of a draft.
async fn path_of_series(t: &TestApp, tenant: &Tenant) -> String {
    let body = series(t, tenant).await;
    let made = t.post("/series", &tenant.admin, body).await;
    format!("/series/{}", made.expect(201).id())
}

async fn update_series(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = path_of_series(t, tenant).await;
    let lessons = [
        lesson(t, tenant, "第二講").await,
        lesson(t, tenant, "第三講").await,
    ];
    let lessons = lessons.map(|lesson| json!({ "lesson_id": lesson }));
    patch(
        t,
        &path,
        &tenant.admin,
        json!({ "title": "修訂", "lessons": lessons }),
    )
}

async fn publish_series(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let series = path_of_series(t, tenant).await;
    act(t, &format!("{series}/publish"), &tenant.admin)
}

async fn archive_series(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let series = path_of_series(t, tenant).await;
    post(
        t,
        &format!("{series}/archive"),
        &tenant.admin,
        json!({ "reason": "過時" }),
    )
}

async fn create_study_plan(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = lesson(t, tenant, "甲").await;
    let body = json!({
        "organization_id": tenant.root, "title": "十一月學習計劃", "lesson_ids": [lesson], "due_on": day(t, 7),
    });
    post(t, "/study-plans", &tenant.admin, body)
}

/// Of a draft.
async fn path_of_plan(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = lesson(t, tenant, "甲").await;
    let plan = plan(t, &tenant.admin, &tenant.root, &[&lesson], 7).await;
    format!("/study-plans/{}", plan.expect(201).id())
}

async fn running(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = lesson(t, tenant, "甲").await;
    format!("/study-plans/{}", published(t, tenant, &[&lesson], 7).await)
}

async fn update_study_plan(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let plan = path_of_plan(t, tenant).await;
    let lesson = lesson(t, tenant, "乙").await;
    let body = json!({ "title": "修訂", "lesson_ids": [lesson], "grace_days": 3 });
    patch(t, &plan, &tenant.admin, body)
}

async fn publish_study_plan(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let plan = path_of_plan(t, tenant).await;
    act(t, &format!("{plan}/publish"), &tenant.admin)
}

async fn cancel_study_plan(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let plan = running(t, tenant).await;
    post(
        t,
        &format!("{plan}/cancel"),
        &tenant.admin,
        json!({ "reason": "重複" }),
    )
}

async fn excuse_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let plan = running(t, tenant).await;
    let body = json!({ "member_id": tenant.member_a_id, "reason": "住院" });
    post(t, &format!("{plan}/excuse"), &tenant.admin, body)
}

async fn unexcuse_member(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let plan = running(t, tenant).await;
    let body = json!({ "member_id": tenant.member_a_id, "reason": "住院" });
    let excused = t.post(&format!("{plan}/excuse"), &tenant.admin, body).await;
    excused.expect(200);
    let body = json!({ "member_id": tenant.member_a_id });
    post(t, &format!("{plan}/unexcuse"), &tenant.admin, body)
}
