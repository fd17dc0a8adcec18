//! The draw instead of first come: everybody who enters in time has the same chance, and anybody can check it.

use std::io::Write;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::sign_ups::{policy, sign_up, theme_day};
use crate::support::{Tenant, TestApp, python};

async fn published(t: &TestApp, token: &str, event: &str) -> Value {
    let path = format!("/events/{event}/sign-up-policy");
    let draw = t.get(&path, token).await.expect(200).json["draw"].clone();
    let path = format!("/events/{event}/draw-entries?limit=200");
    let entries = t.get(&path, token).await.expect(200).json["items"].clone();
    json!({ "draw": draw, "entries": entries })
}

/// What the script that knows nothing of us says.
fn check(python: &str, told: &Value) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/draw_check.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(told.to_string().as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.success(), said)
}

async fn status(t: &TestApp, token: &str, event: &str) -> (String, Option<i64>) {
    let path = format!("/events/{event}/sign-ups/mine");
    let mine = t.get(&path, token).await.expect(200);
    (mine.text("/status"), mine.json["place_in_line"].as_i64())
}

async fn entered(t: &TestApp, tenant: &Tenant, many: usize, places: i32) -> (String, Vec<String>) {
    let people = t.crowd(tenant, many).await;
    let event = theme_day(t, tenant, json!({ "capacity": places, "draw_at": t.in_s(3_600) })).await;
    let replies = join_all(people.iter().map(|person| sign_up(t, &person.token, &event))).await;
    for reply in &replies {
        assert_eq!(
            (reply.status, &reply.json["status"]),
            (201, &json!("entered")),
            "{}",
            reply.json
        );
    }
    (event, people.into_iter().map(|person| person.token).collect())
}

#[actix_web::test]
async fn a_draw_is_held_in_time_and_anybody_can_check_it() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, people) = entered(&t, &tenant, 40, 10).await;
    let before = published(&t, &people[0], &event).await;
    assert_eq!(
        (&before["draw"]["seed"], &before["draw"]["drawn_at"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(before["entries"], json!([]));
    // The day may be moved; that there is a draw, and its seed, may not.
    let path = |rest: &str| format!("/events/{event}/{rest}");
    policy(&t, &tenant.admin, &event, json!({ "capacity": 10 }))
        .await
        .refused(409, "sign_ups_begun");
    let later = json!({ "capacity": 10, "draw_at": t.in_s(7_200) });
    let moved = policy(&t, &tenant.admin, &event, later.clone()).await.expect(200);
    assert_eq!(moved.json["draw"]["commitment"], before["draw"]["commitment"]);
    let too_late = json!({ "capacity": 10, "draw_at": t.in_s(3 * 86_400) });
    policy(&t, &tenant.admin, &event, too_late)
        .await
        .refused(422, "invalid_fields");
    // One thinks better of it.
    let mine = t.get(&path("sign-ups/mine"), &people[0]).await.expect(200).id();
    t.post(&format!("/sign-ups/{mine}/cancel"), &people[0], json!({}))
        .await
        .expect(200);

    let sequence = async || -> u32 {
        let file = t.get(&path("calendar.ics"), &people[1]).await.expect(200);
        let file = String::from_utf8(file.bytes).unwrap();
        let line = file.lines().find_map(|line| line.strip_prefix("SEQUENCE:"));
        line.unwrap().trim().parse().unwrap()
    };
    let entered_with = sequence().await;
    t.advance_s(7_200);
    // Whoever comes first after its time finds it held, and stands behind all who were in it.
    let late = sign_up(&t, &tenant.member_b, &event).await.expect(201);
    assert_eq!(
        (&late.json["status"], &late.json["place_in_line"]),
        (&json!("waitlisted"), &json!(30))
    );
    let told = published(&t, &people[0], &event).await;
    assert_eq!(told["entries"].as_array().unwrap().len(), 39);
    assert_eq!(told["draw"]["commitment"], before["draw"]["commitment"]);
    assert!(
        sequence().await > entered_with,
        "a calendar takes what it has decided"
    );
    let mut places = Vec::new();
    let mut confirmed = 0;
    for token in &people[1..] {
        match status(&t, token, &event).await {
            (word, None) if word == "confirmed" => confirmed += 1,
            (word, Some(place)) if word == "waitlisted" => places.push(place),
            other => panic!("{other:?}"),
        }
    }
    places.sort_unstable();
    assert_eq!((confirmed, places), (10, (1..=29).collect()));
    // In order of the draw: who cancels is followed by the eleventh.
    let entries = told["entries"].as_array().unwrap();
    let of = |rank: usize| entries[rank - 1]["sign_up_id"].as_str().unwrap().to_owned();
    let because = json!({ "reason": "測試" });
    t.post(&format!("/sign-ups/{}/cancel", of(3)), &tenant.admin, because)
        .await
        .expect(200);
    let eleventh = t
        .get(&format!("/sign-ups/{}", of(11)), &tenant.admin)
        .await
        .expect(200);
    assert_eq!(eleventh.json["status"], "confirmed");
    policy(
        &t,
        &tenant.admin,
        &event,
        json!({ "capacity": 10, "draw_at": t.in_s(60) }),
    )
    .await
    .refused(409, "sign_ups_begun");
    policy(&t, &tenant.admin, &event, later).await.expect(200);

    let Some(python) = python() else { return };
    let (is_true, said) = check(&python, &told);
    assert!(is_true, "{said}");
    // Control: two who have changed places, one left out, another seed.
    let mut swapped = told.clone();
    let (a, b) = (entries[0]["sign_up_id"].clone(), entries[1]["sign_up_id"].clone());
    swapped["entries"][0]["sign_up_id"] = b;
    swapped["entries"][1]["sign_up_id"] = a;
    let mut shorter = told.clone();
    shorter["entries"].as_array_mut().unwrap().remove(5);
    let mut other = told.clone();
    other["draw"]["seed"] = json!("00".repeat(32));
    for wrong in [swapped, shorter, other] {
        assert!(!check(&python, &wrong).0);
    }
}

#[actix_web::test]
async fn a_draw_that_nobody_held_is_held_before_the_roster_is_frozen() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (event, people) = entered(&t, &tenant, 6, 4).await;
    // The server was down from the draw until the doors were open.
    t.advance_s(3 * 86_400 - 60);
    let code = t.code(&tenant.admin, &event).await;
    let replies = join_all(
        people
            .iter()
            .map(|token| t.post("/check-ins", token, t.with_code(&code))),
    )
    .await;
    let count = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(201), count(403)), (4, 2));
    let told = published(&t, &people[0], &event).await;
    assert_eq!(told["entries"].as_array().unwrap().len(), 6);
}

#[actix_web::test]
async fn a_draw_that_nobody_had_entered_is_another_when_it_is_moved() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let first = json!({ "capacity": 2, "draw_at": t.in_s(3_600) });
    let event = theme_day(&t, &tenant, first.clone()).await;
    t.advance_s(7_200);
    // Written once more as it is, it finds that its time has come.
    policy(&t, &tenant.admin, &event, first).await.expect(200);
    let held = published(&t, &tenant.member_a, &event).await;
    assert!(held["draw"]["drawn_at"].is_string() && held["draw"]["seed"].is_string());
    let later = json!({ "capacity": 2, "draw_at": t.in_s(3_600) });
    policy(&t, &tenant.admin, &event, later).await.expect(200);
    let moved = published(&t, &tenant.member_a, &event).await;
    assert_eq!(
        (&moved["draw"]["drawn_at"], &moved["draw"]["seed"]),
        (&json!(null), &json!(null))
    );
    assert_ne!(moved["draw"]["commitment"], held["draw"]["commitment"]);
    sign_up(&t, &tenant.member_a, &event).await.expect(201);
    assert_eq!(status(&t, &tenant.member_a, &event).await.0, "entered");
}
