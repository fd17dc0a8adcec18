//! Whose a place is, and when they come: sessions with times of their own, people who will not come after all, what others
//! see of the quotas, and what is put on record.

use reqwest::Method;
use serde_json::{Value, json};

use crate::sign_ups::{branch_day, draft, policy, sign_up, sign_up_with, theme_day};
use crate::support::{Reply, TestApp, new_uuid};

async fn mine(t: &TestApp, token: &str, event: &str) -> Value {
    let path = format!("/events/{event}/sign-ups/mine");
    t.get(&path, token).await.expect(200).json
}

async fn told(t: &TestApp, token: &str, kind: &str) -> Vec<Value> {
    let all = t.get("/notices", token).await.expect(200);
    let of_kind = all.items().iter().filter(|notice| notice["kind"] == kind);
    of_kind.cloned().collect()
}

async fn actions(t: &TestApp, token: &str, object: &str) -> Vec<Value> {
    let path = format!("/audit-log?object_id={object}");
    t.get(&path, token).await.expect(200).items().to_vec()
}

#[actix_web::test]
async fn who_will_not_come_leaves_their_place_to_the_first_in_line() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 4).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 2 })).await;
    for person in &people {
        sign_up(&t, &person.token, &event).await.expect(201);
    }
    // The third is out of the line; the first one's place goes past them.
    for n in [2, 0] {
        let path = format!("/members/{}/deactivate", people[n].id);
        t.post(&path, &tenant.admin, json!({ "reason": "調離" }))
            .await
            .expect(200);
    }
    assert_eq!(mine(&t, &people[3].token, &event).await["status"], "confirmed");
    let listed = t
        .get(&format!("/events/{event}/sign-ups"), &tenant.admin)
        .await
        .expect(200);
    let first = &listed.items()[0];
    assert_eq!(
        (&first["status"], &first["end_reason"]),
        (&json!("cancelled"), &json!("deactivated"))
    );

    // Leave is asked for, and while it is only asked for the place is kept.
    sign_up(&t, &tenant.member_b, &event).await.expect(201);
    let path = format!("/events/{event}/leave-requests");
    let leave = t
        .post(&path, &people[1].token, json!({ "reason": "出差" }))
        .await
        .expect(201)
        .id();
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "confirmed");
    t.act(&format!("/leave-requests/{leave}/approve"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(mine(&t, &people[1].token, &event).await["end_reason"], "on_leave");
    assert_eq!(mine(&t, &tenant.member_b, &event).await["status"], "confirmed");
}

#[actix_web::test]
async fn a_session_has_its_own_times_at_the_door_in_notices_and_in_calendars() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    let (nine, two, five) = (
        "2026-11-27T01:00:00Z",
        "2026-11-27T06:00:00Z",
        "2026-11-27T09:00:00Z",
    );
    let body = json!({
        "organization_id": tenant.root, "title": "參觀紀念館", "forms": ["theme_day"], "starts_at": nine, "ends_at": five,
        "opens_before_s": 1_800, "late_after_s": 600, "closes_after_s": 3_600,
    });
    let event = t.post("/events", &tenant.admin, body).await.expect(201).id();
    let sessions = |from: &str| json!({ "sessions": [{ "name": "上午場", "capacity": 5 }, { "name": "下午場", "capacity": 5, "starts_at": from, "ends_at": five }] });
    let refused = policy(&t, &tenant.admin, &event, sessions("2026-11-27T00:00:00Z")).await;
    let refused = refused.refused(422, "invalid_fields");
    assert_eq!(refused.text("/errors/0/field"), "/sessions/1/starts_at");
    let written = policy(&t, &tenant.admin, &event, sessions(two)).await.expect(201);
    t.act(&format!("/events/{event}/publish"), &tenant.admin)
        .await
        .expect(200);
    let seen = t
        .get(&format!("/events/{event}"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(seen.text("/check_in_closes_at"), "2026-11-27T07:00:00Z");
    for (n, person) in people.iter().enumerate() {
        let session = written.text(&format!("/sessions/{}/id", n.min(1)));
        sign_up_with(&t, &person.token, &event, json!({ "session_id": session }))
            .await
            .expect(201);
    }

    let confirmed = told(&t, &people[1].token, "sign_up_confirmed").await;
    let text = confirmed[0]["text"].as_str().unwrap();
    assert!(text.contains("下午場") && text.contains("14:00"), "{text}");
    let calendar = async |n: usize| {
        let path = format!("/events/{event}/calendar.ics");
        let file = t.get(&path, &people[n].token).await.expect(200);
        String::from_utf8(file.bytes).unwrap()
    };
    assert!(calendar(0).await.contains("DTSTART:20261127T010000Z"));
    let afternoon = calendar(1).await;
    assert!(
        afternoon.contains("DTSTART:20261127T060000Z") && afternoon.contains("DTEND:20261127T090000Z"),
        "{afternoon}"
    );

    // Moved by a day and back: sessions go with their event, and so does the end of check-in.
    for (from, to, closes) in [
        (
            "2026-11-28T01:00:00Z",
            "2026-11-28T09:00:00Z",
            "2026-11-28T07:00:00Z",
        ),
        (nine, five, "2026-11-27T07:00:00Z"),
    ] {
        let times = json!({ "starts_at": from, "ends_at": to });
        let moved = t
            .patch(&format!("/events/{event}"), &tenant.admin, "*", times)
            .await;
        assert_eq!(moved.expect(200).text("/check_in_closes_at"), closes);
    }
    let seen = t
        .get(&format!("/events/{event}/sign-up-policy"), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(
        (seen.text("/sessions/1/starts_at").as_str(), &seen.json["version"]),
        (two, &json!(3))
    );

    // No session is left outside of its event.
    for outside in [
        json!({ "ends_at": "2026-11-27T08:00:00Z" }),
        json!({ "starts_at": "2026-11-27T04:00:00Z" }),
    ] {
        let refused = t
            .patch(&format!("/events/{event}"), &tenant.admin, "*", outside)
            .await;
        let refused = refused.refused(422, "invalid_fields");
        assert_eq!(refused.text("/errors/0/code"), "leaves_out_session");
    }

    // At the door: on time in the morning is too early for the afternoon, and on time there is not late.
    t.clock().set("2026-11-27T00:59:00Z".parse().unwrap());
    let code = t.code(&tenant.admin, &event).await;
    let check_in =
        async |n: usize, code: &str| t.post("/check-ins", &people[n].token, t.with_code(code)).await;
    assert_eq!(check_in(0, &code).await.expect(201).text("/status"), "present");
    let early = check_in(1, &code).await.refused(409, "not_open_yet");
    assert_eq!(early.text("/opens_at"), "2026-11-27T05:30:00Z");
    t.clock().set("2026-11-27T05:59:00Z".parse().unwrap());
    let code = t.code(&tenant.admin, &event).await;
    assert_eq!(check_in(1, &code).await.expect(201).text("/status"), "present");
    t.clock().set("2026-11-27T06:10:00Z".parse().unwrap());
    let code = t.code(&tenant.admin, &event).await;
    assert_eq!(check_in(2, &code).await.expect(201).text("/status"), "late");
}

#[actix_web::test]
async fn a_calendar_counts_up_whatever_becomes_of_a_sign_up() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 5 })).await;
    for capacity in [6, 7] {
        policy(&t, &tenant.admin, &event, json!({ "capacity": capacity }))
            .await
            .expect(200);
    }
    let sequence = async || -> u32 {
        let path = format!("/events/{event}/calendar.ics");
        let file = t.get(&path, &tenant.member_a).await.expect(200);
        let file = String::from_utf8(file.bytes).unwrap();
        let line = file.lines().find_map(|line| line.strip_prefix("SEQUENCE:"));
        line.unwrap().trim().parse().unwrap()
    };
    let mut seen = vec![sequence().await];
    for _ in 0..2 {
        let mine = sign_up(&t, &tenant.member_a, &event).await.expect(201).id();
        seen.push(sequence().await);
        t.post(&format!("/sign-ups/{mine}/cancel"), &tenant.member_a, json!({}))
            .await
            .expect(200);
        seen.push(sequence().await);
    }
    let moved = json!({ "title": "改期的主題黨日" });
    t.patch(&format!("/events/{event}"), &tenant.admin, "*", moved)
        .await
        .expect(200);
    seen.push(sequence().await);
    assert!(seen.is_sorted_by(|before, after| before < after), "{seen:?}");
}

#[actix_web::test]
async fn the_times_of_sign_up_move_with_their_event() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let day = 86_400;
    let body = json!({
        "capacity": 5, "opens_at": t.in_s(day), "closes_at": t.in_s(2 * day), "cancel_until": t.in_s(2 * day), "draw_at": t.in_s(2 * day),
    });
    let start = t.now();
    let event = theme_day(&t, &tenant, body).await;
    let event_path = format!("/events/{event}");
    let policy_path = format!("/events/{event}/sign-up-policy");
    let move_to = async |days: i64| {
        let (starts_at, ends_at) = (start.plus_s(days * day), start.plus_s(days * day + 7_200));
        let times = json!({ "starts_at": starts_at, "ends_at": ends_at });
        t.patch(&event_path, &tenant.admin, "*", times).await.expect(200);
    };
    let times = async || {
        let policy = t.get(&policy_path, &tenant.admin).await.expect(200);
        ["/opens_at", "/closes_at", "/cancel_until", "/draw/at"].map(|name| policy.text(name))
    };
    let on = |days: i64| start.plus_s(days * day).to_string();
    let (path, token) = (format!("/events/{event}/sign-ups"), &people[0].token);
    let wish = || json!({ "client_event_id": new_uuid() });

    move_to(5).await;
    assert_eq!(times().await, [on(3), on(4), on(4), on(4)]);
    t.post(&path, token, wish())
        .await
        .refused(409, "sign_up_not_open");
    // What was opened stays open, and who was in the draw is told later.
    t.advance_s(3 * day);
    t.post(&path, token, wish()).await.expect(201);
    move_to(9).await;
    assert_eq!(times().await, [on(3), on(8), on(8), on(8)]);
    t.advance_s(2 * day);
    assert_eq!(mine(&t, token, &event).await["status"], "entered");
    // On the fifth day: by five days earlier all would have ended already.
    move_to(6).await;
    let moved = t.get(&event_path, &tenant.admin).await.expect(200);
    let opens = || moved.text("/check_in_opens_at");
    assert_eq!(times().await, [on(3), opens(), opens(), opens()]);
    t.post(&path, &people[1].token, wish()).await.expect(201);
    t.advance_s(day);
    let by_hand = json!({ "member_id": people[0].id, "reason": "到場", "client_event_id": new_uuid() });
    t.post(&format!("{event_path}/check-ins"), &tenant.admin, by_hand)
        .await
        .expect(201);
    assert_eq!(mine(&t, &people[1].token, &event).await["status"], "confirmed");
}

#[actix_web::test]
async fn a_quota_is_told_to_those_who_see_its_organization() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let quota = |organization: &str| json!({ "organization_id": organization, "places": 3 });
    let body = json!({ "capacity": 6, "quotas": [quota(&tenant.branch_a), quota(&tenant.branch_b)], "draw_at": t.in_s(600) });
    let event = theme_day(&t, &tenant, body).await;
    let quotas = async |token: &str| {
        let path = format!("/events/{event}/sign-up-policy");
        let seen = t.get(&path, token).await.expect(200);
        let quotas = seen.json["quotas"].as_array().unwrap().clone();
        quotas
            .iter()
            .map(|quota| quota["organization_id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(quotas(&tenant.member_a).await, [tenant.branch_a.clone()]);
    assert_eq!(quotas(&tenant.secretary_b).await, [tenant.branch_b.clone()]);
    assert_eq!(quotas(&tenant.admin).await.len(), 2);
    for token in [&tenant.member_a, &tenant.member_b] {
        sign_up(&t, token, &event).await.expect(201);
    }
    t.advance_s(600);
    sign_up(&t, &tenant.organizer_a, &event).await.expect(201);
    let drawn = t
        .get(&format!("/events/{event}/draw-entries"), &tenant.member_a)
        .await
        .expect(200);
    assert_eq!(drawn.items().len(), 2);
    assert!(!drawn.mentions(&tenant.branch_b) && drawn.mentions(&tenant.branch_a));
}

#[actix_web::test]
async fn who_has_a_place_sees_the_event_though_it_calls_others() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = branch_day(&t, &tenant).await;
    let path = format!("/events/{event}");
    t.get(&path, &tenant.member_b).await.expect(404);
    let group = json!({ "member_ids": [tenant.member_b_id], "all_or_none": true });
    t.post(&format!("{path}/sign-ups/group"), &tenant.admin, group)
        .await
        .expect(200);
    t.get(&path, &tenant.member_b).await.expect(200);
    let coming = t.get("/events?mine=true", &tenant.member_b).await.expect(200);
    assert!(coming.mentions(&event));
    let own = mine(&t, &tenant.member_b, &event).await;
    let cancel = format!("/sign-ups/{}/cancel", own["id"].as_str().unwrap());
    t.post(&cancel, &tenant.member_b, json!({})).await.expect(200);
    t.get(&path, &tenant.member_b).await.expect(404);
}

#[actix_web::test]
async fn an_offer_of_an_event_that_is_cancelled_is_no_news_when_it_runs_out() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1, "offer_s": 3_600 })).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201).id();
    sign_up(&t, &people[1].token, &event).await.expect(201);
    t.post(&format!("/sign-ups/{first}/cancel"), &people[0].token, json!({}))
        .await
        .expect(200);
    t.post(
        &format!("/events/{event}/cancel"),
        &tenant.admin,
        json!({ "reason": "暴雨" }),
    )
    .await
    .expect(200);
    t.advance_s(3_601);
    sign_up(&t, &people[0].token, &event)
        .await
        .refused(409, "event_cancelled");
    t.run_jobs().await;
    assert!(told(&t, &people[1].token, "sign_up_expired").await.is_empty());
    assert_eq!(told(&t, &people[1].token, "event_cancelled").await.len(), 1);
}

/// Half past ten in the evening: whoever is asleep is told at seven, and has their two hours from then on.
#[actix_web::test]
async fn an_offer_at_night_waits_for_the_morning() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1, "offer_s": 7_200 })).await;
    let first = sign_up(&t, &people[0].token, &event).await.expect(201).id();
    sign_up(&t, &people[1].token, &event).await.expect(201);
    t.clock().set("2026-11-24T22:30:00+08:00".parse().unwrap());
    t.post(&format!("/sign-ups/{first}/cancel"), &people[0].token, json!({}))
        .await
        .expect(200);
    let offered = mine(&t, &people[1].token, &event).await;
    assert_eq!(offered["offer_ends_at"], "2026-11-25T01:00:00Z");
    let rings = told(&t, &people[1].token, "sign_up_offered").await;
    assert_eq!(rings[0]["rings_at"], "2026-11-24T23:00:00Z");
}

#[actix_web::test]
async fn only_who_has_a_place_is_reminded_of_tomorrow() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let event = theme_day(&t, &tenant, json!({ "capacity": 1 })).await;
    for person in &people {
        sign_up(&t, &person.token, &event).await.expect(201);
    }
    t.clock().set("2026-11-26T18:00:00+08:00".parse().unwrap());
    zhibu::notices::remind(&t.app.db, &t.app.ids, t.now(), &t.app.config.notices)
        .await
        .unwrap();
    t.run_jobs().await;
    assert_eq!(told(&t, &people[0].token, "event_tomorrow").await.len(), 1);
    assert!(told(&t, &people[1].token, "event_tomorrow").await.is_empty());
}

#[actix_web::test]
async fn what_a_secretary_does_to_a_sign_up_is_in_the_log_and_they_may_answer_an_offer() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 3).await;
    // Of the branch itself: its secretary manages the event, and its people.
    let event = branch_day(&t, &tenant).await;
    let change = json!({ "capacity": 1, "offer_s": 3_600 });
    policy(&t, &tenant.admin, &event, change).await.expect(200);
    let mut ids = Vec::new();
    for person in &people {
        ids.push(sign_up(&t, &person.token, &event).await.expect(201).id());
    }
    t.post(
        &format!("/sign-ups/{}/cancel", ids[0]),
        &people[0].token,
        json!({}),
    )
    .await
    .expect(200);
    let accept = format!("/sign-ups/{}/accept", ids[1]);
    t.act(&accept, &tenant.organizer_a)
        .await
        .refused(403, "forbidden");
    t.act(&accept, &tenant.secretary_a).await.expect(200);
    let log = actions(&t, &tenant.admin, &ids[1]).await;
    assert_eq!(log[0]["action"], "sign_up.accept");
    // What members do themselves is told by the steps alone.
    assert!(actions(&t, &tenant.admin, &ids[0]).await.is_empty());

    let written = actions(&t, &tenant.admin, &event).await;
    let written = written
        .iter()
        .find(|entry| entry["action"] == "sign_up_policy.write");
    assert_eq!(written.unwrap()["detail"]["offer_s"], 3_600);
}

#[actix_web::test]
async fn who_waits_takes_no_place_elsewhere_once_sign_up_is_closed() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 2).await;
    let body = json!({
        "sessions": [{ "name": "上午場", "capacity": 1 }, { "name": "下午場", "capacity": 1 }], "closes_at": t.in_s(3_600),
    });
    let event = theme_day(&t, &tenant, body).await;
    let seen = t
        .get(&format!("/events/{event}/sign-up-policy"), &tenant.admin)
        .await
        .expect(200);
    let session = |n: usize| json!({ "session_id": seen.text(&format!("/sessions/{n}/id")) });
    sign_up_with(&t, &people[0].token, &event, session(0))
        .await
        .expect(201);
    let waits = sign_up_with(&t, &people[1].token, &event, session(0))
        .await
        .expect(201)
        .id();
    t.advance_s(3_600);
    let path = format!("/sign-ups/{waits}/move");
    t.post(&path, &people[1].token, session(1))
        .await
        .refused(409, "sign_up_closed");
    let moved = json!({ "session_id": seen.text("/sessions/1/id"), "reason": "下午場有空位" });
    let moved = t.post(&path, &tenant.admin, moved).await.expect(200);
    assert_eq!(moved.text("/status"), "confirmed");
}

#[actix_web::test]
async fn an_event_without_sign_up_has_no_policy_and_times_in_the_sheet_are_local() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = draft(&t, &tenant).await;
    let path = format!("/events/{event}/sign-up-policy");
    t.get(&path, &tenant.admin).await.refused(404, "not_found");

    let event = theme_day(&t, &tenant, json!({ "capacity": 1 })).await;
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    let request = t.request(Method::GET, &format!("/events/{event}/sign-ups"), &tenant.admin);
    let sheet = Reply::of(request.header("accept", "text/csv")).await.expect(200);
    assert!(
        sheet.mentions("2026-11-24 09:30"),
        "{}",
        String::from_utf8_lossy(&sheet.bytes)
    );
    // The id of a phone's wish is of its account and event: for another event it is another wish.
    let body = json!({ "client_event_id": new_uuid() });
    for event in [event, theme_day(&t, &tenant, json!({ "capacity": 1 })).await] {
        let path = format!("/events/{event}/sign-ups");
        t.post(&path, &tenant.member_b, body.clone()).await.expect(201);
        t.post(&path, &tenant.member_b, body.clone()).await.expect(200);
    }
}
