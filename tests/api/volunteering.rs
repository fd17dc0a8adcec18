//! Service hours: proposed by the points, confirmed by a person, counted by the year, printed as a statement that a
//! reader of somebody else's finds the name and the total in.

use futures_util::future::join_all;
use serde_json::{Value, json};
use std::process::Command;

use crate::checkpoints::{day_out, pass};
use crate::support::{Reply, Tenant, TestApp, new_uuid, python};

fn volunteering() -> Value {
    json!({ "title": "社區環保志願服務", "forms": ["volunteering"] })
}

/// An event at which member A and the secretary of A served for so many minutes.
pub async fn served(t: &TestApp, tenant: &Tenant, minutes: i64) -> String {
    let (event, [bus, _, out]) = day_out(t, tenant, volunteering()).await;
    for token in [&tenant.member_a, &tenant.secretary_a] {
        pass(t, tenant, &event, &bus, token).await.expect(201);
    }
    t.advance_s(minutes * 60);
    for token in [&tenant.member_a, &tenant.secretary_a] {
        pass(t, tenant, &event, &out, token).await.expect(201);
    }
    event
}

async fn confirm(t: &TestApp, token: &str, event: &str, body: Value) -> Reply {
    t.post(&format!("/events/{event}/service-hours/confirm"), token, body)
        .await
}

/// Somebody's confirmed hours.
pub async fn confirmed(t: &TestApp, tenant: &Tenant) -> String {
    let event = served(t, tenant, 1).await;
    let all = confirm(t, &tenant.organizer_a, &event, json!({ "all": true })).await;
    all.expect(200).text("/items/0/id")
}

async fn mine(t: &TestApp, token: &str) -> Reply {
    t.get("/me/service-hours?count=true", token).await.expect(200)
}

#[actix_web::test]
async fn hours_are_what_the_points_tell_until_a_person_says_otherwise_with_a_reason() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, [bus, _, out]) = day_out(&t, &tenant, volunteering()).await;
    for token in [&tenant.member_a, &tenant.secretary_a, &tenant.organizer_a] {
        pass(&t, &tenant, &event, &bus, token).await.expect(201);
    }
    t.advance_s(3_600);
    pass(&t, &tenant, &event, &out, &tenant.member_a)
        .await
        .expect(201);
    t.advance_s(1_800);
    pass(&t, &tenant, &event, &out, &tenant.secretary_a)
        .await
        .expect(201);
    let path = format!("/events/{event}/service-hours");
    let list = t.get(&path, &tenant.organizer_a).await.expect(200);
    let proposed = |list: &Reply| -> Vec<(String, Value, Value)> {
        let line = |one: &Value| {
            (
                one["name"].as_str().unwrap().to_owned(),
                one["proposed_minutes"].clone(),
                one["confirmed"]["minutes"].clone(),
            )
        };
        list.items().iter().map(line).collect()
    };
    let line = |name: &str, proposed: Value, confirmed: Value| (name.to_owned(), proposed, confirmed);
    assert_eq!(
        proposed(&list),
        [
            line("甲成員", json!(60), Value::Null),
            line("甲書記", json!(90), Value::Null),
            line("甲組織", Value::Null, Value::Null),
        ]
    );
    t.get(&path, &tenant.member_a).await.refused(403, "forbidden");
    confirm(&t, &tenant.member_a, &event, json!({ "all": true }))
        .await
        .refused(403, "forbidden");
    let id_of = |n: usize| list.items()[n]["member_id"].clone();
    let (member, secretary, organizer) = (id_of(0), id_of(1), id_of(2));
    let item = |member: &Value, minutes: Option<i32>, reason: Option<&str>| json!({ "items": [{ "member_id": member, "minutes": minutes, "reason": reason }] });

    // Another number needs a reason; who has not left has none; who is not here has none either.
    let told = confirm(&t, &tenant.organizer_a, &event, item(&secretary, Some(80), None))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(told.text("/errors/0/field"), "/items/0/reason");
    let still_here = item(&organizer, Some(80), Some("一直在場"));
    confirm(&t, &tenant.organizer_a, &event, still_here.clone())
        .await
        .refused(409, "not_checked_out");
    let absent = json!({ "items": [{ "member_id": tenant.member_b_id }] });
    confirm(&t, &tenant.organizer_a, &event, absent.clone())
        .await
        .refused(404, "not_found");
    confirm(&t, &tenant.admin, &event, absent)
        .await
        .refused(409, "not_checked_in");
    let neither = confirm(&t, &tenant.organizer_a, &event, json!({})).await;
    neither.refused(422, "invalid_fields");
    let less = confirm(
        &t,
        &tenant.organizer_a,
        &event,
        item(&secretary, Some(80), Some("午休")),
    )
    .await
    .expect(200);
    assert_eq!(
        (
            &less.json["items"][0]["minutes"],
            &less.json["items"][0]["proposed_minutes"]
        ),
        (&json!(80), &json!(90))
    );
    let all = confirm(&t, &tenant.organizer_a, &event, json!({ "all": true }))
        .await
        .expect(200);
    assert_eq!((&all.json["total_minutes"], all.items().len()), (&json!(60), 1));
    let again = confirm(&t, &tenant.organizer_a, &event, json!({ "all": true }))
        .await
        .expect(200);
    assert_eq!(again.items().len(), 0);
    let twice = confirm(&t, &tenant.organizer_a, &event, item(&member, None, None))
        .await
        .refused(409, "hours_confirmed");
    assert_eq!(twice.json["service_hours_id"], all.json["items"][0]["id"]);

    // Once it is over a person may say how long somebody was there who has not checked out.
    t.advance_s(3_600);
    let without = item(&organizer, None, None);
    confirm(&t, &tenant.organizer_a, &event, without)
        .await
        .refused(409, "not_checked_out");
    confirm(&t, &tenant.organizer_a, &event, still_here)
        .await
        .expect(200);

    // Taken back, with who, when and why, and confirmed anew.
    let annul = format!("/service-hours/{}/annul", all.text("/items/0/id"));
    let why = json!({ "reason": "時長有誤" });
    t.post(&annul, &tenant.member_a, why.clone())
        .await
        .refused(403, "forbidden");
    let annulled = t.post(&annul, &tenant.organizer_a, why.clone()).await.expect(200);
    assert_eq!(annulled.text("/annulled_at"), t.in_s(0));
    t.post(&annul, &tenant.organizer_a, why)
        .await
        .refused(409, "already_annulled");
    assert_eq!(mine(&t, &tenant.member_a).await.json["total_minutes"], 0);
    confirm(
        &t,
        &tenant.organizer_a,
        &event,
        item(&member, Some(75), Some("提前佈置")),
    )
    .await
    .expect(200);
    let own = mine(&t, &tenant.member_a).await;
    assert_eq!(
        (&own.json["total_minutes"], &own.json["count"]),
        (&json!(75), &json!(1))
    );
    assert_eq!(own.text("/items/0/event_title"), "社區環保志願服務");

    // What was confirmed goes with the check-in it was confirmed for.
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    let here = sheet
        .items()
        .iter()
        .find(|line| line["member_id"] == member)
        .unwrap();
    let annul = format!("/check-ins/{}/annul", here["check_in_id"].as_str().unwrap());
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .expect(200);
    let own = mine(&t, &tenant.member_a).await;
    assert_eq!(
        (&own.json["total_minutes"], &own.json["years"]),
        (&json!(0), &json!([]))
    );

    let meeting = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    confirm(&t, &tenant.organizer_a, &meeting, json!({ "all": true }))
        .await
        .refused(409, "not_volunteering");
}

#[actix_web::test]
async fn two_organisers_at_once_confirm_each_once() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let event = served(&t, &tenant, 45).await;
    let path = format!("/api/v1/events/{event}/service-hours/confirm");
    let all = join_all((0..10).map(async |n| {
        let (server, token) = match n % 2 {
            0 => (t.url.as_str(), &tenant.organizer_a),
            _ => (replica.as_str(), &tenant.secretary_a),
        };
        let whom = match n {
            0..5 => json!({ "all": true }),
            _ => json!({ "items": [{ "member_id": tenant.member_a_id }] }),
        };
        t.post(&format!("{server}{path}"), token, whom).await
    }))
    .await;
    let confirmed: usize = all
        .iter()
        .filter(|reply| reply.status == 200)
        .map(|reply| reply.items().len())
        .sum();
    let refused = all.iter().filter(|reply| reply.status != 200);
    assert!(
        refused
            .clone()
            .all(|reply| reply.json["code"] == "hours_confirmed")
    );
    assert_eq!(confirmed, 2);
    assert_eq!(mine(&t, &tenant.member_a).await.json["total_minutes"], 45);
    stop.stop(false).await;
}

#[actix_web::test]
async fn a_year_turns_at_midnight_in_shanghai_and_totals_are_the_sums() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    // A minute before the new year there, and a minute after; both last into it.
    let mut minutes = Vec::new();
    let second = "2026-12-31T15:58:00Z"
        .parse::<zhibu::platform::db::Instant>()
        .unwrap();
    for (wait_s, stay) in [(0, 30), (60, 50), (3_600, 25)] {
        let until = second.minus(t.now()).num_seconds();
        t.advance_s(if wait_s == 60 { until.max(0) + 60 } else { wait_s });
        if wait_s == 3_600 {
            t.advance_s(86_400);
        }
        let event = served(&t, &tenant, stay).await;
        confirm(&t, &tenant.organizer_a, &event, json!({ "all": true }))
            .await
            .expect(200);
        minutes.push(stay);
    }
    let years = mine(&t, &tenant.member_a).await.json["years"].clone();
    assert_eq!(
        years,
        json!([{ "year": 2027, "minutes": 25, "events": 1 }, { "year": 2026, "minutes": 80, "events": 2 }])
    );
    let own = t
        .get("/me/service-hours?year=2026&limit=1", &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(
        (&own.json["total_minutes"], own.text("/items/0/served_on")),
        (&json!(80), "2026-12-31".into())
    );
    let rest = format!(
        "/me/service-hours?year=2026&limit=1&cursor={}",
        own.text("/next_cursor")
    );
    let rest = t.get(&rest, &tenant.member_a).await.expect(200);
    assert_eq!(
        (rest.text("/items/0/served_on"), &rest.json["next_cursor"]),
        ("2026-11-24".into(), &Value::Null)
    );

    // Of a subtree: the naive sum over what each member is told.
    let path = format!("/organizations/{}/service-hours", tenant.root);
    let mut sum = 0;
    for token in [&tenant.member_a, &tenant.secretary_a, &tenant.member_b] {
        let own = t.get("/me/service-hours?year=2026", token).await.expect(200);
        sum += own
            .items()
            .iter()
            .map(|item| item["minutes"].as_i64().unwrap())
            .sum::<i64>();
    }
    let list = t
        .get(&format!("{path}?year=2026&count=true&limit=1"), &tenant.inspector)
        .await
        .expect(200);
    assert_eq!(
        (&list.json["count"], list.text("/items/0/name")),
        (&json!(2), "甲成員".into())
    );
    let next = format!("{path}?year=2026&limit=1&cursor={}", list.text("/next_cursor"));
    let next = t.get(&next, &tenant.inspector).await.expect(200);
    let told = [&list, &next].map(|list| list.json["items"][0]["minutes"].as_i64().unwrap());
    assert_eq!(
        (told.iter().sum::<i64>(), &next.json["next_cursor"]),
        (sum, &Value::Null)
    );
    let csv = t
        .get_as(&format!("{path}?year=2026"), &tenant.admin, "text/csv")
        .await
        .expect(200);
    let csv = String::from_utf8(csv.bytes).unwrap();
    assert!(csv.contains("甲成員") && csv.contains(",2026,2,80,1.33"), "{csv}");
    // This year, when none is named.
    let now = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(
        (&now.json["items"][0]["year"], &now.json["items"][0]["minutes"]),
        (&json!(2027), &json!(25))
    );
    t.get(&path, &tenant.secretary_a).await.refused(403, "forbidden");
    let theirs = format!("/members/{}/service-hours", tenant.member_a_id);
    t.get(&theirs, &tenant.secretary_a).await.expect(200);
    t.get(&theirs, &tenant.member_a).await.expect(200);
    t.get(&theirs, &tenant.secretary_b)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn a_statement_to_print_is_read_by_somebody_elses_reader() {
    let Some(python) = python() else { return };
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    for minutes in [75, 20] {
        let event = served(&t, &tenant, minutes).await;
        confirm(&t, &tenant.organizer_a, &event, json!({ "all": true }))
            .await
            .expect(200);
    }
    let folder = tempfile::tempdir().unwrap();
    let read = async |language: &str, path: &str, token: &str| {
        let request = t.request(reqwest::Method::GET, path, token);
        let request = request
            .header("accept", "application/pdf")
            .header("accept-language", language);
        let reply = Reply::of(request).await.expect(200);
        assert_eq!(reply.header("content-type"), "application/pdf");
        let file = folder.path().join(format!("{}.pdf", new_uuid()));
        std::fs::write(&file, &reply.bytes).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/read_pdf.py");
        let output = Command::new(&python).arg(script).arg(&file).output().unwrap();
        let (said, wrong) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{said}{wrong}");
        said
    };
    let own = read("zh-TW", "/me/service-hours?year=2026", &tenant.member_a).await;
    for words in [
        "志願服務時長證明",
        "甲成員",
        "第一黨支部",
        "社區環保志願服務",
        "1 小時 35 分",
        "2026-11-24",
        "第 1 頁",
    ] {
        assert!(own.contains(words), "{words}: {own}");
    }
    let path = format!("/members/{}/service-hours", tenant.member_a_id);
    let theirs = read("zh-CN", &path, &tenant.secretary_a).await;
    for words in ["志愿服务时长证明", "甲成員", "甲書記", "1 小时 35 分"] {
        assert!(theirs.contains(words), "{words}: {theirs}");
    }
    t.get_as(&path, &tenant.secretary_b, "application/pdf")
        .await
        .refused(404, "not_found");
    t.get_as("/me/service-hours", &tenant.member_a, "image/png")
        .await
        .refused(406, "not_acceptable");
}

#[actix_web::test]
async fn without_a_font_the_admin_is_told_the_setting() {
    let t = TestApp::start_with(|config| config.documents.font = Some("/nowhere/font.ttf".into())).await;
    let tenant = t.tenant().await;
    let told = t
        .get_as("/me/service-hours", &tenant.member_a, "application/pdf")
        .await
        .refused(503, "document_font_missing");
    assert_eq!(told.text("/setting"), "documents.font");
    assert!(told.header("retry-after").parse::<u64>().unwrap() > 0);
    let findings = zhibu::doctor::examine(&t.app.config, t.clock()).await;
    let warns = |finding: &zhibu::doctor::Finding| matches!(finding, zhibu::doctor::Finding::Warning(words) if words.contains("documents.font"));
    assert!(findings.iter().any(warns), "{findings:?}");
}

/// What did not take place was served at by nobody, whoever had confirmed it.
#[actix_web::test]
async fn hours_end_with_an_event_that_is_cancelled() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = served(&t, &tenant, 60).await;
    let all = confirm(&t, &tenant.organizer_a, &event, json!({ "all": true })).await;
    assert_eq!(all.expect(200).items().len(), 2);
    let cancel = json!({ "reason": "場地關閉" });
    t.post(&format!("/events/{event}/cancel"), &tenant.organizer_a, cancel)
        .await
        .expect(200);
    let hours = mine(&t, &tenant.member_a).await;
    assert_eq!(
        (&hours.json["count"], &hours.json["years"]),
        (&json!(0), &json!([])),
        "{}",
        hours.json
    );
    let path = format!("/organizations/{}/service-hours", tenant.branch_a);
    let totals = t.get(&path, &tenant.organizer_a).await.expect(200);
    assert_eq!(totals.items(), &[] as &[Value]);
}

#[actix_web::test]
async fn where_somebody_from_elsewhere_belongs_is_not_told_with_their_hours() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = served(&t, &tenant, 60).await;
    let by_hand = json!({ "member_id": tenant.member_b_id, "reason": "支援", "client_event_id": new_uuid() });
    t.post(&format!("/events/{event}/check-ins"), &tenant.admin, by_hand)
        .await
        .expect(201);
    t.act(&format!("/events/{event}/close"), &tenant.admin)
        .await
        .expect(200);
    let homes = |items: &[Value]| -> Vec<(String, Value)> {
        let home = |one: &Value| {
            (
                one["member_id"].as_str().unwrap().to_owned(),
                one["organization_id"].clone(),
            )
        };
        items.iter().map(home).collect()
    };
    let theirs = |home: Value| (tenant.member_b_id.clone(), home);
    let path = format!("/events/{event}/service-hours");
    let near = homes(t.get(&path, &tenant.organizer_a).await.expect(200).items());
    assert!(near.contains(&theirs(Value::Null)), "{near:?}");
    assert!(near.contains(&(tenant.member_a_id.clone(), json!(tenant.branch_a))));
    let all = homes(t.get(&path, &tenant.admin).await.expect(200).items());
    assert!(all.contains(&theirs(json!(tenant.branch_b))), "{all:?}");
    let item = json!({ "member_id": tenant.member_b_id, "minutes": 30, "reason": "未簽退" });
    let done = confirm(&t, &tenant.organizer_a, &event, json!({ "items": [item] })).await;
    assert_eq!(homes(done.expect(200).items()), [theirs(Value::Null)]);
    // Their own secretary sees it, and what is stored is what is true.
    let path = format!("/members/{}/service-hours", tenant.member_b_id);
    let kept = t.get(&path, &tenant.secretary_b).await.expect(200);
    assert_eq!(homes(kept.items()), [theirs(json!(tenant.branch_b))]);
}
