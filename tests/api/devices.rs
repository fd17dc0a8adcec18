//! Devices of a room: a projector page and a hand scanner that nobody signs in on, and what they may not do.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::guard::authz::{OPEN, body_of, fill};
use crate::guard::openapi::operations;
use crate::support::{Reply, Tenant, TestApp, new_uuid};

const BOTH: [&str; 2] = ["screen", "scanner"];

/// Makes a device, as an organiser does: its id and its code.
pub async fn make(t: &TestApp, by: &str, organization: &str, purposes: &[&str]) -> (String, String) {
    let body = json!({ "name": "三樓會議室投影", "purposes": purposes });
    let made = t
        .post(&format!("/organizations/{organization}/devices"), by, body)
        .await
        .expect(201);
    assert_eq!(made.header("cache-control"), "no-store");
    (made.text("/device/id"), made.text("/code"))
}

async fn enrol(t: &TestApp, code: &str) -> Reply {
    t.post("/devices/enrolments", "", json!({ "code": code })).await
}

/// A device that has enrolled: its id and its token.
async fn device(t: &TestApp, by: &str, organization: &str, purposes: &[&str]) -> (String, String) {
    let (id, code) = make(t, by, organization, purposes).await;
    (id, enrol(t, &code).await.expect(201).text("/device_token"))
}

/// A request with the device's token, in the device's own way.
async fn ask(t: &TestApp, method: Method, path: &str, token: &str, body: Value) -> Reply {
    let request = t
        .request(method, path, "")
        .header("authorization", format!("Device {token}"));
    Reply::of(if body.is_null() {
        request
    } else {
        request.json(&body)
    })
    .await
}

async fn look(t: &TestApp, path: &str, token: &str) -> Reply {
    ask(t, Method::GET, path, token, Value::Null).await
}

/// The scanner reads the code on a member's phone.
async fn scan(t: &TestApp, token: &str, event: &str, member: &str) -> Reply {
    let code = t.get("/me/code", member).await.expect(200).text("/code");
    let body = json!({ "member_code": code, "client_event_id": new_uuid() });
    ask(
        t,
        Method::POST,
        &format!("/events/{event}/check-ins"),
        token,
        body,
    )
    .await
}

async fn revoke(t: &TestApp, by: &str, organization: &str, id: &str) -> Reply {
    t.delete(&format!("/organizations/{organization}/devices/{id}"), by)
        .await
}

#[actix_web::test]
async fn a_projector_enrols_shows_the_code_and_watches_while_a_scanner_checks_people_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let (id, code) = make(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    assert_eq!((code.len(), &code[4..5]), (9, "-"));
    let typed = code.to_lowercase().replace('-', " ");
    let enrolled = enrol(&t, &typed).await.expect(201);
    assert_eq!(enrolled.text("/device/id"), id);
    assert_eq!(enrolled.text("/device/organization_id"), tenant.branch_a);
    assert_eq!(enrolled.json["device"]["purposes"], json!(BOTH));
    let token = enrolled.text("/device_token");

    let open = look(&t, "/device/events", &token).await.expect(200);
    assert_eq!(open.items().len(), 1);
    assert_eq!(open.items()[0]["id"], event);
    let shown = look(&t, &format!("/events/{event}/code"), &token)
        .await
        .expect(200);
    assert_eq!(shown.text("/code"), t.code(&tenant.organizer_a, &event).await);
    for picture in ["svg", "png"] {
        look(&t, &format!("/events/{event}/code.{picture}"), &token)
            .await
            .expect(200);
    }
    t.post(
        "/check-ins",
        &tenant.secretary_a,
        t.with_code(&shown.text("/code")),
    )
    .await
    .expect(201);

    let mut screen = t
        .request(Method::GET, &format!("/events/{event}/live"), "")
        .header("authorization", format!("Device {token}"))
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let scanned = scan(&t, &token, &event, &tenant.member_a).await.expect(201);
    assert_eq!(scanned.text("/source"), "personal_code");
    assert_eq!(scanned.text("/member_id"), tenant.member_a_id);
    let mut text = String::new();
    while !text.contains("甲成員") {
        text.push_str(std::str::from_utf8(&screen.next().await.unwrap().unwrap()).unwrap());
    }
    // Again: the record that stands.
    scan(&t, &token, &event, &tenant.member_a)
        .await
        .refused(409, "already_checked_in");

    let log = t
        .get(&format!("/audit-log?actor_id={id}"), &tenant.admin)
        .await
        .expect(200);
    let done: Vec<_> = log
        .items()
        .iter()
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(done, ["check_in.record", "device.enrol"]);
    assert_eq!(log.items()[0]["object_id"], scanned.id());
    assert_eq!(log.items()[0]["organization_id"], tenant.branch_a);
}

#[actix_web::test]
async fn a_repeat_of_a_scan_whose_answer_was_lost_is_the_same_record() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let (_, token) = device(&t, &tenant.admin, &tenant.branch_a, &["scanner"]).await;
    let code = t
        .get("/me/code", &tenant.member_a)
        .await
        .expect(200)
        .text("/code");
    // A scanner cannot make anybody have come earlier.
    let body = json!({ "member_code": code, "client_event_id": new_uuid(), "occurred_at": t.in_s(-3_600) });
    let path = format!("/events/{event}/check-ins");
    let first = ask(&t, Method::POST, &path, &token, body.clone())
        .await
        .expect(201);
    assert_eq!(first.text("/occurred_at"), t.in_s(0));
    t.advance_s(120);
    let again = ask(&t, Method::POST, &path, &token, body).await.expect(200);
    assert_eq!(first.bytes, again.bytes);
}

/// What a token of a device gets from each operation of the document: the names of those that neither refuse it nor
/// hide. Ids are of the device's own organization, so that only the kind of token can be what is refused.
async fn opened(
    t: &TestApp,
    tenant: &Tenant,
    ids: &BTreeMap<&str, String>,
    header: &str,
) -> BTreeSet<String> {
    let mut opened = BTreeSet::new();
    let mut operations = operations();
    // Last, or a person's other tries come too late.
    operations.sort_by_key(|(.., operation)| operation["operationId"] == "logout");
    for (path, method, operation) in operations {
        let name = operation["operationId"].as_str().unwrap();
        let path = fill(&path, ids);
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = t
            .request(method, path.strip_prefix("/api/v1").unwrap(), "")
            .header("authorization", header)
            .header("if-match", "*");
        if operation.get("requestBody").is_some() {
            let mut body = body_of(name, tenant);
            if name == "check_in_member" {
                let code = t
                    .get("/me/code", &tenant.member_a)
                    .await
                    .expect(200)
                    .text("/code");
                body = json!({ "member_code": code, "client_event_id": new_uuid() });
            }
            request = request.json(&body);
        }
        // Not the body: a live screen has no end.
        let status = request.send().await.unwrap().status().as_u16();
        if ![401, 403, 404].contains(&status) && !OPEN.contains(&name) {
            opened.insert(name.to_owned());
        }
    }
    opened
}

#[actix_web::test]
async fn a_device_is_refused_by_every_operation_but_its_own() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let leave = t
        .post(
            &format!("/events/{event}/leave-requests"),
            &tenant.member_a,
            json!({ "reason": "x" }),
        )
        .await
        .expect(201)
        .id();
    let code = t.code(&tenant.admin, &event).await;
    let check_in = t
        .post("/check-ins", &tenant.secretary_a, t.with_code(&code))
        .await
        .expect(201)
        .id();
    let own = device(&t, &tenant.admin, &tenant.branch_a, &BOTH).await;
    let ids = BTreeMap::from([
        ("organizations", tenant.branch_a.clone()),
        ("events", event),
        ("members", tenant.member_a_id.clone()),
        ("check-ins", check_in),
        ("leave-requests", leave),
        ("devices", own.0),
    ]);
    let screens = [
        "find_code",
        "find_code_png",
        "find_code_svg",
        "list_checkpoints",
        "list_device_events",
        "watch_attendance",
    ];
    let named = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    let (_, screen) = device(&t, &tenant.admin, &tenant.branch_a, &["screen"]).await;
    let (_, scanner) = device(&t, &tenant.admin, &tenant.branch_a, &["scanner"]).await;
    let cases = [
        (&screen, named(&screens)),
        (&scanner, named(&["check_in_member"])),
        (
            &own.1,
            named(&[screens.as_slice(), &["check_in_member"]].concat()),
        ),
    ];
    for (token, expected) in cases {
        assert_eq!(
            opened(&t, &tenant, &ids, &format!("Device {token}")).await,
            expected
        );
        // Neither kind of token passes for the other.
        assert_eq!(
            opened(&t, &tenant, &ids, &format!("Bearer {token}")).await,
            named(&[])
        );
    }
    let person = format!("Device {}", tenant.admin);
    assert_eq!(opened(&t, &tenant, &ids, &person).await, named(&[]));
    // Control: the same drive with a person's own token gets in nearly everywhere.
    let person = format!("Bearer {}", tenant.admin);
    let by_person = opened(&t, &tenant, &ids, &person).await;
    assert!(by_person.len() > 30, "{by_person:?}");
}

#[actix_web::test]
async fn the_document_says_which_operations_take_a_device() {
    let document = crate::guard::openapi::document();
    let scheme = &document["components"]["securitySchemes"]["device"];
    assert_eq!(
        (&scheme["in"], &scheme["name"]),
        (&json!("header"), &json!("Authorization"))
    );
    let takes_device: BTreeSet<String> = operations()
        .into_iter()
        .filter(|(.., operation)| operation["security"].to_string().contains("\"device\""))
        .map(|(.., operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "check_in_member",
        "find_code",
        "find_code_png",
        "find_code_svg",
        "list_checkpoints",
        "list_device_events",
        "watch_attendance",
    ];
    assert!(takes_device.iter().eq(expected), "{takes_device:?}");
}

#[actix_web::test]
async fn a_device_marks_nobody_by_hand_and_the_refusal_is_on_record() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let (id, token) = device(&t, &tenant.admin, &tenant.branch_a, &["scanner"]).await;
    let by_hand = json!({ "member_id": tenant.member_a_id, "reason": "x", "client_event_id": new_uuid() });
    let path = format!("/events/{event}/check-ins");
    ask(&t, Method::POST, &path, &token, by_hand)
        .await
        .refused(403, "forbidden");
    let log = t
        .get(
            &format!("/audit-log?actor_id={id}&action=access.refuse"),
            &tenant.admin,
        )
        .await
        .expect(200);
    assert_eq!(log.items().len(), 1);
    assert_eq!(log.items()[0]["organization_id"], tenant.branch_a);
    let garbage = json!({ "member_code": "x", "client_event_id": new_uuid() });
    ask(&t, Method::POST, &path, &token, garbage)
        .await
        .refused(422, "invalid_code");
}

#[actix_web::test]
async fn a_device_knows_the_events_of_its_organization_and_below_until_a_day_after() {
    let t = TestApp::start_for_days().await;
    let (tenant, other) = (t.tenant().await, t.tenant().await);
    let of_a = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let of_b = t.open_event(&tenant.admin, &tenant.branch_b, json!({})).await;
    let of_root = t.open_event(&tenant.admin, &tenant.root, json!({})).await;
    let foreign = t.open_event(&other.admin, &other.branch_a, json!({})).await;
    let later = json!({ "starts_at": t.in_s(90_000), "ends_at": t.in_s(93_600) });
    let tomorrow = t.open_event(&tenant.admin, &tenant.branch_a, later).await;
    let draft = json!({ "organization_id": tenant.branch_a, "title": "x", "forms": ["lecture"],
        "starts_at": t.in_s(60), "ends_at": t.in_s(600) });
    let draft = t.post("/events", &tenant.admin, draft).await.expect(201).id();
    let (_, in_a) = device(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    let (_, in_root) = device(&t, &tenant.admin, &tenant.root, &BOTH).await;

    let listed = async |token: &str| -> BTreeSet<String> {
        let reply = look(&t, "/device/events", token).await.expect(200);
        let ids = reply.items().iter().map(|e| e["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    assert_eq!(listed(&in_a).await, BTreeSet::from([of_a.clone()]));
    let all = [&of_a, &of_b, &of_root].map(String::clone);
    assert_eq!(listed(&in_root).await, BTreeSet::from(all));

    for hidden in [&of_b, &of_root, &foreign, &draft, &new_uuid()] {
        for what in ["code", "code.svg", "code.png", "live"] {
            look(&t, &format!("/events/{hidden}/{what}"), &in_a)
                .await
                .refused(404, "not_found");
        }
        scan(&t, &in_a, hidden, &tenant.member_a)
            .await
            .refused(404, "not_found");
    }
    look(&t, &format!("/events/{of_b}/code"), &in_root)
        .await
        .expect(200);
    look(&t, &format!("/events/{foreign}/code"), &in_root)
        .await
        .refused(404, "not_found");
    look(&t, &format!("/events/{tomorrow}/code"), &in_a)
        .await
        .refused(409, "not_open_yet");

    t.act(&format!("/events/{of_a}/close"), &tenant.admin)
        .await
        .expect(200);
    let path = format!("/events/{of_a}/code");
    look(&t, &path, &in_a).await.refused(409, "closed");
    // It ends, and its check-in closes, within three hours.
    t.advance_s(3 * 3_600 + 86_400);
    look(&t, &path, &in_a).await.refused(404, "not_found");
    look(&t, &format!("/events/{of_a}/live"), &in_a)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn a_revoked_device_stops_at_once_and_its_screen_goes_dark() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let (id, token) = device(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    let mut screen = t
        .request(Method::GET, &format!("/events/{event}/live"), "")
        .header("authorization", format!("Device {token}"))
        .send()
        .await
        .unwrap()
        .bytes_stream();
    screen.next().await.unwrap().unwrap();
    revoke(&t, &tenant.secretary_b, &tenant.branch_a, &id)
        .await
        .refused(404, "not_found");
    revoke(&t, &tenant.admin, &tenant.branch_b, &id)
        .await
        .refused(404, "not_found");
    revoke(&t, &tenant.organizer_a, &tenant.branch_a, &id)
        .await
        .expect(204);
    look(&t, "/device/events", &token)
        .await
        .refused(401, "unauthorized");
    scan(&t, &token, &event, &tenant.member_a)
        .await
        .refused(401, "unauthorized");
    // Nobody comes or goes, so nothing is sent: it ends by itself, long before the next sign of life.
    while let Some(Ok(_)) = screen.next().await {}
    let list = format!("/organizations/{}/devices", tenant.branch_a);
    assert!(
        t.get(&list, &tenant.organizer_a)
            .await
            .expect(200)
            .items()
            .is_empty()
    );
    revoke(&t, &tenant.organizer_a, &tenant.branch_a, &id)
        .await
        .refused(404, "not_found");
    let log = t
        .get(&format!("/audit-log?object_id={id}"), &tenant.admin)
        .await
        .expect(200);
    let told: BTreeSet<_> = log
        .items()
        .iter()
        .map(|l| l["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        BTreeSet::from(["device.create", "device.enrol", "device.revoke"])
    );
    let written = serde_json::to_string(log.items()).unwrap();
    assert!(!written.contains(&token), "{written}");
}

#[actix_web::test]
async fn wrong_used_expired_and_revoked_codes_are_one_answer() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let by = &tenant.organizer_a;
    let (_, used) = make(&t, by, &tenant.branch_a, &BOTH).await;
    enrol(&t, &used).await.expect(201);
    let (_, last_second) = make(&t, by, &tenant.branch_a, &BOTH).await;
    let (_, expired) = make(&t, by, &tenant.branch_a, &BOTH).await;
    t.advance_s(599);
    enrol(&t, &last_second).await.expect(201);
    t.advance_s(1);
    let (id, revoked) = make(&t, by, &tenant.branch_a, &BOTH).await;
    revoke(&t, by, &tenant.branch_a, &id).await.expect(204);
    let mut told = BTreeSet::new();
    for code in [&used, &expired, &revoked, "K7QF-9XM2", "K7QF-9XM2-P4TD", "十"] {
        let refused = enrol(&t, code).await.refused(422, "device_code_invalid");
        let mut problem = refused.json.clone();
        problem.as_object_mut().unwrap().remove("request_id");
        told.insert(problem.to_string());
    }
    assert_eq!(told.len(), 1, "{told:?}");
}

#[actix_web::test]
async fn one_code_is_one_token_however_many_enrol_at_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let (_, code) = make(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    let all = join_all((0..10).map(|n| {
        let path = match n % 2 {
            0 => "/devices/enrolments".to_owned(),
            _ => format!("{replica}/api/v1/devices/enrolments"),
        };
        let (t, body) = (&t, json!({ "code": code }));
        async move { t.post(&path, "", body).await }
    }))
    .await;
    let (good, bad): (Vec<_>, Vec<_>) = all.into_iter().partition(|reply| reply.status == 201);
    assert_eq!(good.len(), 1);
    for reply in bad {
        reply.refused(422, "device_code_invalid");
    }
    look(&t, "/device/events", &good[0].text("/device_token"))
        .await
        .expect(200);
    stop.stop(false).await;
}

#[actix_web::test]
async fn guessing_codes_is_limited_by_address_and_enrolling_counts_for_nothing() {
    let t = TestApp::start_with(|config| config.auth.failures_per_address_per_hour = 5).await;
    let tenant = t.tenant().await;
    for _ in 0..7 {
        device(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    }
    let guesses = join_all((0..20).map(|n| {
        let (t, code) = (&t, format!("K7QF-9X{n:02}"));
        async move { enrol(t, &code).await.status }
    }))
    .await;
    assert_eq!(guesses.iter().filter(|status| **status == 422).count(), 5);
    assert_eq!(guesses.iter().filter(|status| **status == 429).count(), 15);
    let (_, code) = make(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    let stopped = enrol(&t, &code).await.refused(429, "rate_limited");
    assert_eq!(
        stopped.header("ratelimit-policy"),
        "\"device-address\";q=5;w=3600"
    );
}

#[actix_web::test]
async fn who_calls_events_makes_devices_and_no_answer_with_a_secret_is_kept() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/devices", tenant.branch_a);
    let body = json!({ "name": "投影", "purposes": ["screen"] });
    for token in [&tenant.member_a, &tenant.inspector] {
        t.post(&path, token, body.clone()).await.refused(403, "forbidden");
        t.get(&path, token).await.refused(403, "forbidden");
    }
    t.post(&path, &tenant.secretary_b, body.clone())
        .await
        .refused(404, "not_found");
    for (wrong, field) in [
        (json!({ "name": "", "purposes": ["screen"] }), "/name"),
        (json!({ "name": "x", "purposes": [] }), "/purposes"),
        (json!({ "name": "x", "purposes": ["admin"] }), "/purposes/0"),
        (
            json!({ "name": "x", "purposes": ["screen"], "expires_in_s": 59 }),
            "/expires_in_s",
        ),
    ] {
        let refused = t.post(&path, &tenant.organizer_a, wrong).await;
        assert_eq!(
            refused.refused(422, "invalid_fields").text("/errors/0/field"),
            field
        );
    }
    let mut codes = BTreeSet::new();
    for _ in 0..2 {
        let request = t
            .request(Method::POST, &path, &tenant.organizer_a)
            .header("idempotency-key", "the same")
            .json(&body);
        codes.insert(Reply::of(request).await.expect(201).text("/code"));
    }
    assert_eq!(codes.len(), 2);
    let first = t
        .get(&format!("{path}?limit=1"), &tenant.organizer_a)
        .await
        .expect(200);
    assert_eq!(first.items().len(), 1);
    let next = format!("{path}?cursor={}", first.text("/next_cursor"));
    let rest = t.get(&next, &tenant.organizer_a).await.expect(200);
    assert_eq!(rest.items().len(), 1);
    assert_ne!(rest.items()[0]["id"], first.items()[0]["id"]);
    assert_eq!(rest.items()[0]["enrolled_at"], Value::Null);
}

#[actix_web::test]
async fn a_device_ends_with_its_time_and_with_its_organization() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let body = json!({ "name": "借來的投影", "purposes": ["screen"], "expires_in_s": 3600 });
    let path = format!("/organizations/{}/devices", tenant.branch_a);
    let made = t.post(&path, &tenant.admin, body).await.expect(201);
    let borrowed = enrol(&t, &made.text("/code"))
        .await
        .expect(201)
        .text("/device_token");
    let (_, of_group) = device(&t, &tenant.admin, &group, &BOTH).await;
    let (_, waiting) = make(&t, &tenant.admin, &group, &BOTH).await;
    look(&t, "/device/events", &of_group).await.expect(200);
    t.act(&format!("/organizations/{group}/archive"), &tenant.admin)
        .await
        .expect(204);
    look(&t, "/device/events", &of_group)
        .await
        .refused(401, "unauthorized");
    enrol(&t, &waiting).await.refused(422, "device_code_invalid");
    t.advance_s(3_599);
    look(&t, "/device/events", &borrowed).await.expect(200);
    t.advance_s(1);
    look(&t, "/device/events", &borrowed)
        .await
        .refused(401, "unauthorized");
}

#[actix_web::test]
async fn when_a_device_was_last_seen_is_kept_to_five_minutes() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (_, token) = device(&t, &tenant.organizer_a, &tenant.branch_a, &BOTH).await;
    let (enrolled, list) = (t.in_s(0), format!("/organizations/{}/devices", tenant.branch_a));
    let seen = async || {
        look(&t, "/device/events", &token).await.expect(200);
        let devices = t.get(&list, &tenant.organizer_a).await.expect(200);
        devices.items()[0]["last_seen_at"].as_str().unwrap().to_owned()
    };
    t.advance_s(299);
    assert_eq!(seen().await, enrolled);
    t.advance_s(1);
    assert_eq!(seen().await, t.in_s(0));
}
