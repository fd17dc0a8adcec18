//! Events: from draft to closed, who sees them, and calendars.

use serde_json::{Value, json};

use crate::support::TestApp;

#[actix_web::test]
async fn a_draft_is_seen_by_those_who_manage_it_and_published_by_those_expected() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({
        "organization_id": tenant.branch_a, "title": "支部黨員大會", "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000),
        "forms": ["general_meeting", "theme_day", "general_meeting"],
    });
    let event = t.post("/events", &tenant.organizer_a, body).await.expect(201);
    assert_eq!(event.json["forms"], json!(["general_meeting", "theme_day"]));
    assert_eq!(event.json["time_zone"], "Asia/Shanghai");
    let path = format!("/events/{}", event.id());
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    t.get(&path, &tenant.inspector).await.expect(200);
    t.act(&format!("{path}/publish"), &tenant.organizer_a)
        .await
        .expect(200);
    t.act(&format!("{path}/publish"), &tenant.organizer_a)
        .await
        .refused(409, "not_a_draft");
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(seen.json.get("expected"), None);
    t.get(&path, &tenant.member_b).await.refused(404, "not_found");
    t.act(&format!("{path}/publish"), &tenant.member_a)
        .await
        .refused(403, "forbidden");
}

#[actix_web::test]
async fn lists_are_narrowed_by_what_is_asked_and_by_who_asks() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let open = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let later = t
        .open_event(
            &tenant.admin,
            &tenant.root,
            json!({ "starts_at": t.in_s(600_000), "ends_at": t.in_s(606_000), "forms": ["lecture"] }),
        )
        .await;
    let ids = |reply: crate::support::Reply| -> Vec<String> {
        reply
            .expect(200)
            .items()
            .iter()
            .map(|e| e["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let both = [open.clone(), later.clone()];
    assert_eq!(ids(t.get("/events", &tenant.admin).await), both);
    assert_eq!(ids(t.get("/events?mine=true", &tenant.member_a).await), both);
    assert_eq!(
        ids(t.get("/events?mine=true", &tenant.member_b).await),
        [later.clone()]
    );
    assert_eq!(
        ids(t.get("/events?check_in_open=true", &tenant.member_a).await),
        [open.clone()]
    );
    assert_eq!(
        ids(t.get("/events?form=lecture", &tenant.member_a).await),
        [later.clone()]
    );
    assert_eq!(
        ids(t
            .get(
                &format!("/events?organization_id={}", tenant.branch_a),
                &tenant.admin
            )
            .await),
        [open.clone()]
    );
    assert_eq!(
        ids(t
            .get(&format!("/events?from={}", t.in_s(500_000)), &tenant.admin)
            .await),
        [later.clone()]
    );
    assert_eq!(
        ids(t
            .get(&format!("/events?to={}", t.in_s(500_000)), &tenant.admin)
            .await),
        [open.clone()]
    );
    let page = t.get("/events?limit=1", &tenant.admin).await.expect(200);
    let next = format!("/events?limit=1&cursor={}", page.text("/next_cursor"));
    let last = t.get(&next, &tenant.admin).await;
    assert_eq!(last.json["next_cursor"], Value::Null);
    assert_eq!(ids(last), [later]);
    t.get("/events?colour=red", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
    t.get("/events?cursor=x", &tenant.admin)
        .await
        .refused(422, "invalid_fields");
    let home = t.get("/home", &tenant.member_a).await.expect(200);
    assert_eq!(
        (
            &home.json["check_in_open"][0]["id"],
            home.json["upcoming"].as_array().unwrap().len()
        ),
        (&json!(open), 1)
    );
    let tag = home.header("etag").to_owned();
    let again = t
        .request(reqwest::Method::GET, "/home", &tenant.member_a)
        .header("if-none-match", tag);
    crate::support::Reply::of(again).await.expect(304);
}

#[actix_web::test]
async fn once_check_in_is_open_what_decides_who_is_present_is_fixed() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}");
    t.patch(&path, &tenant.admin, "*", json!({ "place": "四樓" }))
        .await
        .expect(200);
    t.patch(&path, &tenant.admin, "*", json!({ "starts_at": t.in_s(60) }))
        .await
        .refused(409, "roster_frozen");
    t.patch(&path, &tenant.admin, "*", json!({ "offline_allowed": false }))
        .await
        .refused(409, "roster_frozen");
    let mended = json!({ "forms": ["lecture"], "ends_at": t.in_s(7_000) });
    let mended = t.patch(&path, &tenant.admin, "*", mended).await.expect(200);
    assert_eq!(mended.json["forms"], json!(["lecture"]));
    t.patch(&path, &tenant.admin, "*", json!({ "ends_at": t.in_s(1) }))
        .await
        .refused(422, "invalid_fields");
    t.post(
        &format!("{path}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
    .await
    .expect(200);
    t.patch(&path, &tenant.admin, "*", json!({ "place": "五樓" }))
        .await
        .refused(409, "event_over");
    t.act(&format!("{path}/close"), &tenant.admin)
        .await
        .refused(409, "event_over");
}

/// What nobody could have come to is cancelled or moved, and makes nobody absent.
#[actix_web::test]
async fn an_event_ends_only_after_check_in_has_opened() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let later = json!({ "starts_at": t.in_s(86_400), "ends_at": t.in_s(90_000) });
    let event = t.open_event(&tenant.admin, &tenant.branch_a, later).await;
    let path = format!("/events/{event}");
    let early = t.act(&format!("{path}/close"), &tenant.admin).await;
    assert!(early.refused(409, "not_open_yet").json["opens_at"].is_string());
    let slip = json!({ "starts_at": t.in_s(-864_000), "ends_at": t.in_s(-860_400) });
    let slip = t.patch(&path, &tenant.admin, "*", slip).await;
    let slip = slip.refused(422, "invalid_fields");
    assert_eq!(
        (slip.text("/errors/0/field"), slip.text("/errors/0/code")),
        ("/starts_at".into(), "in_past".into())
    );
    // Brought forward to now it may be.
    let now = json!({ "starts_at": t.in_s(0), "ends_at": t.in_s(3_600) });
    t.patch(&path, &tenant.admin, "*", now).await.expect(200);
    t.act(&format!("{path}/close"), &tenant.admin).await.expect(200);
}

#[actix_web::test]
async fn calendars_are_read_with_a_secret_address_that_can_be_ended() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let single = t
        .get(&format!("/events/{event}/calendar.ics"), &tenant.member_a)
        .await
        .expect(200);
    let text = String::from_utf8(single.bytes).unwrap();
    assert!(
        text.contains("BEGIN:VEVENT")
            && text.contains(&format!("UID:{event}@zhibu"))
            && text.contains("支部黨員大會")
    );
    let parsed: icalendar::Calendar = text.parse().unwrap();
    assert_eq!(parsed.events().count(), 1);
    assert_eq!(text.matches("PRODID:").count(), 1, "{text}");
    assert!(
        text.contains("STATUS:CONFIRMED") && !text.contains("URL:"),
        "{text}"
    );
    let draft = json!({ "organization_id": tenant.branch_a, "title": "草稿", "starts_at": t.in_s(600), "ends_at": t.in_s(900), "forms": ["lecture"] });
    let draft = t.post("/events", &tenant.admin, draft).await.expect(201).id();
    let text = t
        .get(&format!("/events/{draft}/calendar.ics"), &tenant.admin)
        .await
        .expect(200);
    assert!(
        String::from_utf8(text.bytes)
            .unwrap()
            .contains("STATUS:TENTATIVE")
    );
    let late = json!({ "late_after_s": 7_200, "closes_after_s": 3_600 });
    let refused = t
        .patch(&format!("/events/{draft}"), &tenant.admin, "*", late)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(refused.text("/errors/0/field"), "/late_after_s");
    let renamed = json!({ "title": "黨課", "late_after_s": 300 });
    t.patch(&format!("/events/{draft}"), &tenant.admin, "*", renamed)
        .await
        .expect(200);
    let log = t
        .get(
            &format!("/audit-log?object_id={draft}&action=event.update"),
            &tenant.admin,
        )
        .await
        .expect(200);
    assert_eq!(
        log.json["items"][0]["detail"]["changes"]["title"],
        json!({ "old": "草稿", "new": "黨課" })
    );

    let made = t
        .act("/me/calendar-feed", &tenant.member_a)
        .await
        .expect(201)
        .text("/url");
    let address = made.replace("https://zhibu.test", &t.url);
    let feed = t.get(&address, "").await.expect(200);
    assert!(String::from_utf8(feed.bytes).unwrap().contains(&event));
    t.delete("/me/calendar-feed", &tenant.member_a).await.expect(204);
    t.get(&address, "").await.refused(404, "not_found");
}

#[actix_web::test]
async fn a_bad_event_is_told_everything_that_is_wrong_at_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let body = json!({
        "organization_id": tenant.branch_a, "title": " ", "starts_at": t.in_s(10), "ends_at": t.in_s(5), "forms": [],
        "code_window_s": 1, "late_after_s": 3_600, "closes_after_s": 600, "geofence": { "latitude": 91.0, "longitude": 0.0, "radius_m": 100 },
    });
    let reply = t
        .post("/events", &tenant.admin, body)
        .await
        .refused(422, "invalid_fields");
    let fields: Vec<&str> = reply.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "/title",
            "/ends_at",
            "/forms",
            "/code_window_s",
            "/late_after_s",
            "/geofence/latitude"
        ]
    );
}

#[actix_web::test]
async fn what_was_cancelled_as_a_draft_is_never_seen_by_those_it_never_called() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let times = json!({ "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000) });
    let mut body = json!({ "organization_id": tenant.branch_a, "title": "草稿", "forms": ["lecture"] });
    body.as_object_mut()
        .unwrap()
        .extend(times.as_object().unwrap().clone());
    let draft = t
        .post("/events", &tenant.organizer_a, body)
        .await
        .expect(201)
        .id();
    let called = t.open_event(&tenant.organizer_a, &tenant.branch_a, times).await;
    for event in [&draft, &called] {
        t.post(
            &format!("/events/{event}/cancel"),
            &tenant.organizer_a,
            json!({ "reason": "改期" }),
        )
        .await
        .expect(200);
    }
    t.get(&format!("/events/{draft}"), &tenant.member_a)
        .await
        .refused(404, "not_found");
    t.get(&format!("/events/{draft}/my-attendance"), &tenant.member_a)
        .await
        .refused(404, "not_found");
    let seen = t
        .get(&format!("/events/{called}"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(
        (&seen.json["status"], &seen.json["cancel_reason"]),
        (&json!("cancelled"), &json!("改期"))
    );
    let mine = t.get("/events?mine=true", &tenant.member_a).await.expect(200);
    assert_eq!(mine.items().len(), 1);
    let managed = t.get("/events", &tenant.organizer_a).await.expect(200);
    assert_eq!(managed.items().len(), 2);
}

#[actix_web::test]
async fn the_first_screen_tells_where_i_stand_in_each_event() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let open = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    // Cancelled ones do not use up the room of those that take place.
    for n in 0..25 {
        let soon = json!({ "starts_at": t.in_s(50_000 + n), "ends_at": t.in_s(60_000) });
        let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, soon).await;
        t.post(
            &format!("/events/{event}/cancel"),
            &tenant.organizer_a,
            json!({ "reason": "改期" }),
        )
        .await
        .expect(200);
    }
    let later = json!({ "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000) });
    let later = t.open_event(&tenant.organizer_a, &tenant.branch_a, later).await;
    let home = t.get("/home", &tenant.member_a).await.expect(200);
    assert_eq!(
        home.json["check_in_open"][0]["mine"],
        json!({ "status": "expected", "check_in": null, "leave_request": null, "make_up": null })
    );

    let code = t.code(&tenant.organizer_a, &open).await;
    let check_in = t
        .post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    let leave = t
        .post(
            &format!("/events/{later}/leave-requests"),
            &tenant.member_a,
            json!({ "reason": "出差" }),
        )
        .await
        .expect(201)
        .id();
    t.post(
        &format!("/leave-requests/{leave}/approve"),
        &tenant.organizer_a,
        json!({ "note": "好" }),
    )
    .await
    .expect(200);
    let home = t.get("/home", &tenant.member_a).await.expect(200).json;
    assert_eq!(home["check_in_open"][0]["id"], open);
    assert_eq!(home["check_in_open"][0]["mine"]["status"], "present");
    assert_eq!(home["check_in_open"][0]["mine"]["check_in"], check_in.json);
    assert_eq!(home["upcoming"][0]["id"], later);
    assert_eq!(home["upcoming"][0]["mine"]["status"], "on_leave");
    assert_eq!(
        home["upcoming"][0]["mine"]["leave_request"]["decision_note"],
        "好"
    );
    let mine = t
        .get(&format!("/events/{later}/my-attendance"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(mine.json, home["upcoming"][0]["mine"]);
    t.get(&format!("/events/{later}/my-attendance"), &tenant.member_b)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn people_are_named_by_those_who_see_them_and_one_out_of_sight_names_nobody() {
    let t = TestApp::start().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let call = |token: String, members: Vec<String>| {
        let body = json!({
            "organization_id": tenant.branch_a, "title": "支委會", "forms": ["committee_meeting"],
            "starts_at": t.in_s(90_000), "ends_at": t.in_s(95_000), "expected": { "member_ids": members },
        });
        let t = &t;
        async move { t.post("/events", &token, body).await }
    };
    let (a, b) = (tenant.member_a_id.clone(), tenant.member_b_id.clone());
    call(tenant.organizer_a.clone(), vec![a.clone()])
        .await
        .expect(201);
    call(tenant.organizer_a.clone(), vec![a.clone(), b.clone()])
        .await
        .refused(404, "not_found");
    call(tenant.admin.clone(), vec![a.clone(), b]).await.expect(201);
    // A system admin sees every tenant, and still mixes none.
    call(tenant.system.clone(), vec![a, other.member_a_id])
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn of_calendar_addresses_made_at_once_one_is_left() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let made =
        futures_util::future::join_all((0..8).map(|_| t.act("/me/calendar-feed", &tenant.member_a))).await;
    let mut good = 0;
    for reply in made {
        let url = reply.expect(201).text("/url");
        let path = url.split_once("/calendars").unwrap().1.to_owned();
        let feed = t
            .http
            .get(format!("{}/calendars{path}", t.url))
            .send()
            .await
            .unwrap();
        good += i32::from(feed.status() == 200);
    }
    assert_eq!(good, 1);
}

#[actix_web::test]
async fn an_event_names_many_people_and_organizations_at_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let rows: String = (0..1_200).map(|n| format!("人{n:04},N{n}\n")).collect();
    let import = t
        .request(
            reqwest::Method::POST,
            &format!("/members/imports?organization_id={}", tenant.branch_b),
            &tenant.admin,
        )
        .header("content-type", "text/csv")
        .body(format!("姓名,工号\n{rows}"));
    crate::support::Reply::of(import).await.expect(201);
    let (mut named, mut cursor) = (Vec::new(), String::new());
    while named.len() < 1_200 {
        let path = format!("/members?organization_id={}&limit=200{cursor}", tenant.branch_b);
        let page = t.get(&path, &tenant.admin).await.expect(200);
        named.extend(page.items().iter().map(|member| member["id"].clone()));
        cursor = format!(
            "&cursor={}",
            page.json["next_cursor"].as_str().unwrap_or_default()
        );
    }
    let expected = |organizations: serde_json::Value| json!({ "expected": { "organization_ids": organizations, "member_ids": named, "standings": ["full"] } });
    let event = t
        .open_event(
            &tenant.admin,
            &tenant.root,
            expected(json!([tenant.branch_b, tenant.branch_a, tenant.branch_a])),
        )
        .await;
    let shown = t
        .get(&format!("/events/{event}"), &tenant.admin)
        .await
        .expect(200);
    let count = |list: &str| shown.json["expected"][list].as_array().unwrap().len();
    assert_eq!((count("member_ids"), count("organization_ids")), (named.len(), 2));

    // One of them that is out of reach is enough to refuse all, whichever it is.
    let other = t.tenant().await;
    let call = |token: String, organizations: serde_json::Value| {
        let body = json!({ "organization_id": tenant.branch_a, "title": "x", "starts_at": t.in_s(600),
            "ends_at": t.in_s(6_000), "forms": ["other"], "expected": { "organization_ids": organizations } });
        let t = &t;
        async move { t.post("/events", &token, body).await }
    };
    let (own, sibling) = (&tenant.branch_a, &tenant.branch_b);
    call(tenant.organizer_a.clone(), json!([own, sibling]))
        .await
        .refused(404, "not_found");
    call(tenant.organizer_a.clone(), json!([own, tenant.root]))
        .await
        .refused(403, "forbidden");
    call(tenant.system.clone(), json!([own, other.root]))
        .await
        .refused(404, "not_found");
    call(tenant.organizer_a.clone(), json!([own, own]))
        .await
        .expect(201);
}

#[actix_web::test]
async fn whom_an_event_calls_is_told_and_changed_as_far_as_one_sees() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let calls = |organizations: &[&String], members: &[&String]| json!({ "organization_ids": organizations, "standings": ["full"], "member_ids": members });
    let event = |expected: Value| {
        json!({
            "organization_id": tenant.branch_a, "title": "聯合主題黨日", "forms": ["theme_day"], "expected": expected,
            "starts_at": t.in_s(86_400), "ends_at": t.in_s(90_000),
        })
    };
    let both = calls(&[&tenant.branch_a, &tenant.branch_b], &[&tenant.member_b_id]);
    let both = t
        .post("/events", &tenant.admin, event(both))
        .await
        .expect(201)
        .id();
    let path = format!("/events/{both}");
    let called = async |path: &str, token: &str| {
        let expected = t.get(path, token).await.expect(200).json["expected"].clone();
        let many = |name: &str| expected[name].as_array().unwrap().len();
        (many("organization_ids"), many("member_ids"))
    };
    assert_eq!(called(&path, &tenant.secretary_a).await, (1, 0));
    assert_eq!(called(&path, &tenant.admin).await, (2, 1));
    // As it was read it changes nothing; and who does not see all of it changes nothing else.
    let seen = calls(&[&tenant.branch_a], &[]);
    t.patch(&path, &tenant.secretary_a, "*", json!({ "expected": seen }))
        .await
        .expect(200);
    let more = calls(&[&tenant.branch_a], &[&tenant.member_a_id]);
    t.patch(&path, &tenant.secretary_a, "*", json!({ "expected": more }))
        .await
        .refused(403, "forbidden");
    let copy = json!({ "starts_at": t.in_s(2 * 86_400) });
    t.post(&format!("{path}/clone"), &tenant.secretary_a, copy)
        .await
        .refused(403, "forbidden");
    assert_eq!(called(&path, &tenant.admin).await, (2, 1));

    // Who was named and has moved stays named.
    let named = calls(&[], &[&tenant.member_a_id]);
    let named = t
        .post("/events", &tenant.secretary_a, event(named))
        .await
        .expect(201)
        .id();
    let path = format!("/events/{named}");
    let to_b = json!({ "organization_id": tenant.branch_b, "reason": "工作調動" });
    t.post(
        &format!("/members/{}/transfers", tenant.member_a_id),
        &tenant.admin,
        to_b,
    )
    .await
    .expect(201);
    assert_eq!(called(&path, &tenant.secretary_a).await, (0, 0));
    let branch = json!({ "expected": calls(&[&tenant.branch_a], &[]) });
    t.patch(&path, &tenant.secretary_a, "*", branch).await.expect(200);
    assert_eq!(called(&path, &tenant.admin).await, (1, 1));
}
