//! Publishing what comes again: templates and their occurrences, copies, and calendars that are updated in place.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::app::App;
use zhibu::auth::Actor;
use zhibu::event_templates;
use zhibu::platform::ids::Ids;

use crate::sign_ups::sign_up;
use crate::support::{Reply, TestApp, python};

/// The first Friday of each month, half past two in Shanghai.
pub fn monthly() -> Value {
    json!({
        "title": "每月主題黨日", "place": "三樓會議室", "forms": ["theme_day"], "rule": "FREQ=MONTHLY;BYDAY=1FR",
        "starts_on": "2026-11-27", "starts_at": "14:30", "duration_s": 7_200, "ahead_days": 21,
    })
}

fn with(change: Value) -> Value {
    let mut body = monthly();
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn make_due(app: &App) {
    event_templates::make_due(&app.db, &|| app.ctx(Actor::operator()))
        .await
        .unwrap();
}

fn days(reply: &Reply) -> Vec<(String, bool)> {
    let days = reply.json["days"].as_array().unwrap().iter();
    days.map(|day| {
        (
            day["day"].as_str().unwrap().to_owned(),
            day["event_id"].is_string(),
        )
    })
    .collect()
}

#[actix_web::test]
async fn a_monthly_day_makes_the_next_events_in_their_time() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let sign_ups = json!({ "capacity": 2, "opens_before_s": 14 * 86_400, "questions": [{ "key": "bus", "kind": "text", "text": "車站" }] });
    let body = with(json!({ "sign_up": sign_ups }));
    t.post(&path, &tenant.member_a, body.clone())
        .await
        .refused(403, "forbidden");
    let made = t.post(&path, &tenant.secretary_a, body).await.expect(201);
    let template = format!("/event-templates/{}", made.id());
    // On 24 November, three weeks ahead: December's; January's on New Year's day is in sight.
    assert_eq!(
        days(&made)[..2],
        [("2026-12-04".into(), true), ("2027-01-01".into(), false)]
    );
    assert_eq!(made.json["days"].as_array().unwrap().len(), 12);
    let event = made.text("/days/0/event_id");
    let seen = t
        .get(&format!("/events/{event}"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(
        (seen.text("/status"), seen.text("/admission")),
        ("published".into(), "sign_up".into())
    );
    assert_eq!(seen.text("/starts_at"), "2026-12-04T06:30:00Z");
    let policy = t
        .get(&format!("/events/{event}/sign-up-policy"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(policy.text("/opens_at"), "2026-11-20T06:30:00Z");
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    t.run_jobs().await;
    let told = t.get("/notices", &tenant.member_a).await.expect(200);
    assert!(
        told.items()
            .iter()
            .any(|notice| notice["kind"] == "event_published")
    );

    // A holiday is left out; what is made is not.
    let skip = format!("{template}/skip");
    let holiday = json!({ "day": "2027-01-01", "reason": "元旦" });
    for _ in 0..2 {
        let skipped = t
            .post(&skip, &tenant.secretary_a, holiday.clone())
            .await
            .expect(200);
        assert_eq!(skipped.json["days"][1]["skipped"], "元旦");
    }
    t.post(
        &skip,
        &tenant.secretary_a,
        json!({ "day": "2027-01-02", "reason": "x" }),
    )
    .await
    .refused(422, "invalid_fields");
    t.post(
        &skip,
        &tenant.secretary_a,
        json!({ "day": "2026-12-04", "reason": "x" }),
    )
    .await
    .refused(409, "occurrence_made");

    // What is changed is for days that are not made yet: half past three, from February on.
    let body = with(json!({ "starts_at": "15:30", "publish": false }));
    let put = |body: Value, version: &'static str| {
        let request = t.request(Method::PUT, &template, &tenant.secretary_a).json(&body);
        Reply::of(request.header("if-match", version))
    };
    put(body.clone(), "\"1\"").await.refused(412, "version_mismatch");
    put(body, "*").await.expect(200);
    t.clock().set("2027-01-15T00:30:00+08:00".parse().unwrap());
    make_due(&t.app).await;
    let seen = t.get(&template, &tenant.secretary_a).await.expect(200);
    assert_eq!(
        days(&seen)[..2],
        [("2027-02-05".into(), true), ("2027-03-05".into(), false)]
    );
    let february = seen.text("/days/0/event_id");
    let february = t
        .get(&format!("/events/{february}"), &tenant.secretary_a)
        .await
        .expect(200);
    assert_eq!(
        (february.text("/status"), february.text("/starts_at")),
        ("draft".into(), "2027-02-05T07:30:00Z".into())
    );
    let december = t
        .get(&format!("/events/{event}"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(december.text("/starts_at"), "2026-12-04T06:30:00Z");

    t.act(&format!("{template}/end"), &tenant.secretary_a)
        .await
        .expect(200);
    t.act(&format!("{template}/end"), &tenant.secretary_a)
        .await
        .refused(409, "event_template_ended");
    t.clock().set("2027-02-20T00:30:00+08:00".parse().unwrap());
    make_due(&t.app).await;
    assert_eq!(days(&t.get(&template, &tenant.secretary_a).await.expect(200)), []);
    assert_eq!(t.count("events").await, 2);
}

/// A phone's list of changes looks only so far back: what is made late in a long run must not be dated with its beginning.
#[actix_web::test]
async fn what_a_long_run_makes_is_dated_with_its_own_time() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let daily = with(json!({ "rule": "FREQ=DAILY", "ahead_days": 40 }));
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    t.post(&path, &tenant.secretary_a, daily).await.expect(201);
    let an_hour_each = || {
        t.advance_s(3_600);
        t.app.ctx(Actor::operator())
    };
    event_templates::make_due(&t.app.db, &an_hour_each).await.unwrap();
    let path = format!("/events?organization_id={}&limit=100", tenant.branch_a);
    let events = t.get(&path, &tenant.secretary_a).await.expect(200);
    let dated: BTreeSet<&str> = events
        .items()
        .iter()
        .map(|event| event["updated_at"].as_str().unwrap())
        .collect();
    assert!(events.items().len() > 36 && dated.len() > 2, "{dated:?}");
}

#[actix_web::test]
async fn replicas_make_each_day_once_and_a_template_that_fails_stops_no_other() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let short = json!({ "name": "臨時黨支部", "kind": "branch", "parent_id": tenant.root });
    let short = t
        .post("/organizations", &tenant.admin, short)
        .await
        .expect(201)
        .id();
    let daily = with(json!({ "rule": "FREQ=DAILY", "ahead_days": 3, "starts_on": "2026-12-01" }));
    let branch = &tenant.branch_b;
    let (secretary, token) = t
        .person(&tenant, branch, "前書記", Some((branch, "secretary")))
        .await;
    let templates = |organization: &str| format!("/organizations/{organization}/event-templates");
    for (organization, token) in [
        (&short, &tenant.admin),
        (branch, &token),
        (&tenant.branch_a, &tenant.admin),
    ] {
        t.post(&templates(organization), token, daily.clone())
            .await
            .expect(201);
    }
    assert_eq!(t.count("events").await, 0);
    // The organization of the first is no more, and the author of the second may not publish there any more.
    t.act(&format!("/organizations/{short}/archive"), &tenant.admin)
        .await
        .expect(204);
    revoke(&t, &tenant.admin, branch, &secretary).await;
    t.clock().set("2026-12-05T10:00:00+08:00".parse().unwrap());
    let others: Vec<App> = (0..3)
        .map(|_| App::build(t.app.config.as_ref().clone(), t.app.clock.clone(), Ids::system()).unwrap())
        .collect();
    join_all(others.iter().map(make_due)).await;
    // The fifth to the eighth; what began before now is past.
    assert_eq!(t.count("events").await, 4);
    assert_eq!(t.count("event_template_days").await, 4);
    let listed = async |organization: &str| {
        let listed = t.get(&templates(organization), &tenant.admin).await.expect(200);
        listed.items()[0].clone()
    };
    assert_eq!(listed(branch).await["last_error"], "forbidden");
    // Nothing is tried for an organization that is no more, and those above it may end the template.
    let of_none = listed(&short).await;
    assert_eq!(of_none["last_error"], Value::Null);
    let end = format!("/event-templates/{}/end", of_none["id"].as_str().unwrap());
    t.act(&end, &tenant.secretary_a).await.refused(404, "not_found");
    t.act(&end, &tenant.admin).await.expect(200);
}

#[actix_web::test]
async fn whom_a_template_calls_is_told_and_changed_as_far_as_one_sees() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let quota = |organization: &str| json!({ "organization_id": organization, "places": 1 });
    let body = in_a_month(json!({
        "expected": { "organization_ids": [tenant.branch_a, tenant.branch_b] },
        "sign_up": { "capacity": 2, "quotas": [quota(&tenant.branch_a), quota(&tenant.branch_b)] },
    }));
    let made = t.post(&path, &tenant.admin, body.clone()).await.expect(201).id();
    let one = format!("/event-templates/{made}");
    for (token, many) in [(&tenant.secretary_a, 1), (&tenant.admin, 2)] {
        let listed = t.get(&path, token).await.expect(200).items()[0].clone();
        for seen in [t.get(&one, token).await.expect(200).json, listed] {
            let of = |pointer: &str| seen.pointer(pointer).unwrap().as_array().unwrap().len();
            assert_eq!(
                (of("/expected/organization_ids"), of("/sign_up/quotas")),
                (many, many)
            );
        }
    }
    put(&t, &tenant.secretary_a, &made, in_a_month(json!({})))
        .await
        .refused(403, "forbidden");
    put(&t, &tenant.admin, &made, body).await.expect(200);
}

#[actix_web::test]
async fn a_template_that_is_written_anew_follows_the_clock_of_where_it_is_now() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let made = t.post(&path, &tenant.secretary_a, monthly()).await.expect(201);
    let begins = |template: &Reply| template.text("/days/1/starts_at");
    assert_eq!(begins(&made), "2027-01-01T06:30:00Z");
    let settings = json!({ "settings": { "time_zone": "Asia/Urumqi" } });
    let branch = format!("/organizations/{}", tenant.branch_a);
    t.patch(&branch, &tenant.admin, "*", settings).await.expect(200);
    let again = put(&t, &tenant.secretary_a, &made.id(), monthly())
        .await
        .expect(200);
    assert_eq!(begins(&again), "2027-01-01T08:30:00Z");
}

#[actix_web::test]
async fn a_rule_is_refused_with_what_is_wrong_with_it() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    for (change, field, code) in [
        (json!({ "rule": "FREQ=HOURLY" }), "/rule", "not_of_days"),
        (json!({ "rule": "each friday" }), "/rule", "malformed"),
        (
            json!({ "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }),
            "/rule",
            "never",
        ),
        (json!({ "starts_at": "2:30" }), "/starts_at", "malformed"),
        (json!({ "ahead_days": 0 }), "/ahead_days", "too_small"),
        (json!({ "forms": [] }), "/forms", "required"),
        (
            json!({ "sign_up": { "capacity": -1 } }),
            "/sign_up/capacity",
            "too_small",
        ),
        (json!({ "starts_on": "tomorrow" }), "/starts_on", "wrong_type"),
        // Two thousand years of days to count, for a slip of the finger.
        (json!({ "starts_on": "0026-12-04" }), "/starts_on", "out_of_range"),
        (json!({ "starts_on": "2200-01-01" }), "/starts_on", "out_of_range"),
    ] {
        let refused = t
            .post(&path, &tenant.admin, with(change))
            .await
            .refused(422, "invalid_fields");
        assert_eq!(
            (refused.text("/errors/0/field"), refused.text("/errors/0/code")),
            (field.into(), code.into())
        );
    }
    // Nobody calls another branch's people by a template.
    let foreign =
        with(json!({ "rule": "FREQ=DAILY", "expected": { "organization_ids": [tenant.branch_b] } }));
    t.post(&path, &tenant.secretary_a, foreign)
        .await
        .refused(404, "not_found");
    assert_eq!(t.count("event_templates").await, 0);
}

async fn put(t: &TestApp, token: &str, template: &str, body: Value) -> Reply {
    let path = format!("/event-templates/{template}");
    let request = t.request(Method::PUT, &path, token).json(&body);
    Reply::of(request.header("if-match", "*")).await
}

/// Takes away what somebody may do at an organization.
async fn revoke(t: &TestApp, token: &str, organization: &str, member: &str) {
    let roles = format!("/organizations/{organization}/roles");
    let held = t.get(&roles, token).await.expect(200);
    let grant = held.items().iter().find(|grant| grant["member_id"] == member);
    let grant = grant.unwrap()["id"].as_str().unwrap();
    t.delete(&format!("{roles}/{grant}"), token).await.expect(204);
}

/// Daily from 26 December on, made a day ahead: nothing of it is due for a month.
fn in_a_month(change: Value) -> Value {
    let mut body = with(json!({ "rule": "FREQ=DAILY", "ahead_days": 1, "starts_on": "2026-12-26" }));
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[actix_web::test]
async fn whoever_writes_a_template_may_call_whom_it_calls_though_nothing_is_due() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let theirs = t.tenant().await;
    let gone = json!({ "name": "舊黨小組", "kind": "group", "parent_id": tenant.branch_a });
    let gone = t
        .post("/organizations", &tenant.admin, gone)
        .await
        .expect(201)
        .id();
    t.act(&format!("/organizations/{gone}/archive"), &tenant.admin)
        .await
        .expect(204);
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let own = in_a_month(json!({}));
    let mine = t.post(&path, &tenant.organizer_a, own).await.expect(201).id();
    let calling = |ids: Value| json!({ "expected": ids });
    let limiting = |id: &str| json!({ "sign_up": { "quotas": [{ "organization_id": id, "places": 1 }] } });
    for (change, status, code, field) in [
        (
            calling(json!({ "organization_ids": [tenant.root] })),
            403,
            "forbidden",
            "/expected",
        ),
        (
            calling(json!({ "organization_ids": [tenant.branch_b] })),
            404,
            "not_found",
            "/expected",
        ),
        (
            calling(json!({ "organization_ids": [theirs.root] })),
            404,
            "not_found",
            "/expected",
        ),
        (
            calling(json!({ "member_ids": [tenant.member_b_id] })),
            404,
            "not_found",
            "/expected",
        ),
        (
            calling(json!({ "organization_ids": [gone] })),
            404,
            "not_found",
            "/expected",
        ),
        (limiting(&tenant.root), 403, "forbidden", "/sign_up/quotas"),
        (limiting(&tenant.branch_b), 404, "not_found", "/sign_up/quotas"),
        (limiting(&gone), 404, "not_found", "/sign_up/quotas"),
    ] {
        let body = in_a_month(change);
        let posted = t.post(&path, &tenant.organizer_a, body.clone()).await;
        let written = put(&t, &tenant.organizer_a, &mine, body).await;
        for refused in [posted, written] {
            assert_eq!(
                refused.clone().refused(status, code).text("/errors/0/field"),
                field
            );
        }
    }
    assert_eq!(t.count("event_templates").await, 1);
    // Above, the same may be written; below, it is not taken over as it stands.
    let of_all = in_a_month(json!({ "expected": { "organization_ids": [tenant.root] } }));
    let above = t
        .post(&path, &tenant.admin, of_all.clone())
        .await
        .expect(201)
        .id();
    put(&t, &tenant.organizer_a, &above, of_all)
        .await
        .refused(403, "forbidden");
    let seen = t
        .get(&format!("/event-templates/{above}"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(seen.json["version"], 1);
}

#[actix_web::test]
async fn occurrences_are_made_with_the_rights_that_the_last_author_has_then() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    let (deputy, deputy_token) = t
        .person(&tenant, &tenant.root, "副管理員", Some((&tenant.root, "admin")))
        .await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let of_all = in_a_month(json!({ "expected": { "organization_ids": [tenant.root] } }));
    let of_all = t.post(&path, &deputy_token, of_all).await.expect(201);
    assert_eq!(of_all.text("/written_by"), deputy);
    let of_all = of_all.id();
    let of_branch = t
        .post(&path, &deputy_token, in_a_month(json!({})))
        .await
        .expect(201)
        .id();
    // The branch's own secretary writes the second anew: it is theirs from now on.
    put(
        &t,
        &tenant.secretary_a,
        &of_branch,
        in_a_month(json!({ "title": "晨讀" })),
    )
    .await
    .expect(200);
    revoke(&t, &tenant.system, &tenant.root, &deputy).await;
    t.clock().set("2026-12-26T00:30:00+08:00".parse().unwrap());
    make_due(&t.app).await;
    let find = async |template: &str, language: &str| {
        let path = format!("/event-templates/{template}");
        let request = t.request(Method::GET, &path, &tenant.admin);
        Reply::of(request.header("accept-language", language))
            .await
            .expect(200)
    };
    let stuck = find(&of_all, "zh-TW").await;
    assert_eq!(stuck.text("/last_error"), "not_found");
    assert_eq!(stuck.json["last_error_field"], Value::Null);
    assert!(
        stuck
            .text("/last_error_detail")
            .contains("請由有權限者重新儲存範本")
    );
    assert_eq!(t.count("event_template_days").await, 2);
    let made = find(&of_branch, "en").await;
    assert_eq!(made.json["last_error_detail"], Value::Null);
    let event = made.text("/days/0/event_id");
    let log = t
        .get(&format!("/audit-log?object_id={event}"), &tenant.admin)
        .await
        .expect(200);
    assert!(
        log.items()
            .iter()
            .all(|entry| entry["actor_id"] == made.json["written_by"])
    );

    // Demoted to an organizer of the branch, they manage the template and may not call the whole tree.
    let grant = json!({ "member_id": deputy, "role": "organizer" });
    t.post(
        &format!("/organizations/{}/roles", tenant.branch_a),
        &tenant.system,
        grant,
    )
    .await
    .expect(201);
    make_due(&t.app).await;
    let stuck = find(&of_all, "en").await;
    assert_eq!(
        (stuck.text("/last_error"), stuck.text("/last_error_field")),
        ("forbidden".into(), "/expected".into())
    );
    assert_eq!(t.count("event_template_days").await, 2);
    // Somebody who may writes it anew.
    let again = in_a_month(json!({ "expected": { "organization_ids": [tenant.root] } }));
    let again = put(&t, &tenant.admin, &of_all, again).await.expect(200);
    assert_eq!(again.json["last_error"], Value::Null);
    assert_eq!(t.count("event_template_days").await, 4);

    // Whoever is deactivated calls nobody any more.
    let author = made.text("/written_by");
    t.post(
        &format!("/members/{author}/deactivate"),
        &tenant.admin,
        json!({ "reason": "調離" }),
    )
    .await
    .expect(200);
    t.clock().set("2026-12-27T00:30:00+08:00".parse().unwrap());
    make_due(&t.app).await;
    assert_eq!(find(&of_branch, "en").await.text("/last_error"), "forbidden");
    assert_eq!(t.count("event_template_days").await, 5);
}

#[actix_web::test]
async fn a_draw_is_held_before_check_in_opens_when_it_is_written_and_when_it_is_made() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let settings = |opens_before_s: i64| json!({ "settings": { "opens_before_s": opens_before_s } });
    let branch = format!("/organizations/{}", tenant.branch_a);
    t.patch(&branch, &tenant.admin, "*", settings(3_600))
        .await
        .expect(200);
    let drawn =
        |before_s: i64| in_a_month(json!({ "sign_up": { "capacity": 2, "draw_before_s": before_s } }));
    let refused = t
        .post(&path, &tenant.organizer_a, drawn(3_600))
        .await
        .refused(422, "invalid_fields");
    assert_eq!(
        (refused.text("/errors/0/field"), refused.text("/errors/0/code")),
        ("/sign_up/draw_before_s".into(), "too_late".into())
    );
    for field in ["closes_before_s", "draw_before_s"] {
        let body = in_a_month(json!({ "sign_up": { "opens_before_s": 7_200, field: 7_200 } }));
        let refused = t
            .post(&path, &tenant.organizer_a, body)
            .await
            .refused(422, "invalid_fields");
        assert_eq!(refused.text("/errors/0/field"), format!("/sign_up/{field}"));
    }
    let made = t
        .post(&path, &tenant.organizer_a, drawn(3_601))
        .await
        .expect(201)
        .id();
    t.patch(&branch, &tenant.admin, "*", settings(7_200))
        .await
        .expect(200);
    t.clock().set("2026-12-26T00:30:00+08:00".parse().unwrap());
    make_due(&t.app).await;
    let stuck = t
        .get(&format!("/event-templates/{made}"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(
        (stuck.text("/last_error"), stuck.text("/last_error_field")),
        ("invalid_fields".into(), "/sign_up/draw_before_s".into())
    );
    assert_eq!(t.count("events").await, 0);
    put(&t, &tenant.organizer_a, &made, drawn(7_201))
        .await
        .expect(200);
    assert_eq!(t.count("events").await, 2);
}

#[actix_web::test]
async fn half_a_year_of_days_is_made_a_few_at_a_time() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/event-templates", tenant.branch_a);
    let daily = with(json!({ "rule": "FREQ=DAILY", "ahead_days": 180, "starts_on": "2026-12-01" }));
    let made = t.post(&path, &tenant.secretary_a, daily).await.expect(201);
    assert!(days(&made).iter().all(|(_, is_made)| *is_made));
    assert_eq!(t.count("events").await, 12);
    let other = App::build(t.app.config.as_ref().clone(), t.app.clock.clone(), Ids::system()).unwrap();
    join_all([make_due(&t.app), make_due(&other)]).await;
    // From the first of December to the 23rd of May, each once.
    assert_eq!(t.count("events").await, 174);
    assert_eq!(t.count("event_template_days").await, 174);
}

#[actix_web::test]
async fn a_copy_is_a_draft_with_everything_moved() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = crate::sign_ups::draft(&t, &tenant).await;
    let policy = json!({
        "sessions": [{ "name": "上午場", "capacity": 3, "starts_at": t.in_s(3 * 86_400), "ends_at": t.in_s(3 * 86_400 + 3_600) }],
        "quotas": [{ "organization_id": tenant.branch_a, "places": 2 }],
        "opens_at": t.in_s(86_400), "offer_s": 600, "questions": [{ "key": "bus", "kind": "text", "text": "車站", "required": true }],
    });
    crate::sign_ups::policy(&t, &tenant.admin, &event, policy)
        .await
        .expect(201);
    let points = json!({ "presence": "all", "checkpoints": [
        { "name": "出發", "kind": "check_in", "closes_after_s": 600, "in_area": false }, { "name": "簽退", "kind": "check_out" },
    ] });
    crate::checkpoints::write_points(&t, &tenant.admin, &event, "*", points)
        .await
        .expect(200);
    let path = format!("/events/{event}/clone");
    let body = json!({ "starts_at": t.in_s(33 * 86_400), "title": "再訪紀念館" });
    t.post(&path, &tenant.secretary_a, body.clone())
        .await
        .refused(404, "not_found");
    let copies = join_all((0..4).map(|_| async {
        let request = t.request(Method::POST, &path, &tenant.admin).json(&body);
        Reply::of(request.header("idempotency-key", "copy-1")).await
    }));
    let copies = copies.await;
    assert!(
        copies
            .iter()
            .all(|copy| copy.status == 201 && copy.id() == copies[0].id())
    );
    let copy = copies[0].clone();
    assert_eq!(
        (copy.text("/status"), copy.text("/title")),
        ("draft".into(), "再訪紀念館".into())
    );
    assert_eq!(copy.text("/ends_at"), t.in_s(33 * 86_400 + 7_200));
    let copied = t
        .get(&format!("/events/{}/sign-up-policy", copy.id()), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(copied.text("/opens_at"), t.in_s(31 * 86_400));
    assert_eq!(copied.text("/sessions/0/starts_at"), t.in_s(33 * 86_400));
    assert_eq!(
        (&copied.json["sessions"][0]["capacity"], &copied.json["offer_s"]),
        (&json!(3), &json!(600))
    );
    assert_eq!(copied.json["quotas"][0]["places"], 2);
    assert_eq!(copied.json["questions"][0]["required"], true);
    let path = format!("/events/{}/checkpoints", copy.id());
    let points = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(points.json["presence"], "all");
    assert_eq!(
        (
            points.text("/checkpoints/0/name"),
            points.text("/checkpoints/1/kind")
        ),
        ("出發".into(), "check_out".into())
    );
}

/// What a calendar program makes of these files, one after the other, by PyPI's icalendar.
fn imported(python: &str, files: &[String]) -> Value {
    let script = "import json, sys\nfrom icalendar import Calendar\nshown = {}\nfor text in json.load(sys.stdin):\n\
                  \x20   calendar = Calendar.from_ical(text)\n    assert calendar['VERSION'] == '2.0'\n\
                  \x20   for e in calendar.walk('VEVENT'):\n        assert not e.errors, e.errors\n        assert 'ORGANIZER' in e and 'DTSTAMP' in e\n\
                  \x20       uid, sequence = str(e['UID']), int(e['SEQUENCE'])\n\
                  \x20       if uid in shown and shown[uid]['sequence'] > sequence: continue\n\
                  \x20       if calendar['METHOD'] == 'CANCEL': shown.pop(uid, None); continue\n\
                  \x20       shown[uid] = {'sequence': sequence, 'summary': str(e['SUMMARY']), 'place': str(e['LOCATION']), 'status': str(e['STATUS']),\n\
                  \x20           'start': e.start.isoformat(), 'organizer': str(e['ORGANIZER'].params['CN'])}\nprint(json.dumps(shown))\n";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(json!(files).to_string().as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[actix_web::test]
async fn a_calendar_program_updates_in_place_and_takes_off_what_is_cancelled() {
    let Some(python) = python() else { return };
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let named = json!({ "name": "第一 \"先鋒\" 黨支部; 甲,乙" });
    t.patch(
        &format!("/organizations/{}", tenant.branch_a),
        &tenant.admin,
        "*",
        named,
    )
    .await
    .expect(200);
    let long = "很長的地點".repeat(30);
    let event = t
        .open_event(
            &tenant.admin,
            &tenant.branch_a,
            json!({ "place": long, "description": "第一行\n第二行; 及,其他" }),
        )
        .await;
    let other = t
        .open_event(&tenant.admin, &tenant.branch_a, json!({ "title": "另一個" }))
        .await;
    let file = async |event: &str| {
        let reply = t
            .get(&format!("/events/{event}/calendar.ics"), &tenant.member_a)
            .await
            .expect(200);
        String::from_utf8(reply.bytes).unwrap()
    };
    let mut files = vec![file(&event).await, file(&other).await];
    let uid = format!("{event}@zhibu");
    let shown = imported(&python, &files);
    assert_eq!(shown[&uid]["place"], long);
    assert_eq!(shown[&uid]["organizer"], "第一 '先鋒' 黨支部; 甲,乙");
    let moved = json!({ "title": "改期的大會", "ends_at": t.in_s(9_000) });
    t.patch(&format!("/events/{event}"), &tenant.admin, "*", moved)
        .await
        .expect(200);
    files.push(file(&event).await);
    // An old file that is opened once more changes nothing back.
    files.push(files[0].clone());
    let shown = imported(&python, &files);
    assert_eq!(shown.as_object().unwrap().len(), 2);
    assert_eq!(
        (&shown[&uid]["summary"], &shown[&uid]["status"]),
        (&json!("改期的大會"), &json!("CONFIRMED"))
    );
    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
    .await
    .expect(200);
    let cancelled = file(&event).await;
    assert!(cancelled.contains("METHOD:CANCEL") && cancelled.contains("STATUS:CANCELLED"));
    files.push(cancelled);
    let shown = imported(&python, &files);
    assert_eq!(
        shown.as_object().unwrap().keys().collect::<Vec<_>>(),
        [&format!("{other}@zhibu")]
    );
    // A feed is the whole: it shows what was cancelled as cancelled.
    let feed = t
        .act("/me/calendar-feed", &tenant.member_a)
        .await
        .expect(201)
        .text("/url");
    let feed = feed.replace("https://zhibu.test", &t.url);
    let feed = String::from_utf8(t.get(&feed, "").await.expect(200).bytes).unwrap();
    let shown = imported(&python, &[feed]);
    assert_eq!(shown[&uid]["status"], "CANCELLED");
}
