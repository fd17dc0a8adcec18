//! Signing up for places: who gets one, who waits, and what happens when one becomes free.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Person, Reply, Tenant, TestApp, new_uuid};

/// Writes a policy whatever was there before.
pub async fn policy(t: &TestApp, token: &str, event: &str, body: Value) -> Reply {
    let path = format!("/events/{event}/sign-up-policy");
    let request = t.request(Method::PUT, &path, token).json(&body);
    Reply::of(request.header("if-match", "*")).await
}

/// A draft of a theme day of the whole committee in three days.
pub async fn draft(t: &TestApp, tenant: &Tenant) -> String {
    let body = json!({
        "organization_id": tenant.root, "title": "參觀紀念館", "forms": ["theme_day"],
        "starts_at": t.in_s(3 * 86_400), "ends_at": t.in_s(3 * 86_400 + 7_200),
    });
    t.post("/events", &tenant.admin, body).await.expect(201).id()
}

/// The same, published with such a policy.
pub async fn theme_day(t: &TestApp, tenant: &Tenant, body: Value) -> String {
    let event = draft(t, tenant).await;
    policy(t, &tenant.admin, &event, body).await.expect(201);
    t.act(&format!("/events/{event}/publish"), &tenant.admin)
        .await
        .expect(200);
    event
}

/// A published theme day of branch A alone, with one place.
pub async fn branch_day(t: &TestApp, tenant: &Tenant) -> String {
    let body = json!({
        "organization_id": tenant.branch_a, "title": "義務植樹", "forms": ["theme_day"],
        "starts_at": t.in_s(3 * 86_400), "ends_at": t.in_s(3 * 86_400 + 7_200),
    });
    let event = t.post("/events", &tenant.admin, body).await.expect(201).id();
    policy(t, &tenant.admin, &event, json!({ "capacity": 1 }))
        .await
        .expect(201);
    t.act(&format!("/events/{event}/publish"), &tenant.admin)
        .await
        .expect(200);
    event
}

pub async fn sign_up_with(t: &TestApp, token: &str, event: &str, change: Value) -> Reply {
    let mut body = json!({ "client_event_id": new_uuid() });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    t.post(&format!("/events/{event}/sign-ups"), token, body).await
}

pub async fn sign_up(t: &TestApp, token: &str, event: &str) -> Reply {
    sign_up_with(t, token, event, json!({})).await
}

async fn mine(t: &TestApp, token: &str, event: &str) -> Value {
    let path = format!("/events/{event}/sign-ups/mine");
    t.get(&path, token).await.expect(200).json
}

async fn sessions(t: &TestApp, token: &str, event: &str) -> Vec<Value> {
    let path = format!("/events/{event}/sign-up-policy");
    let policy = t.get(&path, token).await.expect(200);
    policy.json["sessions"].as_array().unwrap().clone()
}

fn numbers(session: &Value) -> (i64, i64) {
    let number = |name: &str| session[name].as_i64().unwrap();
    (number("taken"), number("waiting"))
}

async fn cancel(t: &TestApp, token: &str, id: &str) -> Reply {
    t.post(&format!("/sign-ups/{id}/cancel"), token, json!({})).await
}

fn word(reply: &Reply) -> (&str, Option<i64>) {
    (
        reply.json["status"].as_str().unwrap(),
        reply.json["place_in_line"].as_i64(),
    )
}

#[actix_web::test]
async fn places_go_to_the_first_and_a_freed_one_to_the_first_in_line() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 4).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1 })).await;
    let seen = t
        .get(&format!("/events/{event}"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(seen.json["admission"], "sign_up");

    let body = json!({ "client_event_id": new_uuid() });
    let path = format!("/events/{event}/sign-ups");
    let first = t.post(&path, &people[0].token, body.clone()).await.expect(201);
    assert_eq!(word(&first), ("confirmed", None));
    let again = t.post(&path, &people[0].token, body.clone()).await.expect(200);
    assert_eq!(again.bytes, first.bytes);
    let other = sign_up(&t, &people[0].token, &event)
        .await
        .refused(409, "already_signed_up");
    assert_eq!(other.json["sign_up"]["id"], first.json["id"]);
    // Somebody else's id of a phone is their own.
    t.post(&path, &people[1].token, body).await.expect(201);

    let third = sign_up(&t, &people[2].token, &event).await.expect(201);
    assert_eq!(word(&third), ("waitlisted", Some(2)));
    sign_up_with(&t, &people[3].token, &event, json!({ "wait": false }))
        .await
        .refused(409, "sign_up_full");
    assert_eq!(numbers(&sessions(&t, &people[3].token, &event).await[0]), (1, 2));

    let listed = async |query: &str| -> Vec<Value> {
        let list = t.get(&format!("{path}?{query}"), &tenant.admin).await.expect(200);
        let places = list.items().iter().map(|item| item["place_in_line"].clone());
        places.collect()
    };
    assert_eq!(listed("").await, [Value::Null, json!(1), json!(2)]);
    let second_page = t.get(&format!("{path}?limit=2"), &tenant.admin).await.expect(200);
    let cursor = second_page.text("/next_cursor");
    assert_eq!(listed(&format!("cursor={cursor}")).await, [json!(2)]);

    let gone = cancel(&t, &people[0].token, &first.id()).await.expect(200);
    assert_eq!(gone.json["status"], "cancelled");
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "confirmed");
    let third_now = mine(&t, &people[2].token, &event).await;
    assert_eq!(
        (&third_now["status"], &third_now["place_in_line"]),
        (&json!("waitlisted"), &json!(1))
    );
    cancel(&t, &people[0].token, &first.id())
        .await
        .refused(409, "sign_up_ended");

    // Whoever has gone may come again, at the end of the line.
    let back = sign_up(&t, &people[0].token, &event).await.expect(201);
    assert_eq!(word(&back), ("waitlisted", Some(2)));
    let second = mine(&t, &people[1].token, &event).await;
    let whole = t
        .get(
            &format!("/sign-ups/{}", second["id"].as_str().unwrap()),
            &people[1].token,
        )
        .await
        .expect(200);
    assert_eq!(whole.json["steps"][0]["step"], "promoted");
    assert_eq!(numbers(&sessions(&t, &people[3].token, &event).await[0]), (1, 2));
}

#[actix_web::test]
async fn sessions_have_places_of_their_own_and_people_move_between_them() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 4).await;
    let body =
        json!({ "sessions": [{ "name": "上午場", "capacity": 1 }, { "name": "下午場", "capacity": 1 }] });
    let event = theme_day(&t, &tenant, body).await;
    let both = sessions(&t, &tenant.admin, &event).await;
    let id = |n: usize| both[n]["id"].as_str().unwrap().to_owned();
    let to = |session: &str| json!({ "session_id": session });
    let needs = sign_up(&t, &people[0].token, &event)
        .await
        .refused(422, "invalid_fields");
    assert_eq!(needs.json["errors"][0]["field"], "/session_id");
    sign_up_with(&t, &people[0].token, &event, to(&new_uuid()))
        .await
        .refused(422, "invalid_fields");

    let first = sign_up_with(&t, &people[0].token, &event, to(&id(0)))
        .await
        .expect(201);
    let second = sign_up_with(&t, &people[1].token, &event, to(&id(0)))
        .await
        .expect(201);
    assert_eq!(word(&second), ("waitlisted", Some(1)));
    // Moving frees the place it leaves, for the first in line there.
    let path = format!("/sign-ups/{}/move", first.id());
    let moved = t.post(&path, &people[0].token, to(&id(1))).await.expect(200);
    assert_eq!(
        (&moved.json["session_id"], &moved.json["status"]),
        (&json!(id(1)), &json!("confirmed"))
    );
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "confirmed");
    t.post(&path, &people[0].token, to(&id(0)))
        .await
        .refused(409, "sign_up_full");
    assert_eq!(mine(&t, &people[0].token, &event).await["session_id"], id(1));

    let third = sign_up_with(&t, &people[2].token, &event, to(&id(1)))
        .await
        .expect(201);
    // A session that people have chosen stays; one that nobody has may go.
    let only = json!({ "sessions": [{ "id": id(0), "name": "上午場", "capacity": 1 }] });
    policy(&t, &tenant.admin, &event, only)
        .await
        .refused(409, "session_in_use");
    let both_raised = json!({ "sessions": [
        { "id": id(1), "name": "下午場", "capacity": 2 }, { "id": id(0), "name": "上午場", "capacity": 1 }, { "name": "晚場", "capacity": 0 },
    ] });
    let raised = policy(&t, &tenant.admin, &event, both_raised).await.expect(200);
    let names: Vec<&Value> = raised.json["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["name"])
        .collect();
    assert_eq!(names, ["下午場", "上午場", "晚場"]);
    assert_eq!(mine(&t, &people[2].token, &event).await["status"], "confirmed");
    let lowered = json!({ "sessions": [
        { "id": id(1), "name": "下午場", "capacity": 1 }, { "id": id(0), "name": "上午場", "capacity": 1 },
    ] });
    let refused = policy(&t, &tenant.admin, &event, lowered)
        .await
        .refused(409, "capacity_below_taken");
    assert_eq!(
        (&refused.json["taken"], &refused.json["session_id"]),
        (&json!(2), &json!(id(1)))
    );
    cancel(&t, &people[2].token, &third.id()).await.expect(200);
}

#[actix_web::test]
async fn a_full_quota_lets_others_pass_and_says_so() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let quotas = json!({ "capacity": 2, "quotas": [{ "organization_id": tenant.branch_a, "places": 1 }] });
    let event = theme_day(&t, &tenant, quotas.clone()).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201);
    assert_eq!(word(&first), ("confirmed", None));
    // A place is free, but none for this branch.
    let second = sign_up(&t, &people[1].token, &event).await.expect(201);
    assert_eq!(word(&second), ("waitlisted", Some(1)));
    let other = sign_up(&t, &tenant.member_b, &event).await.expect(201);
    assert_eq!(word(&other), ("confirmed", None));
    let later = sign_up(&t, &tenant.secretary_b, &event).await.expect(201);
    assert_eq!(word(&later), ("waitlisted", Some(2)));
    cancel(&t, &tenant.member_b, &other.id()).await.expect(200);
    assert_eq!(mine(&t, &tenant.secretary_b, &event).await["status"], "confirmed");
    let path = format!("/sign-ups/{}", second.id());
    let seen = t.get(&path, &people[1].token).await.expect(200);
    // Once by a newcomer, once by who stood behind.
    assert_eq!(seen.json["passed_over"].as_array().unwrap().len(), 2);
    assert_eq!(
        seen.json["passed_over"][0]["quota_organization_id"], tenant.branch_a,
        "{}",
        seen.json
    );
    assert_eq!(seen.json["place_in_line"], 1);
    // The branch's own place goes to the branch's own line.
    cancel(&t, &people[0].token, &first.id()).await.expect(200);
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "confirmed");

    let seen = t
        .get(&format!("/events/{event}/sign-up-policy"), &people[2].token)
        .await
        .expect(200);
    assert_eq!(
        (
            &seen.json["quotas"][0]["taken"],
            &seen.json["quotas"][0]["places"]
        ),
        (&json!(1), &json!(1))
    );
    let fewer = json!({ "capacity": 2, "quotas": [{ "organization_id": tenant.branch_a, "places": 0 }] });
    policy(&t, &tenant.admin, &event, fewer)
        .await
        .refused(409, "capacity_below_taken");
    policy(&t, &tenant.admin, &event, json!({ "capacity": 2 }))
        .await
        .refused(409, "sign_ups_begun");
    let mut asked = quotas;
    asked["questions"] = json!([{ "key": "x", "kind": "text", "text": "?" }]);
    policy(&t, &tenant.admin, &event, asked)
        .await
        .refused(409, "sign_ups_begun");
}

#[actix_web::test]
async fn an_offer_is_accepted_declined_or_lapses_and_goes_on() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 5).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1, "offer_s": 3_600 })).await;
    let mut ids = Vec::new();
    for person in &people {
        ids.push(sign_up(&t, &person.token, &event).await.expect(201).id());
    }
    let status = |n: usize| {
        let (t, token, event) = (&t, people[n].token.clone(), event.clone());
        async move {
            mine(t, &token, &event).await["status"]
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    let act = |n: usize, what: &str| {
        let (t, token, path) = (
            &t,
            people[n].token.clone(),
            format!("/sign-ups/{}/{what}", ids[n]),
        );
        async move { t.act(&path, &token).await }
    };
    t.act(&format!("/sign-ups/{}/accept", ids[1]), &people[1].token)
        .await
        .refused(409, "not_offered");
    cancel(&t, &people[0].token, &ids[0]).await.expect(200);
    let offered = mine(&t, &people[1].token, &event).await;
    assert_eq!(
        (&offered["status"], &offered["offer_ends_at"]),
        (&json!("offered"), &json!(t.in_s(3_600)))
    );
    // The place is kept: nobody new gets it.
    assert_eq!(numbers(&sessions(&t, &people[0].token, &event).await[0]), (1, 3));
    act(1, "decline").await.expect(200);
    assert_eq!(
        (status(1).await, status(2).await),
        ("declined".to_owned(), "offered".to_owned())
    );

    // Nobody answers, and nobody looks until long after; the next one has an hour from when it was noticed.
    t.advance_s(3_600);
    assert_eq!(status(2).await, "expired");
    act(2, "accept").await.refused(409, "sign_up_ended");
    t.advance_s(7_200);
    sign_up(&t, &tenant.member_b, &event).await.expect(201);
    assert_eq!(status(3).await, "offered");
    let accepted = act(3, "accept").await.expect(200);
    assert_eq!(
        (&accepted.json["status"], &accepted.json["offer_ends_at"]),
        (&json!("confirmed"), &json!(null))
    );
    t.advance_s(7_200);
    assert_eq!(
        (status(3).await, status(4).await),
        ("confirmed".to_owned(), "waitlisted".to_owned())
    );
    let seen = t
        .get(&format!("/sign-ups/{}", ids[3]), &people[3].token)
        .await
        .expect(200);
    let steps: Vec<&Value> = seen.json["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["step"])
        .collect();
    assert_eq!(steps, ["offered", "accepted"]);
    assert_eq!(numbers(&sessions(&t, &people[0].token, &event).await[0]), (1, 2));
}

#[actix_web::test]
async fn a_secretary_signs_ten_up_all_or_as_many_as_fit() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 12).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    let path = format!("/events/{event}/sign-ups/group");
    let ids = |people: &[Person]| people.iter().map(|person| person.id.clone()).collect::<Vec<_>>();
    let all = json!({ "member_ids": ids(&people[..10]), "all_or_none": true });
    let refused = t
        .post(&path, &tenant.secretary_a, all)
        .await
        .refused(409, "sign_up_full");
    assert_eq!(refused.json["member_ids"], json!([people[9].id]));
    assert_eq!(numbers(&sessions(&t, &tenant.admin, &event).await[0]), (0, 0));

    let fit = json!({ "member_ids": ids(&people[..10]), "all_or_none": false });
    let key = new_uuid();
    let send = || {
        let request = t.request(Method::POST, &path, &tenant.secretary_a).json(&fit);
        Reply::of(request.header("idempotency-key", &key))
    };
    let done = send().await.expect(200);
    assert_eq!(send().await.bytes, done.bytes);
    let outcome = |n: usize| (&done.items()[n]["outcome"], &done.items()[n]["code"]);
    assert_eq!(outcome(8), (&json!("created"), &json!(null)));
    assert_eq!(outcome(9), (&json!("rejected"), &json!("sign_up_full")));
    let more = json!({ "member_ids": ids(&people[8..]), "all_or_none": false, "wait": true });
    let done = t.post(&path, &tenant.secretary_a, more).await.expect(200);
    let words: Vec<_> = done
        .items()
        .iter()
        .map(|item| (&item["outcome"], &item["sign_up"]["place_in_line"]))
        .collect();
    assert_eq!(words[0], (&json!("duplicate"), &json!(null)));
    assert_eq!(words[3], (&json!("created"), &json!(3)));
    assert_eq!(numbers(&sessions(&t, &tenant.admin, &event).await[0]), (9, 3));

    // Only their own people, and only who manages people.
    let one = json!({ "member_ids": [tenant.member_b_id], "all_or_none": false, "wait": true });
    t.post(&path, &tenant.secretary_a, one.clone())
        .await
        .refused(404, "not_found");
    t.post(
        &path,
        &tenant.member_a,
        json!({ "member_ids": [people[0].id], "all_or_none": true }),
    )
    .await
    .refused(404, "not_found");
    t.post(&path, &tenant.admin, one).await.expect(200);
    // A secretary sees their own people's; the organiser all of them; a member nobody's.
    let list = format!("/events/{event}/sign-ups?limit=200&count=true");
    assert_eq!(t.get(&list, &tenant.admin).await.expect(200).json["count"], 13);
    assert_eq!(
        t.get(&list, &tenant.secretary_a).await.expect(200).json["count"],
        12
    );
    t.get(&list, &tenant.member_a).await.refused(403, "forbidden");
    let csv = t
        .get_as(&list.replace("&count=true", ""), &tenant.admin, "text/csv")
        .await
        .expect(200);
    let csv = String::from_utf8(csv.bytes).unwrap();
    assert_eq!(csv.lines().count(), 14);
    assert!(csv.contains("群眾0003") && csv.contains("第一黨支部"), "{csv}");
}

#[actix_web::test]
async fn members_sign_up_and_cancel_within_the_terms_and_organisers_until_the_roster_is_fixed() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let body = json!({
        "capacity": 2, "opens_at": t.in_s(3_600), "closes_at": t.in_s(7_200), "cancel_until": t.in_s(9_000),
    });
    let event = draft(&t, &tenant).await;
    policy(&t, &tenant.admin, &event, body.clone()).await.expect(201);
    // A draft is nothing yet, and nothing of anybody else's is.
    sign_up(&t, &people[0].token, &event)
        .await
        .refused(404, "not_found");
    t.act(&format!("/events/{event}/publish"), &tenant.admin)
        .await
        .expect(200);
    let early = sign_up(&t, &people[0].token, &event)
        .await
        .refused(409, "sign_up_not_open");
    assert_eq!(early.json["opens_at"], t.in_s(3_600));
    let by_hand = json!({ "member_ids": [people[1].id], "all_or_none": true });
    let group = format!("/events/{event}/sign-ups/group");
    t.post(&group, &tenant.secretary_a, by_hand.clone())
        .await
        .refused(409, "sign_up_not_open");
    t.post(&group, &tenant.admin, by_hand).await.expect(200);
    t.advance_s(3_600);
    let first = sign_up(&t, &people[0].token, &event).await.expect(201);
    t.advance_s(3_600);
    sign_up(&t, &people[2].token, &event)
        .await
        .refused(409, "sign_up_closed");
    t.advance_s(1_800);
    let late = cancel(&t, &people[0].token, &first.id())
        .await
        .refused(409, "cancel_too_late");
    assert_eq!(late.json["cancel_until"], t.in_s(0));
    cancel(&t, &tenant.admin, &first.id())
        .await
        .refused(422, "invalid_fields");
    let because = json!({ "reason": "場地縮小" });
    let path = format!("/sign-ups/{}/cancel", first.id());
    t.post(&path, &tenant.secretary_b, because.clone())
        .await
        .refused(404, "not_found");
    t.post(&path, &tenant.admin, because.clone()).await.expect(200);
    assert_eq!(mine(&t, &people[0].token, &event).await["end_reason"], "場地縮小");

    let read = t
        .get(&format!("/events/{event}/sign-up-policy"), &tenant.admin)
        .await
        .expect(200);
    let version = read.header("etag").to_owned();
    let write = |version: String| {
        let path = format!("/events/{event}/sign-up-policy");
        let request = t.request(Method::PUT, &path, &tenant.admin).json(&body);
        Reply::of(request.header("if-match", version))
    };
    write(version.clone()).await.expect(200);
    write(version).await.refused(412, "version_mismatch");
    let called = t.open_event(&tenant.admin, &tenant.root, json!({})).await;
    policy(&t, &tenant.admin, &called, json!({ "capacity": 1 }))
        .await
        .refused(409, "roster_frozen");
    sign_up(&t, &people[0].token, &called)
        .await
        .refused(409, "no_sign_up");
    let later = json!({ "starts_at": t.in_s(86_400), "ends_at": t.in_s(90_000) });
    let called = t.open_event(&tenant.admin, &tenant.root, later).await;
    policy(&t, &tenant.admin, &called, json!({ "capacity": 1 }))
        .await
        .refused(409, "sign_up_needs_draft");
    policy(&t, &tenant.member_a, &event, json!({ "capacity": 1 }))
        .await
        .refused(403, "forbidden");

    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.admin,
        json!({ "reason": "颱風" }),
    )
    .await
    .expect(200);
    sign_up(&t, &people[2].token, &event)
        .await
        .refused(409, "event_cancelled");
    policy(&t, &tenant.admin, &event, json!({ "capacity": 9 }))
        .await
        .refused(409, "event_over");
}

#[actix_web::test]
async fn who_has_a_place_is_expected_and_nobody_else_is_missed() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 2 })).await;
    let mut ids = Vec::new();
    for person in &people {
        ids.push(sign_up(&t, &person.token, &event).await.expect(201).id());
    }
    t.advance_s(3 * 86_400 - 600);
    let admin = tenant.admin.clone();
    let token = |n: usize| t.token_of(&people[n].id, &tenant.root);
    // Check-in is open: the roster stands as it is.
    cancel(&t, &token(0), &ids[0]).await.refused(409, "roster_frozen");
    sign_up(&t, &t.token_of(&tenant.member_b_id, &tenant.root), &event)
        .await
        .refused(409, "sign_up_closed");
    let code = t.code(&admin, &event).await;
    t.post("/check-ins", &token(0), t.with_code(&code))
        .await
        .expect(201);
    t.post("/check-ins", &token(2), t.with_code(&code))
        .await
        .refused(403, "not_expected");
    let sheet = t
        .get(&format!("/events/{event}/attendance"), &admin)
        .await
        .expect(200);
    assert_eq!(sheet.json["counts"]["expected"], 2);
    let presence = |token: String| {
        let (t, path) = (&t, format!("/events/{event}/my-attendance"));
        async move { t.get(&path, &token).await.expect(200).json["status"].clone() }
    };
    assert_eq!(presence(token(1)).await, "expected");
    assert_eq!(presence(token(2)).await, "not_expected");
    assert_eq!(mine(&t, &token(0), &event).await["status"], "attended");
    assert_eq!(mine(&t, &token(1), &event).await["status"], "confirmed");
    t.act(&format!("/events/{event}/close"), &admin).await.expect(200);
    assert_eq!(mine(&t, &token(1), &event).await["status"], "no_show");
    assert_eq!(presence(token(1)).await, "absent");
    assert_eq!(presence(token(2)).await, "not_expected");
    let list = t
        .get(&format!("/events/{event}/sign-ups"), &admin)
        .await
        .expect(200);
    let words: Vec<&Value> = list.items().iter().map(|item| &item["status"]).collect();
    assert_eq!(words, ["attended", "no_show", "waitlisted"]);
}

/// Nobody keeps a place for who has said that they do not come.
#[actix_web::test]
async fn who_is_on_leave_takes_no_place_until_they_come_after_all() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = branch_day(&t, &tenant).await;
    let token = &tenant.member_a;
    sign_up(&t, token, &event).await.expect(201);
    let ask = json!({ "reason": "出差" });
    let leave = t
        .post(&format!("/events/{event}/leave-requests"), token, ask)
        .await;
    let leave = leave.expect(201).id();
    t.post(
        &format!("/leave-requests/{leave}/approve"),
        &tenant.organizer_a,
        json!({}),
    )
    .await
    .expect(200);
    sign_up(&t, token, &event).await.refused(409, "on_leave");
    t.act(&format!("/leave-requests/{leave}/withdraw"), token)
        .await
        .expect(200);
    sign_up(&t, token, &event).await.expect(201);
}

#[actix_web::test]
async fn what_is_asked_is_answered_and_kept() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = draft(&t, &tenant).await;
    let question = |change: Value| {
        let mut question = json!({ "key": "stop", "kind": "choice", "text": "在哪一站上車？", "required": true, "options": ["東門", "西門"] });
        for (name, value) in change.as_object().unwrap() {
            question[name] = value.clone();
        }
        json!({ "capacity": 5, "questions": [question] })
    };
    for bad in [
        json!({ "key": "a b" }),
        json!({ "options": ["東門"] }),
        json!({ "kind": "text" }),
        json!({ "text": "" }),
    ] {
        policy(&t, &tenant.admin, &event, question(bad))
            .await
            .refused(422, "invalid_fields");
    }
    policy(&t, &tenant.admin, &event, question(json!({})))
        .await
        .expect(201);
    t.act(&format!("/events/{event}/publish"), &tenant.admin)
        .await
        .expect(200);
    let answers = |answers: Value| sign_up_with(&t, &tenant.member_a, &event, json!({ "answers": answers }));
    let refused = answers(json!({ "stop": "南門", "car": 1 }))
        .await
        .refused(422, "invalid_fields");
    let fields: Vec<&Value> = refused.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(fields, ["/answers/stop", "/answers/car"]);
    answers(json!({})).await.refused(422, "invalid_fields");
    let done = answers(json!({ "stop": "西門" })).await.expect(201);
    assert_eq!(done.json["answers"], json!({ "stop": "西門" }));
    let csv = t
        .get_as(&format!("/events/{event}/sign-ups"), &tenant.admin, "text/csv")
        .await
        .expect(200);
    let csv = String::from_utf8(csv.bytes).unwrap();
    assert!(
        csv.lines().next().unwrap().contains("在哪一站上車？") && csv.contains("西門"),
        "{csv}"
    );
}

#[actix_web::test]
async fn a_window_opens_at_midnight_where_the_tree_is() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let window = json!({ "capacity": 2, "opens_at": "2026-11-25T00:00:00+08:00", "closes_at": "2026-11-26T00:00:00+08:00" });
    let event = theme_day(&t, &tenant, window).await;
    t.clock().set("2026-11-24T23:59:59.999999+08:00".parse().unwrap());
    assert_eq!(sign_up(&t, &tenant.member_a, &event).await.status, 409);
    t.clock().set("2026-11-25T00:00:00+08:00".parse().unwrap());
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    t.clock().set("2026-11-26T00:00:00+08:00".parse().unwrap());
    assert_eq!(sign_up(&t, &tenant.member_b, &event).await.status, 409);
}

/// Nobody looks while the offer runs out; the process that starts afterwards finds it run out, and gives the place on.
#[actix_web::test]
async fn an_offer_that_ran_out_while_no_server_ran_goes_to_the_next() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1, "offer_s": 3_600 })).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201).id();
    let second = sign_up(&t, &people[1].token, &event).await.expect(201).id();
    sign_up(&t, &people[2].token, &event).await.expect(201);
    cancel(&t, &people[0].token, &first).await.expect(200);
    t.advance_s(7_200);
    let (started, stop) = t.replica().await;
    let accept = format!("{started}/api/v1/sign-ups/{second}/accept");
    t.act(&accept, &people[1].token)
        .await
        .refused(409, "sign_up_ended");
    // Whoever asks first settles it; else the task of the process does within seconds.
    sign_up(&t, &people[0].token, &event).await.expect(201);
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "expired");
    assert_eq!(mine(&t, &people[2].token, &event).await["status"], "offered");
    stop.stop(false).await;
}
