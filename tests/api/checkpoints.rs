//! The points of an event: codes of their own, who is present and for how long, a check-out, everybody's exit, and the
//! same under concurrency on two replicas, with its control.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use zhibu::platform::db::{AnyId, DbConnection, sql};

use crate::races::look_then_act;
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// Writes points, as whoever has read version 0.
pub async fn write_points(t: &TestApp, token: &str, event: &str, version: &str, body: Value) -> Reply {
    let request = t.request(Method::PUT, &format!("/events/{event}/checkpoints"), token);
    Reply::of(request.json(&body).header("if-match", version)).await
}

/// An open event with 出發, 場館 and 簽退: its id, and theirs.
pub async fn day_out(t: &TestApp, tenant: &Tenant, change: Value) -> (String, [String; 3]) {
    let event = t.open_event(&tenant.organizer_a, &tenant.branch_a, change).await;
    let body = json!({ "checkpoints": [
        { "name": "出發", "kind": "check_in" }, { "name": "場館", "kind": "check_in" }, { "name": "簽退", "kind": "check_out" },
    ] });
    let made = write_points(t, &tenant.organizer_a, &event, "\"0\"", body)
        .await
        .expect(200);
    let ids = [0, 1, 2].map(|n| made.text(&format!("/checkpoints/{n}/id")));
    (event, ids)
}

pub async fn code_of(t: &TestApp, tenant: &Tenant, event: &str, point: &str) -> String {
    let path = format!("/events/{event}/code?checkpoint_id={point}");
    t.get(&path, &tenant.organizer_a).await.expect(200).text("/code")
}

pub async fn pass(t: &TestApp, tenant: &Tenant, event: &str, point: &str, token: &str) -> Reply {
    let code = code_of(t, tenant, event, point).await;
    t.post("/check-ins", token, t.with_code(&code)).await
}

async fn line(t: &TestApp, tenant: &Tenant, event: &str, member: &str) -> Value {
    let path = format!("/events/{event}/attendance?limit=200");
    let sheet = t.get(&path, &tenant.organizer_a).await.expect(200);
    let found = sheet.items().iter().find(|line| line["member_id"] == member);
    found.cloned().unwrap_or(Value::Null)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many passages of a point stand, of one member or of all.
async fn standing(t: &TestApp, point: &str) -> (i64, i64) {
    let point: uuid::Uuid = point.parse().unwrap();
    let count = move |conn: &mut DbConnection, what: &str| {
        let query = format!(
            "SELECT count({what}) AS n FROM checkpoint_passages WHERE checkpoint_id = $1 AND annulled_at IS NULL"
        );
        let query = diesel::sql_query(query).bind::<sql::Uuid, _>(AnyId(point));
        query.get_result::<Count>(conn).map(|count| count.n)
    };
    let look = move |conn: &mut DbConnection| Ok((count(conn, "*")?, count(conn, "DISTINCT member_id")?));
    t.app.db.read(look).await.unwrap()
}

#[actix_web::test]
async fn the_first_point_makes_present_and_the_check_out_ends_the_minutes() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, [bus, hall, out]) = day_out(&t, &tenant, json!({})).await;
    let first = pass(&t, &tenant, &event, &bus, &tenant.member_a)
        .await
        .expect(201);
    assert_eq!(
        (
            first.text("/status"),
            first.text("/passage/checkpoint/name"),
            first.text("/passage/checkpoint/id")
        ),
        ("present".into(), "出發".into(), bus.clone())
    );
    t.advance_s(600);
    // Late at the second point is not late: presence is of the first.
    let code = code_of(&t, &tenant, &event, &hall).await;
    let body = t.with_code(&code);
    let second = t
        .post("/check-ins", &tenant.member_a, body.clone())
        .await
        .expect(201);
    assert_eq!(
        (second.id(), second.text("/status")),
        (first.id(), "present".into())
    );
    assert_eq!(second.text("/passage/checkpoint/name"), "場館");
    let again = t.post("/check-ins", &tenant.member_a, body).await.expect(200);
    assert_eq!(again.bytes, second.bytes);
    let twice = pass(&t, &tenant, &event, &hall, &tenant.member_a)
        .await
        .refused(409, "already_checked_in");
    assert_eq!(twice.json["check_in"]["passage"], second.json["passage"]);
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(
        (&here["stay"]["minutes"], &here["stay"]["out_at"], &here["status"]),
        (&Value::Null, &Value::Null, &json!("present"))
    );

    t.advance_s(3_030);
    let left = pass(&t, &tenant, &event, &out, &tenant.member_a)
        .await
        .expect(201);
    assert_eq!(left.text("/passage/checkpoint/kind"), "check_out");
    pass(&t, &tenant, &event, &out, &tenant.member_a)
        .await
        .refused(409, "already_checked_out");
    let gone = line(&t, &tenant, &event, &tenant.member_a_id).await;
    let passages = gone["stay"]["passages"].as_array().unwrap();
    let names: Vec<&str> = passages
        .iter()
        .map(|passage| passage["checkpoint"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        (&gone["stay"]["minutes"], names),
        (&json!(60), vec!["出發", "場館", "簽退"])
    );
    let mine = t
        .get(&format!("/events/{event}/my-attendance"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(mine.json["passages"].as_array().unwrap(), passages);

    // Counts are for those who see who has passed; the points are for everybody.
    let path = format!("/events/{event}/checkpoints");
    let counts = async |token: &str| {
        let shown = t.get(&path, token).await.expect(200);
        let points = shown.json["checkpoints"].as_array().unwrap();
        let counts: Vec<Value> = points.iter().map(|point| point["passed"].clone()).collect();
        json!(counts)
    };
    assert_eq!(counts(&tenant.organizer_a).await, json!([1, 1, 1]));
    assert_eq!(counts(&tenant.member_a).await, json!([null, null, null]));
    t.get(&path, &tenant.member_b).await.refused(404, "not_found");

    let sheet = format!("/events/{event}/attendance");
    let csv = t
        .get_as(&sheet, &tenant.organizer_a, "text/csv")
        .await
        .expect(200);
    let csv = String::from_utf8(csv.bytes).unwrap();
    assert!(csv.contains("簽退時間,分鐘,經過簽到點"), "{csv}");
    assert!(csv.contains(",60,出發、場館、簽退,"), "{csv}");
}

#[actix_web::test]
async fn an_event_without_points_is_as_it_was() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let points = format!("/events/{event}/checkpoints");
    let none = t.get(&points, &tenant.member_a).await.expect(200);
    assert_eq!(
        (&none.json["checkpoints"], &none.json["version"]),
        (&json!([]), &json!(0))
    );
    let code = t.code(&tenant.organizer_a, &event).await;
    assert_eq!(code.len(), 44, "the codes of before");
    let done = t
        .post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    assert_eq!(done.json.get("passage"), None);
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!((&here["status"], here.get("stay")), (&json!("present"), None));
    let mine = t
        .get(&format!("/events/{event}/my-attendance"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(mine.json.get("passages"), None);
    let path = format!("/events/{event}/attendance");
    let csv = t.get_as(&path, &tenant.organizer_a, "text/csv").await.expect(200);
    let csv = String::from_utf8(csv.bytes).unwrap();
    assert!(csv.lines().next().unwrap().ends_with("提示,事由"), "{csv}");
    t.act(&format!("/events/{event}/exit-all"), &tenant.organizer_a)
        .await
        .refused(409, "no_check_out");
    // A check-out may be added meanwhile: whoever is there leaves by it.
    t.advance_s(600);
    let body = json!({ "checkpoints": [{ "name": "簽到", "kind": "check_in" }, { "name": "簽退", "kind": "check_out" }] });
    let made = write_points(&t, &tenant.organizer_a, &event, "\"0\"", body)
        .await
        .expect(200);
    let out = made.text("/checkpoints/1/id");
    let left = pass(&t, &tenant, &event, &out, &tenant.member_a)
        .await
        .expect(201);
    assert_eq!(left.id(), done.id());
    let gone = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(gone["stay"]["minutes"], 10);
}

#[actix_web::test]
async fn the_code_of_one_point_is_that_of_no_other() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, [bus, hall, out]) = day_out(&t, &tenant, json!({})).await;
    let (other, [other_bus, ..]) = day_out(&t, &tenant, json!({})).await;
    let whole = format!("/events/{event}/code");
    let wrong = t
        .get(&whole, &tenant.organizer_a)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(wrong.text("/errors/0/field"), "checkpoint_id");
    for unknown in [&other_bus, &new_uuid()] {
        let path = format!("{whole}?checkpoint_id={unknown}");
        t.get(&path, &tenant.organizer_a).await.refused(404, "not_found");
    }
    for kind in ["svg", "png"] {
        let path = format!("{whole}.{kind}?checkpoint_id={hall}");
        let picture = t.get(&path, &tenant.organizer_a).await.expect(200);
        assert!(picture.header("content-type").starts_with("image/"));
    }
    // The point of a code is part of what is signed: nobody sends the code of one for another.
    let code = code_of(&t, &tenant, &event, &bus).await;
    for (scanned, point) in [(&code, &bus), (&code_of(&t, &tenant, &event, &hall).await, &hall)] {
        let told = t
            .post(
                "/check-in-codes/verify",
                &tenant.member_a,
                json!({ "code": scanned }),
            )
            .await
            .expect(200);
        assert_eq!(told.text("/checkpoint_id"), *point);
    }
    let elsewhere = pass(&t, &tenant, &other, &other_bus, &tenant.member_a).await;
    assert_eq!(elsewhere.expect(201).text("/event_id"), other);
    assert_eq!(standing(&t, &bus).await, (0, 0));

    // Six digits belong to a point as well, and the server finds which.
    let typed = |text: String| json!({ "event_id": event, "typed_code": text, "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
    let shown = async |point: &str| {
        let path = format!("{whole}?checkpoint_id={point}");
        t.get(&path, &tenant.organizer_a)
            .await
            .expect(200)
            .text("/typed_code")
    };
    let done = t
        .post("/check-ins", &tenant.member_a, typed(shown(&hall).await))
        .await
        .expect(201);
    assert_eq!(
        (done.text("/passage/checkpoint/id"), done.text("/source")),
        (hall.clone(), "typed_code".into())
    );
    t.post("/check-ins", &tenant.secretary_a, typed("x00000".into()))
        .await
        .refused(422, "invalid_code");

    // A proof is for the point whose code it was made of.
    let proof = json!({ "code": code, "device_id": "phone" });
    let made = t.post("/check-in-proofs", "", proof).await.expect(201);
    assert_eq!(made.text("/event/checkpoint/name"), "出發");
    t.advance_s(300);
    let sent = json!({ "proof": made.text("/proof"), "device_id": "phone", "client_event_id": new_uuid(), "occurred_at": t.in_s(0) });
    let late = t.post("/check-ins", &tenant.secretary_a, sent).await.expect(201);
    assert_eq!(late.text("/passage/checkpoint/id"), bus);
    assert_eq!(late.text("/passage/passed_at"), t.in_s(-300));

    // The code of a point that is there no more, and one sent with the id of another.
    let id = new_uuid();
    let with = |code: &str| json!({ "code": code, "client_event_id": id, "occurred_at": t.in_s(0) });
    let code = code_of(&t, &tenant, &event, &out).await;
    t.post("/check-ins", &tenant.member_a, with(&code))
        .await
        .expect(201);
    let other_code = code_of(&t, &tenant, &event, &bus).await;
    t.post("/check-ins", &tenant.member_a, with(&other_code))
        .await
        .refused(422, "client_event_id_reused");
    t.advance_s(30);
    t.post("/check-ins", &tenant.member_a, with(&other_code))
        .await
        .refused(422, "client_event_id_reused");
    t.post("/check-ins", &tenant.member_a, with(&code))
        .await
        .expect(200);
}

#[actix_web::test]
async fn points_open_and_close_and_nobody_leaves_who_has_not_come() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    // Starts in ten minutes, ends after an hour and a half more; check-in closes two hours after the start.
    let event = t
        .open_event(&tenant.organizer_a, &tenant.branch_a, json!({}))
        .await;
    let body = |points: Value| json!({ "checkpoints": points, "presence": "all" });
    let wrong = [
        (
            json!([{ "name": "簽退", "kind": "check_out" }]),
            "/checkpoints",
            "required",
        ),
        (
            json!([{ "name": "甲", "kind": "check_in", "closes_after_s": 7_201 }]),
            "/checkpoints/0/closes_after_s",
            "outside_check_in",
        ),
        (
            json!([{ "name": "甲", "kind": "check_in", "opens_after_s": -1_801 }]),
            "/checkpoints/0/opens_after_s",
            "outside_check_in",
        ),
        (
            json!([{ "name": "甲", "kind": "check_in" }, { "name": "甲", "kind": "check_in" }]),
            "/checkpoints/1/name",
            "duplicate",
        ),
    ];
    for (points, field, code) in wrong {
        let reply = write_points(&t, &tenant.organizer_a, &event, "\"0\"", body(points)).await;
        let reply = reply.refused(422, "invalid_fields");
        assert_eq!(
            (reply.text("/errors/0/field"), reply.text("/errors/0/code")),
            (field.into(), code.into())
        );
    }
    let points = json!([
        { "name": "出發", "kind": "check_in", "closes_after_s": 0 },
        { "name": "場館", "kind": "check_in", "opens_after_s": 1_800 },
        { "name": "簽退", "kind": "check_out", "opens_after_s": 3_600 },
    ]);
    let made = write_points(&t, &tenant.organizer_a, &event, "\"0\"", body(points))
        .await
        .expect(200);
    let [bus, hall, out] = [0, 1, 2].map(|n| made.text(&format!("/checkpoints/{n}/id")));
    assert_eq!(
        (
            made.text("/checkpoints/0/closes_at"),
            made.text("/checkpoints/1/opens_at")
        ),
        (t.in_s(600), t.in_s(2_400))
    );
    let shown = async |point: &str| {
        let path = format!("/events/{event}/code?checkpoint_id={point}");
        t.get(&path, &tenant.organizer_a).await
    };
    assert_eq!(
        shown(&hall).await.refused(409, "not_open_yet").text("/opens_at"),
        t.in_s(2_400)
    );
    pass(&t, &tenant, &event, &bus, &tenant.member_a)
        .await
        .expect(201);
    t.advance_s(590);
    let last = code_of(&t, &tenant, &event, &bus).await;
    t.advance_s(10);
    t.post("/check-ins", &tenant.secretary_a, t.with_code(&last))
        .await
        .refused(409, "closed");
    shown(&bus).await.refused(409, "closed");
    t.advance_s(3_600);
    // Who has not come cannot leave; who lacks a point is incomplete, and present.
    pass(&t, &tenant, &event, &out, &tenant.secretary_a)
        .await
        .refused(409, "not_checked_in");
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(
        (&here["stay"]["incomplete"], &here["status"]),
        (&json!(true), &json!("present"))
    );
    // An organiser names the point; the member's own code does as well.
    let by_hand = json!({ "member_id": tenant.member_a_id, "reason": "手機沒電", "checkpoint_id": hall, "client_event_id": new_uuid(), "occurred_at": t.in_s(-600) });
    let path = format!("/events/{event}/check-ins");
    let marked = t.post(&path, &tenant.organizer_a, by_hand).await.expect(201);
    assert_eq!(marked.text("/passage/checkpoint/name"), "場館");
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(here["stay"]["incomplete"], false);
    let nowhere = json!({ "member_id": tenant.member_a_id, "reason": "x", "checkpoint_id": new_uuid(), "client_event_id": new_uuid() });
    t.post(&path, &tenant.organizer_a, nowhere)
        .await
        .refused(404, "not_found");
    let personal = t
        .get("/me/code", &tenant.member_a)
        .await
        .expect(200)
        .text("/code");
    let early = json!({ "member_code": personal, "checkpoint_id": out, "client_event_id": new_uuid(), "occurred_at": t.in_s(-5_000) });
    t.post(&path, &tenant.organizer_a, early)
        .await
        .refused(409, "not_open_yet");
    let scanned = json!({ "member_code": personal, "checkpoint_id": out, "client_event_id": new_uuid() });
    let left = t.post(&path, &tenant.organizer_a, scanned).await.expect(201);
    assert_eq!(
        (left.text("/passage/source"), left.text("/passage/checkpoint/id")),
        ("personal_code".into(), out.clone())
    );
    // The check-out stays open for two hours after the end; minutes end half an hour after it.
    t.advance_s(1_800);
    let secretary = json!({ "member_code": t.get("/me/code", &tenant.secretary_a).await.expect(200).text("/code"), "checkpoint_id": hall, "client_event_id": new_uuid() });
    t.post(&path, &tenant.organizer_a, secretary).await.expect(201);
    t.advance_s(7_190);
    pass(&t, &tenant, &event, &out, &tenant.secretary_a)
        .await
        .expect(201);
    let lines = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    let stay = |name: &str| {
        let line = lines.items().iter().find(|line| line["name"] == name).unwrap();
        line["stay"].clone()
    };
    // In at 6,000 s, the event ends then, out much later.
    assert_eq!(
        (&stay("甲書記")["minutes"], &stay("甲成員")["minutes"]),
        (&json!(30), &json!(70))
    );
    t.advance_s(10);
    shown(&out).await.refused(409, "closed");
}

#[actix_web::test]
async fn points_that_were_passed_stay_and_the_list_is_edited_as_it_was_read() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, [bus, hall, out]) = day_out(&t, &tenant, json!({})).await;
    let point = |id: &str, name: &str, kind: &str| json!({ "id": id, "name": name, "kind": kind });
    let all = |points: &[Value]| json!({ "checkpoints": points });
    let (a, b, c) = (
        point(&bus, "出發", "check_in"),
        point(&hall, "場館", "check_in"),
        point(&out, "簽退", "check_out"),
    );
    let write = async |version: &str, points: &[Value]| {
        write_points(&t, &tenant.organizer_a, &event, version, all(points)).await
    };
    write("\"0\"", &[a.clone()])
        .await
        .refused(412, "version_mismatch");
    t.put(
        &format!("/events/{event}/checkpoints"),
        &tenant.organizer_a,
        all(&[]),
    )
    .await
    .refused(428, "version_required");
    write_points(&t, &tenant.member_a, &event, "*", all(&[]))
        .await
        .refused(403, "forbidden");
    let same = write("\"1\"", &[a.clone(), b.clone(), c.clone()])
        .await
        .expect(200);
    assert_eq!(same.json["version"], 1);
    pass(&t, &tenant, &event, &bus, &tenant.member_a)
        .await
        .expect(201);
    // Annulled or not, somebody has passed it.
    let renamed = point(&bus, "集合", "check_in");
    for points in [vec![b.clone(), c.clone()], vec![renamed, b.clone(), c.clone()]] {
        let reply = write("\"1\"", &points).await.refused(409, "checkpoint_in_use");
        assert_eq!(reply.text("/checkpoint_id"), bus);
    }
    let stranger = point(&new_uuid(), "甲", "check_in");
    let reply = write("\"1\"", &[a.clone(), stranger])
        .await
        .refused(422, "invalid_fields");
    assert_eq!(reply.text("/errors/0/field"), "/checkpoints/1/id");
    // What nobody has passed may go, be renamed, and stand elsewhere.
    let code = code_of(&t, &tenant, &event, &hall).await;
    let changed = write("\"1\"", &[point(&out, "離場", "check_out"), a.clone()])
        .await
        .expect(200);
    assert_eq!(
        (changed.text("/checkpoints/0/name"), &changed.json["version"]),
        ("離場".into(), &json!(2))
    );
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .refused(422, "invalid_code");
    let log = t
        .get("/audit-log?action=checkpoints.write&limit=200", &tenant.admin)
        .await;
    if log.status == 200 {
        assert_eq!(log.items().len(), 2);
    }
    t.act(&format!("/events/{event}/close"), &tenant.organizer_a)
        .await
        .expect(200);
    write("\"2\"", &[a]).await.refused(409, "event_over");
}

#[actix_web::test]
async fn what_is_annulled_has_no_effect_and_may_be_done_anew() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, [bus, hall, out]) = day_out(&t, &tenant, json!({})).await;
    let member = &tenant.member_a;
    let first = pass(&t, &tenant, &event, &bus, member).await.expect(201);
    pass(&t, &tenant, &event, &hall, member).await.expect(201);
    let left = pass(&t, &tenant, &event, &out, member).await.expect(201);

    // A check-out by mistake.
    let annul = format!("/checkpoint-passages/{}/annul", left.text("/passage/id"));
    let why = json!({ "reason": "誤掃" });
    t.post(&annul, member, why.clone())
        .await
        .refused(403, "forbidden");
    let annulled = t.post(&annul, &tenant.organizer_a, why.clone()).await.expect(200);
    assert_eq!(annulled.text("/annulled_at"), t.in_s(0));
    t.post(&annul, &tenant.organizer_a, why.clone())
        .await
        .refused(409, "already_annulled");
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(here["stay"]["out_at"], Value::Null);
    t.advance_s(120);
    pass(&t, &tenant, &event, &out, member).await.expect(201);
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(here["stay"]["minutes"], 2);

    // The check-in takes everything with it, and no row is gone.
    let annul = format!("/check-ins/{}/annul", first.id());
    t.post(&annul, &tenant.organizer_a, why).await.expect(200);
    for point in [&bus, &hall, &out] {
        assert_eq!(standing(&t, point).await, (0, 0));
    }
    let away = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!((&away["status"], away.get("stay")), (&json!("expected"), None));
    pass(&t, &tenant, &event, &out, member)
        .await
        .refused(409, "not_checked_in");
    let anew = pass(&t, &tenant, &event, &hall, member).await.expect(201);
    assert_ne!(anew.id(), first.id());
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    assert_eq!(here["stay"]["passages"].as_array().unwrap().len(), 1);
    let all = "SELECT count(*) AS n FROM checkpoint_passages";
    let look = move |conn: &mut DbConnection| Ok(diesel::sql_query(all).get_result::<Count>(conn)?.n);
    assert_eq!(t.app.db.read(look).await.unwrap(), 5);
}

#[actix_web::test]
async fn a_phone_that_was_offline_uploads_what_it_passed_in_any_order() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, [bus, hall, out]) = day_out(&t, &tenant, json!({})).await;
    let item = async |point: &str| t.with_code(&code_of(&t, &tenant, &event, point).await);
    let at_bus = item(&bus).await;
    t.advance_s(900);
    let at_hall = item(&hall).await;
    t.advance_s(3_600);
    let at_out = item(&out).await;
    t.advance_s(600);
    let body = json!({ "items": [at_out, at_hall, at_bus] });
    let reply = t
        .post("/check-ins/batch", &tenant.member_a, body.clone())
        .await
        .expect(200);
    let outcomes: Vec<&str> = reply
        .items()
        .iter()
        .map(|item| item["outcome"].as_str().unwrap())
        .collect();
    // The one that made them present waits for a person; the others stand under it.
    assert_eq!(outcomes, ["created", "review", "created"], "{}", reply.json);
    let here = line(&t, &tenant, &event, &tenant.member_a_id).await;
    let stay = &here["stay"];
    assert_eq!(
        (&stay["minutes"], &here["review"], &stay["passages"][0]["flags"]),
        (&json!(75), &json!(true), &json!(["late_upload"]))
    );
    let again = t
        .post("/check-ins/batch", &tenant.member_a, body)
        .await
        .expect(200);
    assert!(again.items().iter().all(|item| item["outcome"] == "duplicate"));
    // Whoever has left before they came has not left.
    let codes = [item(&out).await, {
        t.advance_s(60);
        item(&hall).await
    }];
    let reply = t
        .post("/check-ins/batch", &tenant.secretary_a, json!({ "items": codes }))
        .await
        .expect(200);
    assert_eq!(
        (&reply.items()[0]["code"], &reply.items()[1]["outcome"]),
        (&json!("not_checked_in"), &json!("created"))
    );
}

#[actix_web::test]
async fn everybody_leaves_once() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, [bus, _, out]) = day_out(&t, &tenant, json!({})).await;
    for token in [&tenant.member_a, &tenant.secretary_a] {
        pass(&t, &tenant, &event, &bus, token).await.expect(201);
    }
    t.advance_s(1_800);
    pass(&t, &tenant, &event, &bus, &tenant.organizer_a)
        .await
        .expect(201);
    pass(&t, &tenant, &event, &out, &tenant.secretary_a)
        .await
        .expect(201);
    let path = format!("/events/{event}/exit-all");
    t.act(&path, &tenant.member_a).await.refused(403, "forbidden");
    for (at, code) in [(t.in_s(1), "too_late"), (t.in_s(-7_200), "too_early")] {
        let reply = t.post(&path, &tenant.organizer_a, json!({ "at": at })).await;
        assert_eq!(reply.refused(422, "invalid_fields").text("/errors/0/code"), code);
    }
    // Ten minutes ago; who came after that leaves as they came.
    let body = json!({ "at": t.in_s(-600), "reason": "全體返程" });
    let send = async || {
        let request = t.request(Method::POST, &path, &tenant.organizer_a).json(&body);
        Reply::of(request.header("idempotency-key", "exit-1"))
            .await
            .expect(200)
    };
    let done = send().await;
    assert_eq!(
        (&done.json["checked_out"], done.text("/checkpoint_id")),
        (&json!(2), out.clone())
    );
    assert_eq!(send().await.bytes, done.bytes);
    let anew = t.act(&path, &tenant.organizer_a).await.expect(200);
    assert_eq!(anew.json["checked_out"], 0);
    assert_eq!(standing(&t, &out).await, (3, 3));
    let of = async |member: &str| line(&t, &tenant, &event, member).await["stay"].clone();
    let mine = of(&tenant.member_a_id).await;
    assert_eq!(
        (&mine["minutes"], &mine["passages"][1]["source"]),
        (&json!(20), &json!("exit_all"))
    );
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &tenant.organizer_a)
        .await
        .expect(200);
    let minutes = |name: &str| {
        let line = sheet.items().iter().find(|line| line["name"] == name).unwrap();
        line["stay"]["minutes"].clone()
    };
    assert_eq!((minutes("甲組織"), minutes("甲書記")), (json!(0), json!(30)));
    t.act(&format!("/events/{event}/cancel"), &tenant.organizer_a)
        .await;
}

#[actix_web::test]
async fn fifty_identical_passages_on_two_replicas_are_one_with_one_body() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let (event, [bus, hall, _]) = day_out(&t, &tenant, json!({})).await;
    pass(&t, &tenant, &event, &bus, &tenant.member_a)
        .await
        .expect(201);
    let body = t.with_code(&code_of(&t, &tenant, &event, &hall).await);
    let path = |n: usize| match n % 2 {
        0 => "/check-ins".to_owned(),
        _ => format!("{replica}/api/v1/check-ins"),
    };
    let all = join_all((0..50).map(async |n| t.post(&path(n), &tenant.member_a, body.clone()).await)).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 1);
    assert_eq!(all.iter().filter(|reply| reply.status == 200).count(), 49);
    assert!(all.iter().all(|reply| reply.bytes == all[0].bytes));
    assert_eq!(standing(&t, &hall).await, (1, 1));
    // Fifty phones of somebody who is not present yet: one check-in, one passage.
    let code = code_of(&t, &tenant, &event, &hall).await;
    let phones = (0..50).map(async |n| t.post(&path(n), &tenant.secretary_a, t.with_code(&code)).await);
    let all = join_all(phones).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 1);
    let rest = all.iter().filter(|reply| reply.status != 201);
    assert!(
        rest.clone()
            .all(|reply| reply.json["code"] == "already_checked_in")
    );
    assert_eq!(standing(&t, &hall).await, (2, 2));
    stop.stop(false).await;
}

#[actix_web::test]
async fn everybody_is_sent_out_while_thirty_leave_by_themselves_and_each_leaves_once() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (replica, stop) = t.replica().await;
    let people = t.crowd(&tenant, 40).await;
    let (event, [bus, _, out]) = day_out(&t, &tenant, json!({})).await;
    let code = code_of(&t, &tenant, &event, &bus).await;
    let arrivals = people
        .iter()
        .map(async |one| t.post("/check-ins", &one.token, t.with_code(&code)).await);
    assert!(join_all(arrivals).await.iter().all(|reply| reply.status == 201));
    let code = code_of(&t, &tenant, &event, &out).await;
    let leave = people.iter().take(30).enumerate().map(async |(n, one)| {
        let path = match n % 2 {
            0 => "/check-ins".to_owned(),
            _ => format!("{replica}/api/v1/check-ins"),
        };
        t.post(&path, &one.token, t.with_code(&code)).await
    });
    let send_out = [t.url.as_str(), &replica].map(async |server| {
        t.act(
            &format!("{server}/api/v1/events/{event}/exit-all"),
            &tenant.organizer_a,
        )
        .await
    });
    let (left, sent) = tokio::join!(join_all(leave), join_all(send_out));
    let by_themselves = left.iter().filter(|reply| reply.status == 201).count();
    for reply in left.iter().filter(|reply| reply.status != 201) {
        assert_eq!(reply.json["code"], "already_checked_out", "{}", reply.json);
    }
    let sent_out: u64 = sent
        .into_iter()
        .map(|reply| reply.expect(200).json["checked_out"].as_u64().unwrap())
        .sum();
    assert_eq!(by_themselves as u64 + sent_out, 40);
    assert_eq!(standing(&t, &out).await, (40, 40));
    stop.stop(false).await;
}

#[actix_web::test]
async fn control_without_lock_and_key_the_same_point_is_passed_many_times() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (event, [bus, _, out]) = day_out(&t, &tenant, json!({})).await;
    pass(&t, &tenant, &event, &bus, &tenant.member_a)
        .await
        .expect(201);
    let left = pass(&t, &tenant, &event, &out, &tenant.member_a)
        .await
        .expect(201);
    let annul = format!("/checkpoint-passages/{}/annul", left.text("/passage/id"));
    t.post(&annul, &tenant.organizer_a, json!({ "reason": "測試" }))
        .await
        .expect(200);
    let drop = |conn: &mut DbConnection| {
        Ok(diesel::sql_query("DROP INDEX checkpoint_passages_effective").execute(conn)?)
    };
    t.app.db.write(drop).await.unwrap();
    let another = |conn: &mut DbConnection| {
        let copy = "INSERT INTO checkpoint_passages (id, tenant_id, event_id, checkpoint_id, member_id, check_in_id, submitted_by, \
             client_event_id, source, passed_at, occurred_at, received_at, flags) SELECT $1, tenant_id, event_id, checkpoint_id, \
             member_id, check_in_id, submitted_by, $2, source, passed_at, occurred_at, received_at, flags \
             FROM checkpoint_passages WHERE annulled_at IS NOT NULL";
        diesel::sql_query(copy)
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .bind::<sql::Uuid, _>(AnyId(new_uuid().parse().unwrap()))
            .execute(conn)
    };
    let look = "SELECT count(*) AS n FROM checkpoint_passages p WHERE annulled_at IS NULL AND EXISTS \
                (SELECT 1 FROM checkpoint_passages o WHERE o.checkpoint_id = p.checkpoint_id AND o.annulled_at IS NOT NULL)";
    look_then_act(&t.app.db, look, another).await;
    assert!(
        standing(&t, &out).await.0 > 1,
        "the race found nothing to go wrong: it proves nothing"
    );
}
