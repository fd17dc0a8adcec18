//! Quizzes: who writes them and what members are shown, attempts by the server's clock, hand-ins whose answer was lost, and
//! what passing has to do with completing a lesson.

use diesel::prelude::*;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::lessons::{draft, lecturer, publish};
use crate::races::look_then_act;
use crate::support::{CANARY, Reply, Tenant, TestApp, new_uuid};

/// One question of each kind; `right` of them and `wrong` of them are known by their texts.
pub fn document(change: Value) -> Value {
    let mut body = json!({ "questions": [
        { "kind": "single", "text": "一大於何年召開？", "options": ["1919", "1921", "1927"], "answer": [1], "explanation": "CANARY 1" },
        { "kind": "multiple", "text": "哪些是黨的組織？", "options": ["黨委", "工會", "黨支部", "商會"], "answer": [2, 0], "explanation": "CANARY 2" },
        { "kind": "true_false", "text": "預備黨員沒有表決權。", "options": ["對", "錯"], "answer": [0], "explanation": "CANARY 3" },
        { "kind": "ordering", "text": "按時間排序", "options": ["遵義會議", "一大", "七大"], "answer": [1, 0, 2], "explanation": "CANARY 4" },
    ]});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// The options that are right, by a question's text, in their order.
fn right_options(text: &str) -> &'static [&'static str] {
    match text {
        "一大於何年召開？" => &["1921"],
        "哪些是黨的組織？" => &["黨委", "黨支部"],
        "預備黨員沒有表決權。" => &["對"],
        _ => &["一大", "遵義會議", "七大"],
    }
}

async fn write(t: &TestApp, token: &str, lesson: &str, version: &str, body: Value) -> Reply {
    let path = format!("/lessons/{lesson}/quiz");
    let request = t.request(Method::PUT, &path, token).json(&body);
    Reply::of(if version.is_empty() {
        request
    } else {
        request.header("if-match", version)
    })
    .await
}

/// A published lesson of the whole committee with a quiz.
pub async fn with_quiz(t: &TestApp, tenant: &Tenant, change: Value) -> String {
    let lesson = draft(t, &tenant.admin, &tenant.root, json!({})).await;
    publish(t, tenant, &lesson).await;
    write(t, &tenant.admin, &lesson, "\"0\"", document(change))
        .await
        .expect(201);
    lesson
}

pub async fn start(t: &TestApp, token: &str, lesson: &str) -> Reply {
    t.act(&format!("/lessons/{lesson}/quiz/attempts"), token).await
}

/// Answers to an attempt: right, but for the questions with these texts, whose options stand turned round.
pub fn answers(t: &TestApp, attempt: &Value, wrong: &[&str]) -> Value {
    let mut all = Vec::new();
    for question in attempt["questions"].as_array().unwrap() {
        let text = question["text"].as_str().unwrap();
        let options = question["options"].as_array().unwrap();
        let place = |option: &&str| options.iter().position(|one| one == option).unwrap();
        let mut chosen: Vec<usize> = right_options(text).iter().map(place).collect();
        if wrong.contains(&text) {
            chosen = match chosen.len() {
                3 => chosen.into_iter().rev().collect(),
                _ => (0..options.len())
                    .find(|n| !chosen.contains(n))
                    .into_iter()
                    .collect(),
            };
        }
        all.push(json!({ "question_id": question["id"], "chosen": chosen }));
    }
    json!({ "answers": all, "occurred_at": t.in_s(0) })
}

async fn hand_in(t: &TestApp, token: &str, attempt: &str, body: &Value) -> Reply {
    t.post(&format!("/quiz-attempts/{attempt}/hand-in"), token, body.clone())
        .await
}

pub async fn pass(t: &TestApp, token: &str, lesson: &str) -> Reply {
    let attempt = start(t, token, lesson).await;
    let body = answers(t, &attempt.json, &[]);
    hand_in(t, token, &attempt.id(), &body).await.expect(200)
}

#[actix_web::test]
async fn a_quiz_is_written_by_whoever_writes_the_lesson_and_summed_up_for_members() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let lesson = draft(&t, &lecturer, &tenant.branch_a, json!({})).await;
    let path = format!("/lessons/{lesson}/quiz");
    t.get(&path, &lecturer).await.refused(404, "not_found");
    write(&t, &lecturer, &lesson, "", document(json!({})))
        .await
        .refused(428, "version_required");
    write(&t, &lecturer, &lesson, "\"1\"", document(json!({})))
        .await
        .refused(412, "version_mismatch");
    let made = write(&t, &lecturer, &lesson, "\"0\"", document(json!({ "draw": 3 })))
        .await
        .expect(201);
    assert_eq!(
        (&made.json["version"], &made.json["document"]["pass_permille"]),
        (&json!(1), &json!(600))
    );
    assert_eq!(made.json["document"]["questions"][1]["answer"], json!([0, 2]));
    write(&t, &lecturer, &lesson, "\"0\"", document(json!({})))
        .await
        .refused(412, "version_mismatch");
    // The same again changes nothing.
    let same = write(
        &t,
        &lecturer,
        &lesson,
        made.header("etag"),
        made.json["document"].clone(),
    )
    .await
    .expect(200);
    assert_eq!(same.json["version"], 1);
    assert_eq!(same.json["document"], made.json["document"]);

    // Before it is published it is there for nobody else; then for its audience, without a question.
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    start(&t, &tenant.member_a, &lesson)
        .await
        .refused(404, "not_found");
    publish(&t, &tenant, &lesson).await;
    let seen = t.get(&path, &tenant.member_a).await.expect(200);
    assert_eq!(
        (
            &seen.json["question_count"],
            &seen.json["document"],
            &seen.json["attempts"]
        ),
        (&json!(3), &Value::Null, &json!([]))
    );
    write(&t, &tenant.member_a, &lesson, "*", document(json!({})))
        .await
        .refused(403, "forbidden");
    t.delete(&path, &tenant.member_a).await.refused(403, "forbidden");
    t.get(&format!("{path}/statistics"), &tenant.member_a)
        .await
        .refused(403, "forbidden");
    start(&t, &tenant.system, &lesson).await.refused(403, "forbidden");
    for path in [path.clone(), format!("{path}/statistics")] {
        t.get(&path, &tenant.member_b).await.refused(404, "not_found");
    }
    start(&t, &tenant.member_b, &lesson)
        .await
        .refused(404, "not_found");

    // Put away it is gone, and written again it goes on where it was.
    t.delete(&path, &tenant.secretary_a).await.expect(204);
    t.delete(&path, &tenant.secretary_a)
        .await
        .refused(404, "not_found");
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    start(&t, &tenant.member_a, &lesson)
        .await
        .refused(404, "not_found");
    let again = write(&t, &tenant.secretary_a, &lesson, "\"0\"", document(json!({})))
        .await
        .expect(201);
    assert_eq!(again.json["version"], 2);
    // With the lesson it is gone too; what was begun can be handed in.
    let attempt = start(&t, &tenant.member_a, &lesson).await.expect(201);
    t.post(
        &format!("/lessons/{lesson}/archive"),
        &tenant.admin,
        json!({ "reason": "過時" }),
    )
    .await
    .expect(200);
    t.get(&path, &tenant.member_a).await.refused(404, "not_found");
    start(&t, &tenant.member_a, &lesson)
        .await
        .refused(404, "not_found");
    write(&t, &tenant.admin, &lesson, "*", document(json!({})))
        .await
        .refused(409, "lesson_archived");
    let body = answers(&t, &attempt.json, &[]);
    let told = hand_in(&t, &tenant.member_a, &attempt.id(), &body)
        .await
        .expect(200);
    assert_eq!(told.json["passed"], true);
}

#[actix_web::test]
async fn what_is_reviewed_stands_still_and_what_members_see_is_changed_by_those_who_publish() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lecturer = lecturer(&t, &tenant).await;
    let lesson = draft(&t, &lecturer, &tenant.branch_a, json!({})).await;
    let archive = format!("/lessons/{lesson}/quiz");
    let other = || document(json!({ "pass_permille": 500 }));
    write(&t, &lecturer, &lesson, "\"0\"", document(json!({})))
        .await
        .expect(201);
    let submit = format!("/lessons/{lesson}/submit");
    t.act(&submit, &lecturer).await.expect(200);
    for token in [&lecturer, &tenant.admin] {
        write(&t, token, &lesson, "\"1\"", other())
            .await
            .refused(409, "lesson_in_review");
        t.delete(&archive, token).await.refused(409, "lesson_in_review");
    }
    let publish = format!("/lessons/{lesson}/publish");
    t.act(&publish, &tenant.secretary_a).await.expect(200);
    write(&t, &lecturer, &lesson, "\"1\"", other())
        .await
        .refused(403, "forbidden");
    t.delete(&archive, &lecturer).await.refused(403, "forbidden");
    write(&t, &tenant.secretary_a, &lesson, "\"1\"", other())
        .await
        .expect(200);
    t.delete(&archive, &tenant.secretary_a).await.expect(204);
}

#[actix_web::test]
async fn a_quiz_without_sense_is_refused_with_its_places() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = draft(&t, &tenant.admin, &tenant.root, json!({})).await;
    let question = |kind: &str, options: Value, answer: Value| json!({ "kind": kind, "text": "問", "options": options, "answer": answer });
    let wrong = document(json!({
        "draw": 8, "pass_permille": 1001, "attempt_limit": 0, "time_limit_s": 5,
        "questions": [
            question("single", json!(["a", "b"]), json!([2])),
            question("single", json!(["a", "b"]), json!([0, 1])),
            question("multiple", json!(["a", "b", "b"]), json!([])),
            question("multiple", json!(["a"]), json!([0])),
            question("true_false", json!(["a", "b", "c"]), json!([0])),
            question("ordering", json!(["a", "b", "c"]), json!([0, 1])),
            question("ordering", json!(["a", "b", "c"]), json!([0, 1, 1])),
        ],
    }));
    let reply = write(&t, &tenant.admin, &lesson, "*", wrong).await.expect(422);
    let told: Vec<(&str, &str)> = reply.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("/pass_permille", "too_large"),
            ("/attempt_limit", "too_small"),
            ("/time_limit_s", "too_small"),
            ("/draw", "too_large"),
            ("/questions/0/answer/0", "no_such_option"),
            ("/questions/1/answer", "not_one"),
            ("/questions/2/options/2", "repeated"),
            ("/questions/2/answer", "required"),
            ("/questions/3/options", "too_few"),
            ("/questions/4/options", "too_many"),
            ("/questions/5/answer", "not_all"),
            ("/questions/6/answer/2", "repeated"),
        ]
    );
    let mut unknown = document(json!({}));
    unknown["questions"][0]["id"] = json!(new_uuid());
    let reply = write(&t, &tenant.admin, &lesson, "*", unknown).await.expect(422);
    assert_eq!(
        (
            &reply.json["errors"][0]["field"],
            &reply.json["errors"][0]["code"]
        ),
        (&json!("/questions/0/id"), &json!("no_such_question"))
    );
    let long = question("single", json!(["a", "b"]), json!([0]));
    let many = document(json!({ "questions": vec![long.clone(); 301] }));
    let reply = write(&t, &tenant.admin, &lesson, "*", many).await.expect(422);
    assert_eq!(reply.json["errors"][0]["code"], "too_many");
    // 300 long questions are more than other bodies may hold; more than a MiB is refused.
    let mut large = long;
    large["explanation"] = json!("x".repeat(2_000));
    let most = document(json!({ "questions": vec![large.clone(); 300] }));
    write(&t, &tenant.admin, &lesson, "*", most).await.expect(201);
    large["text"] = json!("問".repeat(2_000));
    let over = document(json!({ "questions": vec![large; 300] }));
    write(&t, &tenant.admin, &lesson, "*", over)
        .await
        .refused(413, "too_large");
}

#[actix_web::test]
async fn an_attempt_is_handed_in_once_and_a_lost_answer_costs_nothing() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let lesson = with_quiz(&t, &tenant, json!({ "attempt_limit": 2, "pass_permille": 750 })).await;
    let begun = start(&t, member, &lesson).await.expect(201);
    assert_eq!(
        begun.header("location"),
        format!("/api/v1/quiz-attempts/{}", begun.id())
    );
    let again = start(&t, member, &lesson).await.expect(200);
    assert_eq!(begun.json, again.json, "the answer was lost: the same attempt");
    let path = format!("/quiz-attempts/{}", begun.id());
    assert_eq!(t.get(&path, member).await.expect(200).json, begun.json);

    let body = answers(&t, &begun.json, &["一大於何年召開？", "按時間排序"]);
    let first = hand_in(&t, member, &begun.id(), &body).await.expect(200);
    assert_eq!(
        (
            &first.json["score_permille"],
            &first.json["passed"],
            &first.json["status"]
        ),
        (&json!(500), &json!(false), &json!("handed_in"))
    );
    for question in first.json["questions"].as_array().unwrap() {
        let (result, text) = (&question["result"], question["text"].as_str().unwrap());
        let options: Vec<&Value> = result["answer"]
            .as_array()
            .unwrap()
            .iter()
            .map(|place| &question["options"][place.as_u64().unwrap() as usize])
            .collect();
        let mut shown: Vec<&str> = options.iter().map(|one| one.as_str().unwrap()).collect();
        let mut right = right_options(text).to_vec();
        if right.len() < 3 {
            shown.sort_unstable();
            right.sort_unstable();
        }
        assert_eq!(shown, right);
        assert_eq!(
            result["is_right"],
            !["一大於何年召開？", "按時間排序"].contains(&text)
        );
        assert!(result["explanation"].as_str().unwrap().starts_with(CANARY));
    }
    // In another order, with another key, hours later: the same answers.
    t.advance_s(600);
    let mut turned = body.clone();
    turned["answers"].as_array_mut().unwrap().reverse();
    turned["occurred_at"] = json!(t.in_s(0));
    for key in ["a", "b", "a"] {
        let request = t.request(Method::POST, &format!("{path}/hand-in"), member);
        let reply = Reply::of(request.header("idempotency-key", key).json(&turned)).await;
        assert_eq!(reply.expect(200).bytes, first.bytes);
    }
    assert_eq!(t.get(&path, member).await.expect(200).bytes, first.bytes);
    let better = answers(&t, &begun.json, &[]);
    hand_in(&t, member, &begun.id(), &better)
        .await
        .refused(409, "already_handed_in");
    let other = json!({ "answers": [], "occurred_at": t.in_s(0) });
    hand_in(&t, member, &begun.id(), &other)
        .await
        .refused(409, "already_handed_in");

    let second = pass(&t, member, &lesson).await;
    assert_eq!(
        (
            &second.json["number"],
            &second.json["score_permille"],
            &second.json["passed"]
        ),
        (&json!(2), &json!(1000), &json!(true))
    );
    start(&t, member, &lesson)
        .await
        .refused(409, "attempts_exhausted");
    let summary = t
        .get(&format!("/lessons/{lesson}/quiz"), member)
        .await
        .expect(200);
    assert_eq!(
        (&summary.json["attempts_left"], &summary.json["passed"]),
        (&json!(0), &json!(true))
    );
    let scores: Vec<&Value> = summary.json["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| &attempt["score_permille"])
        .collect();
    assert_eq!(scores, [&json!(1000), &json!(500)]);
}

#[actix_web::test]
async fn what_was_not_asked_is_refused_and_what_is_left_out_is_wrong() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let lesson = with_quiz(&t, &tenant, json!({ "shuffle": false })).await;
    let begun = start(&t, member, &lesson).await.expect(201);
    let id = |n: usize| begun.json["questions"][n]["id"].clone();
    let bad = json!({ "occurred_at": t.in_s(0), "answers": [
        { "question_id": id(0), "chosen": [0, 1] }, { "question_id": id(1), "chosen": [4] },
        { "question_id": id(3), "chosen": [0] }, { "question_id": new_uuid(), "chosen": [0] },
    ]});
    let reply = hand_in(&t, member, &begun.id(), &bad).await.expect(422);
    let told: Vec<&Value> = reply.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(
        told,
        [
            "/answers/0/chosen",
            "/answers/1/chosen/0",
            "/answers/2/chosen",
            "/answers/3/question_id"
        ]
    );
    let twice = json!({ "question_id": id(0), "chosen": [0] });
    let twice = json!({ "occurred_at": t.in_s(0), "answers": [twice, twice] });
    hand_in(&t, member, &begun.id(), &twice)
        .await
        .refused(422, "invalid_fields");
    let one = json!({ "occurred_at": t.in_s(0), "answers": [
        { "question_id": id(0), "chosen": [1] }, { "question_id": id(1), "chosen": [] },
    ]});
    let told = hand_in(&t, member, &begun.id(), &one).await.expect(200);
    assert_eq!(told.json["score_permille"], 250);
    // Others: out of sight, in sight, after it was handed in, and the writer of the lesson.
    let path = format!("/quiz-attempts/{}", begun.id());
    for token in [&tenant.member_b, &tenant.secretary_b] {
        t.get(&path, token).await.refused(404, "not_found");
        hand_in(&t, token, &begun.id(), &one)
            .await
            .refused(404, "not_found");
    }
    hand_in(&t, &tenant.secretary_a, &begun.id(), &one)
        .await
        .refused(403, "forbidden");
    let seen = t.get(&path, &tenant.inspector).await.expect(200);
    assert_eq!(
        (&seen.json["score_permille"], seen.json.get("questions")),
        (&json!(250), None)
    );
    let seen = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(seen.json["questions"], told.json["questions"]);
    let open = start(&t, member, &lesson).await.expect(201).id();
    t.get(&format!("/quiz-attempts/{open}"), &tenant.admin)
        .await
        .refused(404, "not_found");
}

#[actix_web::test]
async fn time_is_kept_by_the_server_and_what_was_begun_stays_as_it_was() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let lesson = with_quiz(&t, &tenant, json!({ "attempt_limit": 3, "time_limit_s": 60 })).await;
    let path = format!("/lessons/{lesson}/quiz");
    let first = start(&t, member, &lesson).await.expect(201);
    assert_eq!(first.text("/ends_at"), t.in_s(60));
    let body = answers(&t, &first.json, &[]);
    t.advance_s(91);
    hand_in(&t, member, &first.id(), &body)
        .await
        .refused(409, "attempt_expired");
    let seen = t
        .get(&format!("/quiz-attempts/{}", first.id()), member)
        .await
        .expect(200);
    assert_eq!(seen.json["status"], "expired");
    assert!(!seen.mentions(CANARY));

    // The second is handed in within the half minute for the way, by a phone whose clock is off.
    let second = start(&t, member, &lesson).await.expect(201);
    assert_eq!(second.json["number"], 2);
    let other = document(json!({ "attempt_limit": 3, "time_limit_s": 60, "questions": [
        { "kind": "single", "text": "新題", "options": ["甲", "乙"], "answer": [0] },
    ]}));
    write(&t, &tenant.admin, &lesson, "*", other).await.expect(200);
    assert_eq!(start(&t, member, &lesson).await.expect(200).json, second.json);
    let mut body = answers(&t, &second.json, &[]);
    body["occurred_at"] = json!(t.in_s(86_400));
    t.advance_s(90);
    let told = hand_in(&t, member, &second.id(), &body).await.expect(200);
    assert_eq!(
        (
            &told.json["passed"],
            told.json["questions"].as_array().unwrap().len()
        ),
        (&json!(true), 4)
    );
    // Its answer was lost, and time has gone by.
    t.advance_s(300);
    let again = hand_in(&t, member, &second.id(), &body).await.expect(200);
    assert_eq!(again.bytes, told.bytes);
    let third = start(&t, member, &lesson).await.expect(201);
    assert_eq!(third.json["questions"][0]["text"], "新題");
    let summary = t.get(&path, member).await.expect(200);
    assert_eq!(
        (
            &summary.json["attempts_left"],
            &summary.json["attempts"][2]["status"]
        ),
        (&json!(0), &json!("expired"))
    );
    t.advance_s(120);
    start(&t, member, &lesson)
        .await
        .refused(409, "attempts_exhausted");
}

/// Keys that tell an answer, wherever they stand.
fn telling_keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if ["answer", "explanation", "is_right", "result", "document"].contains(&name.as_str()) {
                    found.push(name.clone());
                }
                telling_keys(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| telling_keys(item, found)),
        _ => {}
    }
}

#[actix_web::test]
async fn no_answer_leaves_the_server_before_the_hand_in() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let lesson = with_quiz(&t, &tenant, json!({ "draw": 2 })).await;
    let plan = json!({ "organization_id": tenant.root, "title": "學習", "lesson_ids": [lesson], "due_on": "2199-12-31" });
    let plan = t.post("/study-plans", &tenant.admin, plan).await.expect(201).id();
    t.act(&format!("/study-plans/{plan}/publish"), &tenant.admin)
        .await
        .expect(200);
    let begun = start(&t, member, &lesson).await.expect(201);
    let attempt = begun.id();
    let mut seen = vec![begun.clone(), start(&t, member, &lesson).await.expect(200)];
    for path in [
        "/home".to_owned(),
        "/lessons".to_owned(),
        "/lessons?mine=true".to_owned(),
        "/lessons/search?q=五分鐘".to_owned(),
        "/series".to_owned(),
        "/study-plans".to_owned(),
        format!("/study-plans/{plan}"),
        "/progress".to_owned(),
        format!("/lessons/{lesson}"),
        format!("/lessons/{lesson}/versions"),
        format!("/lessons/{lesson}/quiz"),
        format!("/lessons/{lesson}/quiz/statistics"),
        format!("/lessons/{lesson}/progress"),
        format!("/quiz-attempts/{attempt}"),
        "/audit-log".to_owned(),
    ] {
        seen.push(t.get(&path, member).await);
    }
    let report = json!({ "session_id": new_uuid(), "sections": [], "occurred_at": t.in_s(0) });
    seen.push(
        t.put(&format!("/lessons/{lesson}/progress"), member, report)
            .await
            .expect(200),
    );
    seen.push(write(&t, member, &lesson, "*", document(json!({}))).await);
    let bad = json!({ "answers": [{ "question_id": new_uuid(), "chosen": [0] }], "occurred_at": t.in_s(0) });
    seen.push(hand_in(&t, member, &attempt, &bad).await.expect(422));
    for reply in &seen {
        let text = String::from_utf8_lossy(&reply.bytes);
        assert!(!reply.mentions(CANARY), "{text}");
        let mut keys = Vec::new();
        telling_keys(&reply.json, &mut keys);
        assert_eq!(keys, [""; 0], "{text}");
    }
    // Of the questions that were not drawn not even the text is known.
    let texts = [
        "一大於何年召開？",
        "哪些是黨的組織？",
        "預備黨員沒有表決權。",
        "按時間排序",
    ];
    let all: String = seen
        .iter()
        .map(|reply| String::from_utf8_lossy(&reply.bytes).into_owned())
        .collect();
    assert_eq!(texts.iter().filter(|text| all.contains(**text)).count(), 2);
    // Control: the same bytes with the answers in them are found.
    let told = hand_in(&t, member, &attempt, &answers(&t, &begun.json, &[]))
        .await
        .expect(200);
    assert_eq!(String::from_utf8_lossy(&told.bytes).matches(CANARY).count(), 2);
    let mut keys = Vec::new();
    telling_keys(&told.json, &mut keys);
    assert!(keys.contains(&"answer".to_owned()));
}

/// Opens the article, and reads all of it a minute later.
async fn read(t: &TestApp, token: &str, lesson: &str) -> Reply {
    let body = opened(t, token, lesson).await;
    t.put(&format!("/lessons/{lesson}/progress"), token, body)
        .await
        .expect(200)
}

async fn opened(t: &TestApp, token: &str, lesson: &str) -> Value {
    let mut body = json!({ "session_id": new_uuid(), "sections": [], "occurred_at": t.in_s(0) });
    t.put(&format!("/lessons/{lesson}/progress"), token, body.clone())
        .await
        .expect(200);
    t.advance_s(60);
    body["sections"] = json!([0]);
    body["occurred_at"] = json!(t.in_s(0));
    body
}

async fn progress(t: &TestApp, token: &str, lesson: &str) -> Value {
    t.get(&format!("/lessons/{lesson}/progress"), token)
        .await
        .expect(200)
        .json
}

#[actix_web::test]
async fn a_lesson_with_a_quiz_is_completed_by_coverage_and_a_pass_in_either_order() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    // Coverage first.
    let lesson = with_quiz(&t, &tenant, json!({})).await;
    let told = read(&t, member, &lesson).await;
    assert_eq!(
        (
            &told.json["coverage"],
            &told.json["completed"],
            &told.json["quiz"]
        ),
        (
            &json!(1.0),
            &json!(false),
            &json!({ "required": true, "passed": false })
        )
    );
    let attempt = start(&t, member, &lesson).await.expect(201);
    let failing = ["一大於何年召開？", "哪些是黨的組織？"];
    let body = answers(&t, &attempt.json, &failing);
    hand_in(&t, member, &attempt.id(), &body).await.expect(200);
    assert_eq!(progress(&t, member, &lesson).await["completed"], false);
    t.advance_s(10);
    pass(&t, member, &lesson).await;
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen["quiz"], json!({ "required": true, "passed": true }));
    assert_eq!(
        (&seen["completion"]["rule"], &seen["completion"]["occurred_at"]),
        (&json!("coverage_and_quiz"), &json!(t.in_s(0)))
    );
    assert_eq!(
        t.get("/progress", member).await.expect(200).items()[0]["quiz"],
        seen["quiz"]
    );

    // The pass first.
    let lesson = with_quiz(&t, &tenant, json!({})).await;
    pass(&t, member, &lesson).await;
    let told = read(&t, member, &lesson).await;
    assert_eq!(told.json["completion"]["rule"], "coverage_and_quiz");

    // Without a quiz, and with one that was put away, coverage is enough; a completion is for good.
    let plain = draft(&t, &tenant.admin, &tenant.root, json!({})).await;
    publish(&t, &tenant, &plain).await;
    let told = read(&t, member, &plain).await;
    assert_eq!(
        (&told.json["completion"]["rule"], &told.json["quiz"]["required"]),
        (&json!("coverage"), &json!(false))
    );
    write(&t, &tenant.admin, &plain, "*", document(json!({})))
        .await
        .expect(201);
    assert_eq!(progress(&t, member, &plain).await["completed"], true);
    let lesson = with_quiz(&t, &tenant, json!({})).await;
    assert_eq!(read(&t, member, &lesson).await.json["completed"], false);
    t.delete(&format!("/lessons/{lesson}/quiz"), &tenant.admin)
        .await
        .expect(204);
    assert_eq!(read(&t, member, &lesson).await.json["completed"], true);
}

#[actix_web::test]
async fn a_hand_in_and_the_last_report_at_the_same_moment_complete_the_lesson() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    for _ in 0..12 {
        let lesson = with_quiz(&t, &tenant, json!({})).await;
        let attempt = start(&t, member, &lesson).await.expect(201);
        let path = format!("/lessons/{lesson}/progress");
        let report = opened(&t, member, &lesson).await;
        let body = answers(&t, &attempt.json, &[]);
        let attempt = attempt.id();
        let (read, passed) =
            futures_util::join!(t.put(&path, member, report), hand_in(&t, member, &attempt, &body));
        read.expect(200);
        passed.expect(200);
        let seen = progress(&t, member, &lesson).await;
        assert_eq!(seen["completion"]["rule"], "coverage_and_quiz", "{seen}");
    }
}

#[actix_web::test]
async fn the_limit_of_attempts_holds_for_twenty_starts_at_once_on_two_replicas() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let (member, (replica, stop)) = (&tenant.member_a, t.replica().await);
    let lesson = with_quiz(&t, &tenant, json!({ "attempt_limit": 3 })).await;
    let path = |n: usize, rest: &str| match n % 2 {
        0 => rest.to_owned(),
        _ => format!("{replica}/api/v1{rest}"),
    };
    let started = join_all((0..20).map(|n| {
        let path = path(n, &format!("/lessons/{lesson}/quiz/attempts"));
        let t = &t;
        async move { t.act(&path, member).await }
    }))
    .await;
    assert_eq!(started.iter().filter(|reply| reply.status == 201).count(), 1);
    assert!(started.iter().all(|reply| reply.bytes == started[0].bytes));

    // Handed in by all of them at once, half with other answers: one hand-in counts.
    let (right, wrong) = (
        answers(&t, &started[0].json, &[]),
        json!({ "answers": [], "occurred_at": t.in_s(0) }),
    );
    let rest = format!("/quiz-attempts/{}/hand-in", started[0].id());
    let handed = join_all((0..20).map(|n| {
        let path = path(n, &rest);
        let body = if n % 4 < 2 { &right } else { &wrong };
        let t = &t;
        async move { t.post(&path, member, body.clone()).await }
    }))
    .await;
    let taken: Vec<&Reply> = handed.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(taken.len(), 10);
    assert!(taken.iter().all(|reply| reply.bytes == taken[0].bytes));
    assert!(
        handed
            .iter()
            .all(|r| r.status == 200 || r.json["code"] == "already_handed_in")
    );

    // Each begins, hands in and begins again, until no attempt is left.
    let all = join_all((0..20).map(|n| {
        let (t, begin) = (&t, path(n, &format!("/lessons/{lesson}/quiz/attempts")));
        async move {
            loop {
                let reply = t.act(&begin, member).await;
                if reply.status == 409 {
                    return reply.json["code"].clone();
                }
                let body = json!({ "answers": [], "occurred_at": t.in_s(0) });
                hand_in(t, member, &reply.id(), &body).await.expect(200);
            }
        }
    }))
    .await;
    assert!(all.iter().all(|code| code == "attempts_exhausted"), "{all:?}");
    let summary = t
        .get(&format!("/lessons/{lesson}/quiz"), member)
        .await
        .expect(200);
    let numbers: Vec<&Value> = summary.json["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["number"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(2), &json!(1)]);
    stop.stop(false).await;
}

#[actix_web::test]
async fn control_without_lock_and_key_a_limit_of_one_is_passed_by_many() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    with_quiz(&t, &tenant, json!({ "attempt_limit": 1 })).await;
    for index in ["quiz_attempts_number", "quiz_attempts_open"] {
        let statement = format!("DROP INDEX {index}");
        t.app
            .db
            .write(move |conn| Ok(diesel::sql_query(&statement).execute(conn)?))
            .await
            .unwrap();
    }
    let (member, now): (uuid::Uuid, _) = (tenant.member_a_id.parse().unwrap(), t.now());
    let began = look_then_act(&t.app.db, "SELECT count(*) AS n FROM quiz_attempts", move |conn| {
        use zhibu::platform::db::{AnyId, sql};
        let insert = "INSERT INTO quiz_attempts (id, tenant_id, lesson_id, member_id, number, quiz_version, drawn, status, started_at, passed) \
             SELECT $1, tenant_id, lesson_id, $2, 1, version, '[]', 'open', $3, version < 0 FROM lesson_quizzes";
        diesel::sql_query(insert)
            .bind::<sql::Uuid, _>(AnyId(uuid::Uuid::from_bytes(rand::random())))
            .bind::<sql::Uuid, _>(AnyId(member))
            .bind::<sql::Instant, _>(now)
            .execute(conn)
    })
    .await;
    assert!(began > 1, "the race shows nothing: {began}");
}

#[actix_web::test]
async fn a_lecturer_sees_what_was_made_of_each_question() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let lesson = with_quiz(&t, &tenant, json!({ "time_limit_s": 600 })).await;
    for (token, wrong) in [
        (
            &tenant.member_a,
            &["一大於何年召開？", "哪些是黨的組織？", "按時間排序"][..],
        ),
        (&tenant.member_a, &[]),
        (&tenant.member_b, &["一大於何年召開？"]),
    ] {
        let attempt = start(&t, token, &lesson).await.expect(201);
        let body = answers(&t, &attempt.json, wrong);
        hand_in(&t, token, &attempt.id(), &body).await.expect(200);
    }
    start(&t, &tenant.secretary_a, &lesson).await.expect(201);
    let path = format!("/lessons/{lesson}/quiz");
    let seen = t
        .get(&format!("{path}/statistics"), &tenant.admin)
        .await
        .expect(200);
    let counts =
        ["members", "members_passed", "attempts", "handed_in", "passed"].map(|name| seen.json[name].clone());
    assert_eq!(json!(counts), json!([3, 2, 4, 3, 2]));
    let question = |n: usize| {
        let question = &seen.json["questions"][n];
        let options = question["options"].as_array().unwrap().iter();
        let chosen: Vec<Value> = options.map(|option| option["chosen"].clone()).collect();
        json!([question["asked"], question["right"], chosen])
    };
    assert_eq!(question(2), json!([3, 3, [3, 0]]));
    assert_eq!(question(3), json!([3, 2, [3, 3, 3]]));
    let (single, multiple) = (question(0), question(1));
    assert_eq!(
        (&single[0], &single[1], &single[2][1]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(
        single[2]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_i64)
            .sum::<i64>(),
        3
    );
    assert_eq!(
        (&multiple[1], &multiple[2][0], &multiple[2][2]),
        (&json!(2), &json!(2), &json!(2))
    );

    // Words may be mended; a question with another answer is another one, and counts from nothing.
    let mut changed = t.get(&path, &tenant.admin).await.expect(200).json["document"].clone();
    changed["questions"][2]["text"] = json!("預備黨員沒有表決權");
    changed["questions"][0]["answer"] = json!([0]);
    write(&t, &tenant.admin, &lesson, "*", changed.clone())
        .await
        .expect(200);
    let seen = t
        .get(&format!("{path}/statistics"), &tenant.admin)
        .await
        .expect(200);
    let asked: Vec<&Value> = (0..4).map(|n| &seen.json["questions"][n]["asked"]).collect();
    assert_eq!(asked, [&json!(0), &json!(3), &json!(3), &json!(3)]);
    assert_eq!(seen.json["questions"][2]["id"], changed["questions"][2]["id"]);
    assert_ne!(seen.json["questions"][0]["id"], changed["questions"][0]["id"]);
}

/// What takes two things is done with the second of them, and nothing was done longer ago than a backlog may wait.
#[actix_web::test]
async fn a_completion_is_not_dated_before_all_that_it_takes() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let member = &tenant.member_a;
    let lesson = with_quiz(&t, &tenant, json!({})).await;
    let report = opened(&t, member, &lesson).await;
    t.advance_s(3_600);
    pass(&t, member, &lesson).await;
    let passed_at = t.in_s(0);
    t.advance_s(600);
    // Read before the pass, told after it.
    t.put(&format!("/lessons/{lesson}/progress"), member, report)
        .await
        .expect(200);
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen["completion"]["occurred_at"], json!(passed_at));

    let lesson = with_quiz(&t, &tenant, json!({})).await;
    read(&t, member, &lesson).await;
    let attempt = start(&t, member, &lesson).await.expect(201);
    let mut body = answers(&t, &attempt.json, &[]);
    body["occurred_at"] = json!(t.in_s(0));
    t.advance_s(20 * 86_400);
    hand_in(&t, member, &attempt.id(), &body).await.expect(200);
    let seen = progress(&t, member, &lesson).await;
    assert_eq!(seen["completion"]["occurred_at"], json!(t.in_s(-14 * 86_400)));
}
