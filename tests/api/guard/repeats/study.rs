//! Progress of study, what of it is doubted, and quizzes.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Case, act, cases, delete, hold, post, put};
use crate::lessons::draft;
use crate::quizzes::{answers, document, start, with_quiz};
use crate::study::played_lesson;
use crate::study_plans::lesson;
use crate::support::{Tenant, TestApp, new_uuid};

pub const CASES: &[Case] = cases![
    update_progress => Merged,
    record_progress_batch => Merged,
    accept_study_review => Key,
    refuse_study_review => Key,
    update_quiz => Natural(&[412]),
    archive_quiz => Natural(&[404]),
    start_quiz_attempt => Key,
    hand_in_quiz_attempt => Key,
];

#[actix_web::test]
async fn study_counts_once() {
    hold(CASES).await;
}

/// The whole lesson: it is completed by it.
async fn update_progress(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let path = format!("/lessons/{}/progress", lesson(t, tenant, "甲").await);
    let report = json!({ "session_id": new_uuid(), "sections": [0], "occurred_at": t.in_s(0) });
    put(t, &path, &tenant.member_a, report)
}

/// Two lessons of a day without a connection.
async fn record_progress_batch(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let mut items = Vec::new();
    for begin in [-1_200, -600] {
        let progress = json!({
            "session_id": new_uuid(), "played": [[0.0, 300.0]], "position": 300.0,
            "started_at": t.in_s(begin), "occurred_at": t.in_s(begin + 300),
        });
        items.push(json!({ "lesson_id": played_lesson(t, tenant).await, "progress": progress }));
    }
    post(t, "/progress/batch", &tenant.member_a, json!({ "items": items }))
}

/// A claim that is too old to be believed: its path.
async fn review(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = played_lesson(t, tenant).await;
    let report =
        json!({ "session_id": new_uuid(), "played": [[0.0, 300.0]], "occurred_at": t.in_s(-20 * 86_400) });
    let told = t
        .put(&format!("/lessons/{lesson}/progress"), &tenant.member_a, report)
        .await;
    told.expect(200);
    let reviews = t.get("/study-reviews", &tenant.secretary_a).await.expect(200);
    format!("/study-reviews/{}", reviews.text("/items/0/id"))
}

async fn accept_study_review(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let review = review(t, tenant).await;
    act(t, &format!("{review}/accept"), &tenant.secretary_a)
}

async fn refuse_study_review(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let review = review(t, tenant).await;
    let why = json!({ "reason": "當天全程在開會" });
    post(t, &format!("{review}/refuse"), &tenant.secretary_a, why)
}

/// Of the version that was read: questions without ids are new ones each time they are written on whatever is there.
async fn update_quiz(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = draft(t, &tenant.admin, &tenant.root, json!({})).await;
    let path = format!("/lessons/{lesson}/quiz");
    let request = t.request(Method::PUT, &path, &tenant.admin);
    request.json(&document(json!({}))).header("if-match", "\"0\"")
}

async fn archive_quiz(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = with_quiz(t, tenant, json!({})).await;
    delete(t, &format!("/lessons/{lesson}/quiz"), &tenant.admin)
}

async fn start_quiz_attempt(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = with_quiz(t, tenant, json!({})).await;
    act(t, &format!("/lessons/{lesson}/quiz/attempts"), &tenant.member_a)
}

async fn hand_in_quiz_attempt(t: &TestApp, tenant: &Tenant) -> RequestBuilder {
    let lesson = with_quiz(t, tenant, json!({})).await;
    let attempt = start(t, &tenant.member_a, &lesson).await.expect(201);
    let path = format!("/quiz-attempts/{}/hand-in", attempt.id());
    post(t, &path, &tenant.member_a, answers(t, &attempt.json, &[]))
}
