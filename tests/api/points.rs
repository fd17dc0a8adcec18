//! Points: why somebody has as many as they have, once for each deed, within the limits of a day, and taken back with it.

use diesel::RunQueryDsl;
use futures_util::future::join_all;
use serde_json::{Value, json};
use zhibu::platform::db::{AnyId, Backend, DbConnection, sql};
use zhibu::platform::error::AppResult;

use crate::lessons::{draft, publish};
use crate::quizzes;
use crate::races::look_then_act;
use crate::sharing::{begun_event, decide, share};
use crate::study::id_sql;
use crate::study_plans::{lesson, published, study};
use crate::support::{Person, Reply, Tenant, TestApp, new_uuid};
use crate::volunteering::served;

async fn mine(t: &TestApp, token: &str) -> Reply {
    t.get("/me/points?limit=200", token).await.expect(200)
}

/// The journal from its beginning: rule and points of each entry.
pub fn journal(points: &Reply) -> Vec<(String, i64)> {
    let line = |item: &Value| {
        (
            item["rule"].as_str().unwrap().to_owned(),
            item["points"].as_i64().unwrap(),
        )
    };
    points.items().iter().rev().map(line).collect()
}

pub fn total(points: &Reply, period: &str) -> i64 {
    points.json["totals"][period].as_i64().unwrap()
}

fn line(rule: &str, points: i64) -> (String, i64) {
    (rule.to_owned(), points)
}

async fn check_in(t: &TestApp, tenant: &Tenant, event: &str, token: &str) -> Reply {
    let code = t.code(&tenant.admin, event).await;
    t.post("/check-ins", token, t.with_code(&code)).await
}

/// What the totals of days, months and years say beside the journal: nothing, if they agree.
pub async fn disagreements(t: &TestApp) -> Vec<String> {
    #[derive(Debug, diesel::QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text)]
        line: String,
    }
    let (day, month, year) = match t.app.db.backend() {
        Backend::Sqlite => (
            "day",
            "substr(day, 1, 7) || '-01'",
            "substr(day, 1, 4) || '-01-01'",
        ),
        Backend::Postgres => (
            "day",
            "CAST(date_trunc('month', day) AS date)",
            "CAST(date_trunc('year', day) AS date)",
        ),
    };
    let sums: Vec<String> = [("day", day), ("month", month), ("year", year)]
        .iter()
        .map(|(span, start)| {
            format!(
                "SELECT member_id, '{span}' AS span, {start} AS starts_on, CAST(sum(points) AS bigint) AS points, \
                 max(recorded_at) AS reached_at FROM point_entries WHERE points <> 0 GROUP BY 1, 3"
            )
        })
        .collect();
    let hex = match t.app.db.backend() {
        Backend::Sqlite => "lower(hex(member_id))",
        Backend::Postgres => "CAST(member_id AS text)",
    };
    let totals = "SELECT member_id, span, starts_on, points, reached_at FROM point_totals";
    let query = format!(
        "WITH sums AS ({}), totals AS ({totals}) SELECT '' || {hex} || ' ' || span || ' ' || starts_on || ' ' || points AS line \
         FROM (SELECT * FROM sums EXCEPT SELECT * FROM totals) AS a \
         UNION ALL SELECT 'kept ' || {hex} || ' ' || span || ' ' || starts_on || ' ' || points FROM (SELECT * FROM totals EXCEPT SELECT * FROM sums) AS b",
        sums.join(" UNION ALL ")
    );
    let read = move |conn: &mut DbConnection| Ok(diesel::sql_query(&query).load::<Line>(conn)?);
    let lines = t.app.db.read_fresh(read).await.unwrap();
    lines.into_iter().map(|row| row.line).collect()
}

#[actix_web::test]
async fn a_member_sees_why_they_have_their_points_and_how_far_todays_rules_go() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let token = &tenant.member_a;
    assert_eq!(journal(&mine(&t, token).await), []);
    let theme_day = json!({ "title": "重走紅軍路", "forms": ["theme_day"] });
    let event = t.open_event(&tenant.admin, &tenant.branch_a, theme_day).await;
    check_in(&t, &tenant, &event, token).await.expect(201);
    let (one, two) = (lesson(&t, &tenant, "甲").await, lesson(&t, &tenant, "乙").await);
    let plan = published(&t, &tenant, &[&one, &two], 7).await;
    study(&t, token, &one).await;
    study(&t, token, &two).await;
    let with_quiz = quizzes::with_quiz(&t, &tenant, json!({})).await;
    for _ in 0..2 {
        quizzes::pass(&t, token, &with_quiz).await;
    }
    let points = mine(&t, token).await;
    let expected = [
        line("check_in_on_time", 5),
        line("theme_day_attended", 5),
        line("lesson_completed", 1),
        line("lesson_completed", 1),
        line("plan_finished", 10),
        line("quiz_passed", 3),
    ];
    assert_eq!(journal(&points), expected);
    for period in ["today", "week", "month", "quarter", "year", "all"] {
        assert_eq!(total(&points, period), 25, "{period}");
    }
    // Each says what it was for.
    let first = &points.items()[5];
    assert_eq!(
        (
            &first["subject"],
            &first["subject_id"],
            &first["title"],
            &first["kind"]
        ),
        (
            &json!("event"),
            &json!(event),
            &json!("重走紅軍路"),
            &json!("award")
        )
    );
    let of_plan = &points.items()[1];
    assert_eq!(
        (&of_plan["subject_id"], &of_plan["title"]),
        (&json!(plan), &json!("十一月學習計劃"))
    );
    assert_eq!(points.items()[2]["title"], "乙");
    let rules = points.json["rules_today"].as_array().unwrap();
    let of_rule = |rule: &str| rules.iter().find(|one| one["rule"] == rule).unwrap();
    assert_eq!(
        (
            &of_rule("check_in_on_time")["earned_today"],
            &of_rule("check_in_on_time")["day_max"]
        ),
        (&json!(5), &json!(10))
    );
    assert_eq!(of_rule("lesson_completed")["earned_today"], 2);
    assert_eq!(of_rule("make_up")["earned_today"], 0);
    // The next day the totals of the day begin anew, and pages come one after the other.
    t.advance_s(86_400);
    let points = mine(&t, token).await;
    assert_eq!((total(&points, "today"), total(&points, "week")), (0, 25));
    let page = t.get("/me/points?limit=4&count=true", token).await.expect(200);
    let next = page.text("/next_cursor");
    let rest = t
        .get(&format!("/me/points?limit=4&cursor={next}"), token)
        .await
        .expect(200);
    assert_eq!(
        (page.items().len(), rest.items().len(), &page.json["count"]),
        (4, 2, &json!(6))
    );
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn points_are_for_oneself_and_those_who_view_the_member() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/members/{}/points", tenant.member_a_id);
    for token in [&tenant.member_a, &tenant.secretary_a, &tenant.admin] {
        t.get(&path, token).await.expect(200);
    }
    for token in [&tenant.member_b, &tenant.secretary_b] {
        t.get(&path, token).await.refused(404, "not_found");
    }
    t.get("/me/points", &tenant.system)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn what_is_taken_back_takes_its_points_along_for_the_day_of_the_deed() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let token = &tenant.member_a;
    let theme_day = json!({ "forms": ["theme_day"] });
    let event = t.open_event(&tenant.admin, &tenant.branch_a, theme_day).await;
    let done = check_in(&t, &tenant, &event, token).await.expect(201).id();
    t.advance_s(86_400);
    let reason = json!({ "reason": "代簽" });
    t.post(&format!("/check-ins/{done}/annul"), &tenant.organizer_a, reason)
        .await
        .expect(200);
    let points = mine(&t, token).await;
    let expected = [
        line("check_in_on_time", 5),
        line("theme_day_attended", 5),
        line("check_in_on_time", -5),
        line("theme_day_attended", -5),
    ];
    let mut entries = journal(&points);
    entries[2..].sort();
    assert_eq!(entries, expected);
    assert!(points.items()[..2].iter().all(|item| item["kind"] == "reversal"
        && item["day"] == "2026-11-24"
        && item["recorded_at"].as_str().unwrap().starts_with("2026-11-25")));
    assert_eq!((total(&points, "today"), total(&points, "all")), (0, 0));

    // A cancelled event was attended by nobody.
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    check_in(&t, &tenant, &event, token).await.expect(201);
    assert_eq!(total(&mine(&t, token).await, "today"), 5);
    let reason = json!({ "reason": "停電" });
    t.post(&format!("/events/{event}/cancel"), &tenant.admin, reason)
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, token).await, "today"), 0);

    // Service hours, with a check-in and a part of an hour.
    let event = served(&t, &tenant, 90).await;
    let all = json!({ "all": true });
    let confirmed = t
        .post(
            &format!("/events/{event}/service-hours/confirm"),
            &tenant.organizer_a,
            all,
        )
        .await
        .expect(200);
    let mine_of = |item: &&Value| item["member_id"] == json!(tenant.member_a_id);
    let hours = confirmed.items().iter().find(mine_of).unwrap()["id"].clone();
    assert_eq!(total(&mine(&t, token).await, "all"), 12);
    let annul = format!("/service-hours/{}/annul", hours.as_str().unwrap());
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "登記有誤" }))
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, token).await, "all"), 5);
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn what_was_earned_at_an_event_that_is_cancelled_is_taken_back_with_it() {
    let t = TestApp::start_with(|config| {
        config.auth.access_token_s = 30 * 86_400;
        config.sharing.moderated = false;
    })
    .await;
    let tenant = t.tenant().await;
    let event = served(&t, &tenant, 60).await;
    let confirm = format!("/events/{event}/service-hours/confirm");
    t.post(&confirm, &tenant.organizer_a, json!({ "all": true }))
        .await
        .expect(200);
    share(&t, &tenant.member_a, &event, "event").await.expect(201);
    let points = mine(&t, &tenant.member_a).await;
    assert_eq!(journal(&points).len(), 3);
    assert!(total(&points, "all") >= 9);
    let cancel = format!("/events/{event}/cancel");
    t.post(&cancel, &tenant.admin, json!({ "reason": "停電" }))
        .await
        .expect(200);
    let points = mine(&t, &tenant.member_a).await;
    assert_eq!((journal(&points).len(), total(&points, "all")), (6, 0));
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn a_reflection_is_worth_something_while_it_is_shown() {
    let t = TestApp::start_with(|config| config.sharing.moderated = true).await;
    let tenant = t.tenant().await;
    let token = &tenant.member_a;
    let event = begun_event(&t, &tenant, json!({})).await;
    let reflection = share(&t, token, &event, "event").await.expect(201).id();
    assert_eq!(journal(&mine(&t, token).await), []);
    decide(&t, &tenant.admin, &reflection, "approve")
        .await
        .expect(200);
    assert_eq!(journal(&mine(&t, token).await), [line("reflection_shared", 2)]);
    // Changed, it is read again: until then it is not shown.
    t.patch(
        &format!("/reflections/{reflection}"),
        token,
        "*",
        json!({ "text": "再想一想。" }),
    )
    .await
    .expect(200);
    assert_eq!(total(&mine(&t, token).await, "all"), 0);
    decide(&t, &tenant.admin, &reflection, "approve")
        .await
        .expect(200);
    let shown_again = [2, -2, 2].map(|points| line("reflection_shared", points));
    assert_eq!(journal(&mine(&t, token).await), shown_again);
    t.act(&format!("/reflections/{reflection}/withdraw"), token)
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, token).await, "all"), 0);
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn a_reflection_is_worth_nothing_of_who_did_not_take_part_after_all() {
    let t = TestApp::start_with(|config| config.sharing.moderated = false).await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.advance_s(600);
    let check_ins = format!("/events/{event}/check-ins");
    let mut shared = Vec::new();
    // One of the branch, who is expected whether they come or not, and one of another.
    for (id, token, left) in [
        (&tenant.member_a_id, &tenant.member_a, 2),
        (&tenant.member_b_id, &tenant.member_b, 0),
    ] {
        let by_hand = json!({ "member_id": id, "reason": "列席", "client_event_id": new_uuid() });
        let came = t.post(&check_ins, &tenant.admin, by_hand).await.expect(201).id();
        shared.push(share(&t, token, &event, "event").await.expect(201).id());
        assert_eq!(total(&mine(&t, token).await, "all"), 7);
        let annul = format!("/check-ins/{came}/annul");
        t.post(&annul, &tenant.admin, json!({ "reason": "認錯人" }))
            .await
            .expect(200);
        assert_eq!(total(&mine(&t, token).await, "all"), left);
    }
    // Nor once it is written anew, as long as nobody says that they were there.
    let rewrite = async |text: &str| {
        let path = format!("/reflections/{}", shared[1]);
        let again = json!({ "text": text });
        t.patch(&path, &tenant.member_b, "*", again).await.expect(200);
        total(&mine(&t, &tenant.member_b).await, "all")
    };
    assert_eq!(rewrite("再想一想。").await, 0);
    let by_hand =
        json!({ "member_id": tenant.member_b_id, "reason": "確實來過", "client_event_id": new_uuid() });
    t.post(&check_ins, &tenant.admin, by_hand).await.expect(201);
    assert_eq!(total(&mine(&t, &tenant.member_b).await, "all"), 7);
    let cancel = json!({ "reason": "場地關閉" });
    t.post(&format!("/events/{event}/cancel"), &tenant.admin, cancel)
        .await
        .expect(200);
    for token in [&tenant.member_a, &tenant.member_b] {
        assert_eq!(total(&mine(&t, token).await, "all"), 0);
    }
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn who_has_left_gets_nothing_for_a_lecture_that_is_published_later() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (id, token) = t
        .person(
            &tenant,
            &tenant.branch_a,
            "講師",
            Some((&tenant.branch_a, "lecturer")),
        )
        .await;
    let first = draft(&t, &token, &tenant.branch_a, json!({})).await;
    let second = draft(&t, &token, &tenant.branch_a, json!({})).await;
    publish(&t, &tenant, &first).await;
    let earned = total(&mine(&t, &token).await, "all");
    assert!(earned > 0);
    let member = format!("/members/{id}");
    let leaves = json!({ "reason": "調離" });
    t.post(&format!("{member}/deactivate"), &tenant.admin, leaves)
        .await
        .expect(200);
    publish(&t, &tenant, &second).await;
    let path = format!("{member}/points");
    let points = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(total(&points, "all"), earned);
}

#[actix_web::test]
async fn an_absence_from_what_did_not_take_place_is_not_made_up() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let answer = lesson(&t, &tenant, "甲").await;
    let token = &tenant.member_a;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.advance_s(86_400);
    let body = json!({ "lesson_id": answer });
    t.put(&format!("/events/{event}/make-up"), &tenant.organizer_a, body)
        .await
        .expect(200);
    study(&t, token, &answer).await;
    assert_eq!(total(&mine(&t, token).await, "all"), 3);
    // Nobody came, and it turns out that it was called off.
    let reason = json!({ "reason": "場地關閉" });
    t.post(&format!("/events/{event}/cancel"), &tenant.organizer_a, reason)
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, token).await, "all"), 1);
}

#[actix_web::test]
async fn an_absence_that_is_made_up_gives_points_until_somebody_was_there_after_all() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (before, after) = (lesson(&t, &tenant, "甲").await, lesson(&t, &tenant, "乙").await);
    let token = &tenant.member_a;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    study(&t, token, &before).await;
    t.advance_s(86_400);
    let set = async |lesson: Value| {
        let body = json!({ "lesson_id": lesson });
        t.put(&format!("/events/{event}/make-up"), &tenant.organizer_a, body)
            .await
            .expect(200);
    };
    // Whoever had studied it before did nothing more.
    set(json!(before)).await;
    assert_eq!(journal(&mine(&t, token).await), [line("lesson_completed", 1)]);
    set(json!(after)).await;
    study(&t, token, &after).await;
    let made_up = [
        line("lesson_completed", 1),
        line("lesson_completed", 1),
        line("make_up", 2),
    ];
    assert_eq!(journal(&mine(&t, token).await), made_up);
    // Taken away and named again, it gives them again: those who have studied it since are found.
    set(Value::Null).await;
    assert_eq!(total(&mine(&t, token).await, "all"), 2);
    set(json!(after)).await;
    assert_eq!(total(&mine(&t, token).await, "all"), 4);
    let by_hand =
        json!({ "member_id": tenant.member_a_id, "reason": "當時在場", "client_event_id": new_uuid() });
    let present = t
        .post(
            &format!("/events/{event}/check-ins"),
            &tenant.organizer_a,
            by_hand,
        )
        .await
        .expect(201)
        .id();
    let points = mine(&t, token).await;
    let of_rule = |rule: &str| -> i64 {
        let entries = journal(&points);
        entries
            .iter()
            .filter(|(one, _)| one == rule)
            .map(|(_, points)| points)
            .sum()
    };
    assert_eq!(
        (of_rule("make_up"), total(&points, "all")),
        (0, 2 + of_rule("check_in_late"))
    );
    // Taken back, it was made up after all.
    let annul = format!("/check-ins/{present}/annul");
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "記錯人" }))
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, token).await, "all"), 4);
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

/// What was taken back when it was cancelled is not given again by what comes later.
#[actix_web::test]
async fn a_cancelled_event_gives_nothing_any_more() {
    let t = TestApp::start_with(|config| {
        config.sharing.moderated = true;
        config.auth.access_token_s = 30 * 86_400;
    })
    .await;
    let tenant = t.tenant().await;
    let lesson = lesson(&t, &tenant, "補課").await;
    let cancel = json!({ "reason": "場地關閉" });
    let event = served(&t, &tenant, 60).await;
    let shared = share(&t, &tenant.member_a, &event, "event")
        .await
        .expect(201)
        .id();
    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.organizer_a,
        cancel.clone(),
    )
    .await
    .expect(200);
    decide(&t, &tenant.organizer_a, &shared, "approve")
        .await
        .expect(200);
    t.post(
        &format!("/events/{event}/service-hours/confirm"),
        &tenant.organizer_a,
        json!({ "all": true }),
    )
    .await
    .refused(409, "event_cancelled");
    t.put(
        &format!("/events/{event}/make-up"),
        &tenant.organizer_a,
        json!({ "lesson_id": lesson }),
    )
    .await
    .refused(409, "event_cancelled");
    assert_eq!(total(&mine(&t, &tenant.member_a).await, "all"), 0);
    // Nor does it give by what is taken back later: an absence from it is not made up.
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let came = check_in(&t, &tenant, &event, &tenant.member_a)
        .await
        .expect(201)
        .id();
    t.advance_s(86_400);
    let answer = json!({ "lesson_id": lesson });
    t.put(&format!("/events/{event}/make-up"), &tenant.organizer_a, answer)
        .await
        .expect(200);
    study(&t, &tenant.member_a, &lesson).await;
    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.organizer_a,
        cancel.clone(),
    )
    .await
    .expect(200);
    let annul = format!("/check-ins/{came}/annul");
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .expect(200);
    assert_eq!(total(&mine(&t, &tenant.member_a).await, "all"), 1);
    // A check-in that waits for a person waits for ever.
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let kept = t.with_code(&t.code(&tenant.admin, &event).await);
    t.advance_s(86_400);
    let late = t
        .post("/check-ins/batch", &tenant.member_a, json!({ "items": [kept] }))
        .await
        .expect(200)
        .text("/items/0/check_in/id");
    t.post(&format!("/events/{event}/cancel"), &tenant.organizer_a, cancel)
        .await
        .expect(200);
    t.act(&format!("/check-ins/{late}/accept"), &tenant.organizer_a)
        .await
        .refused(409, "event_cancelled");
    assert_eq!(total(&mine(&t, &tenant.member_a).await, "all"), 1);
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

/// Who was there has nothing to make up, and neither has who was not expected.
#[actix_web::test]
async fn only_an_absence_is_made_up() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let lesson = lesson(&t, &tenant, "補課").await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    check_in(&t, &tenant, &event, &tenant.member_a).await.expect(201);
    let body = json!({ "lesson_id": lesson });
    t.put(&format!("/events/{event}/make-up"), &tenant.organizer_a, body)
        .await
        .expect(200);
    t.advance_s(86_400);
    for (token, before) in [
        (&tenant.member_a, vec![line("check_in_on_time", 5)]),
        (&tenant.member_b, vec![]),
        // Absent: the control.
        (&tenant.organizer_a, vec![]),
    ] {
        study(&t, token, &lesson).await;
        let mut expected = [before, vec![line("lesson_completed", 1)]].concat();
        if token == &tenant.organizer_a {
            expected.push(line("make_up", 2));
        }
        assert_eq!(journal(&mine(&t, token).await), expected);
    }
}

#[actix_web::test]
async fn whoever_waits_for_review_earns_when_a_person_has_looked() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let token = &tenant.member_a;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let code = t.code(&tenant.organizer_a, &event).await;
    let kept = t.with_code(&code);
    // The phone comes back after the event: it waits for somebody to look.
    t.advance_s(86_400);
    let late = t
        .post("/check-ins/batch", token, json!({ "items": [kept] }))
        .await
        .expect(200);
    assert_eq!(late.items()[0]["outcome"], "review");
    assert_eq!(journal(&mine(&t, token).await), []);
    let late = late.text("/items/0/check_in/id");
    t.act(&format!("/check-ins/{late}/accept"), &tenant.organizer_a)
        .await
        .expect(200);
    let points = mine(&t, token).await;
    assert_eq!(journal(&points), [line("check_in_on_time", 5)]);
    // It counts for the day on which the code was seen.
    assert_eq!(points.items()[0]["day"], "2026-11-24");
}

/// Invariant 2: the same client event id gives points once, whatever was lost on the way.
#[actix_web::test]
async fn the_same_check_in_sent_fifty_times_to_two_servers_gives_points_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let body = t.with_code(&t.code(&tenant.organizer_a, &event).await);
    let all = join_all((0..50).map(|n| {
        let path = match n % 2 {
            0 => "/check-ins".to_owned(),
            _ => format!("{replica}/api/v1/check-ins"),
        };
        let (t, token, body) = (&t, &tenant.member_a, body.clone());
        async move { t.post(&path, token, body).await }
    }))
    .await;
    assert!(all.iter().all(|reply| reply.status == 200 || reply.status == 201));
    assert_eq!(
        journal(&mine(&t, &tenant.member_a).await),
        [line("check_in_on_time", 5)]
    );
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
    stop.stop(false).await;
}

/// Invariant 8: a daily cap holds across concurrent earnings.
#[actix_web::test]
async fn a_daily_limit_holds_when_everything_is_earned_at_once_on_two_servers() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let people: Vec<Person> = t.crowd(&tenant, 12).await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
        codes.push(t.code(&tenant.admin, &event).await);
    }
    let sent = people.iter().flat_map(|person| {
        let bodies = codes.iter().map(|code| t.with_code(code));
        bodies.enumerate().map(move |(n, body)| (n, person, body))
    });
    let all = join_all(sent.map(|(n, person, body)| {
        let path = match n % 2 {
            0 => "/check-ins".to_owned(),
            _ => format!("{replica}/api/v1/check-ins"),
        };
        let t = &t;
        async move { t.post(&path, &person.token, body).await.expect(201) }
    }))
    .await;
    assert_eq!(all.len(), 60);
    for person in &people {
        let points = mine(&t, &person.token).await;
        let entries = journal(&points);
        assert_eq!(entries.len(), 5);
        assert_eq!((total(&points, "today"), total(&points, "all")), (10, 10));
        let limited = |item: &&Value| item["limited_by"] == "day_max";
        assert_eq!(points.items().iter().filter(limited).count(), 3);
    }
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
    stop.stop(false).await;
}

#[actix_web::test]
async fn control_looking_first_earns_more_than_a_day_gives() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    check_in(&t, &tenant, &event, &tenant.member_a).await.expect(201);
    // Each of many sees that there is room for five of ten, without holding the member, and all of them take it.
    let look = "SELECT count(*) AS n FROM point_totals WHERE span = 'day' AND points > 5";
    let again = |conn: &mut DbConnection| {
        let entry = "INSERT INTO point_entries SELECT member_id, $1, rule, 0, $2, tenant_id, organization_id, subject_id, \
             standing, minutes, points, NULL, day, occurred_at, recorded_at, change_no FROM point_entries LIMIT 1";
        diesel::sql_query(entry)
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .execute(conn)?;
        diesel::sql_query("UPDATE point_totals SET points = points + 5").execute(conn)
    };
    let earned = look_then_act(&t.app.db, look, again).await;
    assert!(
        earned > 1,
        "the race found nothing to go wrong: it proves nothing"
    );
    let points = mine(&t, &tenant.member_a).await;
    assert!(total(&points, "today") > 10, "{}", points.json["totals"]);
    assert_eq!(disagreements(&t).await, Vec::<String>::new(), "and no sum tells");
}

/// Writes one more entry like the member's first within somebody's transaction, and holds nobody.
pub fn entry_like_the_first(
    t: &TestApp,
    member: &str,
    points: i64,
) -> impl Fn(&mut DbConnection) -> AppResult<()> + Clone + Send + 'static {
    let (id, member) = (id_sql(t, &new_uuid()), id_sql(t, member));
    move |conn| {
        let change_no = zhibu::points::next_change_no(conn)?;
        let entry = format!(
            "INSERT INTO point_entries SELECT member_id, {id}, rule, 0, {id}, tenant_id, organization_id, subject_id, standing, \
             minutes, {points}, NULL, day, occurred_at, recorded_at, {change_no} FROM point_entries WHERE member_id = {member} LIMIT 1"
        );
        diesel::sql_query(entry).execute(conn)?;
        let totals = format!("UPDATE point_totals SET points = points + {points} WHERE member_id = {member}");
        diesel::sql_query(totals).execute(conn)?;
        Ok(())
    }
}

/// Invariant 8 at local midnight, on a day of 23 hours and on one of 25.
#[actix_web::test]
async fn a_day_ends_at_the_trees_midnight_however_long_it_was() {
    for (first, last) in [
        // 28 March 2027 in Berlin has 23 hours, 31 October 25.
        ("2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"),
        ("2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z"),
    ] {
        let t = TestApp::start_with(|config| config.auth.access_token_s = 400 * 86_400).await;
        let tenant = t.tenant().await;
        let zone = json!({ "settings": { "time_zone": "Europe/Berlin" } });
        t.patch(
            &format!("/organizations/{}", tenant.root),
            &tenant.system,
            "*",
            zone,
        )
        .await
        .expect(200);
        let at = |text: &str, seconds: i64| {
            let at: zhibu::platform::db::Instant = text.parse().unwrap();
            t.clock().set(at.plus_s(seconds));
        };
        let earn = async || {
            let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
            check_in(&t, &tenant, &event, &tenant.member_a).await.expect(201);
            let points = mine(&t, &tenant.member_a).await;
            let newest = points
                .items()
                .iter()
                .max_by_key(|item| item["id"].as_str().unwrap().to_owned())
                .unwrap();
            (newest["points"].as_i64().unwrap(), total(&points, "today"))
        };
        at(first, -1);
        assert_eq!(
            [earn().await, earn().await, earn().await],
            [(5, 5), (5, 10), (0, 10)]
        );
        at(first, 0);
        assert_eq!([earn().await, earn().await], [(5, 5), (5, 10)]);
        at(last, -1);
        assert_eq!(earn().await, (0, 10));
        at(last, 0);
        assert_eq!(earn().await, (5, 5));
        assert_eq!(disagreements(&t).await, Vec::<String>::new());
    }
}

#[actix_web::test]
async fn a_rule_is_set_for_days_to_come_and_changes_nothing_that_was_earned() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let token = &tenant.member_a;
    let earn = async || {
        let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
        check_in(&t, &tenant, &event, token).await.expect(201);
    };
    let path = format!("/organizations/{}/point-rules", tenant.root);
    let rule = format!("{path}/check_in_on_time");
    let body = |day: &str, amount: i64| json!({ "from_day": day, "scheme": { "amount": amount, "day_max": 8, "standings": ["full"] } });
    t.put(&rule, &tenant.member_a, body("2026-11-25", 4))
        .await
        .refused(403, "forbidden");
    t.put(&rule, &tenant.secretary_a, body("2026-11-25", 4))
        .await
        .refused(403, "forbidden");
    let early = t
        .put(&rule, &tenant.admin, body("2026-11-24", 4))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(early.text("/errors/0/code"), "too_early");
    t.put(
        &format!("{path}/manual_award"),
        &tenant.admin,
        body("2026-11-25", 4),
    )
    .await
    .refused(404, "not_found");
    let wrong = json!({ "from_day": "2026-11-25", "scheme": { "amount": 1 } });
    t.put(&format!("{path}/volunteer_hour"), &tenant.admin, wrong)
        .await
        .refused(422, "invalid_fields");
    // From a branch of the tree it is the same book; written again for the same day it is replaced.
    let of_branch = format!("/organizations/{}/point-rules/check_in_on_time", tenant.branch_a);
    t.put(&of_branch, &tenant.admin, body("2026-11-25", 6))
        .await
        .expect(200);
    let set = t
        .put(&rule, &tenant.admin, body("2026-11-25", 4))
        .await
        .expect(200);
    assert_eq!(
        (
            &set.json["scheme"]["amount"],
            &set.json["planned"][0]["scheme"]["amount"]
        ),
        (&json!(5), &json!(4))
    );
    earn().await;
    t.advance_s(86_400);
    for _ in 0..3 {
        earn().await;
    }
    let points = mine(&t, token).await;
    assert_eq!(
        journal(&points),
        [5, 4, 4, 0].map(|points| line("check_in_on_time", points))
    );
    let listed = t.get(&path, &tenant.member_b).await.expect(200);
    let found = listed
        .items()
        .iter()
        .find(|one| one["rule"] == "check_in_on_time")
        .unwrap();
    assert_eq!(
        (
            &found["since"],
            &found["scheme"]["amount"],
            &found["scheme"]["standings"]
        ),
        (&json!("2026-11-25"), &json!(4), &json!(["full"]))
    );
    // It is not for everybody: a probationary member is told of no entry.
    t.advance_s(86_400);
    let mut off = body("2026-11-27", 0);
    off["scheme"]["standings"] = json!([]);
    t.put(&rule, &tenant.admin, off).await.expect(200);
    t.advance_s(86_400);
    earn().await;
    assert_eq!(journal(&mine(&t, token).await).len(), 4);
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

/// Another rule for November.
pub fn trial() -> Value {
    let scheme = json!({ "amount": 3, "day_max": 6 });
    json!({ "from_day": "2026-11-01", "to_day": "2026-11-30", "rules": [{ "rule": "check_in_on_time", "scheme": scheme }] })
}

#[actix_web::test]
async fn trying_other_rules_tells_what_they_would_have_made_of_the_past_and_writes_nothing() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let mut checked_in = Vec::new();
    for _ in 0..3 {
        let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
        for person in &people {
            let done = check_in(&t, &tenant, &event, &person.token).await.expect(201);
            checked_in.push(done.id());
        }
    }
    // The first person's first one did not count.
    let annul = format!("/check-ins/{}/annul", checked_in[0]);
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "代簽" }))
        .await
        .expect(200);
    let before = t.dump().await;
    let path = format!("/organizations/{}/point-rules/simulate", tenant.root);
    let body = |amount: i64, max: Option<i64>| {
        json!({ "from_day": "2026-11-01", "to_day": "2026-11-30", "rules": [
            { "rule": "check_in_on_time", "scheme": { "amount": amount, "day_max": max } },
        ] })
    };
    let tried = async |amount, max| {
        t.post(&path, &tenant.admin, body(amount, max))
            .await
            .expect(200)
            .json
    };
    // As they are: 5 and 0 of the first, whose limit was full; 5, 5 and 0 of the others. Reckoned once more the first has 5 and 5.
    let same = tried(5, Some(10)).await;
    assert_eq!(
        same["rules"],
        json!([{ "rule": "check_in_on_time", "points": 25, "would_be": 30 }])
    );
    let more = tried(7, None).await;
    assert_eq!(
        more["rules"],
        json!([{ "rule": "check_in_on_time", "points": 25, "would_be": 7 * 8 }])
    );
    assert_eq!((&more["members"], &more["changed"]), (&json!(3), &json!(3)));
    let sums: Vec<_> = more["most_changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["points"].clone(), one["would_be"].clone()))
        .collect();
    assert_eq!(
        sums,
        [
            (json!(10), json!(21)),
            (json!(10), json!(21)),
            (json!(5), json!(14))
        ]
    );
    assert_eq!(t.dump().await, before);
    t.post(&path, &tenant.member_a, body(7, None))
        .await
        .refused(403, "forbidden");
    // What was earned earlier in the week counts for its limit: ten of twelve.
    t.advance_s(86_400);
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    check_in(&t, &tenant, &event, &people[1].token).await.expect(201);
    let mut later = body(5, None);
    later["from_day"] = json!("2026-11-25");
    later["rules"][0]["scheme"]["week_max"] = json!(12);
    let tried = t.post(&path, &tenant.admin, later).await.expect(200).json;
    let limited = json!([{ "rule": "check_in_on_time", "points": 5, "would_be": 2 }]);
    assert_eq!(tried["rules"], limited);
    let mut years = body(7, None);
    years["from_day"] = json!("2025-01-01");
    t.post(&path, &tenant.admin, years)
        .await
        .refused(422, "invalid_fields");
}

/// An award for member A that nobody has decided on.
pub async fn proposed(t: &TestApp, tenant: &Tenant) -> String {
    let body = json!({ "points": 10, "reason": "黨史知識競賽一等獎" });
    t.post(
        &format!("/members/{}/point-awards", tenant.member_a_id),
        &tenant.secretary_a,
        body,
    )
    .await
    .expect(201)
    .id()
}

#[actix_web::test]
async fn points_by_hand_take_a_reason_and_a_second_person() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/members/{}/point-awards", tenant.member_a_id);
    let body = json!({ "points": 10, "reason": "黨史知識競賽一等獎" });
    t.post(&path, &tenant.member_a, body.clone())
        .await
        .refused(403, "forbidden");
    t.post(&path, &tenant.secretary_b, body.clone())
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.secretary_a, json!({ "points": 0, "reason": "" }))
        .await
        .refused(422, "invalid_fields");
    let own = t.get("/me", &tenant.secretary_a).await.expect(200);
    let own = format!("/members/{}/point-awards", own.text("/member/id"));
    t.post(&own, &tenant.secretary_a, body.clone())
        .await
        .refused(403, "own_award");
    let award = proposed(&t, &tenant).await;
    let act = async |token: &str, award: &str, verb: &str| {
        t.act(&format!("/point-awards/{award}/{verb}"), token).await
    };
    act(&tenant.secretary_a, &award, "approve")
        .await
        .refused(403, "own_award");
    act(&tenant.member_a, &award, "approve")
        .await
        .refused(403, "forbidden");
    act(&tenant.admin, &award, "withdraw")
        .await
        .refused(403, "forbidden");
    assert_eq!(journal(&mine(&t, &tenant.member_a).await), []);
    act(&tenant.admin, &award, "approve").await.expect(200);
    act(&tenant.admin, &award, "approve")
        .await
        .refused(409, "award_decided");
    let points = mine(&t, &tenant.member_a).await;
    assert_eq!(journal(&points), [line("manual_award", 10)]);
    assert_eq!(points.items()[0]["title"], "黨史知識競賽一等獎");
    let annul = format!("/point-awards/{award}/annul");
    t.post(&annul, &tenant.admin, json!({ "reason": "重複申報" }))
        .await
        .expect(200);
    t.post(&annul, &tenant.admin, json!({ "reason": "重複申報" }))
        .await
        .refused(409, "award_not_approved");
    assert_eq!(total(&mine(&t, &tenant.member_a).await, "all"), 0);
    // Rejected and withdrawn ones give nothing.
    let (second, third) = (proposed(&t, &tenant).await, proposed(&t, &tenant).await);
    t.post(
        &format!("/point-awards/{second}/reject"),
        &tenant.admin,
        json!({ "reason": "不符合規定" }),
    )
    .await
    .expect(200);
    act(&tenant.secretary_a, &third, "withdraw").await.expect(200);
    act(&tenant.admin, &third, "approve")
        .await
        .refused(409, "award_decided");
    let list = format!("/organizations/{}/point-awards?count=true", tenant.root);
    let all = t.get(&list, &tenant.admin).await.expect(200);
    assert_eq!(
        (&all.json["count"], &all.items()[0]["status"]),
        (&json!(3), &json!("withdrawn"))
    );
    let rejected = t
        .get(&format!("{list}&status=rejected"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(rejected.items()[0]["note"], "不符合規定");
    t.get(&list, &tenant.member_a).await.refused(403, "forbidden");
    assert_eq!(disagreements(&t).await, Vec::<String>::new());
}

#[actix_web::test]
async fn an_award_that_waits_moves_with_its_member_and_ends_with_their_membership() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (first, second) = (proposed(&t, &tenant).await, proposed(&t, &tenant).await);
    let move_to = json!({ "organization_id": tenant.branch_b, "reason": "調動" });
    t.post(
        &format!("/members/{}/transfers", tenant.member_a_id),
        &tenant.admin,
        move_to,
    )
    .await
    .expect(201);
    let waiting = async |branch: &str, token: &str| {
        let path = format!("/organizations/{branch}/point-awards?status=proposed");
        t.get(&path, token).await.expect(200).items().len()
    };
    assert_eq!(waiting(&tenant.branch_a, &tenant.secretary_a).await, 0);
    assert_eq!(waiting(&tenant.branch_b, &tenant.secretary_b).await, 2);
    // Who has proposed it takes it back from where it went.
    t.act(&format!("/point-awards/{first}/withdraw"), &tenant.secretary_a)
        .await
        .expect(200);
    let leave = json!({ "reason": "轉出" });
    let reject = format!("/point-awards/{second}/reject");
    t.post(&reject, &tenant.organizer_a, leave.clone())
        .await
        .refused(404, "not_found");
    t.post(
        &format!("/members/{}/deactivate", tenant.member_a_id),
        &tenant.admin,
        leave,
    )
    .await
    .expect(200);
    t.act(&format!("/point-awards/{second}/approve"), &tenant.secretary_b)
        .await
        .refused(409, "member_inactive");
}

#[actix_web::test]
async fn of_many_who_decide_on_an_award_at_once_one_does() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let award = proposed(&t, &tenant).await;
    let all = join_all((0..20).map(|n| {
        let server = if n % 2 == 0 {
            String::new()
        } else {
            format!("{replica}/api/v1")
        };
        let (t, token, award) = (&t, &tenant.admin, &award);
        async move {
            t.act(&format!("{server}/point-awards/{award}/approve"), token)
                .await
                .status
        }
    }))
    .await;
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 1);
    assert!(all.iter().all(|status| *status == 200 || *status == 409));
    assert_eq!(
        journal(&mine(&t, &tenant.member_a).await),
        [line("manual_award", 10)]
    );
    stop.stop(false).await;
}
