//! The inbox: what people are told, when it may ring, and that nothing is told twice or lost.

use futures_util::StreamExt;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::app::App;
use zhibu::platform::clock::Clock;
use zhibu::platform::ids::Ids;
use zhibu::{notices, server};

use crate::sign_ups::{sign_up, theme_day};
use crate::support::{Reply, Tenant, TestApp, new_uuid};

async fn inbox(t: &TestApp, token: &str) -> Vec<Value> {
    t.get("/notices", token).await.expect(200).items().to_vec()
}

async fn kinds(t: &TestApp, token: &str) -> Vec<String> {
    let kind = |notice: &Value| notice["kind"].as_str().unwrap().to_owned();
    inbox(t, token).await.iter().map(kind).collect()
}

async fn unread(t: &TestApp, token: &str) -> Value {
    t.get("/home", token).await.expect(200).json["unread_notices"].clone()
}

async fn remind(t: &TestApp) {
    notices::remind(&t.app.db, &t.app.ids, t.now(), &t.app.config.notices)
        .await
        .unwrap();
    t.run_jobs().await;
}

#[actix_web::test]
async fn a_place_and_a_promotion_are_told_in_the_moment_they_happen() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1 })).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201).id();
    let second = sign_up(&t, &people[1].token, &event).await.expect(201).id();
    let told = inbox(&t, &people[0].token).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["kind"], "sign_up_confirmed");
    assert_eq!(told[0]["event_id"], event);
    assert_eq!(told[0]["headline"], "You have a place");
    assert!(told[0]["text"].as_str().unwrap().contains("參觀紀念館"));
    // Whoever waits has had that for an answer, and need not be told.
    assert!(inbox(&t, &people[1].token).await.is_empty());

    let cancel = |id: &str| format!("/sign-ups/{id}/cancel");
    t.post(&cancel(&first), &people[0].token, json!({}))
        .await
        .expect(200);
    assert_eq!(kinds(&t, &people[0].token).await, ["sign_up_confirmed"]);
    let request = t.request(Method::GET, "/notices", &people[1].token);
    let told = Reply::of(request.header("accept-language", "zh-TW"))
        .await
        .expect(200);
    assert_eq!(told.items()[0]["kind"], "sign_up_promoted");
    assert_eq!(told.items()[0]["headline"], "候補成功");

    let reason = json!({ "reason": "場地縮小" });
    t.post(&cancel(&second), &tenant.admin, reason).await.expect(200);
    let told = inbox(&t, &people[1].token).await;
    assert_eq!(told[0]["kind"], "sign_up_cancelled");
    assert!(told[0]["text"].as_str().unwrap().contains("場地縮小"));
    assert!(inbox(&t, &people[2].token).await.is_empty());
}

#[actix_web::test]
async fn an_offer_and_its_end_are_told() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1, "offer_s": 3_600 })).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201).id();
    sign_up(&t, &people[1].token, &event).await.expect(201);
    let path = format!("/sign-ups/{first}/cancel");
    t.post(&path, &people[0].token, json!({})).await.expect(200);
    let told = inbox(&t, &people[1].token).await;
    assert_eq!(told[0]["kind"], "sign_up_offered");
    // Half past ten in Shanghai, an hour from now.
    assert!(
        told[0]["text"]
            .as_str()
            .unwrap()
            .contains("answer by 2026-11-24 10:30"),
        "{told:?}"
    );
    t.advance_s(3_601);
    // Anybody's sign-up puts the offer away.
    sign_up(&t, &people[0].token, &event).await.expect(201);
    assert_eq!(
        kinds(&t, &people[1].token).await,
        ["sign_up_expired", "sign_up_offered"]
    );
}

#[actix_web::test]
async fn a_refused_group_tells_nobody_anything() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 2 })).await;
    let ids: Vec<&String> = people.iter().map(|person| &person.id).collect();
    let path = format!("/events/{event}/sign-ups/group");
    let all = json!({ "member_ids": ids, "all_or_none": true });
    t.post(&path, &tenant.admin, all)
        .await
        .refused(409, "sign_up_full");
    for person in &people {
        assert!(inbox(&t, &person.token).await.is_empty());
    }
    let some = json!({ "member_ids": ids, "all_or_none": false });
    t.post(&path, &tenant.admin, some).await.expect(200);
    assert_eq!(kinds(&t, &people[0].token).await, ["sign_up_confirmed"]);
    assert!(inbox(&t, &people[2].token).await.is_empty());
}

#[actix_web::test]
async fn publishing_tells_all_who_are_called_a_change_and_a_cancellation_those_it_concerns() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let body = json!({
        "organization_id": tenant.root, "title": "參觀紀念館", "forms": ["theme_day"], "place": "東門",
        "starts_at": t.in_s(3 * 86_400), "ends_at": t.in_s(3 * 86_400 + 7_200),
        "expected": { "organization_ids": [tenant.branch_a] },
    });
    let event = t
        .post("/events", &tenant.admin, body.clone())
        .await
        .expect(201)
        .id();
    let policy = json!({ "capacity": 5 });
    crate::sign_ups::policy(&t, &tenant.admin, &event, policy)
        .await
        .expect(201);
    let publish = format!("/events/{event}/publish");
    t.post(
        &publish,
        &tenant.admin,
        json!({ "message": "請自備水杯", "loud": true }),
    )
    .await
    .refused(422, "invalid_fields");
    t.post(&publish, &tenant.admin, json!({ "message": "請自備水杯" }))
        .await
        .expect(200);
    assert!(
        inbox(&t, &tenant.member_a).await.is_empty(),
        "before the commit's job has run"
    );
    t.run_jobs().await;
    t.run_jobs().await;
    let told = inbox(&t, &tenant.member_a).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["kind"], "event_published");
    assert!(
        told[0]["text"].as_str().unwrap().ends_with("東門 · 請自備水杯"),
        "{told:?}"
    );
    assert!(
        inbox(&t, &tenant.member_b).await.is_empty(),
        "the other branch is not called"
    );

    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    let path = format!("/events/{event}");
    // What nobody has in a calendar is no news.
    t.patch(&path, &tenant.admin, "*", json!({ "description": "x" }))
        .await
        .expect(200);
    t.patch(&path, &tenant.admin, "*", json!({ "place": "西門" }))
        .await
        .expect(200);
    t.run_jobs().await;
    let expected = ["event_changed", "sign_up_confirmed", "event_published"];
    assert_eq!(kinds(&t, &tenant.member_a).await, expected);
    assert_eq!(
        kinds(&t, &tenant.secretary_a).await,
        ["event_published"],
        "called, and not signed up"
    );

    let reason = json!({ "reason": "颱風" });
    t.post(&format!("/events/{event}/cancel"), &tenant.admin, reason)
        .await
        .expect(200);
    t.run_jobs().await;
    let told = inbox(&t, &tenant.member_a).await;
    assert_eq!(told[0]["kind"], "event_cancelled");
    assert!(told[0]["text"].as_str().unwrap().contains("颱風"));

    // Nobody is told of what was published quietly, or of a draft that comes to nothing.
    let quiet = t
        .post("/events", &tenant.admin, body.clone())
        .await
        .expect(201)
        .id();
    let path = format!("/events/{quiet}/publish");
    t.post(&path, &tenant.admin, json!({ "notify": false }))
        .await
        .expect(200);
    let draft = t.post("/events", &tenant.admin, body).await.expect(201).id();
    let path = format!("/events/{draft}/cancel");
    t.post(&path, &tenant.admin, json!({ "reason": "x" }))
        .await
        .expect(200);
    t.run_jobs().await;
    assert_eq!(inbox(&t, &tenant.member_a).await.len(), 4);
}

#[actix_web::test]
async fn reading_is_ones_own_and_harmless_to_repeat() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    for _ in 0..3 {
        let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
        sign_up(&t, &tenant.member_a, &event).await.expect(201);
    }
    let all = t.get("/notices?count=true", &tenant.member_a).await.expect(200);
    assert_eq!((all.items().len(), &all.json["count"]), (3, &json!(3)));
    assert_eq!(unread(&t, &tenant.member_a).await, 3);
    let tag = all.header("etag").to_owned();
    let again = t.request(Method::GET, "/notices?count=true", &tenant.member_a);
    Reply::of(again.header("if-none-match", &tag)).await.expect(304);
    let page = t.get("/notices?limit=2", &tenant.member_a).await.expect(200);
    let next = page.text("/next_cursor");
    let rest = t
        .get(&format!("/notices?limit=2&cursor={next}"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(rest.items(), &all.items()[2..]);

    let newest = all.items()[0]["id"].clone();
    // Somebody else's id marks nothing.
    let read = t
        .post("/notices/read", &tenant.member_b, json!({ "ids": [newest] }))
        .await;
    assert_eq!(read.expect(200).json["unread"], 0);
    let body = json!({ "ids": [newest, new_uuid()] });
    for _ in 0..2 {
        let read = t
            .post("/notices/read", &tenant.member_a, body.clone())
            .await
            .expect(200);
        assert_eq!(read.json["unread"], 2);
    }
    let left = t.get("/notices?unread=true", &tenant.member_a).await.expect(200);
    assert_eq!(left.items().len(), 2);
    let oldest = all.items()[2]["id"].clone();
    let read = t
        .post("/notices/read", &tenant.member_a, json!({ "up_to": oldest }))
        .await;
    assert_eq!(read.expect(200).json["unread"], 1);
    let read = t
        .post("/notices/read", &tenant.member_a, json!({ "up_to": newest }))
        .await;
    assert_eq!(read.expect(200).json["unread"], 0);
    let first = inbox(&t, &tenant.member_a).await;
    assert!(first.iter().all(|notice| notice["read_at"].is_string()));
    t.post("/notices/read", &tenant.member_a, json!({}))
        .await
        .refused(422, "invalid_fields");
    let both = json!({ "ids": [], "up_to": oldest });
    t.post("/notices/read", &tenant.member_a, both)
        .await
        .refused(422, "invalid_fields");
    t.get("/notices", &tenant.system).await.refused(403, "forbidden");
}

#[actix_web::test]
async fn what_is_muted_is_not_told_and_nothing_rings_at_night() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let path = "/me/notice-settings";
    let set = t.get(path, &tenant.member_a).await.expect(200).json;
    assert_eq!(
        set,
        json!({ "muted": [], "quiet_from": "22:00", "quiet_until": "07:00" })
    );
    for wrong in [
        json!({ "muted": ["gossip"], "quiet_from": null, "quiet_until": null }),
        json!({ "muted": [], "quiet_from": "22:00", "quiet_until": null }),
        json!({ "muted": [], "quiet_from": "22:00", "quiet_until": "25:00" }),
    ] {
        t.put(path, &tenant.member_a, wrong)
            .await
            .refused(422, "invalid_fields");
    }
    // Half past ten in the evening in Shanghai.
    t.advance_s(13 * 3_600);
    let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    let told = inbox(&t, &tenant.member_a).await;
    assert_eq!(told[0]["created_at"], "2026-11-24T14:30:00Z");
    assert_eq!(told[0]["rings_at"], "2026-11-24T23:00:00Z");

    let off = json!({ "muted": ["sign_up_confirmed", "sign_up_confirmed"], "quiet_from": null, "quiet_until": null });
    let set = t.put(path, &tenant.member_a, off).await.expect(200).json;
    assert_eq!(set["muted"], json!(["sign_up_confirmed"]));
    let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    assert_eq!(inbox(&t, &tenant.member_a).await.len(), 1);
    let on = json!({ "muted": [], "quiet_from": null, "quiet_until": null });
    t.put(path, &tenant.member_a, on).await.expect(200);
    let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    let told = inbox(&t, &tenant.member_a).await;
    assert_eq!((told.len(), &told[0]["rings_at"]), (2, &told[0]["created_at"]));
}

/// A day at the year's end: the day before it is in the old year.
#[actix_web::test]
async fn who_is_concerned_is_reminded_once_on_the_evening_before() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    let body = json!({
        "organization_id": tenant.root, "title": "新年登高", "forms": ["theme_day"],
        "starts_at": "2027-01-01T00:30:00+08:00", "ends_at": "2027-01-01T04:00:00+08:00",
    });
    let event = t.post("/events", &tenant.admin, body).await.expect(201).id();
    let policy = json!({ "capacity": 5 });
    crate::sign_ups::policy(&t, &tenant.admin, &event, policy)
        .await
        .expect(201);
    let path = format!("/events/{event}/publish");
    t.post(&path, &tenant.admin, json!({ "notify": false }))
        .await
        .expect(200);
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    let reminders = async || {
        let all = kinds(&t, &tenant.member_a).await;
        all.iter().filter(|kind| *kind == "event_tomorrow").count()
    };
    t.clock().set("2026-12-31T17:59:00+08:00".parse().unwrap());
    remind(&t).await;
    assert_eq!(reminders().await, 0);
    t.clock().set("2026-12-31T18:00:00+08:00".parse().unwrap());
    join(remind(&t), remind(&t)).await;
    remind(&t).await;
    assert_eq!(reminders().await, 1);
    assert_eq!(kinds(&t, &tenant.member_b).await.len(), 0, "has no place");
    // Moved by a day: reminded of that day.
    let change = json!({ "starts_at": "2027-01-02T00:30:00+08:00", "ends_at": "2027-01-02T04:00:00+08:00" });
    t.patch(&format!("/events/{event}"), &tenant.admin, "*", change)
        .await
        .expect(200);
    remind(&t).await;
    assert_eq!(reminders().await, 1);
    t.clock().set("2027-01-01T18:00:00+08:00".parse().unwrap());
    remind(&t).await;
    assert_eq!(reminders().await, 2);
    t.clock().set("2027-01-02T00:00:00+08:00".parse().unwrap());
    remind(&t).await;
    assert_eq!(reminders().await, 2);
}

/// More people than one transaction tells, two processes at it, and one of them dies with a job in hand.
#[actix_web::test]
async fn a_crowd_is_told_in_shares_each_of_them_once() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2_100).await;
    let other = App::build(t.app.config.as_ref().clone(), t.app.clock.clone(), Ids::system()).unwrap();
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    // Somebody has taken the job and is gone: its lease ends, and another does it.
    t.take_jobs_and_die().await;
    t.run_jobs().await;
    assert_eq!(t.count("notices").await, 0);
    t.advance_s(121);
    let (mine, theirs) = join(t.app.queue.run_due(), other.queue.run_due()).await;
    mine.unwrap();
    theirs.unwrap();
    t.run_jobs().await;
    // The branch's own secretary, organizer and member beside the crowd.
    assert_eq!(t.count("notices").await, 2_100 + 3);
    for person in [&people[0], &people[1_050], &people[2_099]] {
        let told = inbox(&t, &person.token).await;
        assert_eq!(
            (told.len(), told[0]["event_id"].as_str()),
            (1, Some(event.as_str()))
        );
    }
}

async fn frame(
    stream: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
) -> Value {
    loop {
        let piece = stream.next().await.unwrap().unwrap();
        let text = String::from_utf8(piece.to_vec()).unwrap();
        if let Some((_, data)) = text.split_once("data: ") {
            return serde_json::from_str(data.trim()).unwrap();
        }
    }
}

#[actix_web::test]
async fn a_live_inbox_shows_what_another_replica_writes() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    let response = t
        .request(Method::GET, "/notices/live", &tenant.member_a)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.bytes_stream();
    assert_eq!(frame(&mut stream).await, json!({ "unread": 0, "latest": [] }));
    let (replica, handle) = t.replica().await;
    let path = format!("{replica}/api/v1/events/{event}/sign-ups");
    let body = json!({ "client_event_id": new_uuid() });
    t.post(&path, &tenant.member_a, body).await.expect(201);
    let told = frame(&mut stream).await;
    assert_eq!(
        (&told["unread"], &told["latest"][0]["kind"]),
        (&json!(1), &json!("sign_up_confirmed"))
    );
    // Read on one phone, it is read on the other.
    t.advance_s(1);
    let up_to = json!({ "up_to": told["latest"][0]["id"] });
    t.post("/notices/read", &tenant.member_a, up_to).await.expect(200);
    assert_eq!(frame(&mut stream).await["unread"], 0);
    // The stream ends with its session.
    t.act("/auth/logout", &tenant.member_a).await;
    while let Some(Ok(piece)) = stream.next().await {
        assert!(!String::from_utf8_lossy(&piece).contains("data:"));
    }
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_queue_of_the_server_itself_does_what_is_due() {
    let t = TestApp::start().await;
    let tenant: Tenant = t.tenant().await;
    let mut config = t.app.config.as_ref().clone();
    config.jobs.pace = Some(std::time::Duration::from_millis(20));
    let clock = Clock::fixed(t.now().utc());
    let app = App::build(config, clock, Ids::system()).unwrap();
    let response = t
        .request(Method::GET, "/notices/live", &tenant.member_a)
        .send()
        .await
        .unwrap();
    let mut stream = response.bytes_stream();
    frame(&mut stream).await;
    t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let running = server::start(actix_web::web::Data::new(app)).await.unwrap();
    let handle = running.server.handle();
    actix_web::rt::spawn(running.server);
    assert_eq!(frame(&mut stream).await["latest"][0]["kind"], "event_published");
    drop(running.jobs);
    handle.stop(false).await;
}

/// A roster keeps who has left since; nothing rings for them any more.
#[actix_web::test]
async fn who_has_left_is_told_nothing_more() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.code(&tenant.admin, &event).await;
    t.run_jobs().await;
    let before = inbox(&t, &tenant.member_a).await.len();
    let path = format!("/members/{}", tenant.member_a_id);
    t.post(
        &format!("{path}/deactivate"),
        &tenant.admin,
        json!({ "reason": "調離" }),
    )
    .await
    .expect(200);
    let reason = json!({ "reason": "停電" });
    t.post(&format!("/events/{event}/cancel"), &tenant.admin, reason)
        .await
        .expect(200);
    t.run_jobs().await;
    t.act(&format!("{path}/reactivate"), &tenant.admin)
        .await
        .expect(200);
    let tells = |told: Vec<Value>| told.iter().any(|notice| notice["kind"] == "event_cancelled");
    assert!(tells(inbox(&t, &tenant.secretary_a).await));
    let token = t.token_of(&tenant.member_a_id, &tenant.root);
    let told = inbox(&t, &token).await;
    assert_eq!(told.len(), before);
    assert!(!tells(told));
}
