//! What comes late from a phone that had no connection: the lesson has a new version meanwhile, is archived, or the member
//! has moved.

use serde_json::{Value, json};

use crate::study::{article, report, send};
use crate::support::{TestApp, new_uuid};

#[actix_web::test]
async fn an_old_version_completes_nothing_for_who_never_began_it() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let lesson = article(&t, &tenant, "短").await;
    let path = format!("/lessons/{lesson}");
    t.patch(&path, &tenant.admin, "*", json!({ "body": "長".repeat(10_000) }))
        .await
        .expect(200);
    for what in ["submit", "publish"] {
        t.act(&format!("{path}/{what}"), &tenant.admin).await.expect(200);
    }
    let seen = |t: &TestApp| {
        let mut seen = report(t, &new_uuid(), json!([]));
        seen["sections"] = json!([0]);
        seen["version"] = json!(1);
        seen
    };
    // A phone that was offline while it was replaced may have read the old one.
    send(&t, &tenant.organizer_a, &lesson, &seen(&t))
        .await
        .expect(200);
    t.advance_s(20 * 86_400);
    send(&t, &tenant.member_a, &lesson, &seen(&t))
        .await
        .refused(404, "not_found");
    send(&t, &tenant.organizer_a, &lesson, &seen(&t))
        .await
        .expect(200);
}

/// The first section, read so long ago.
pub fn read_before(t: &TestApp, seconds: i64) -> Value {
    let mut seen = report(t, &new_uuid(), json!([]));
    seen["sections"] = json!([0]);
    seen["started_at"] = json!(t.in_s(-seconds - 60));
    seen["occurred_at"] = json!(t.in_s(-seconds));
    seen
}

#[actix_web::test]
async fn what_was_read_before_a_transfer_still_counts() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (id, member) = t.person(&tenant, &tenant.branch_a, "庚", None).await;
    let early = article(&t, &tenant, "字").await;
    let other = article(&t, &tenant, "字").await;
    t.advance_s(3_600);
    let transfer = json!({ "organization_id": tenant.branch_b, "reason": "調動" });
    t.post(&format!("/members/{id}/transfers"), &tenant.admin, transfer)
        .await
        .expect(201);
    let late = article(&t, &tenant, "字").await;
    t.advance_s(3_600);
    // After the transfer it was not for them, nor was there this one before it.
    for lesson in [&early, &late] {
        send(&t, &member, lesson, &read_before(&t, 1_800))
            .await
            .refused(404, "not_found");
    }
    send(&t, &member, &late, &read_before(&t, 5_400))
        .await
        .refused(404, "not_found");
    let told = send(&t, &member, &early, &read_before(&t, 5_400))
        .await
        .expect(200);
    assert_eq!(told.json["completed"], json!(true), "{}", told.json);
    // Nobody waits for a backlog for ever.
    t.advance_s(14 * 86_400);
    send(&t, &member, &other, &read_before(&t, 14 * 86_400 + 5_400))
        .await
        .refused(404, "not_found");
    send(&t, &member, &early, &read_before(&t, 0)).await.expect(200);
}

#[actix_web::test]
async fn what_was_read_before_it_was_archived_still_counts() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let lesson = article(&t, &tenant, "字").await;
    t.advance_s(3_600);
    t.post(
        &format!("/lessons/{lesson}/archive"),
        &tenant.admin,
        json!({ "reason": "舊了" }),
    )
    .await
    .expect(200);
    t.advance_s(3_600);
    send(&t, &tenant.member_a, &lesson, &read_before(&t, 1_800))
        .await
        .refused(404, "not_found");
    // It never was for a member of another branch.
    send(&t, &tenant.member_b, &lesson, &read_before(&t, 5_400))
        .await
        .refused(404, "not_found");
    let told = send(&t, &tenant.member_a, &lesson, &read_before(&t, 5_400))
        .await
        .expect(200);
    assert_eq!(told.json["completed"], json!(true), "{}", told.json);
}
