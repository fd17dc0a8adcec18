//! Study: what phones report with answers lost, in any order, from several devices and after a day offline; what does not
//! fit the clock; and who decides it.

use diesel::RunQueryDsl;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// A published lesson for branch A that plays five minutes.
pub async fn played_lesson(t: &TestApp, tenant: &Tenant) -> String {
    let lesson = article(t, tenant, "x").await;
    // What its file would tell: no test here is about files.
    let statements = [
        format!(
            "UPDATE lessons SET kind = 'video' WHERE id = {}",
            id_sql(t, &lesson)
        ),
        format!(
            "UPDATE lesson_versions SET duration_ms = 300000, sections = '[]' WHERE lesson_id = {}",
            id_sql(t, &lesson)
        ),
    ];
    for statement in statements {
        t.app
            .db
            .write(move |conn| Ok(diesel::sql_query(&statement).execute(conn)?))
            .await
            .unwrap();
    }
    lesson
}

pub fn id_sql(t: &TestApp, id: &str) -> String {
    match t.app.db.backend() {
        zhibu::platform::db::Backend::Sqlite => format!("x'{}'", id.replace('-', "")),
        zhibu::platform::db::Backend::Postgres => format!("'{id}'"),
    }
}

pub async fn article(t: &TestApp, tenant: &Tenant, body: &str) -> String {
    let lesson = json!({ "organization_id": tenant.branch_a, "kind": "article", "title": "五分鐘微黨課", "body": body });
    let lesson = t.post("/lessons", &tenant.admin, lesson).await.expect(201).id();
    for what in ["submit", "publish"] {
        t.act(&format!("/lessons/{lesson}/{what}"), &tenant.admin)
            .await
            .expect(200);
    }
    lesson
}

/// A report of now.
pub fn report(t: &TestApp, session: &str, played: Value) -> Value {
    json!({ "session_id": session, "played": played, "occurred_at": t.in_s(0) })
}

pub async fn send(t: &TestApp, token: &str, lesson: &str, report: &Value) -> Reply {
    t.put(&format!("/lessons/{lesson}/progress"), token, report.clone())
        .await
}

async fn progress(t: &TestApp, token: &str, lesson: &str) -> Reply {
    t.get(&format!("/lessons/{lesson}/progress"), token)
        .await
        .expect(200)
}

#[actix_web::test]
async fn a_lesson_is_played_to_its_end() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson, session) = (&tenant.member_a, played_lesson(&t, &tenant).await, new_uuid());
    let opened = send(&t, member, &lesson, &report(&t, &session, json!([])))
        .await
        .expect(200);
    assert_eq!(
        (&opened.json["coverage"], &opened.json["completed"]),
        (&json!(0.0), &json!(false))
    );
    for n in 0..9 {
        t.advance_s(30);
        let (from, to) = (f64::from(n) * 30.0, f64::from(n + 1) * 30.0);
        let mut report = report(&t, &session, json!([[from, to]]));
        report["position"] = json!(to);
        let told = send(&t, member, &lesson, &report).await.expect(200);
        assert_eq!(told.json["accepted"], json!([[from, to]]), "{}", told.json);
        assert_eq!(told.json["rejected"], json!([]));
        assert_eq!(told.json["completed"], n == 8, "{}", told.json);
        let again = send(&t, member, &lesson, &report).await.expect(200);
        assert_eq!(told.json, again.json, "the answer was lost: the same again");
    }
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen.json["played"], json!([[0.0, 270.0]]));
    assert_eq!(
        (&seen.json["coverage"], &seen.json["position"]),
        (&json!(0.9), &json!(270.0))
    );
    let completion = &seen.json["completion"];
    assert_eq!(
        (&completion["version"], &completion["rule"]),
        (&json!(1), &json!("coverage"))
    );
    assert_eq!(completion["threshold_permille"], 900);
    let list = t.get("/progress?count=true", member).await.expect(200);
    assert_eq!(
        (&list.json["count"], &list.items()[0]["lesson_id"]),
        (&json!(1), &json!(lesson))
    );
    assert_eq!(
        t.get("/progress", &tenant.member_b)
            .await
            .expect(200)
            .items()
            .len(),
        0
    );
    send(&t, &tenant.member_b, &lesson, &report(&t, &session, json!([])))
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn two_phones_with_lost_answers_and_a_day_offline_make_the_true_union() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    let (a, b) = (new_uuid(), new_uuid());
    // Phone A plays in the morning, offline; phone B in the afternoon, with seeks. All of it arrives in the evening.
    let mut reports: Vec<Value> = Vec::new();
    for (session, begin, ranges) in [
        (&a, -36_000, vec![[0.0, 55.5], [55.5, 110.0], [140.0, 170.25]]),
        (
            &b,
            -18_000,
            vec![[100.0, 120.0], [200.0, 260.0], [10.0, 20.0], [255.0, 299.999]],
        ),
    ] {
        let mut at = begin;
        reports.push(json!({ "session_id": session, "played": [], "occurred_at": t.in_s(at) }));
        for range in ranges {
            at += 40;
            reports.push(json!({ "session_id": session, "played": [range], "occurred_at": t.in_s(at) }));
        }
    }
    // Backwards, each twice, the last ones thrice; as single requests and as a batch.
    reports.reverse();
    for report in &reports {
        send(&t, member, &lesson, report).await.expect(200);
    }
    let items: Vec<Value> = reports
        .iter()
        .map(|report| json!({ "lesson_id": lesson, "progress": report }))
        .collect();
    let batch = t
        .post("/progress/batch", member, json!({ "items": items }))
        .await
        .expect(200);
    for item in batch.items() {
        assert_eq!(item["outcome"], "duplicate", "{item}");
    }
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(
        seen.json["played"],
        json!([[0.0, 120.0], [140.0, 170.25], [200.0, 299.999]]),
        "{}",
        seen.json
    );
    assert_eq!(seen.json["reviews"], json!([]));
}

#[actix_web::test]
async fn an_honest_day_offline_is_credited_whole_by_one_batch() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut items = Vec::new();
    for n in 0..8 {
        // Eight lessons of five minutes, back to back on a plane.
        let lesson = played_lesson(&t, &tenant).await;
        let begin = -8 * 3_600 + n * 300;
        items.push(json!({ "lesson_id": lesson, "progress": {
            "session_id": new_uuid(), "played": [[0.0, 300.0]], "position": 300.0,
            "started_at": t.in_s(begin), "occurred_at": t.in_s(begin + 300),
        }}));
    }
    items
        .push(json!({ "lesson_id": "x", "progress": { "session_id": new_uuid(), "played": [[-1.0, 2.0]] } }));
    let batch = t
        .post("/progress/batch", &tenant.member_a, json!({ "items": items }))
        .await
        .expect(200);
    let (bad, good) = batch.items().split_last().unwrap();
    for item in good {
        assert_eq!(
            (&item["outcome"], &item["progress"]["completed"]),
            (&json!("created"), &json!(true)),
            "{item}"
        );
    }
    assert_eq!(
        (&bad["outcome"], &bad["code"]),
        (&json!("rejected"), &json!("invalid_fields")),
        "{bad}"
    );
}

#[actix_web::test]
async fn what_does_not_fit_the_clock_waits_and_nothing_honest_is_lost() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson, session) = (&tenant.member_a, played_lesson(&t, &tenant).await, new_uuid());
    let cheat = report(&t, &session, json!([[0.0, 300.0]]));
    for _ in 0..3 {
        let told = send(&t, member, &lesson, &cheat).await.expect(200);
        assert_eq!(
            (
                &told.json["covered_s"],
                &told.json["accepted"],
                &told.json["rejected"]
            ),
            (
                &json!(0.0),
                &json!([]),
                &json!([{ "ranges": [[0.0, 300.0]], "code": "too_fast", "in_review": true }])
            )
        );
    }
    // Two minutes of it are really played, on another phone.
    let honest = new_uuid();
    send(&t, member, &lesson, &report(&t, &honest, json!([])))
        .await
        .expect(200);
    t.advance_s(120);
    let told = send(&t, member, &lesson, &report(&t, &honest, json!([[0.0, 120.0]])))
        .await
        .expect(200);
    assert_eq!(told.json["accepted"], json!([[0.0, 120.0]]));
    let mut ahead = report(&t, &new_uuid(), json!([[200.0, 210.0]]));
    ahead["occurred_at"] = json!(t.in_s(3_600));
    let told = send(&t, member, &lesson, &ahead).await.expect(200);
    assert_eq!(told.json["rejected"][0]["code"], "clock_ahead");
    let mut old = report(&t, &new_uuid(), json!([[200.0, 210.0]]));
    old["occurred_at"] = json!(t.in_s(-30 * 86_400));
    let told = send(&t, member, &lesson, &old).await.expect(200);
    assert_eq!(told.json["rejected"][0]["code"], "too_old");
    let beyond = report(&t, &honest, json!([[310.0, 400.0]]));
    let told = send(&t, member, &lesson, &beyond).await.expect(200);
    assert_eq!(
        told.json["rejected"],
        json!([{ "ranges": [[310.0, 400.0]], "code": "beyond_end", "in_review": false }])
    );
    assert_eq!(told.json["covered_s"], 120.0);
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen.json["reviews"].as_array().unwrap().len(), 3, "{}", seen.json);
}

#[actix_web::test]
async fn two_devices_at_once_share_one_clock() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let mut credited = 0.0;
    let mut lessons = Vec::new();
    for _ in 0..6 {
        lessons.push((played_lesson(&t, &tenant).await, new_uuid()));
    }
    for (lesson, session) in &lessons {
        send(&t, member, lesson, &report(&t, session, json!([])))
            .await
            .expect(200);
    }
    t.advance_s(60);
    for (lesson, session) in &lessons {
        let told = send(&t, member, lesson, &report(&t, session, json!([[0.0, 60.0]])))
            .await
            .expect(200);
        credited += told.json["covered_s"].as_f64().unwrap();
    }
    // A minute has passed, a whole one of the clock: at twice the speed two minutes, of all of them together.
    assert_eq!(credited, 120.0);
    // The time of another member's session helps nobody.
    let (lesson, session) = &lessons[0];
    let stranger = t.person(&tenant, &tenant.branch_a, "丙", None).await.1;
    t.advance_s(600);
    let told = send(&t, &stranger, lesson, &report(&t, session, json!([[0.0, 300.0]])))
        .await
        .expect(200);
    assert_eq!(told.json["covered_s"], 0.0);
}

#[actix_web::test]
async fn malformed_reports_are_refused_with_all_that_is_wrong() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson, session) = (&tenant.member_a, played_lesson(&t, &tenant).await, new_uuid());
    for (played, code) in [
        (json!([[-1.0, 5.0]]), "too_small"),
        (json!([[9.0, 5.0]]), "wrong_order"),
        (json!([[0.0, 1e300]]), "too_large"),
        (json!([["0", 5.0]]), "wrong_type"),
        (json!(vec![[0.0, 1.0]; 2_000]), "too_many"),
    ] {
        let told = send(&t, member, &lesson, &report(&t, &session, played))
            .await
            .refused(422, "invalid_fields");
        assert_eq!(told.json["errors"][0]["code"], code, "{}", told.json);
    }
    let many = report(&t, &session, json!(vec![[0.0, 1.0]; 10_000]));
    send(&t, member, &lesson, &many).await.refused(413, "too_large");
    let path = format!("/lessons/{lesson}/progress");
    for body in ["{\"session_id\": NaN}", "{\"played\": [[0, NaN]]}"] {
        let request = t
            .request(Method::PUT, &path, member)
            .header("content-type", "application/json");
        Reply::of(request.body(body)).await.refused(400, "malformed_json");
    }
    let mut wrong = report(&t, &session, json!([]));
    wrong["sections"] = json!([0]);
    let told = send(&t, member, &lesson, &wrong)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(told.json["errors"][0]["code"], "not_an_article");
    wrong["sections"] = json!([]);
    wrong["version"] = json!(7);
    send(&t, member, &lesson, &wrong).await.refused(404, "not_found");
    assert_eq!(progress(&t, member, &lesson).await.json["covered_s"], 0.0);
    t.get(&path, "").await.refused(401, "unauthorized");
}

#[actix_web::test]
async fn an_article_is_read_in_sections_no_faster_than_anybody_reads() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let text = format!("# 一\n\n{}\n\n# 二\n\n短", "字".repeat(1_999));
    let (member, lesson, session) = (&tenant.member_a, article(&t, &tenant, &text).await, new_uuid());
    let seen = |sections: Value| {
        let mut report = report(&t, &session, json!([]));
        report["sections"] = sections;
        report["position"] = json!(1);
        report
    };
    let told = send(&t, member, &lesson, &seen(json!([1]))).await.expect(200);
    assert_eq!(
        (&told.json["sections_seen"], &told.json["position"]),
        (&json!([1]), &json!(1.0))
    );
    // Two thousand characters in no time: two minutes are the least.
    let told = send(&t, member, &lesson, &seen(json!([0]))).await.expect(200);
    assert_eq!(
        (&told.json["sections_seen"], &told.json["rejected"][0]["code"]),
        (&json!([1]), &json!("too_fast"))
    );
    let told = send(&t, member, &lesson, &seen(json!([5])))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(told.json["errors"][0]["code"], "no_such_section");
    t.advance_s(120);
    let told = send(&t, member, &lesson, &seen(json!([0, 1]))).await.expect(200);
    assert_eq!(
        (
            &told.json["sections_seen"],
            &told.json["completed"],
            &told.json["rejected"]
        ),
        (&json!([0, 1]), &json!(true), &json!([])),
        "{}",
        told.json
    );
}

#[actix_web::test]
async fn a_secretary_decides_what_is_doubtful() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    let (first, second) = (new_uuid(), new_uuid());
    for (session, range) in [(&first, [0.0, 290.0]), (&second, [290.0, 300.0])] {
        let mut old = report(&t, session, json!([range]));
        old["occurred_at"] = json!(t.in_s(-20 * 86_400));
        send(&t, member, &lesson, &old).await.expect(200);
    }
    let path = "/study-reviews?status=pending&count=true";
    for (token, count) in [
        (&tenant.secretary_a, 2),
        (&tenant.secretary_b, 0),
        (&tenant.admin, 2),
    ] {
        assert_eq!(t.get(path, token).await.expect(200).json["count"], count);
    }
    t.get(path, member).await.refused(403, "forbidden");
    let list = t.get(path, &tenant.secretary_a).await.expect(200);
    let ids: Vec<String> = list
        .items()
        .iter()
        .map(|review| review["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (&list.items()[0]["code"], &list.items()[0]["claimed_s"]),
        (&json!("too_old"), &json!(10.0))
    );
    let refuse = format!("/study-reviews/{}/refuse", ids[0]);
    t.post(&refuse, member, json!({ "reason": "x" }))
        .await
        .refused(403, "forbidden");
    let done = t
        .post(&refuse, &tenant.secretary_a, json!({ "reason": "手機時間不對" }))
        .await
        .expect(200);
    assert_eq!(done.json["status"], "refused");
    let accept = format!("/study-reviews/{}/accept", ids[1]);
    t.act(&accept, &tenant.secretary_b)
        .await
        .refused(404, "not_found");
    t.act(&accept, &tenant.secretary_a).await.expect(200);
    t.act(&accept, &tenant.secretary_a)
        .await
        .refused(409, "review_already_decided");
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(
        (
            &seen.json["covered_s"],
            &seen.json["completed"],
            &seen.json["reviews"][0]["note"]
        ),
        (&json!(290.0), &json!(true), &json!("手機時間不對"))
    );
    // What was refused is not claimed again by repeating it, and can still be played.
    let mut again = report(&t, &second, json!([[290.0, 300.0]]));
    again["occurred_at"] = json!(t.in_s(-20 * 86_400));
    let told = send(&t, member, &lesson, &again).await.expect(200);
    assert_eq!(told.json["rejected"][0]["in_review"], false);
    assert_eq!(
        t.get(path, &tenant.secretary_a).await.expect(200).json["count"],
        0
    );
    let told = send(
        &t,
        member,
        &lesson,
        &report(&t, &new_uuid(), json!([[290.0, 300.0]])),
    )
    .await
    .expect(200);
    assert_eq!(told.json["coverage"], 1.0);
}

#[actix_web::test]
async fn fifty_writers_lose_nothing_and_complete_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    let (other, handle) = t.replica().await;
    let session = new_uuid();
    let mut opened = report(&t, &session, json!([]));
    opened["started_at"] = json!(t.in_s(-600));
    send(&t, member, &lesson, &opened).await.expect(200);
    // Fifty pieces of six seconds, each from its own phone's hand, half of them at another replica, all at once and twice.
    let pieces = (0..100).map(|n| {
        let piece = f64::from(n % 50);
        let body = report(&t, &session, json!([[piece * 6.0, (piece + 1.0) * 6.0]]));
        let path = format!("/lessons/{lesson}/progress");
        let path = if n % 2 == 0 {
            path
        } else {
            format!("{other}/api/v1{path}")
        };
        let t = &t;
        async move { t.put(&path, member, body).await }
    });
    let all = join_all(pieces).await;
    assert!(
        all.iter().all(|reply| reply.status == 200),
        "{:?}",
        all.iter().map(|r| r.status).collect::<Vec<_>>()
    );
    for reply in &all {
        assert_eq!(reply.json["rejected"], json!([]), "{}", reply.json);
    }
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen.json["played"], json!([[0.0, 300.0]]));
    // Coverage fell for nobody: each answer holds at least its own piece, and one completion is on record.
    let completions: std::collections::BTreeSet<String> = all
        .iter()
        .filter(|reply| reply.json["completed"] == true)
        .map(|reply| reply.json["completion"].to_string())
        .collect();
    assert_eq!(completions.len(), 1);
    handle.stop(false).await;
}

#[actix_web::test]
async fn progress_stays_with_the_version_it_was_earned_on() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, article(&t, &tenant, "# 一\n\n字").await);
    let path = format!("/lessons/{lesson}");
    let mut seen = report(&t, &new_uuid(), json!([]));
    seen["sections"] = json!([0]);
    send(&t, member, &lesson, &seen).await.expect(200);
    t.patch(
        &path,
        &tenant.admin,
        "*",
        json!({ "body": "# 一\n\n字\n\n# 二\n\n新的" }),
    )
    .await
    .expect(200);
    for what in ["submit", "publish"] {
        t.act(&format!("{path}/{what}"), &tenant.admin).await.expect(200);
    }
    let mine = progress(&t, member, &lesson).await;
    assert_eq!(
        (&mine.json["version"], &mine.json["completed"]),
        (&json!(1), &json!(true))
    );
    let newer = t
        .get(&format!("{path}/progress?version=2"), member)
        .await
        .expect(200);
    assert_eq!(
        (&newer.json["coverage"], &newer.json["completed"]),
        (&json!(0.0), &json!(true))
    );
    t.post(
        &format!("{path}/archive"),
        &tenant.admin,
        json!({ "reason": "x" }),
    )
    .await
    .expect(200);
    // Who had begun offline still gets it in; who had not does not see it any more.
    seen["version"] = json!(2);
    send(&t, member, &lesson, &seen).await.expect(200);
    progress(&t, member, &lesson).await;
    let other = t.person(&tenant, &tenant.branch_a, "丁", None).await.1;
    send(&t, &other, &lesson, &seen).await.refused(404, "not_found");
}

#[actix_web::test]
async fn completions_are_read_as_xapi_statements() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    let text = article(&t, &tenant, "字").await;
    let mut whole = report(&t, &new_uuid(), json!([[0.0, 100.0], [110.5, 299.0]]));
    whole["started_at"] = json!(t.in_s(-300));
    send(&t, member, &lesson, &whole).await.expect(200);
    t.advance_s(10);
    let mut seen = report(&t, &new_uuid(), json!([]));
    seen["sections"] = json!([0]);
    send(&t, member, &text, &seen).await.expect(200);
    t.advance_s(200);
    let first = t
        .get("/xapi/statements?limit=1&ascending=true", &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(first.header("x-experience-api-version"), "1.0.3");
    let more = first.text("/more");
    let second = t
        .get(more.strip_prefix("/api/v1").unwrap(), &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(second.text("/more"), "");
    let all = [&first.json["statements"][0], &second.json["statements"][0]];
    let video = all
        .iter()
        .find(|s| s["object"]["id"].as_str().unwrap().ends_with(&lesson))
        .unwrap();
    let of = |name: &str| {
        video["result"]["extensions"][format!("https://w3id.org/xapi/video/extensions/{name}")].clone()
    };
    assert_eq!(of("played-segments"), "0[.]100[,]110.5[.]299");
    assert_eq!(video["verb"]["id"], "http://adlnet.gov/expapi/verbs/completed");
    assert_eq!(
        (&video["result"]["completion"], &video["actor"]["account"]["name"]),
        (&json!(true), &json!(tenant.member_a_id))
    );
    // What is played later changes no statement; one's own are there for oneself, and for nobody beside.
    let rest = report(&t, &new_uuid(), json!([[100.0, 110.5]]));
    send(&t, member, &lesson, &rest).await.expect(200);
    let mine = t.get("/xapi/statements", member).await.expect(200);
    let ids = |reply: &Reply| -> std::collections::BTreeSet<String> {
        let statements = reply.json["statements"].as_array().unwrap();
        statements.iter().map(Value::to_string).collect()
    };
    assert_eq!(ids(&mine), all.iter().map(|s| s.to_string()).collect());
    for stranger in [&tenant.member_b, &tenant.secretary_b] {
        assert_eq!(
            t.get("/xapi/statements", stranger).await.expect(200).json["statements"],
            json!([])
        );
    }
    let later = format!("/xapi/statements?since={}", t.in_s(0));
    assert_eq!(
        t.get(&later, member).await.expect(200).json["statements"],
        json!([])
    );
}

#[actix_web::test]
async fn a_completion_bears_the_time_of_the_last_part_played_and_closes_what_waited() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    let waiting = new_uuid();
    send(&t, member, &lesson, &report(&t, &waiting, json!([[0.0, 300.0]])))
        .await
        .expect(200);
    t.advance_s(3 * 86_400);
    let mut second = report(&t, &new_uuid(), json!([[150.0, 300.0]]));
    let played_at = t.in_s(0);
    second["started_at"] = json!(t.in_s(-150));
    send(&t, member, &lesson, &second).await.expect(200);
    // The first half was played two days before, and arrives a day later.
    let mut first = report(&t, &new_uuid(), json!([[0.0, 150.0]]));
    first["occurred_at"] = json!(t.in_s(-2 * 86_400));
    first["started_at"] = json!(t.in_s(-2 * 86_400 - 150));
    t.advance_s(86_400);
    let told = send(&t, member, &lesson, &first).await.expect(200);
    assert_eq!(
        told.json["completion"]["occurred_at"],
        json!(played_at),
        "{}",
        told.json
    );
    assert_eq!(progress(&t, member, &lesson).await.json["reviews"], json!([]));
    let list = t
        .get("/study-reviews?status=settled&count=true", &tenant.secretary_a)
        .await;
    assert_eq!(list.expect(200).json["count"], 1);
}

#[actix_web::test]
async fn made_up_sessions_do_not_fill_the_list_and_crumbs_are_not_kept() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    for n in 0..40 {
        let mut ahead = report(&t, &new_uuid(), json!([[n, n + 1]]));
        ahead["occurred_at"] = json!(t.in_s(3_600 + n));
        let told = send(&t, member, &lesson, &ahead).await.expect(200);
        assert_eq!(told.json["rejected"][0]["in_review"], true, "{}", told.json);
    }
    let list = t
        .get("/study-reviews?count=true", &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(list.json["count"], 20);
    let mut refused = false;
    for batch in 0..6 {
        let crumbs = (0..1_000).map(|n| {
            let at = f64::from(batch * 1_000 + n) * 0.04;
            json!([at, at + 0.002])
        });
        let crumbs = report(&t, &new_uuid(), crumbs.collect());
        let told = send(&t, member, &lesson, &crumbs).await.expect(200);
        refused |= told.json["rejected"].to_string().contains("too_scattered");
    }
    assert!(refused);
}

#[actix_web::test]
async fn what_is_accepted_closes_what_was_claimed_in_other_sessions() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, lesson) = (&tenant.member_a, played_lesson(&t, &tenant).await);
    for range in [[0.0, 100.0], [200.0, 300.0], [0.0, 290.0]] {
        let mut old = report(&t, &new_uuid(), json!([range]));
        old["occurred_at"] = json!(t.in_s(-20 * 86_400));
        send(&t, member, &lesson, &old).await.expect(200);
    }
    let list = async || t.get("/study-reviews", &tenant.secretary_a).await.expect(200);
    let newest = list().await.text("/items/0/id");
    t.act(&format!("/study-reviews/{newest}/accept"), &tenant.secretary_a)
        .await
        .expect(200);
    let after = list().await;
    let left: Vec<(&Value, &Value)> = after
        .items()
        .iter()
        .map(|review| (&review["status"], &review["ranges"]))
        .collect();
    assert_eq!(
        left,
        [
            (&json!("accepted"), &json!([[0.0, 290.0]])),
            (&json!("pending"), &json!([[290.0, 300.0]])),
            (&json!("settled"), &json!([[0.0, 100.0]])),
        ]
    );
}
