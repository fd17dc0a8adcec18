//! Study plans: who is asked, who stands where, who is late, whoever comes later, and what a phone's first screen shows.

use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::study::send;
use crate::study_late::read_before;
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// A short article, published for everybody below the root.
pub async fn lesson(t: &TestApp, tenant: &Tenant, title: &str) -> String {
    let body =
        json!({ "organization_id": tenant.root, "kind": "article", "title": title, "body": "# 一\n\n字" });
    let lesson = t.post("/lessons", &tenant.admin, body).await.expect(201).id();
    for what in ["submit", "publish"] {
        t.act(&format!("/lessons/{lesson}/{what}"), &tenant.admin)
            .await
            .expect(200);
    }
    lesson
}

pub async fn study(t: &TestApp, token: &str, lesson: &str) {
    let report = json!({ "session_id": new_uuid(), "sections": [0], "occurred_at": t.in_s(0) });
    let told = t
        .put(&format!("/lessons/{lesson}/progress"), token, report)
        .await
        .expect(200);
    assert_eq!(told.json["completed"], true, "{}", told.json);
}

/// So many days from now.
pub fn day(t: &TestApp, days: i64) -> String {
    t.in_s(days * 86_400)[..10].to_owned()
}

pub async fn plan(t: &TestApp, token: &str, organization: &str, lessons: &[&String], days: i64) -> Reply {
    let body = json!({
        "organization_id": organization, "title": "十一月學習計劃", "lesson_ids": lessons, "due_on": day(t, days),
    });
    t.post("/study-plans", token, body).await
}

pub async fn published(t: &TestApp, tenant: &Tenant, lessons: &[&String], days: i64) -> String {
    let plan = plan(t, &tenant.admin, &tenant.root, lessons, days)
        .await
        .expect(201)
        .id();
    t.act(&format!("/study-plans/{plan}/publish"), &tenant.admin)
        .await
        .expect(200);
    plan
}

async fn line(t: &TestApp, token: &str, plan: &str, member: &str) -> Value {
    let list = t
        .get(&format!("/study-plans/{plan}/members?limit=200"), token)
        .await
        .expect(200);
    let found = list
        .items()
        .iter()
        .find(|line| line["member_id"] == member)
        .cloned();
    found.unwrap_or(Value::Null)
}

fn due(home: &Reply) -> Vec<(&str, bool)> {
    let due = home.json["due_lessons"].as_array().unwrap();
    due.iter()
        .map(|lesson| {
            (
                lesson["title"].as_str().unwrap(),
                lesson["late"].as_bool().unwrap(),
            )
        })
        .collect()
}

#[actix_web::test]
async fn everybody_asked_stands_somewhere() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (first, second) = (lesson(&t, &tenant, "甲").await, lesson(&t, &tenant, "乙").await);
    let draft = plan(&t, &tenant.admin, &tenant.root, &[&first, &second], 7)
        .await
        .expect(201)
        .id();
    let path = format!("/study-plans/{draft}");
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    assert_eq!(due(&t.get("/home", &tenant.member_a).await.expect(200)), []);
    t.act(&format!("{path}/publish"), &tenant.member_a)
        .await
        .refused(404, "not_found");
    t.act(&format!("{path}/publish"), &tenant.admin).await.expect(200);
    t.act(&format!("{path}/publish"), &tenant.admin)
        .await
        .refused(409, "not_a_draft");
    let home = t.get("/home", &tenant.member_a).await.expect(200);
    assert_eq!(due(&home), [("甲", false), ("乙", false)]);
    study(&t, &tenant.member_a, &first).await;
    let home = t.get("/home", &tenant.member_a).await.expect(200);
    assert_eq!(due(&home), [("乙", false)]);
    let mine = line(&t, &tenant.admin, &draft, &tenant.member_a_id).await;
    assert_eq!(
        (&mine["state"], &mine["completed"], &mine["late"]),
        (&json!("doing"), &json!(1), &json!(false))
    );
    study(&t, &tenant.member_a, &second).await;
    let tally = t.get(&path, &tenant.admin).await.expect(200).json["tally"].clone();
    assert_eq!(
        (&tally["done"], &tally["doing"], &tally["late"]),
        (&json!(1), &json!(0), &json!(0)),
        "{tally}"
    );
    assert_eq!(
        tally["members"].as_u64().unwrap() - 1,
        tally["not_begun"].as_u64().unwrap()
    );
    // A branch secretary sees their own people, and a member nobody.
    let own = t
        .get(
            &format!("{path}/members?count=true&state=done"),
            &tenant.secretary_a,
        )
        .await
        .expect(200);
    assert_eq!(
        (&own.json["count"], &own.items()[0]["member_id"]),
        (&json!(1), &json!(tenant.member_a_id))
    );
    assert_eq!(
        line(&t, &tenant.secretary_b, &draft, &tenant.member_a_id).await,
        Value::Null
    );
    assert_ne!(
        line(&t, &tenant.secretary_b, &draft, &tenant.member_b_id).await,
        Value::Null
    );
    t.get(&format!("{path}/members"), &tenant.member_a)
        .await
        .refused(403, "forbidden");
    assert_eq!(
        t.get(&path, &tenant.member_a).await.expect(200).json.get("tally"),
        None
    );
    let csv = t
        .request(reqwest::Method::GET, &format!("{path}/members"), &tenant.admin)
        .header(ACCEPT, "text/csv");
    let csv = String::from_utf8(Reply::of(csv).await.expect(200).bytes).unwrap();
    assert!(
        csv.lines().count() as u64 > tally["members"].as_u64().unwrap(),
        "{csv}"
    );
    assert!(csv.contains("done"), "{csv}");
}

#[actix_web::test]
async fn late_is_late_and_whoever_comes_later_has_time() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let one = lesson(&t, &tenant, "甲").await;
    let plan = published(&t, &tenant, &[&one], 2).await;
    t.advance_s(86_400);
    let (newcomer_id, newcomer) = t.person(&tenant, &tenant.branch_a, "新來的", None).await;
    t.advance_s(4 * 86_400);
    // Whoever came when it was over is not asked.
    let (after_id, after) = t.person(&tenant, &tenant.branch_a, "後來的", None).await;
    assert_eq!(due(&t.get("/home", &after).await.expect(200)), []);
    assert_eq!(line(&t, &tenant.admin, &plan, &after_id).await, Value::Null);
    assert_eq!(
        due(&t.get("/home", &tenant.member_a).await.expect(200)),
        [("甲", true)]
    );
    assert_eq!(due(&t.get("/home", &newcomer).await.expect(200)), [("甲", false)]);
    let is_late = |line: &Value| line["late"].as_bool();
    assert_eq!(
        is_late(&line(&t, &tenant.admin, &plan, &tenant.member_a_id).await),
        Some(true)
    );
    assert_eq!(
        is_late(&line(&t, &tenant.admin, &plan, &newcomer_id).await),
        Some(false)
    );
    study(&t, &tenant.member_a, &one).await;
    study(&t, &newcomer, &one).await;
    let mine = line(&t, &tenant.admin, &plan, &tenant.member_a_id).await;
    assert_eq!((&mine["state"], &mine["late"]), (&json!("done"), &json!(true)));
    assert_eq!(
        is_late(&line(&t, &tenant.admin, &plan, &newcomer_id).await),
        Some(false)
    );
}

#[actix_web::test]
async fn a_plan_gives_points_to_those_it_asks_for_what_it_asks_still() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (one, two) = (lesson(&t, &tenant, "甲").await, lesson(&t, &tenant, "乙").await);
    published(&t, &tenant, &[&one, &two], 2).await;
    let (_, newcomer) = {
        t.advance_s(86_400);
        t.person(&tenant, &tenant.branch_a, "新來的", None).await
    };
    let total = async |token: &str| {
        let points = t.get("/me/points", token).await.expect(200);
        points.json["totals"]["all"].as_i64().unwrap()
    };
    // What was put away is asked of nobody any more, so who has done the rest has done it.
    study(&t, &tenant.secretary_a, &two).await;
    t.advance_s(3_600);
    let reason = json!({ "reason": "過時" });
    t.post(&format!("/lessons/{one}/archive"), &tenant.admin, reason)
        .await
        .expect(200);
    study(&t, &tenant.member_a, &two).await;
    assert_eq!(total(&tenant.member_a).await, 11);
    // Who had read it before, without a connection, has done it with that.
    assert_eq!(total(&tenant.secretary_a).await, 1);
    let late = read_before(&t, 1_800);
    send(&t, &tenant.secretary_a, &one, &late).await.expect(200);
    assert_eq!(total(&tenant.secretary_a).await, 12);
    t.advance_s(4 * 86_400);
    study(&t, &newcomer, &two).await;
    assert_eq!(total(&newcomer).await, 11);
    // Whoever came when it was over is not asked.
    let (_, after) = t.person(&tenant, &tenant.branch_a, "後來的", None).await;
    study(&t, &after, &two).await;
    assert_eq!(total(&after).await, 1);
}

#[actix_web::test]
async fn who_is_excused_leaves_the_numbers_until_asked_again() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let one = lesson(&t, &tenant, "甲").await;
    let plan = published(&t, &tenant, &[&one], 2).await;
    let path = format!("/study-plans/{plan}");
    let tally = async || t.get(&path, &tenant.admin).await.expect(200).json["tally"].clone();
    let before = tally().await;
    let body = json!({ "member_id": tenant.member_a_id, "reason": "住院" });
    let excuse = format!("{path}/excuse");
    t.post(&excuse, &tenant.secretary_b, body.clone())
        .await
        .refused(404, "not_found");
    t.post(&excuse, &tenant.member_a, body.clone())
        .await
        .refused(403, "forbidden");
    let done = t.post(&excuse, &tenant.secretary_a, body).await.expect(200);
    assert_eq!(done.json["excuse"], "住院");
    let after = tally().await;
    assert_eq!(after["excused"], 1);
    assert_eq!(
        before["members"].as_u64().unwrap() - 1,
        after["members"].as_u64().unwrap()
    );
    assert_eq!(due(&t.get("/home", &tenant.member_a).await.expect(200)), []);
    t.post(
        &format!("{path}/unexcuse"),
        &tenant.secretary_a,
        json!({ "member_id": tenant.member_a_id }),
    )
    .await
    .expect(200);
    assert_eq!(tally().await, before);
}

#[actix_web::test]
async fn a_series_is_asked_for_by_its_lessons_that_are_for_all() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (one, two) = (lesson(&t, &tenant, "甲").await, lesson(&t, &tenant, "乙").await);
    let narrow =
        json!({ "organization_id": tenant.branch_a, "kind": "article", "title": "支部", "body": "字" });
    let narrow = t.post("/lessons", &tenant.admin, narrow).await.expect(201).id();
    let series = |lessons: Value| {
        let body = json!({ "organization_id": tenant.root, "title": "專題", "lessons": lessons });
        async { t.post("/series", &tenant.admin, body).await.expect(201).id() }
    };
    let both = json!([{ "lesson_id": two }, { "lesson_id": narrow }, { "lesson_id": one }]);
    let both = series(both).await;
    let none = series(json!([{ "lesson_id": narrow }])).await;
    let ask = |lessons: Value, series: Value| {
        let body = json!({
            "organization_id": tenant.root, "title": "計劃", "due_on": day(&t, 9), "lesson_ids": lessons, "series_ids": series,
        });
        t.post("/study-plans", &tenant.admin, body)
    };
    // A draft of a series is nothing yet.
    let refused = ask(json!([]), json!([both])).await.refused(422, "invalid_fields");
    assert_eq!(refused.json["errors"][0]["field"], "/series_ids/0");
    for id in [&both, &none] {
        t.act(&format!("/series/{id}/publish"), &tenant.admin)
            .await
            .expect(200);
    }
    let refused = ask(json!([one]), json!([both, none]))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(refused.json["errors"][0]["field"], "/series_ids/1");
    assert_eq!(refused.json["errors"][0]["code"], "not_for_them");
    ask(json!([]), json!([])).await.refused(422, "invalid_fields");
    ask(json!([]), json!([both, both]))
        .await
        .refused(422, "invalid_fields");

    let ids = |plan: &Reply| -> Vec<String> {
        let lessons = plan.json["lessons"].as_array().unwrap().iter();
        lessons
            .map(|lesson| lesson["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let plan = ask(json!([]), json!([both])).await.expect(201);
    assert_eq!(ids(&plan), [two.clone(), one.clone()]);
    let path = format!("/study-plans/{}", plan.id());
    let plan = ask(json!([one]), json!([both])).await.expect(201);
    assert_eq!(ids(&plan), [one.clone(), two.clone()]);
    let changed = t
        .patch(&path, &tenant.admin, "*", json!({ "lesson_ids": [one] }))
        .await
        .expect(200);
    assert_eq!(ids(&changed), [one.clone()]);
    let changed = t
        .patch(&path, &tenant.admin, "*", json!({ "series_ids": [both] }))
        .await
        .expect(200);
    assert_eq!(ids(&changed), [two, one]);
    t.act(&format!("{path}/publish"), &tenant.admin).await.expect(200);
    t.patch(&path, &tenant.admin, "*", json!({ "series_ids": [both] }))
        .await
        .refused(409, "study_plan_published");
}

#[actix_web::test]
async fn a_plan_asks_only_for_what_they_can_see_and_stands_once_published() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let one = lesson(&t, &tenant, "甲").await;
    let narrow =
        json!({ "organization_id": tenant.branch_a, "kind": "article", "title": "支部", "body": "字" });
    let narrow = t.post("/lessons", &tenant.admin, narrow).await.expect(201).id();
    let refused = plan(&t, &tenant.admin, &tenant.root, &[&one, &narrow], 2)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(refused.json["errors"][0]["field"], "/lesson_ids/1");
    plan(&t, &tenant.admin, &tenant.root, &[&one, &one], 2)
        .await
        .refused(422, "invalid_fields");
    plan(&t, &tenant.admin, &tenant.root, &[&one], -2)
        .await
        .refused(422, "invalid_fields");
    plan(&t, &tenant.member_a, &tenant.root, &[&one], 2)
        .await
        .refused(403, "forbidden");
    let id = published(&t, &tenant, &[&one], 5).await;
    let path = format!("/study-plans/{id}");
    for change in [json!({ "due_on": day(&t, 3) }), json!({ "grace_days": 1 })] {
        t.patch(&path, &tenant.admin, "*", change)
            .await
            .refused(409, "study_plan_published");
    }
    let later = t
        .patch(
            &path,
            &tenant.admin,
            "*",
            json!({ "due_on": day(&t, 9), "title": "延期" }),
        )
        .await
        .expect(200);
    assert_eq!(later.json["version"], 3);
    let list = t
        .get("/study-plans?mine=true&count=true", &tenant.member_b)
        .await
        .expect(200);
    assert_eq!(
        (&list.json["count"], &list.items()[0]["title"]),
        (&json!(1), &json!("延期"))
    );
    t.post(&format!("{path}/cancel"), &tenant.admin, json!({ "reason": "x" }))
        .await
        .expect(200);
    assert_eq!(due(&t.get("/home", &tenant.member_b).await.expect(200)), []);
    t.act(&format!("{path}/publish"), &tenant.admin)
        .await
        .refused(409, "study_plan_cancelled");
}

#[actix_web::test]
async fn an_absence_is_answered_by_study_and_makes_nobody_present() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let one = lesson(&t, &tenant, "補課").await;
    let late = t.person(&tenant, &tenant.branch_a, "遲來的", None).await;
    let role = Some((tenant.root.as_str(), "admin"));
    let (admin_id, _) = t.person(&tenant, &tenant.root, "管理員", role).await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}");
    let set = json!({ "lesson_id": one });
    t.put(&format!("{path}/make-up"), &tenant.member_a, set.clone())
        .await
        .refused(403, "forbidden");
    t.advance_s(86_400);
    t.put(&format!("{path}/make-up"), &tenant.organizer_a, set)
        .await
        .expect(200);
    let status = async |token: &str| {
        let mine = t.get(&format!("{path}/my-attendance"), token).await.expect(200);
        (mine.text("/status"), mine.json["make_up"]["title"].clone())
    };
    assert_eq!(status(&tenant.member_a).await, ("absent".into(), json!("補課")));
    let quorum = async || {
        t.get(&format!("{path}/quorum"), &tenant.admin)
            .await
            .expect(200)
            .json
    };
    let before = quorum().await;
    study(&t, &tenant.member_a, &one).await;
    assert_eq!(status(&tenant.member_a).await.0, "made_up");
    let sheet = t
        .get(&format!("{path}/attendance?status=made_up"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(
        (&sheet.json["counts"]["made_up"], &sheet.items()[0]["member_id"]),
        (&json!(1), &json!(tenant.member_a_id))
    );
    assert_eq!(quorum().await, before);
    // Too late: thirty days are over, and so are the access tokens.
    let (late_id, _) = late;
    t.advance_s(40 * 86_400);
    study(&t, &t.token_of(&late_id, &tenant.root), &one).await;
    let admin = t.token_of(&admin_id, &tenant.root);
    let sheet = t
        .get(&format!("{path}/attendance?status=made_up"), &admin)
        .await
        .expect(200);
    assert_eq!(sheet.items().len(), 1);
    t.put(&format!("{path}/make-up"), &admin, json!({ "lesson_id": null }))
        .await
        .expect(200);
    let member = t.token_of(&tenant.member_a_id, &tenant.root);
    assert_eq!(status(&member).await, ("absent".into(), Value::Null));
}
