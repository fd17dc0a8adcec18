//! Lessons: from draft to archived, who sees which of them, and what members see while one is being edited.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Reply, Tenant, TestApp};

pub async fn lecturer(t: &TestApp, tenant: &Tenant) -> String {
    t.person(
        tenant,
        &tenant.branch_a,
        "講師",
        Some((&tenant.branch_a, "lecturer")),
    )
    .await
    .1
}

pub async fn draft(t: &TestApp, token: &str, organization: &str, change: Value) -> String {
    let mut body = json!({
        "organization_id": organization, "kind": "article", "title": "五分鐘微黨課", "body": "# 要點\n\n第一點",
    });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    t.post("/lessons", token, body).await.expect(201).id()
}

async fn act(t: &TestApp, token: &str, lesson: &str, what: &str) -> Reply {
    t.act(&format!("/lessons/{lesson}/{what}"), token).await
}

pub async fn publish(t: &TestApp, tenant: &Tenant, lesson: &str) {
    act(t, &tenant.admin, lesson, "submit").await.expect(200);
    act(t, &tenant.admin, lesson, "publish").await.expect(200);
}

pub fn ids(reply: &Reply) -> Vec<&str> {
    reply
        .items()
        .iter()
        .filter_map(|lesson| lesson["id"].as_str())
        .collect()
}

#[actix_web::test]
async fn a_lesson_is_written_reviewed_and_published() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let lesson = draft(
        &t,
        &lecturer,
        &tenant.branch_a,
        json!({ "tags": ["黨史", "黨史"] }),
    )
    .await;
    let path = format!("/lessons/{lesson}");
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    act(&t, &lecturer, &lesson, "publish")
        .await
        .refused(403, "forbidden");
    act(&t, &tenant.secretary_a, &lesson, "publish")
        .await
        .refused(409, "lesson_not_in_review");
    act(&t, &lecturer, &lesson, "submit").await.expect(200);
    act(&t, &lecturer, &lesson, "submit")
        .await
        .refused(409, "not_a_draft");
    t.patch(&path, &lecturer, "*", json!({ "title": "x" }))
        .await
        .refused(409, "lesson_in_review");
    t.post(
        &format!("{path}/return"),
        &tenant.secretary_a,
        json!({ "note": "請補出處" }),
    )
    .await
    .expect(200);
    let seen = t.get(&path, &lecturer).await.expect(200);
    assert_eq!(seen.json["working_copy"]["review_note"], "請補出處");
    t.patch(
        &path,
        &lecturer,
        seen.header("etag"),
        json!({ "body": "# 要點\n\n第一點<script>x</script>" }),
    )
    .await
    .expect(200);
    act(&t, &lecturer, &lesson, "submit").await.expect(200);
    let published = act(&t, &tenant.secretary_a, &lesson, "publish").await.expect(200);
    assert_eq!(published.json["published"]["number"], 1);

    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(seen.json["published"]["title"], "五分鐘微黨課");
    assert_eq!(seen.json["tags"], json!(["黨史"]));
    let html = seen.text("/published/body_html");
    assert!(
        html.contains("<section id=\"section-0\">\n<h1>要點</h1>") && !html.contains("<script"),
        "{html}"
    );
    assert_eq!(seen.json["published"]["sections"][0]["title"], "要點");
    assert_eq!(
        seen.json["published"]["duration_s"],
        seen.json["published"]["sections"][0]["duration_s"]
    );
    assert_eq!(seen.json.get("working_copy"), None);
    act(&t, &tenant.member_a, &lesson, "submit")
        .await
        .refused(403, "forbidden");
    t.get(&path, &tenant.member_b).await.refused(404, "not_found");
}

#[actix_web::test]
async fn what_is_being_edited_is_not_what_members_see() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = draft(&t, &tenant.admin, &tenant.branch_a, json!({})).await;
    publish(&t, &tenant, &lesson).await;
    let path = format!("/lessons/{lesson}");
    let edited = t
        .patch(&path, &tenant.admin, "*", json!({ "title": "第二版" }))
        .await
        .expect(200);
    assert_eq!(
        (&edited.json["status"], &edited.json["published"]["title"]),
        (&json!("draft"), &json!("五分鐘微黨課"))
    );
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(
        (
            &seen.json["title"],
            &seen.json["status"],
            &seen.json["published"]["title"]
        ),
        (
            &json!("五分鐘微黨課"),
            &json!("published"),
            &json!("五分鐘微黨課")
        )
    );
    publish(&t, &tenant, &lesson).await;
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(
        (
            &seen.json["published"]["title"],
            &seen.json["published"]["number"]
        ),
        (&json!("第二版"), &json!(2))
    );
    let versions = t
        .get(&format!("{path}/versions"), &tenant.admin)
        .await
        .expect(200);
    let titles: Vec<_> = versions.items().iter().map(|v| v["title"].clone()).collect();
    assert_eq!(titles, ["第二版", "五分鐘微黨課"]);
    t.get(&format!("{path}/versions"), &tenant.member_a)
        .await
        .refused(403, "forbidden");

    // What changes nothing makes no version of the working copy, and no draft.
    let same = t
        .patch(&path, &tenant.admin, "*", json!({ "title": "第二版" }))
        .await
        .expect(200);
    assert_eq!(same.json["status"], "published");
    t.post(
        &format!("{path}/archive"),
        &tenant.admin,
        json!({ "reason": "過時" }),
    )
    .await
    .expect(200);
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    t.patch(&path, &tenant.admin, "*", json!({ "title": "x" }))
        .await
        .refused(409, "lesson_archived");
    let list = t.get("/lessons", &tenant.admin).await.expect(200);
    assert!(ids(&list).is_empty());
    let list = t.get("/lessons?status=archived", &tenant.admin).await.expect(200);
    assert_eq!(ids(&list), [&*lesson]);
}

#[actix_web::test]
async fn lists_hold_what_is_for_me_and_what_i_write() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let everybody = draft(&t, &tenant.admin, &tenant.root, json!({ "tags": ["黨史"] })).await;
    let only_b = json!({ "audience": { "organization_ids": [tenant.branch_b] } });
    let only_b = draft(&t, &tenant.admin, &tenant.root, only_b).await;
    let activists = json!({ "audience": { "standings": ["activist"] } });
    let activists = draft(&t, &tenant.admin, &tenant.root, activists).await;
    for lesson in [&everybody, &only_b, &activists] {
        publish(&t, &tenant, lesson).await;
    }
    let unfinished = draft(&t, &lecturer, &tenant.branch_a, json!({})).await;
    let list = |query: &'static str, token: String| {
        let t = &t;
        async move { t.get(&format!("/lessons{query}"), &token).await.expect(200) }
    };
    assert_eq!(ids(&list("", tenant.member_a.clone()).await), [&*everybody]);
    assert_eq!(
        ids(&list("", tenant.member_b.clone()).await),
        [&*only_b, &*everybody]
    );
    assert_eq!(
        ids(&list("", lecturer.clone()).await),
        [&*unfinished, &*everybody]
    );
    assert_eq!(ids(&list("?mine=true", lecturer.clone()).await), [&*everybody]);
    assert_eq!(
        list("?count=true&limit=1", tenant.admin.clone()).await.json["count"],
        4
    );
    assert_eq!(ids(&list("?tag=黨史", tenant.admin.clone()).await), [&*everybody]);
    let inspected = list("", tenant.inspector.clone()).await;
    assert_eq!(inspected.items().len(), 4);
    t.get(&format!("/lessons/{activists}"), &tenant.member_a)
        .await
        .refused(404, "not_found");

    // A lecturer writes for their own branch, and says no more than that whom a published lesson is for.
    let elsewhere = json!({
        "organization_id": tenant.branch_a, "kind": "article", "title": "x", "audience": { "organization_ids": [tenant.branch_b] },
    });
    t.post("/lessons", &lecturer, elsewhere)
        .await
        .refused(404, "not_found");
    let path = format!("/lessons/{unfinished}");
    publish(&t, &tenant, &unfinished).await;
    let narrower = json!({ "audience": { "standings": ["full"] } });
    t.patch(&path, &lecturer, "*", narrower.clone())
        .await
        .refused(403, "forbidden");
    t.patch(&path, &tenant.secretary_a, "*", narrower)
        .await
        .expect(200);
}

#[actix_web::test]
async fn tags_that_members_see_are_changed_by_those_who_publish() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let lesson = draft(&t, &lecturer, &tenant.branch_a, json!({})).await;
    let path = format!("/lessons/{lesson}");
    let tags = |tag: &str| json!({ "tags": [tag] });
    t.patch(&path, &lecturer, "*", tags("黨史")).await.expect(200);
    publish(&t, &tenant, &lesson).await;
    t.patch(&path, &lecturer, "*", tags("時事"))
        .await
        .refused(403, "forbidden");
    // As they are they are in nobody's way.
    let same = json!({ "tags": ["黨史"], "title": "六分鐘微黨課" });
    t.patch(&path, &lecturer, "*", same).await.expect(200);
    t.patch(&path, &tenant.secretary_a, "*", tags("時事"))
        .await
        .expect(200);
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(seen.json["tags"], json!(["時事"]));
}

#[actix_web::test]
async fn whom_a_lesson_is_for_is_told_and_changed_as_far_as_one_sees() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let both = json!({ "audience": { "organization_ids": [tenant.branch_a, tenant.branch_b] } });
    let lesson = draft(&t, &tenant.admin, &tenant.branch_a, both).await;
    let path = format!("/lessons/{lesson}");
    let meant = async |token: &str| {
        let seen = t.get(&path, token).await.expect(200);
        seen.json["working_copy"]["audience"]["organization_ids"].clone()
    };
    assert_eq!(meant(&tenant.secretary_a).await, json!([tenant.branch_a]));
    assert_eq!(meant(&tenant.admin).await.as_array().unwrap().len(), 2);
    let only_a = json!({ "audience": { "organization_ids": [tenant.branch_a] }, "title": "六分鐘微黨課" });
    // What is sent back as it was read takes nobody out.
    t.patch(&path, &tenant.secretary_a, "*", only_a).await.expect(200);
    let narrower = json!({ "audience": { "standings": ["full"] } });
    t.patch(&path, &tenant.secretary_a, "*", narrower)
        .await
        .refused(403, "forbidden");
    assert_eq!(meant(&tenant.admin).await.as_array().unwrap().len(), 2);
    act(&t, &tenant.secretary_a, &lesson, "submit").await.expect(200);
    act(&t, &tenant.secretary_a, &lesson, "publish")
        .await
        .refused(403, "forbidden");
    act(&t, &tenant.admin, &lesson, "publish").await.expect(200);
}

#[actix_web::test]
async fn an_archived_organization_is_in_no_lessons_way() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let both = json!({ "audience": { "organization_ids": [tenant.branch_b, group] } });
    let lesson = draft(&t, &tenant.admin, &tenant.root, both).await;
    let path = format!("/lessons/{lesson}");
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .expect(204);
    // It may stay, and it does not come in again.
    let narrower =
        json!({ "audience": { "organization_ids": [tenant.branch_b, group], "standings": ["full"] } });
    t.patch(&path, &tenant.admin, "*", narrower.clone())
        .await
        .expect(200);
    publish(&t, &tenant, &lesson).await;
    t.get(&path, &tenant.member_b).await.expect(200);
    let without = json!({ "audience": { "organization_ids": [tenant.branch_b] } });
    t.patch(&path, &tenant.admin, "*", without).await.expect(200);
    t.patch(&path, &tenant.admin, "*", narrower)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn nothing_empty_is_reviewed_and_nothing_bottomless_taken() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for change in [json!({ "body": "" }), json!({ "kind": "video" })] {
        let lesson = draft(&t, &tenant.admin, &tenant.root, change).await;
        act(&t, &tenant.admin, &lesson, "submit")
            .await
            .refused(409, "lesson_incomplete");
    }
    let deep = json!({
        "organization_id": tenant.root, "kind": "article", "title": "x", "body": ">".repeat(10_000),
    });
    let refused = t
        .post("/lessons", &tenant.admin, deep)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(refused.text("/errors/0/code"), "nested_too_deep");
}

#[actix_web::test]
async fn published_by_many_at_once_it_is_one_version() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = draft(&t, &tenant.admin, &tenant.root, json!({})).await;
    act(&t, &tenant.admin, &lesson, "submit").await.expect(200);
    let all = (0..8).map(|_| act(&t, &tenant.admin, &lesson, "publish"));
    let mut statuses: Vec<u16> = join_all(all).await.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let versions = t
        .get(&format!("/lessons/{lesson}/versions"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(versions.items().len(), 1);
}
