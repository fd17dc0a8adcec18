//! Guests: people without an account, who come by a public address or are put down by an organiser, and are forgotten.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::guests;

use crate::support::{Reply, Tenant, TestApp, new_uuid};

pub fn person(name: &str, phone: &str) -> Value {
    json!({ "name": name, "phone": phone, "consent": true })
}

pub fn own(name: &str, phone: &str) -> Value {
    let mut body = person(name, phone);
    body["client_event_id"] = new_uuid().into();
    body
}

/// An event that is open for check-in now, and a public address for so many guests: its path.
pub async fn open_door(t: &TestApp, tenant: &Tenant, places: i64) -> (String, String) {
    let event = t
        .open_event(&tenant.admin, &tenant.branch_a, json!({ "forms": ["theme_day"] }))
        .await;
    let link = json!({ "places": places, "expires_at": t.in_s(3_600) });
    let made = t
        .post(&format!("/events/{event}/guest-links"), &tenant.admin, link)
        .await
        .expect(201);
    let secret = made.text("/url").rsplit_once("/g/").unwrap().1.to_owned();
    (event, format!("/guest-invitations/{secret}"))
}

/// How many guests were erased because it was time.
async fn erase_due(t: &TestApp) -> usize {
    let (now, keep_s) = (t.now(), t.app.config.guests.keep_days * 86_400);
    t.app
        .db
        .write(move |conn| guests::erase_due(conn, now, keep_s))
        .await
        .unwrap()
}

async fn list(t: &TestApp, tenant: &Tenant, event: &str) -> Reply {
    t.get(&format!("/events/{event}/guests"), &tenant.admin)
        .await
        .expect(200)
}

#[actix_web::test]
async fn a_guest_comes_by_an_address_checks_in_by_their_pass_and_is_forgotten() {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 90 * 86_400).await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 2).await;
    let told = t.get(&invitation, "").await.expect(200);
    assert_eq!(
        (told.text("/event_title"), told.json["places_left"].as_i64()),
        ("支部黨員大會".into(), Some(2))
    );
    assert_eq!(told.text("/organization_name"), "第一黨支部");
    assert!(!told.mentions(&event), "an address tells no ids");

    let join = format!("{invitation}/guests");
    let body = own("王小明", "+86 138-1234-5678");
    let first = t.post(&join, "", body.clone()).await.expect(201);
    let again = t.post(&join, "", body).await.expect(200);
    assert_eq!(again.bytes, first.bytes);
    t.post(&join, "", own("別人", "13812345678"))
        .await
        .refused(409, "guest_exists");
    t.post(
        &join,
        "",
        json!({ "name": "x", "phone": "1", "consent": false, "client_event_id": new_uuid() }),
    )
    .await
    .refused(422, "invalid_fields");
    assert_eq!(t.get(&invitation, "").await.expect(200).json["places_left"], 1);

    let code = t.code(&tenant.admin, &event).await;
    let pass = first.text("/pass");
    let scan = json!({ "code": format!("https://zhibu.test/c/{code}"), "pass": pass });
    let present = t.post("/guest-check-ins", "", scan.clone()).await.expect(201);
    assert_eq!(present.text("/event_title"), "支部黨員大會");
    assert!(!present.mentions("王小明") && !present.mentions("1381234") && !present.mentions("138-1234"));
    let again = t.post("/guest-check-ins", "", scan).await.expect(200);
    assert_eq!(again.bytes, present.bytes);
    let other = if pass.ends_with('A') { 'Q' } else { 'A' };
    let forged = format!("{}{other}", &pass[..pass.len() - 1]);
    t.post("/guest-check-ins", "", json!({ "code": code, "pass": forged }))
        .await
        .refused(403, "not_expected");
    let elsewhere = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let elsewhere = t.code(&tenant.admin, &elsewhere).await;
    t.post("/guest-check-ins", "", json!({ "code": elsewhere, "pass": pass }))
        .await
        .refused(403, "not_expected");

    let listed = list(&t, &tenant, &event).await;
    assert_eq!(
        (&listed.json["invited"], &listed.json["present"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(listed.text("/items/0/phone"), "13812345678");
    t.get(&format!("/events/{event}/guests"), &tenant.member_a)
        .await
        .refused(403, "forbidden");
    t.get(&format!("/events/{event}/guests"), &tenant.secretary_b)
        .await
        .refused(404, "not_found");

    // Thirty days after the event nothing is left but that somebody came.
    let keep_s = t.app.config.guests.keep_days * 86_400;
    t.advance_s(6_000 + keep_s);
    assert_eq!(erase_due(&t).await, 0);
    t.advance_s(1);
    assert_eq!(erase_due(&t).await, 1);
    assert_eq!(erase_due(&t).await, 0);
    let listed = list(&t, &tenant, &event).await;
    assert!(!listed.mentions("王小明") && !listed.mentions("13812345678"));
    assert_eq!(
        (&listed.json["present"], &listed.json["items"][0]["name"]),
        (&json!(1), &Value::Null)
    );
}

#[actix_web::test]
async fn whom_an_organiser_puts_down_is_known_by_their_number_or_by_hand() {
    let t = TestApp::start_with(|config| config.auth.failures_per_address_per_hour = 60).await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}/guests");
    t.post(&path, &tenant.member_a, person("王", "13812345678"))
        .await
        .refused(403, "forbidden");
    let without = json!({ "name": "王", "phone": "13812345678", "consent": false });
    t.post(&path, &tenant.organizer_a, without)
        .await
        .refused(422, "invalid_fields");
    let wang = t
        .post(&path, &tenant.organizer_a, person("王", "13812345678"))
        .await
        .expect(201)
        .id();
    let li = t
        .post(&path, &tenant.organizer_a, person("李", "13912345678"))
        .await
        .expect(201)
        .id();
    t.post(&path, &tenant.organizer_a, person("王二", "138 1234 5678"))
        .await
        .refused(409, "guest_exists");

    // The page turns the code into a proof first, so that nobody has to hurry.
    let device = new_uuid();
    let code = t.code(&tenant.admin, &event).await;
    let proof = t
        .post(
            "/check-in-proofs",
            "",
            json!({ "code": code, "device_id": device }),
        )
        .await
        .expect(201);
    t.advance_s(300);
    let scan = json!({ "proof": proof.text("/proof"), "device_id": device, "phone": "13812345678" });
    t.post("/guest-check-ins", "", scan.clone()).await.expect(201);
    let mut other = scan.clone();
    other["device_id"] = new_uuid().into();
    t.post("/guest-check-ins", "", other)
        .await
        .refused(422, "invalid_code");
    t.post(
        "/guest-check-ins",
        "",
        json!({ "code": code, "phone": "13812345678" }),
    )
    .await
    .refused(410, "expired_code");
    let mut unknown = scan.clone();
    unknown["phone"] = "13812345679".into();
    t.post("/guest-check-ins", "", unknown.clone())
        .await
        .refused(403, "not_expected");
    t.advance_s(301);
    t.post("/guest-check-ins", "", scan)
        .await
        .refused(410, "expired_code");

    for _ in 0..2 {
        let seen = t
            .act(&format!("/guests/{li}/check-in"), &tenant.organizer_a)
            .await
            .expect(200);
        assert_eq!(seen.text("/check_in_source"), "by_hand");
    }
    let came = t
        .get(&format!("{path}?checked_in=true&count=true"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!((came.items().len(), &came.json["count"]), (2, &json!(2)));

    // Erased at once on request: that they came stays counted, without a name.
    for _ in 0..2 {
        let gone = t
            .delete(&format!("/guests/{wang}"), &tenant.organizer_a)
            .await
            .expect(200);
        assert_eq!(
            (
                &gone.json["name"],
                &gone.json["phone"],
                &gone.json["cancelled_at"]
            ),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }
    let listed = list(&t, &tenant, &event).await;
    assert_eq!(listed.json["present"], 2);
    let log = t
        .get(&format!("/audit-log?object_id={wang}"), &tenant.admin)
        .await
        .expect(200);
    assert!(log.mentions("guest.remove") && !log.mentions("13812345678") && !log.mentions("王"));
    // Numbers cannot be tried out.
    let limit = 60;
    for _ in 0..limit {
        let body = json!({ "code": "nonsense", "phone": "13812345670" });
        t.post("/guest-check-ins", "", body).await;
    }
    let body = json!({ "code": "nonsense", "phone": "13812345670" });
    t.post("/guest-check-ins", "", body)
        .await
        .refused(429, "rate_limited");
}

#[actix_web::test]
async fn the_places_of_an_address_are_never_oversold_and_come_back() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 10).await;
    let (replica, stop) = t.replica().await;
    let join = format!("{invitation}/guests");
    // Forty people, each of whom sends twice at once, on two replicas.
    let sent = (0..40).flat_map(|n| {
        let body = own(&format!("來賓{n}"), &format!("138{n:08}"));
        [join.clone(), format!("{replica}/api/v1{join}")].map(|path| (path, body.clone()))
    });
    let t = &t;
    let replies = join_all(sent.map(|(path, body)| async move { t.post(&path, "", body).await })).await;
    let with = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((with(201), with(200), with(409)), (10, 10, 60));
    assert!(
        replies
            .iter()
            .filter(|r| r.status == 409)
            .all(|r| r.json["code"] == "guest_link_full")
    );
    assert_eq!(list(t, &tenant, &event).await.json["invited"], 10);
    let links = t
        .get(&format!("/events/{event}/guest-links"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(links.json["items"][0]["taken"], 10);
    assert!(links.json["items"][0].get("url").is_none());

    let pass = replies
        .iter()
        .find(|reply| reply.status == 201)
        .unwrap()
        .text("/pass");
    for _ in 0..2 {
        t.post("/guest-cancellations", "", json!({ "pass": pass }))
            .await
            .expect(204);
    }
    assert_eq!(t.get(&invitation, "").await.expect(200).json["places_left"], 1);
    t.post(&join, "", own("新來賓", "13900000001")).await.expect(201);
    t.post(&join, "", own("晚來賓", "13900000002"))
        .await
        .refused(409, "guest_link_full");
    let code = t.code(&tenant.admin, &event).await;
    t.post("/guest-check-ins", "", json!({ "code": code, "pass": pass }))
        .await
        .refused(403, "not_expected");
    stop.stop(false).await;
}

#[actix_web::test]
async fn an_address_ends_by_time_by_hand_and_with_its_event() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 5).await;
    let path = format!("/events/{event}/guest-links");
    let late = json!({ "places": 1, "expires_at": t.in_s(90_000) });
    t.post(&path, &tenant.admin, late)
        .await
        .refused(422, "invalid_fields");
    t.post(
        &path,
        &tenant.admin,
        json!({ "places": 0, "expires_at": t.in_s(60) }),
    )
    .await
    .refused(422, "invalid_fields");
    t.advance_s(3_600);
    let join = format!("{invitation}/guests");
    t.post(&join, "", own("王", "13812345678"))
        .await
        .refused(410, "guest_link_expired");
    assert_eq!(t.get(&invitation, "").await.expect(200).json["places_left"], 0);

    let made = t
        .post(
            &path,
            &tenant.admin,
            json!({ "places": 1, "expires_at": t.in_s(600) }),
        )
        .await
        .expect(201);
    let secret = made.text("/url").rsplit_once("/g/").unwrap().1.to_owned();
    let revoke = format!("/guest-links/{}/revoke", made.id());
    t.act(&revoke, &tenant.secretary_b)
        .await
        .refused(404, "not_found");
    for _ in 0..2 {
        t.act(&revoke, &tenant.admin).await.expect(200);
    }
    let gone = t
        .get(&format!("/guest-invitations/{secret}"), "")
        .await
        .refused(404, "not_found");
    let none = t
        .get("/guest-invitations/nonsense", "")
        .await
        .refused(404, "not_found");
    assert_eq!(
        (&gone.json["code"], &gone.json["detail"]),
        (&none.json["code"], &none.json["detail"])
    );

    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
    .await
    .expect(200);
    assert_eq!(t.get(&invitation, "").await.expect(200).json["cancelled"], true);
    t.post(&join, "", own("王", "13812345678"))
        .await
        .refused(409, "event_cancelled");
    let page = t.get(&format!("{}/g/anything", t.url), "").await.expect(200);
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    t.get(&format!("{}/g/assets/guest.js", t.url), "")
        .await
        .expect(200);
}

/// A write with a key, as a phone sends it again when the answer was lost.
async fn send(t: &TestApp, token: &str, path: &str, key: &str, body: &Value) -> Reply {
    let request = t.request(Method::POST, path, token).json(body);
    Reply::of(request.header("idempotency-key", key)).await
}

#[actix_web::test]
async fn what_was_erased_is_nowhere_any_more_kept_answers_included() {
    let t = TestApp::start_with(|config| {
        config.guests.keep_days = 1;
        config.auth.access_token_s = 7 * 86_400;
    })
    .await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let path = format!("/events/{event}/guests");
    let canaries = [
        "金絲雀甲",
        "金絲雀的字條",
        "13877700001",
        "金絲雀乙",
        "13877700002",
    ];
    let mut bodies = [person(canaries[0], canaries[2]), person(canaries[3], canaries[4])];
    bodies[0]["note"] = canaries[1].into();
    let mut ids = Vec::new();
    for (key, body) in ["first", "second"].into_iter().zip(&bodies) {
        let made = send(&t, &tenant.organizer_a, &path, key, body).await.expect(201);
        let again = send(&t, &tenant.organizer_a, &path, key, body).await.expect(201);
        assert_eq!(
            (&again.bytes, again.header("idempotency-replayed")),
            (&made.bytes, "true")
        );
        let check_in = format!("/guests/{}/check-in", made.id());
        let came = send(&t, &tenant.organizer_a, &check_in, key, &json!({}))
            .await
            .expect(200);
        assert!(came.json["name"].is_string() && came.json["checked_in_at"].is_string());
        ids.push(made.id());
    }
    let dump = t.dump().await;
    assert!(
        canaries.iter().all(|canary| dump.contains(canary)),
        "the dump shows what is there"
    );

    t.delete(&format!("/guests/{}", ids[0]), &tenant.organizer_a)
        .await
        .expect(200);
    let dump = t.dump().await;
    assert_eq!(
        canaries.map(|canary| dump.contains(canary)),
        [false, false, false, true, true]
    );
    // The other goes when it is time.
    t.advance_s(6_000 + 86_400);
    assert_eq!(erase_due(&t).await, 0);
    t.advance_s(1);
    assert_eq!(erase_due(&t).await, 1);
    let dump = t.dump().await;
    assert!(!canaries.iter().any(|canary| dump.contains(canary)));
    // What is sent once more does nothing again, and tells nothing.
    for (n, key) in ["first", "second"].into_iter().enumerate() {
        let made = send(&t, &tenant.organizer_a, &path, key, &bodies[n])
            .await
            .expect(201);
        assert_eq!(
            (made.id(), &made.json["name"], &made.json["phone"]),
            (ids[n].clone(), &Value::Null, &Value::Null)
        );
        let check_in = format!("/guests/{}/check-in", ids[n]);
        let came = send(&t, &tenant.organizer_a, &check_in, key, &json!({}))
            .await
            .expect(200);
        assert_eq!(came.json["name"], Value::Null);
    }
    assert_eq!(t.count("guests").await, 2);
}

#[actix_web::test]
async fn guests_of_what_was_called_off_are_not_kept_until_its_planned_end() {
    let t = TestApp::start_with(|config| {
        config.guests.keep_days = 1;
        config.auth.access_token_s = 30 * 86_400;
    })
    .await;
    let tenant = t.tenant().await;
    let until = |starts_in_s: i64| json!({ "starts_at": t.in_s(starts_in_s), "ends_at": t.in_s(10 * 86_400 + 3_600) });
    let mut events = Vec::new();
    // The second has begun: only that can be closed.
    for (n, starts_in_s) in [10 * 86_400, 0, 10 * 86_400].into_iter().enumerate() {
        let event = t
            .open_event(&tenant.admin, &tenant.branch_a, until(starts_in_s))
            .await;
        let body = person("王小明", &format!("1387770000{n}"));
        t.post(&format!("/events/{event}/guests"), &tenant.admin, body)
            .await
            .expect(201);
        events.push(event);
    }
    let cancel = format!("/events/{}/cancel", events[0]);
    t.post(&cancel, &tenant.admin, json!({ "reason": "颱風" }))
        .await
        .expect(200);
    t.act(&format!("/events/{}/close", events[1]), &tenant.admin)
        .await
        .expect(200);
    t.advance_s(86_400);
    assert_eq!(erase_due(&t).await, 0);
    t.advance_s(1);
    assert_eq!(erase_due(&t).await, 2);
    assert!(list(&t, &tenant, &events[2]).await.mentions("王小明"));
}

#[actix_web::test]
async fn an_address_tells_only_so_often_whether_a_number_is_on_the_list() {
    let t = TestApp::start_with(|config| config.auth.failures_per_address_per_hour = 6).await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 10).await;
    let known = person("王小明", "13812345678");
    t.post(&format!("/events/{event}/guests"), &tenant.admin, known)
        .await
        .expect(201);
    let join = format!("{invitation}/guests");
    // Of a number that is on it, and of those that are not.
    for n in 0..3 {
        t.post(&join, "", own("試探", "13812345678"))
            .await
            .refused(409, "guest_exists");
        let free = t
            .post(&join, "", own("試探", &format!("1390000000{n}")))
            .await
            .expect(201);
        let pass = json!({ "pass": free.text("/pass") });
        t.post("/guest-cancellations", "", pass).await.expect(204);
    }
    t.post(&join, "", own("試探", "13812345678"))
        .await
        .refused(429, "rate_limited");
    t.post(&join, "", own("試探", "13900000009"))
        .await
        .refused(429, "rate_limited");
}

#[actix_web::test]
async fn who_takes_places_and_gives_them_back_leaves_no_rows_without_end() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 4).await;
    let (replica, stop) = t.replica().await;
    let join = format!("{invitation}/guests");
    for n in 0..10 {
        let made = t
            .post(&join, "", own("來去", &format!("139000000{n:02}")))
            .await
            .expect(201);
        t.post("/guest-cancellations", "", json!({ "pass": made.text("/pass") }))
            .await
            .expect(204);
    }
    // Four places are free, and two guests are left of the twelve that four places may ever have.
    assert_eq!(t.get(&invitation, "").await.expect(200).json["places_left"], 2);
    let at_once = (0..8).map(|n| {
        let path = [join.clone(), format!("{replica}/api/v1{join}")][n % 2].clone();
        let body = own("來賓", &format!("138000000{n:02}"));
        let t = &t;
        async move { t.post(&path, "", body).await }
    });
    let replies = join_all(at_once).await;
    let with = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((with(201), with(409)), (2, 6));
    let refused = replies.iter().filter(|reply| reply.status == 409);
    assert!(
        refused
            .clone()
            .all(|reply| reply.json["code"] == "guest_link_full")
    );
    assert_eq!(t.get(&invitation, "").await.expect(200).json["places_left"], 0);
    assert_eq!(t.count("guests").await, 12);
    assert_eq!(list(&t, &tenant, &event).await.json["invited"], 2);
    let links = t
        .get(&format!("/events/{event}/guest-links"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(links.json["items"][0]["taken"], 2);
    stop.stop(false).await;
}

#[actix_web::test]
async fn a_guest_whose_answer_was_lost_has_it_after_the_address_was_revoked() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, invitation) = open_door(&t, &tenant, 2).await;
    let join = format!("{invitation}/guests");
    let body = own("王小明", "13812345678");
    let first = t.post(&join, "", body.clone()).await.expect(201);
    let links = t
        .get(&format!("/events/{event}/guest-links"), &tenant.admin)
        .await
        .expect(200);
    let link = links.items()[0]["id"].as_str().unwrap().to_owned();
    t.act(&format!("/guest-links/{link}/revoke"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(t.post(&join, "", body).await.expect(200).bytes, first.bytes);
    t.post(&join, "", own("別人", "13800000000"))
        .await
        .refused(404, "not_found");
}
