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
async fn once_check_in_is_open_only_words_change() {
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
        "code_window_s": 1, "geofence": { "latitude": 91.0, "longitude": 0.0, "radius_m": 100 },
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
            "/geofence/latitude"
        ]
    );
}
