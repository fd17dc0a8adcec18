//! Signing in, tokens and their ends: RELIABILITY.md P10–P13 over HTTP.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use serde_json::{Value, json};
use zhibu::auth::{self, AccountId, Actor};

use crate::support::{Reply, TestApp};

const PASSWORD: &str = "three old tractors sing";
const NEW_PASSWORD: &str = "four new tractors hum";

/// An account with a password, made without HTTP.
async fn account(t: &TestApp, name: &'static str) -> AccountId {
    let (now, ids) = (t.clock().now(), t.app.ids.clone());
    let hash = auth::hash_password(PASSWORD, t.app.config.auth.hashing_memory_kib).unwrap();
    t.app
        .db
        .write(move |conn| {
            let id = auth::create_system_admin(conn, now, &ids, name)?;
            auth::set_password(conn, now, id, &hash)?;
            Ok(id)
        })
        .await
        .unwrap()
}

async fn code_for(t: &TestApp, account: AccountId) -> String {
    let (now, ids, config) = (t.clock().now(), t.app.ids.clone(), t.app.config.clone());
    let issue = move |conn: &mut _| auth::issue_activation_code(conn, now, &ids, &config.auth, account, None);
    t.app.db.write(issue).await.unwrap()
}

async fn post(t: &TestApp, path: &str, token: &str, body: Value) -> Reply {
    t.post(&format!("/auth/{path}"), token, body).await
}

async fn log_in(t: &TestApp, name: &str, password: &str, device: &str) -> Reply {
    post(
        t,
        "login",
        "",
        json!({ "account": name, "password": password, "device_id": device }),
    )
    .await
}

async fn refresh(t: &TestApp, token: &str, device: &str) -> Reply {
    post(
        t,
        "refresh",
        "",
        json!({ "refresh_token": token, "device_id": device }),
    )
    .await
}

async fn change_password(t: &TestApp, token: &str, current: &str, new: &str) -> Reply {
    post(
        t,
        "password",
        token,
        json!({ "current_password": current, "new_password": new }),
    )
    .await
}

/// 200 while the access token is good, else 401.
async fn access(t: &TestApp, token: &str) -> u16 {
    t.get("/auth/sessions", token).await.status
}

fn text<'a>(reply: &'a Reply, member: &str) -> &'a str {
    reply.json[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {}", reply.json))
}

#[actix_web::test]
async fn sign_in_answers_tokens_that_work() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let reply = log_in(&t, " ANNA ", PASSWORD, "phone").await;
    assert_eq!(reply.status, 200, "{}", reply.json);
    assert_eq!(reply.json["token_type"], "Bearer");
    assert_eq!(reply.json["expires_in_s"], 900);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let token = text(&reply, "access_token");
    let sessions = t.get("/auth/sessions", token).await;
    assert_eq!(sessions.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(sessions.json["items"][0]["is_current"], true);
    t.clock().advance(Duration::seconds(904));
    assert_eq!(access(&t, token).await, 200);
    t.clock().advance(Duration::seconds(1));
    assert_eq!(access(&t, token).await, 401);
}

#[actix_web::test]
async fn every_refusal_looks_the_same() {
    let t = TestApp::start().await;
    let id = account(&t, "anna").await;
    let (now, ids) = (t.clock().now(), t.app.ids.clone());
    let empty = move |conn: &mut _| auth::create_system_admin(conn, now, &ids, "no-password");
    t.app.db.write(empty).await.unwrap();
    let same = |mut reply: Reply| {
        assert_eq!(reply.status, 401);
        reply.json.as_object_mut().unwrap().remove("request_id");
        reply.json
    };
    let wrong = same(log_in(&t, "anna", "not the password", "x").await);
    assert_eq!(wrong["code"], "invalid_credentials");
    assert_eq!(same(log_in(&t, "nobody", PASSWORD, "x").await), wrong);
    assert_eq!(same(log_in(&t, "no-password", PASSWORD, "x").await), wrong);
    assert_eq!(same(log_in(&t, "13800138000", PASSWORD, "x").await), wrong);
    disable(&t, id).await;
    assert_eq!(same(log_in(&t, "anna", PASSWORD, "x").await), wrong);
}

#[actix_web::test]
async fn guessing_is_stopped_but_the_owners_device_is_not() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    assert_eq!(log_in(&t, "anna", PASSWORD, "her phone").await.status, 200);
    for name in ["anna", "nobody"] {
        let mut last = 0;
        for _ in 0..11 {
            let reply = log_in(&t, name, "a wrong password", "thief").await;
            last = reply.status;
            if last == 429 {
                let seconds: u64 = reply.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=3_602).contains(&seconds));
            }
        }
        assert_eq!(last, 429, "{name}");
    }
    assert_eq!(log_in(&t, "anna", PASSWORD, "thief").await.status, 429);
    assert_eq!(log_in(&t, "ANNA ", PASSWORD, "her phone").await.status, 200);
}

#[actix_web::test]
async fn passwords_are_not_cut_and_odd_bodies_are_refused() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    for body in [
        json!({ "account": "anna", "password": "x".repeat(257) }),
        json!({ "account": "anna", "password": "a\u{0}b" }),
        json!({ "account": "anna", "password": "" }),
        json!({ "account": "anna" }),
        json!({ "account": "anna", "password": PASSWORD, "member_id": 1 }),
    ] {
        assert_eq!(post(&t, "login", "", body.clone()).await.status, 422, "{body}");
    }
    assert_eq!(log_in(&t, "anna", &format!("{PASSWORD} "), "x").await.status, 401);
}

#[actix_web::test]
async fn refresh_rotates_and_a_lost_answer_comes_again() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let first = log_in(&t, "anna", PASSWORD, "phone").await;
    let first = text(&first, "refresh_token");
    let second = refresh(&t, first, "phone").await;
    assert_eq!(second.status, 200, "{}", second.json);
    let second = text(&second, "refresh_token");
    assert_ne!(first, second);
    t.clock().advance(Duration::seconds(30));
    assert_eq!(text(&refresh(&t, first, "phone").await, "refresh_token"), second);
    let third = refresh(&t, second, "phone").await;
    assert_eq!(third.status, 200);
    // The successor has been used: now the first one is a stolen one, and the whole family ends.
    let reused = refresh(&t, first, "phone").await;
    assert_eq!(
        (reused.status, text(&reused, "code")),
        (401, "invalid_refresh_token")
    );
    assert_eq!(
        refresh(&t, text(&third, "refresh_token"), "phone").await.status,
        401
    );
    assert_eq!(access(&t, text(&third, "access_token")).await, 401);
}

#[actix_web::test]
async fn a_used_token_from_elsewhere_or_too_late_ends_the_family() {
    for (device, later_s) in [("other", 1), ("phone", 31)] {
        let t = TestApp::start().await;
        account(&t, "anna").await;
        let first = log_in(&t, "anna", PASSWORD, "phone").await;
        let first = text(&first, "refresh_token");
        let second = refresh(&t, first, "phone").await;
        t.clock().advance(Duration::seconds(later_s));
        assert_eq!(refresh(&t, first, device).await.status, 401);
        assert_eq!(
            refresh(&t, text(&second, "refresh_token"), "phone").await.status,
            401
        );
        assert_eq!(access(&t, text(&second, "access_token")).await, 401);
    }
}

#[actix_web::test]
async fn parallel_refreshes_get_one_successor() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let first = log_in(&t, "anna", PASSWORD, "phone").await;
    let first = text(&first, "refresh_token");
    let replies = futures_util::future::join_all((0..20).map(|_| refresh(&t, first, "phone"))).await;
    let mut successors: Vec<&str> = replies.iter().map(|reply| text(reply, "refresh_token")).collect();
    successors.sort_unstable();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(refresh(&t, successors[0], "phone").await.status, 200);
}

#[actix_web::test]
async fn forged_refresh_tokens_are_refused() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let real = log_in(&t, "anna", PASSWORD, "phone").await;
    let real = text(&real, "refresh_token");
    let mut bytes = URL_SAFE_NO_PAD.decode(real).unwrap();
    bytes[19] ^= 1;
    for forged in [
        URL_SAFE_NO_PAD.encode(bytes),
        "x".into(),
        "A".repeat(48),
        text(&log_in(&t, "anna", PASSWORD, "b").await, "access_token")[..48].into(),
    ] {
        assert_eq!(refresh(&t, &forged, "phone").await.status, 401);
    }
    assert_eq!(refresh(&t, real, "phone").await.status, 200);
}

#[actix_web::test]
async fn signing_out_and_ending_a_session_take_effect_at_once() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    account(&t, "bert").await;
    let phone = log_in(&t, "anna", PASSWORD, "phone").await;
    let tablet = log_in(&t, "anna", PASSWORD, "tablet").await;
    let bert = log_in(&t, "bert", PASSWORD, "phone").await;
    let listed = t.get("/auth/sessions", text(&phone, "access_token")).await;
    let items = listed.json["items"].as_array().unwrap();
    let other = items.iter().find(|item| item["is_current"] == false).unwrap()["id"]
        .as_str()
        .unwrap();
    let path = format!("/auth/sessions/{other}");
    assert_eq!(t.delete(&path, text(&bert, "access_token")).await.status, 404);
    assert_eq!(t.delete(&path, text(&phone, "access_token")).await.status, 204);
    assert_eq!(access(&t, text(&tablet, "access_token")).await, 401);
    assert_eq!(
        refresh(&t, text(&tablet, "refresh_token"), "tablet").await.status,
        401
    );
    assert_eq!(
        post(&t, "logout", text(&phone, "access_token"), json!({}))
            .await
            .status,
        204
    );
    assert_eq!(access(&t, text(&phone, "access_token")).await, 401);
    assert_eq!(
        refresh(&t, text(&phone, "refresh_token"), "phone").await.status,
        401
    );
    assert_eq!(access(&t, text(&bert, "access_token")).await, 200);
}

#[actix_web::test]
async fn only_a_wrong_password_counts_as_a_guess_when_it_is_changed() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let phone = log_in(&t, "anna", PASSWORD, "phone").await;
    let token = text(&phone, "access_token");
    let guesses = t.app.config.auth.login_failures_per_hour;
    for _ in 0..=guesses {
        let weak = change_password(&t, token, PASSWORD, "short").await;
        weak.refused(422, "password_too_weak");
    }
    for _ in 0..guesses {
        let wrong = change_password(&t, token, "not it at all", NEW_PASSWORD).await;
        wrong.refused(403, "wrong_password");
    }
    let right = change_password(&t, token, PASSWORD, NEW_PASSWORD).await;
    right.refused(429, "rate_limited");
}

#[actix_web::test]
async fn what_has_ended_is_cleared_away_when_nobody_needs_it_any_more() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let phone = log_in(&t, "anna", PASSWORD, "phone").await;
    let ended = post(&t, "logout", text(&phone, "access_token"), json!({})).await;
    assert_eq!(ended.status, 204);
    let left = async || {
        zhibu::auth::sweep(&t.app).await.unwrap();
        (t.count("sessions").await, t.count("auth_changes").await)
    };
    // An hour after the last address of a file that the session was given.
    t.advance_s(t.app.config.media.longest_url_s() + 3_599);
    assert_eq!(left().await, (1, 1));
    t.advance_s(2);
    assert_eq!(left().await, (1, 0));
    t.advance_s(30 * 86_400 - t.app.config.media.longest_url_s() - 3_602);
    assert_eq!(left().await, (1, 0));
    t.advance_s(2);
    assert_eq!(left().await, (0, 0));
}

#[actix_web::test]
async fn nobody_that_is_not_there_gets_a_password() {
    let t = TestApp::start().await;
    let (now, nobody) = (t.clock().now(), t.app.ids.make());
    let set = move |conn: &mut zhibu::platform::db::DbConnection| auth::set_password(conn, now, nobody, "x");
    let refused = t.app.db.write(set).await.unwrap_err();
    assert_eq!(refused.code(), zhibu::platform::error::Code::NotFound);
}

/// Who starts later learns of all that was ended while tokens of it may still be about.
#[actix_web::test]
async fn a_process_that_starts_later_refuses_a_token_to_its_last_second() {
    let t = TestApp::start_with(|config| config.media.url_s = 60).await;
    account(&t, "anna").await;
    account(&t, "bert").await;
    let anna = log_in(&t, "anna", PASSWORD, "phone").await;
    let bert = log_in(&t, "bert", PASSWORD, "phone").await;
    let ended = text(&anna, "access_token");
    assert_eq!(post(&t, "logout", ended, json!({})).await.status, 204);
    t.advance_s(t.app.config.auth.access_token_s - 1);
    let (replica, stop) = t.replica().await;
    for (token, status) in [(ended, 401), (text(&bert, "access_token"), 200)] {
        let asked = t.http.get(format!("{replica}/api/v1/me")).bearer_auth(token);
        assert_eq!(asked.send().await.unwrap().status(), status);
    }
    stop.stop(false).await;
}

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let phone = log_in(&t, "anna", PASSWORD, "phone").await;
    let tablet = log_in(&t, "anna", PASSWORD, "tablet").await;
    let token = text(&phone, "access_token");
    let wrong = change_password(&t, token, "not it at all", NEW_PASSWORD).await;
    assert_eq!((wrong.status, text(&wrong, "code")), (403, "wrong_password"));
    for weak in ["short", "password12345", "123456789012", "i am anna of old"] {
        let reply = change_password(&t, token, PASSWORD, weak).await;
        assert_eq!(
            (reply.status, text(&reply, "code")),
            (422, "password_too_weak"),
            "{weak}"
        );
        assert_eq!(reply.json["min_length"], 12);
    }
    let changed = change_password(&t, token, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(changed.status, 204);
    assert_eq!(access(&t, text(&phone, "access_token")).await, 200);
    assert_eq!(access(&t, text(&tablet, "access_token")).await, 401);
    assert_eq!(
        refresh(&t, text(&tablet, "refresh_token"), "tablet").await.status,
        401
    );
    assert_eq!(log_in(&t, "anna", PASSWORD, "phone").await.status, 401);
    assert_eq!(log_in(&t, "anna", NEW_PASSWORD, "phone").await.status, 200);
}

#[actix_web::test]
async fn an_activation_code_works_once() {
    let t = TestApp::start().await;
    let id = account(&t, "anna").await;
    let before = log_in(&t, "anna", PASSWORD, "old phone").await;
    let older = code_for(&t, id).await;
    let code = code_for(&t, id).await;
    let body = |code: &str, password: &str| json!({ "code": code, "password": password });
    let refused = post(&t, "activations", "", body(&older, NEW_PASSWORD)).await;
    assert_eq!(
        (refused.status, text(&refused, "code")),
        (422, "activation_code_invalid")
    );
    let weak = post(&t, "activations", "", body(&code, "short")).await;
    assert_eq!((weak.status, text(&weak, "code")), (422, "password_too_weak"));
    let typed = code.to_lowercase().replace('-', " ");
    let sends = (0..5).map(|_| post(&t, "activations", "", body(&typed, NEW_PASSWORD)));
    let replies = futures_util::future::join_all(sends).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
    assert_eq!(replies.iter().filter(|reply| reply.status == 422).count(), 4);
    let granted = replies.iter().find(|reply| reply.status == 201).unwrap();
    assert_eq!(access(&t, text(granted, "access_token")).await, 200);
    assert_eq!(access(&t, text(&before, "access_token")).await, 401);
    assert_eq!(log_in(&t, "anna", NEW_PASSWORD, "phone").await.status, 200);

    let late = code_for(&t, id).await;
    t.clock().advance(Duration::days(15));
    assert_eq!(
        post(&t, "activations", "", body(&late, "five late tractors"))
            .await
            .status,
        422
    );
}

#[actix_web::test]
async fn forged_access_tokens_are_refused() {
    let t = TestApp::start().await;
    account(&t, "anna").await;
    let reply = log_in(&t, "anna", PASSWORD, "phone").await;
    let real = text(&reply, "access_token");
    let decode =
        |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    let parts: Vec<&str> = real.split('.').collect();
    let (header, claims) = (decode(parts[0]), decode(parts[1]));
    let now = t.clock().now().seconds();
    let own = t.app.keys.current.access_token;
    assert_eq!(
        access(&t, &sign(&header, &claims, &own)).await,
        200,
        "the forge works"
    );

    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS384")),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
        ("kid", json!("other")),
        ("kid", Value::Null),
        ("crit", json!(["b64"])),
    ] {
        let forged = sign(&with(&header, name, &value), &claims, &own);
        assert_eq!(access(&t, &forged).await, 401, "header {name} = {value}");
    }
    for (name, value) in [
        ("aud", Value::Null),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("sid", Value::Null),
        ("iat", Value::Null),
        ("nbf", Value::Null),
        ("exp", Value::Null),
        ("aud", json!("another-api")),
        ("iss", json!("another-issuer")),
        ("exp", json!(now - 5)),
        ("nbf", json!(now + 6)),
        ("iat", json!(now + 6)),
    ] {
        let forged = sign(&header, &with(&claims, name, &value), &own);
        assert_eq!(access(&t, &forged).await, 401, "claim {name} = {value}");
    }
    assert_eq!(access(&t, &sign(&header, &claims, &[7; 32])).await, 401);
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(with(&header, "alg", &json!("none")).to_string()),
        parts[1]
    );
    assert_eq!(access(&t, &unsigned).await, 401);
    assert_eq!(access(&t, text(&reply, "refresh_token")).await, 401);
    assert_eq!(t.get("/auth/sessions", "").await.status, 401);
}

fn with(base: &Value, name: &str, value: &Value) -> Value {
    let mut changed = base.as_object().unwrap().clone();
    match value {
        Value::Null => changed.remove(name),
        value => changed.insert(name.into(), value.clone()),
    };
    Value::Object(changed)
}

fn sign(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = jsonwebtoken::EncodingKey::from_secret(key);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// As another process would: nothing tells this one but the database.
async fn disable(t: &TestApp, account: AccountId) {
    let actor = Actor {
        account,
        session: t.app.ids.make(),
        tenant: None,
        is_system_admin: true,
    };
    let ctx = t.app.ctx(actor);
    t.app
        .db
        .write(move |conn| auth::disable_account(conn, &ctx, account))
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_disabled_account_is_out_within_a_second() {
    let t = TestApp::start().await;
    let id = account(&t, "anna").await;
    let reply = log_in(&t, "anna", PASSWORD, "phone").await;
    let token = text(&reply, "access_token");
    assert_eq!(access(&t, token).await, 200);
    disable(&t, id).await;
    assert_eq!(
        refresh(&t, text(&reply, "refresh_token"), "phone").await.status,
        401
    );
    let started = std::time::Instant::now();
    while access(&t, token).await == 200 {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(1),
            "still let in after a second"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let actor = Actor {
        account: id,
        session: t.app.ids.make(),
        tenant: None,
        is_system_admin: true,
    };
    let ctx = t.app.ctx(actor);
    t.app
        .db
        .write(move |conn| auth::enable_account(conn, &ctx, id))
        .await
        .unwrap();
    t.app.auth.catch_up(&t.app.db, &t.app.clock).await.unwrap();
    assert_eq!(access(&t, token).await, 401, "a former session stays ended");
    let again = log_in(&t, "anna", PASSWORD, "phone").await;
    assert_eq!(access(&t, text(&again, "access_token")).await, 200);
}
