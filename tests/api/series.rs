//! Series: lessons in an order with prerequisites, who sees which part of them, and who may change them.

use serde_json::{Value, json};

use crate::lessons::{draft, ids, lecturer, publish};
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// The ids of a series' lessons as they are shown.
fn order(reply: &Reply) -> Vec<&str> {
    let lessons = reply.json["lessons"].as_array().unwrap();
    lessons.iter().filter_map(|l| l["lesson_id"].as_str()).collect()
}

async fn published(t: &TestApp, tenant: &Tenant, change: Value) -> String {
    let lesson = draft(t, &tenant.admin, &tenant.root, change).await;
    publish(t, tenant, &lesson).await;
    lesson
}

fn place(lesson: &str, before: &[&str]) -> Value {
    json!({ "lesson_id": lesson, "prerequisite_ids": before })
}

#[actix_web::test]
async fn a_series_has_an_order_and_members_see_what_is_for_them() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let first = published(&t, &tenant, json!({ "title": "第一講" })).await;
    let only_b = json!({ "audience": { "organization_ids": [tenant.branch_b] }, "title": "乙支部" });
    let only_b = published(&t, &tenant, only_b).await;
    let last = published(&t, &tenant, json!({ "title": "第三講" })).await;
    let unfinished = draft(&t, &tenant.admin, &tenant.root, json!({})).await;
    let body = json!({
        "organization_id": tenant.root, "title": "黨史專題",
        "lessons": [place(&first, &[]), place(&only_b, &[&first]), place(&unfinished, &[]), place(&last, &[&first, &only_b])],
    });
    let made = t.post("/series", &tenant.admin, body).await.expect(201);
    let path = format!("/series/{}", made.id());
    assert_eq!(order(&made), [&*first, &only_b, &unfinished, &last]);
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    t.act(&format!("{path}/publish"), &tenant.admin).await.expect(200);
    t.act(&format!("{path}/publish"), &tenant.admin)
        .await
        .refused(409, "not_a_draft");

    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(order(&seen), [&*first, &last]);
    let entry = &seen.json["lessons"][1];
    assert_eq!(
        (&entry["title"], &entry["kind"], &entry["prerequisite_ids"]),
        (&json!("第三講"), &json!("article"), &json!([first]))
    );
    assert!(entry["duration_s"].as_f64().unwrap() > 0.0);
    let seen = t.get(&path, &tenant.member_b).await.expect(200);
    assert_eq!(order(&seen), [&*first, &only_b, &last]);
    let seen = t.get(&path, &tenant.inspector).await.expect(200);
    assert_eq!(order(&seen).len(), 4);

    // What a member sees is what was published, whatever is being edited; what is put away is gone.
    let edited = json!({ "title": "改" });
    t.patch(&format!("/lessons/{first}"), &tenant.admin, "*", edited)
        .await
        .expect(200);
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(
        (
            &seen.json["lessons"][0]["title"],
            &seen.json["lessons"][0]["status"]
        ),
        (&json!("第一講"), &json!("published"))
    );
    for lesson in [&first, &last] {
        let reason = json!({ "reason": "過時" });
        t.post(&format!("/lessons/{lesson}/archive"), &tenant.admin, reason)
            .await
            .expect(200);
    }
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    let seen = t.get(&path, &tenant.member_b).await.expect(200);
    assert_eq!(order(&seen), [&*only_b]);
    assert_eq!(seen.json["lessons"][0]["prerequisite_ids"], json!([]));
}

#[actix_web::test]
async fn a_series_is_changed_by_those_who_may() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let own = draft(&t, &lecturer, &tenant.branch_a, json!({})).await;
    let shared = published(&t, &tenant, json!({})).await;
    let hidden = draft(&t, &tenant.admin, &tenant.root, json!({})).await;
    let with =
        |lessons: Value| json!({ "organization_id": tenant.branch_a, "title": "專題", "lessons": lessons });
    // Of others' lessons only what is published for the writer; and what exists nowhere looks the same.
    for unseen in [&hidden, &new_uuid()] {
        t.post("/series", &lecturer, with(json!([place(unseen, &[])])))
            .await
            .refused(404, "not_found");
    }
    let made = t.post("/series", &lecturer, with(json!([]))).await.expect(201);
    let path = format!("/series/{}", made.id());
    let act = |what: &'static str, token: String| {
        let (t, path) = (&t, format!("{path}/{what}"));
        async move { t.act(&path, &token).await }
    };
    act("publish", lecturer.clone()).await.refused(403, "forbidden");
    act("publish", tenant.secretary_a.clone())
        .await
        .refused(409, "series_empty");
    let lessons = json!({ "lessons": [place(&own, &[]), place(&shared, &[&own])] });
    t.patch(&path, &lecturer, "", lessons.clone())
        .await
        .refused(428, "version_required");
    let changed = t
        .patch(&path, &lecturer, made.header("etag"), lessons.clone())
        .await
        .expect(200);
    assert_eq!(changed.json["version"], 2);
    let same = t.patch(&path, &lecturer, "*", lessons).await.expect(200);
    assert_eq!(same.json["version"], 2);
    t.patch(&path, &lecturer, made.header("etag"), json!({ "title": "x" }))
        .await
        .refused(412, "version_mismatch");
    act("publish", tenant.secretary_a.clone()).await.expect(200);
    t.patch(&path, &lecturer, "*", json!({ "title": "x" }))
        .await
        .refused(403, "forbidden");
    t.patch(&path, &tenant.secretary_a, "*", json!({ "lessons": [] }))
        .await
        .refused(409, "series_empty");
    let turned = json!({ "lessons": [place(&shared, &[]), place(&own, &[])] });
    let turned = t.patch(&path, &tenant.secretary_a, "*", turned).await.expect(200);
    assert_eq!(order(&turned), [&*shared, &own]);
    // The committee's lesson is for this member, so the branch's series shows it to them, and not to whom it is not.
    t.patch(&path, &tenant.member_a, "*", json!({ "title": "x" }))
        .await
        .refused(403, "forbidden");
    let reason = json!({ "reason": "過時" });
    let archive = format!("{path}/archive");
    t.post(&archive, &tenant.secretary_a, reason.clone())
        .await
        .expect(200);
    t.post(&archive, &tenant.secretary_a, reason)
        .await
        .refused(409, "series_archived");
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
}

#[actix_web::test]
async fn an_order_without_sense_is_refused_with_its_places() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (one, two) = (new_uuid(), new_uuid());
    let body = json!({
        "organization_id": tenant.root, "title": "專題",
        "lessons": [place(&one, &[&two]), place(&two, &[&one, &two]), place(&one, &[])],
    });
    let refused = t
        .post("/series", &tenant.admin, body)
        .await
        .refused(422, "invalid_fields");
    let errors = refused.json["errors"].as_array().unwrap();
    let fields: Vec<_> = errors.iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "/lessons/0/prerequisite_ids/0",
            "/lessons/1/prerequisite_ids/1",
            "/lessons/2/lesson_id"
        ]
    );
}

#[actix_web::test]
async fn lists_of_series_hold_what_has_a_lesson_for_me() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let everybodys = published(&t, &tenant, json!({})).await;
    let only_b = json!({ "audience": { "organization_ids": [tenant.branch_b] } });
    let only_b = published(&t, &tenant, only_b).await;
    let mut made = Vec::new();
    for (organization, lesson) in [
        (&tenant.root, &everybodys),
        (&tenant.root, &only_b),
        (&tenant.branch_a, &everybodys),
    ] {
        let body =
            json!({ "organization_id": organization, "title": "專題", "lessons": [place(lesson, &[])] });
        made.push(t.post("/series", &tenant.admin, body).await.expect(201).id());
    }
    let list = |query: String, token: &str| {
        let (t, token) = (&t, token.to_owned());
        async move { t.get(&format!("/series{query}"), &token).await.expect(200) }
    };
    assert!(ids(&list(String::new(), &tenant.member_b).await).is_empty());
    for series in &made {
        t.act(&format!("/series/{series}/publish"), &tenant.admin)
            .await
            .expect(200);
    }
    assert_eq!(
        ids(&list(String::new(), &tenant.member_a).await),
        [&*made[2], &made[0]]
    );
    let all = list("?count=true&limit=2".into(), &tenant.member_b).await;
    assert_eq!(
        (ids(&all), &all.json["count"]),
        (vec![&*made[2], &made[1]], &json!(3))
    );
    let next = format!("?limit=2&cursor={}", all.text("/next_cursor"));
    assert_eq!(ids(&list(next, &tenant.member_b).await), [&*made[0]]);
    let below = format!("?organization_id={}", tenant.branch_a);
    assert_eq!(ids(&list(below, &tenant.admin).await), [&*made[2]]);
    assert_eq!(
        ids(&list("?mine=true".into(), &tenant.secretary_a).await).len(),
        2
    );
    assert!(ids(&list("?status=draft".into(), &tenant.admin).await).is_empty());
    let reason = json!({ "reason": "過時" });
    t.post(&format!("/series/{}/archive", made[0]), &tenant.admin, reason)
        .await
        .expect(200);
    assert_eq!(ids(&list(String::new(), &tenant.admin).await).len(), 2);
    assert_eq!(
        ids(&list("?status=archived".into(), &tenant.admin).await),
        [&*made[0]]
    );
}

#[actix_web::test]
async fn what_is_to_be_finished_first_is_told_to_other_slices() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let first = published(&t, &tenant, json!({})).await;
    let only_b = json!({ "audience": { "organization_ids": [tenant.branch_b] } });
    let only_b = published(&t, &tenant, only_b).await;
    let last = published(&t, &tenant, json!({})).await;
    let body = json!({
        "organization_id": tenant.root, "title": "專題",
        "lessons": [place(&first, &[]), place(&only_b, &[]), place(&last, &[&first, &only_b])],
    });
    let series = t.post("/series", &tenant.admin, body).await.expect(201).id();
    let before = |member: &str| {
        let actor = zhibu::auth::Actor {
            account: zhibu::auth::AccountId(member.parse().unwrap()),
            session: zhibu::auth::SessionId(new_uuid().parse().unwrap()),
            tenant: Some(tenant.root.parse().unwrap()),
            is_system_admin: false,
        };
        let (db, ctx, lesson) = (t.app.db.clone(), t.app.ctx(actor), last.parse().unwrap());
        async move {
            let found = db
                .read(move |conn| zhibu::lessons::prerequisites(conn, &ctx, lesson))
                .await
                .unwrap();
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
    };
    assert!(before(&tenant.member_b_id).await.is_empty());
    t.act(&format!("/series/{series}/publish"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(before(&tenant.member_a_id).await, [first.clone()]);
    assert_eq!(before(&tenant.member_b_id).await, [first, only_b]);
}
