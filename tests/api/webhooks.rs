//! Webhooks: what is sent to the outside, how it is signed, and what happens when nobody answers.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use actix_web::{App as ActixApp, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::watch;
use zhibu::app::App;
use zhibu::platform::ids::Ids;
use zhibu::webhooks;

use crate::sign_ups::{sign_up, theme_day};
use crate::support::{Reply, Tenant, TestApp, python};

/// What came, and what is answered next; 200 when nothing is set.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<(Vec<Received>, VecDeque<u16>)>>);

#[derive(Clone)]
struct Received {
    headers: Value,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn id(&self) -> &str {
        self.headers["webhook-id"].as_str().unwrap()
    }
}

/// A server of the test's own: its address.
fn listen(serve: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> String {
    let app = move || ActixApp::new().configure(serve.clone());
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    actix_web::rt::spawn(server.disable_signals().run());
    format!("http://{address}/hook")
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let data = web::Data::new(receiver.clone());
        let url = listen(move |cfg| {
            cfg.app_data(data.clone()).default_service(web::to(receive));
        });
        (receiver, url)
    }

    fn answer_next(&self, statuses: &[u16]) {
        self.0.lock().unwrap().1.extend(statuses);
    }

    fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }
}

async fn receive(request: HttpRequest, body: String, receiver: web::Data<Receiver>) -> HttpResponse {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())));
    let mut state = receiver.0.lock().unwrap();
    state.0.push(Received {
        headers: Value::Object(headers.collect()),
        body,
    });
    let status = state.1.pop_front().unwrap_or(200);
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status)
        .insert_header(("location", "/elsewhere"))
        .finish()
}

/// Somebody who takes messages and answers none before they are told to.
#[derive(Clone)]
struct Silent {
    held: watch::Sender<Held>,
    speaks: watch::Sender<bool>,
}

/// Messages that wait for an answer, how many did at most, and whatever came.
#[derive(Clone, Default)]
struct Held {
    now: usize,
    most: usize,
    ids: Vec<String>,
}

impl Silent {
    async fn start() -> (Self, String) {
        let silent = Self {
            held: watch::Sender::default(),
            speaks: watch::Sender::default(),
        };
        let data = web::Data::new(silent.clone());
        let url = listen(move |cfg| {
            cfg.app_data(data.clone()).default_service(web::to(hold));
        });
        (silent, url)
    }

    /// Until so many have come.
    async fn came(&self, many: usize) -> Held {
        let mut held = self.held.subscribe();
        held.wait_for(|held| held.ids.len() >= many)
            .await
            .unwrap()
            .clone()
    }

    fn speak(&self) {
        self.speaks.send_replace(true);
    }
}

async fn hold(request: HttpRequest, silent: web::Data<Silent>) -> HttpResponse {
    let id = request.headers().get("webhook-id").unwrap();
    let id = id.to_str().unwrap().to_owned();
    silent.held.send_modify(|held| {
        held.now += 1;
        held.most = held.most.max(held.now);
        held.ids.push(id);
    });
    let mut speaks = silent.speaks.subscribe();
    speaks.wait_for(|speaks| *speaks).await.unwrap();
    silent.held.send_modify(|held| held.now -= 1);
    HttpResponse::Ok().finish()
}

async fn rotate(t: &TestApp, token: &str, webhook: &str, version: &str, key: &str) -> Reply {
    let path = format!("/webhooks/{webhook}/rotate-secret");
    let mut request = t.request(Method::POST, &path, token);
    if !version.is_empty() {
        request = request.header("if-match", version);
    }
    if !key.is_empty() {
        request = request.header("idempotency-key", key);
    }
    Reply::of(request).await
}

/// Has this secret signed the message?
fn signs(secret: &str, received: &Received) -> bool {
    let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let header = |name: &str| received.headers[name].as_str().unwrap();
    let text = format!(
        "{}.{}.{}",
        received.id(),
        header("webhook-timestamp"),
        received.body
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(text.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature").split(' ').any(|one| one == signature)
}

/// A webhook of `organization`: its id and secret.
async fn webhook(t: &TestApp, token: &str, organization: &str, url: &str, kinds: Value) -> (String, String) {
    let path = format!("/organizations/{organization}/webhooks");
    let body = json!({ "url": url, "description": "短信網關", "kinds": kinds });
    let made = t.post(&path, token, body).await.expect(201);
    (made.id(), made.text("/secret"))
}

/// Where nobody listens.
fn nobodys_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/hook", listener.local_addr().unwrap())
}

/// One member of branch A gets a place: one notice.
async fn cause(t: &TestApp, tenant: &Tenant, token: &str) {
    let event = theme_day(t, tenant, json!({ "capacity": 9 })).await;
    sign_up(t, token, &event).await.expect(201);
}

async fn deliveries(t: &TestApp, token: &str, webhook: &str) -> Vec<Value> {
    let path = format!("/webhooks/{webhook}/deliveries");
    t.get(&path, token).await.expect(200).items().to_vec()
}

/// Says the official library that the message is genuine?
fn is_genuine(python: &str, secret: &str, received: &Received) -> bool {
    let script = "import json, sys\nfrom standardwebhooks.webhooks import Webhook\nfrom standardwebhooks.webhooks import WebhookVerificationError as E\n\
                  from unittest import mock\nimport datetime\na = json.load(sys.stdin)\n\
                  at = datetime.datetime.fromtimestamp(int(a['headers']['webhook-timestamp']), datetime.timezone.utc)\n\
                  with mock.patch('standardwebhooks.webhooks.datetime') as clock:\n    clock.now.return_value = at\n    clock.fromtimestamp = datetime.datetime.fromtimestamp\n\
                  \x20   try:\n        Webhook(a['secret']).verify(a['body'], a['headers']); print('genuine')\n    except E as e: print(e)\n";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = json!({ "secret": secret, "headers": received.headers, "body": received.body });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim() == "genuine"
}

#[actix_web::test]
async fn a_notice_is_sent_signed_and_the_official_library_verifies_it() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (receiver, url) = Receiver::start().await;
    let (id, secret) = webhook(&t, &tenant.admin, &tenant.root, &url, json!([])).await;
    cause(&t, &tenant, &tenant.member_a).await;
    t.run_jobs().await;
    let came = receiver.take();
    // The theme day itself was told to the whole committee, too.
    let confirmed: Vec<&Received> = came
        .iter()
        .filter(|one| one.body.contains("sign_up_confirmed"))
        .collect();
    let [message] = confirmed.as_slice() else {
        panic!("{} came", came.len())
    };
    let (told, mine) = (
        message.json(),
        t.get("/notices", &tenant.member_a).await.expect(200),
    );
    assert_eq!(told["type"], "notices.created");
    assert_eq!(
        told["data"]["notices"][0]["id"],
        mine.items().last().unwrap()["id"]
    );
    assert_eq!(told["data"]["notices"][0]["member_id"], tenant.member_a_id);
    assert_eq!(told["data"]["notices"][0]["headline"], "报名成功");
    let published: usize = came
        .iter()
        .filter(|one| one.body.contains("event_published"))
        .map(|one| one.json()["data"]["notices"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        published as i64,
        t.count("notices").await - 1,
        "many notices in few messages"
    );
    let sent = deliveries(&t, &tenant.admin, &id).await;
    assert!(
        sent.iter()
            .all(|one| one["status"] == "delivered" && one["attempts"] == 1)
    );
    let seen = t.get(&format!("/webhooks/{id}"), &tenant.admin).await.expect(200);
    assert!(!seen.mentions(&secret[6..]));

    let Some(python) = python() else { return };
    assert!(is_genuine(&python, &secret, message));
    let forged = Received {
        body: message.body.replace("sign_up_confirmed", "sign_up_cancelled"),
        ..(*message).clone()
    };
    assert!(!is_genuine(&python, &secret, &forged));
    // A new secret: for a day both are good.
    let rotated = rotate(&t, &tenant.admin, &id, "\"1\"", "rotation-1")
        .await
        .expect(200);
    let new = rotated.text("/secret");
    assert_ne!(new, secret);
    for (wait_s, old_is_good) in [(0, true), (86_400, false)] {
        t.advance_s(wait_s);
        t.act(&format!("/webhooks/{id}/ping"), &tenant.admin)
            .await
            .expect(201);
        t.run_jobs().await;
        let ping = receiver.take().pop().unwrap();
        assert_eq!(ping.json()["type"], "ping");
        assert!(is_genuine(&python, &new, &ping));
        assert_eq!(is_genuine(&python, &secret, &ping), old_is_good);
    }
}

#[actix_web::test]
async fn what_is_not_answered_is_repeated_with_the_same_id_and_given_up_in_the_end() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (receiver, url) = Receiver::start().await;
    let (id, _) = webhook(
        &t,
        &tenant.admin,
        &tenant.branch_a,
        &url,
        json!(["sign_up_confirmed"]),
    )
    .await;
    receiver.answer_next(&[500, 302, 429]);
    cause(&t, &tenant, &tenant.member_a).await;
    // Another branch's people, and other kinds, are none of this webhook's business.
    cause(&t, &tenant, &tenant.member_b).await;
    t.run_jobs().await;
    t.run_jobs().await;
    let first = receiver.take();
    assert_eq!(first.len(), 1);
    for wait_s in [5, 300, 1_800] {
        t.advance_s(wait_s - 1);
        t.run_jobs().await;
        assert!(receiver.take().is_empty());
        t.advance_s(1);
        t.run_jobs().await;
        let again = receiver.take();
        assert_eq!(again.len(), 1, "after {wait_s} s; a redirect is not followed");
        assert_eq!((again[0].id(), &again[0].body), (first[0].id(), &first[0].body));
    }
    let sent = deliveries(&t, &tenant.admin, &id).await;
    assert_eq!(
        (&sent[0]["status"], &sent[0]["attempts"]),
        (&json!("delivered"), &json!(4))
    );

    // Given up after three days, and sent once more by hand.
    receiver.answer_next(&[500; 10]);
    cause(&t, &tenant, &tenant.member_a).await;
    t.run_jobs().await;
    for wait_s in [
        5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400,
    ] {
        t.advance_s(wait_s);
        t.run_jobs().await;
    }
    assert_eq!(receiver.take().len(), 10);
    let failed = deliveries(&t, &tenant.admin, &id).await[0].clone();
    assert_eq!(
        (&failed["status"], &failed["response_status"]),
        (&json!("failed"), &json!(500))
    );
    let again = format!("/webhook-deliveries/{}/redeliver", failed["id"].as_str().unwrap());
    t.act(&again, &tenant.admin).await.expect(200);
    t.act(&again, &tenant.admin)
        .await
        .refused(409, "delivery_not_failed");
    // Nothing but failures for five days: disabled, until somebody writes it anew.
    t.advance_s(86_400);
    receiver.answer_next(&[500]);
    t.run_jobs().await;
    assert_eq!(receiver.take().len(), 1);
    let seen = t.get(&format!("/webhooks/{id}"), &tenant.admin).await.expect(200);
    assert_eq!(seen.json["disabled_reason"], "has failed for five days");
    t.act(&again, &tenant.admin)
        .await
        .refused(409, "webhook_disabled");
    let body = json!({ "url": url, "kinds": ["sign_up_confirmed"] });
    let request = t
        .request(Method::PUT, &format!("/webhooks/{id}"), &tenant.admin)
        .json(&body);
    Reply::of(request.header("if-match", "*")).await.expect(200);
    t.act(&again, &tenant.admin).await.expect(200);
    // Each time that it was is on record; what was refused is not.
    let log = format!(
        "/audit-log?organization_id={}&action=webhook.redeliver",
        tenant.root
    );
    assert_eq!(t.get(&log, &tenant.admin).await.expect(200).items().len(), 2);
    t.run_jobs().await;
    assert_eq!(receiver.take().len(), 1);

    // 410 Gone: nothing more is sent.
    receiver.answer_next(&[410]);
    cause(&t, &tenant, &tenant.member_a).await;
    t.run_jobs().await;
    cause(&t, &tenant, &tenant.member_a).await;
    t.run_jobs().await;
    assert_eq!(receiver.take().len(), 1);
    let seen = t.get(&format!("/webhooks/{id}"), &tenant.admin).await.expect(200);
    assert_eq!(seen.json["disabled_reason"], "answered 410 Gone");
    t.act(&format!("/webhooks/{id}/ping"), &tenant.admin)
        .await
        .refused(409, "webhook_disabled");
}

#[actix_web::test]
async fn what_waits_to_be_sent_again_comes_without_whose_data_were_erased() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (receiver, url) = Receiver::start().await;
    let kinds = json!(["event_published"]);
    webhook(&t, &tenant.admin, &tenant.root, &url, kinds).await;
    receiver.answer_next(&[500; 8]);
    theme_day(&t, &tenant, json!({ "capacity": 9 })).await;
    t.run_jobs().await;
    let tells = |came: &[Received], member: &str| came.iter().any(|one| one.body.contains(member));
    let first = receiver.take();
    assert!(tells(&first, &tenant.member_a_id) && tells(&first, &tenant.member_b_id));

    let member = format!("/members/{}", tenant.member_a_id);
    let leaves = json!({ "reason": "調離" });
    t.post(&format!("{member}/deactivate"), &tenant.admin, leaves)
        .await
        .expect(200);
    t.delete(&format!("{member}/personal-data"), &tenant.admin)
        .await
        .expect(204);
    receiver.0.lock().unwrap().1.clear();
    t.advance_s(5);
    t.run_jobs().await;
    let again = receiver.take();
    assert!(!tells(&again, &tenant.member_a_id) && tells(&again, &tenant.member_b_id));
    let ids = |came: &[Received]| {
        came.iter()
            .map(|one| one.id().to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&again), ids(&first));
}

#[actix_web::test]
async fn nothing_is_sent_in_quiet_hours_and_a_dead_receiver_holds_nobody_up() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (receiver, url) = Receiver::start().await;
    webhook(
        &t,
        &tenant.admin,
        &tenant.root,
        &url,
        json!(["sign_up_confirmed"]),
    )
    .await;
    let nobody = "http://127.0.0.1:1/hook";
    let (dead, _) = webhook(
        &t,
        &tenant.admin,
        &tenant.root,
        nobody,
        json!(["sign_up_confirmed"]),
    )
    .await;
    t.advance_s(13 * 3_600);
    cause(&t, &tenant, &tenant.member_a).await;
    t.run_jobs().await;
    assert!(receiver.take().is_empty());
    t.clock().set("2026-11-25T07:00:00+08:00".parse().unwrap());
    t.run_jobs().await;
    assert_eq!(receiver.take().len(), 1);
    let sent = deliveries(&t, &tenant.admin, &dead).await;
    assert_eq!(
        (&sent[0]["status"], &sent[0]["response_status"]),
        (&json!("pending"), &Value::Null)
    );
    assert!(sent[0]["error"].is_string());
}

#[actix_web::test]
async fn whoever_runs_the_organization_sets_it_up_for_the_public_internet_only() {
    let t = TestApp::start_with(|config| config.webhooks.allow_private = false).await;
    let tenant = t.tenant().await;
    let path = format!("/organizations/{}/webhooks", tenant.branch_a);
    let body = json!({ "url": "https://gateway.example.org/zhibu" });
    t.post(&path, &tenant.secretary_a, body.clone())
        .await
        .refused(403, "forbidden");
    t.post(&path, &tenant.secretary_b, body.clone())
        .await
        .refused(404, "not_found");
    for (url, code) in [
        ("http://gateway.example.org/", "not_https"),
        ("https://127.0.0.1/", "not_public"),
        ("https://[::ffff:10.0.0.1]/", "not_public"),
        ("https://169.254.169.254/latest/meta-data", "not_public"),
        ("https://me:secret@example.org/", "malformed"),
        ("nonsense", "malformed"),
    ] {
        let refused = t
            .post(&path, &tenant.admin, json!({ "url": url }))
            .await
            .refused(422, "invalid_fields");
        assert_eq!(refused.json["errors"][0]["code"], code, "{url}");
    }
    let made = t.post(&path, &tenant.admin, body).await.expect(201);
    assert!(made.text("/secret").starts_with("whsec_"));
    let listed = t.get(&path, &tenant.admin).await.expect(200);
    assert_eq!(listed.items().len(), 1);
    assert!(listed.items()[0].get("secret").is_none());
    let one = format!("/webhooks/{}", made.id());
    t.get(&one, &tenant.secretary_b).await.refused(404, "not_found");
    let gone = t.delete(&one, &tenant.admin).await.expect(200);
    assert!(gone.json["disabled_at"].is_string());
    t.delete(&one, &tenant.admin).await.expect(200);
    // A name of ours that leads behind our walls is not connected to either.
    let inside = json!({ "url": "https://localhost/hook" });
    let made = t.post(&path, &tenant.admin, inside).await.expect(201);
    let id = made.id();
    t.act(&format!("/webhooks/{id}/ping"), &tenant.admin)
        .await
        .expect(201);
    t.run_jobs().await;
    let sent = deliveries(&t, &tenant.admin, &id).await;
    assert_eq!(sent[0]["error"], "the name has no public address");
}

/// A message to see whether it arrives; what came.
async fn ping(t: &TestApp, token: &str, webhook: &str, receiver: &Receiver) -> Received {
    t.act(&format!("/webhooks/{webhook}/ping"), token)
        .await
        .expect(201);
    t.run_jobs().await;
    receiver.take().pop().unwrap()
}

#[actix_web::test]
async fn a_lost_answer_tells_the_secret_once_more_and_only_to_who_may_still_make_one() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let role = Some((tenant.branch_a.as_str(), "admin"));
    let (_, admin) = t.person(&tenant, &tenant.branch_a, "甲管理員", role).await;
    let path = format!("/organizations/{}/webhooks", tenant.branch_a);
    let body = json!({ "url": "https://example.org/hook" });
    let keyed = async |path: &str, token: &str| {
        let request = t.request(Method::POST, path, token).json(&body);
        Reply::of(request.header("idempotency-key", "one")).await
    };
    let made = keyed(&path, &admin).await.expect(201);
    let secret = made.text("/secret");
    assert_eq!(keyed(&path, &admin).await.expect(201).bytes, made.bytes);
    assert_eq!(t.count("webhooks").await, 1);
    let kept = format!("idempotency_keys WHERE body LIKE '%{}%'", &secret[6..]);
    assert_eq!(t.count(kept.leak()).await, 0);

    // Somebody else has made a new one meanwhile, because this admin is one no more.
    let rotated = rotate(&t, &tenant.admin, &made.id(), "*", "").await.expect(200);
    assert_ne!(rotated.text("/secret"), secret);
    let roles = format!("/organizations/{}/roles", tenant.branch_a);
    let grants = t.get(&roles, &tenant.admin).await.expect(200);
    let of_admin = grants
        .items()
        .iter()
        .find(|grant| grant["role"] == "admin")
        .unwrap();
    let revoke = format!("{roles}/{}", of_admin["id"].as_str().unwrap());
    t.delete(&revoke, &tenant.admin).await.expect(204);
    keyed(&path, &admin).await.refused(403, "forbidden");
}

#[actix_web::test]
async fn a_receiver_that_never_answers_keeps_nobody_waiting() {
    let t = TestApp::start_with(|config| config.webhooks.timeout = std::time::Duration::from_secs(60)).await;
    let tenant = t.tenant().await;
    let (silent, url) = Silent::start().await;
    let (dead, _) = webhook(
        &t,
        &tenant.admin,
        &tenant.root,
        &url,
        json!(["sign_up_confirmed"]),
    )
    .await;
    for _ in 0..20 {
        t.act(&format!("/webhooks/{dead}/ping"), &tenant.admin)
            .await
            .expect(201);
    }
    let other = App::build(t.app.config.as_ref().clone(), t.app.clock.clone(), Ids::system()).unwrap();
    let hanging = [t.app.queue.clone(), other.queue.clone()]
        .map(|queue| actix_web::rt::spawn(async move { queue.run_due().await }));
    silent.came(2).await;
    // Meanwhile an event is told to a branch, and to another receiver.
    let (answering, url) = Silent::start().await;
    answering.speak();
    webhook(&t, &tenant.admin, &tenant.root, &url, json!(["event_published"])).await;
    t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.run_jobs().await;
    let told = t.get("/notices", &tenant.member_a).await.expect(200);
    assert_eq!(told.items()[0]["kind"], "event_published");
    answering.came(1).await;
    let held = silent.held.borrow().clone();
    assert_eq!((held.now, held.most, held.ids.len()), (2, 2, 2), "it hangs still");
    silent.speak();
    for hanging in hanging {
        hanging.await.unwrap().unwrap();
    }
    t.run_jobs().await;
    let mut held = silent.came(20).await;
    held.ids.sort();
    held.ids.dedup();
    assert_eq!((held.most, held.ids.len()), (2, 20), "each once, two at a time");
    let sent = deliveries(&t, &tenant.admin, &dead).await;
    assert!(
        sent.iter()
            .all(|one| one["status"] == "delivered" && one["attempts"] == 1)
    );
}

/// What fails at once is recorded at once, beside the look for more to do: on SQLite both want the one turn to write, and one
/// that is given to a job which nobody polls is given to nobody.
#[actix_web::test]
async fn jobs_that_end_while_others_are_looked_for_stop_no_write() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    for _ in 0..5 {
        let url = nobodys_url();
        let kinds = json!(["sign_up_confirmed"]);
        let (dead, _) = webhook(&t, &tenant.admin, &tenant.root, &url, kinds).await;
        t.act(&format!("/webhooks/{dead}/ping"), &tenant.admin)
            .await
            .expect(201);
    }
    let writes = async {
        for n in 0..20 {
            let body = json!({ "name": format!("小組{n}"), "kind": "group", "parent_id": tenant.branch_a });
            t.post("/organizations", &tenant.admin, body).await.expect(201);
        }
    };
    tokio::join!(t.run_jobs(), writes);
    let waiting = "jobs WHERE kind = 'webhooks.deliver' AND attempts = 1 AND leased_until IS NULL";
    assert_eq!(t.count(waiting).await, 5);
}

#[actix_web::test]
async fn a_rotation_whose_answer_is_lost_leaves_the_receiver_its_secret() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (receiver, url) = Receiver::start().await;
    let path = format!("/organizations/{}/webhooks", tenant.root);
    let create = async || {
        let request = t.request(Method::POST, &path, &tenant.admin);
        let request = request.json(&json!({ "url": url, "kinds": ["event_cancelled"] }));
        Reply::of(request.header("idempotency-key", "webhook-1"))
            .await
            .expect(201)
    };
    let (made, again) = (create().await, create().await);
    assert_eq!((&again.bytes, t.count("webhooks").await), (&made.bytes, 1));
    let (id, first) = (made.id(), made.text("/secret"));
    rotate(&t, &tenant.admin, &id, "", "")
        .await
        .refused(428, "version_required");
    rotate(&t, &tenant.admin, &id, "\"7\"", "")
        .await
        .refused(412, "version_mismatch");
    rotate(&t, &tenant.secretary_b, &id, "\"1\"", "")
        .await
        .refused(403, "forbidden");

    // The answer is lost: sent again as it was, it is the same secret; sent as another one, it is refused.
    let second = rotate(&t, &tenant.admin, &id, made.header("etag"), "rotation-1")
        .await
        .expect(200);
    let again = rotate(&t, &tenant.admin, &id, made.header("etag"), "rotation-1")
        .await
        .expect(200);
    assert_eq!(
        (again.text("/secret"), again.header("idempotency-replayed")),
        (second.text("/secret"), "true")
    );
    assert_ne!(second.text("/secret"), first);
    for key in ["", "rotation-2"] {
        rotate(&t, &tenant.admin, &id, made.header("etag"), key)
            .await
            .refused(412, "version_mismatch");
    }
    let came = ping(&t, &tenant.admin, &id, &receiver).await;
    assert!(signs(&first, &came) && signs(&second.text("/secret"), &came));

    // A repeat tells the secret of its own rotation, whatever came after it; kept is none.
    let third = rotate(&t, &tenant.admin, &id, second.header("etag"), "rotation-3")
        .await
        .expect(200);
    let again = rotate(&t, &tenant.admin, &id, made.header("etag"), "rotation-1")
        .await
        .expect(200);
    assert_eq!(
        (again.text("/secret"), &again.json["version"]),
        (second.text("/secret"), &json!(3))
    );
    let came = ping(&t, &tenant.admin, &id, &receiver).await;
    let secrets = [first, second.text("/secret"), third.text("/secret")];
    assert_eq!(
        secrets.clone().map(|secret| signs(&secret, &came)),
        [false, true, true]
    );
    let dump = t.dump().await;
    assert!(!secrets.iter().any(|secret| dump.contains(&secret[6..])));
}

#[actix_web::test]
async fn an_organization_has_ten_webhooks_at_most() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let mut last = String::new();
    for _ in 0..10 {
        (last, _) = webhook(&t, &tenant.admin, &tenant.branch_a, &nobodys_url(), json!([])).await;
    }
    let path = format!("/organizations/{}/webhooks", tenant.branch_a);
    let body = json!({ "url": nobodys_url(), "description": "短信網關", "kinds": [] });
    t.post(&path, &tenant.admin, body.clone())
        .await
        .refused(409, "too_many_webhooks");
    webhook(&t, &tenant.admin, &tenant.root, &nobodys_url(), json!([])).await;
    // One that is disabled makes room, and needs some to be enabled again.
    let last = format!("/webhooks/{last}");
    t.delete(&last, &tenant.admin).await.expect(200);
    let another = t.post(&path, &tenant.admin, body.clone()).await.expect(201).id();
    let enable = async || {
        let again = t.request(Method::PUT, &last, &tenant.admin).json(&body);
        Reply::of(again.header("if-match", "*")).await
    };
    enable().await.refused(409, "too_many_webhooks");
    t.delete(&format!("/webhooks/{another}"), &tenant.admin)
        .await
        .expect(200);
    enable().await.expect(200);
}

/// Eight of them would have all places, again and again, whether what has failed is due once more or waits for its time.
#[actix_web::test]
async fn those_with_whom_something_failed_stand_behind_all_others() {
    let t = TestApp::start_with(|config| config.webhooks.timeout = std::time::Duration::from_secs(1)).await;
    let tenant = t.tenant().await;
    let ping = async |webhook: &str, times: usize| {
        for _ in 0..times {
            let path = format!("/webhooks/{webhook}/ping");
            t.act(&path, &tenant.admin).await.expect(201);
        }
    };
    let (silent, url) = Silent::start().await;
    let mut dead = Vec::new();
    for _ in 0..9 {
        let (id, _) = webhook(
            &t,
            &tenant.admin,
            &tenant.branch_a,
            &url,
            json!(["sign_up_confirmed"]),
        )
        .await;
        ping(&id, 1).await;
        dead.push(id);
    }
    t.run_jobs().await;
    for pause in [0, 6] {
        // A backlog of theirs, and behind it one message for somebody who answers.
        t.advance_s(pause);
        for id in &dead {
            ping(id, 2).await;
        }
        let (answering, url) = Silent::start().await;
        answering.speak();
        let (good, _) = webhook(
            &t,
            &tenant.admin,
            &tenant.root,
            &url,
            json!(["sign_up_confirmed"]),
        )
        .await;
        t.advance_s(1);
        ping(&good, 1).await;
        let before = silent.held.borrow().ids.len();
        let queue = t.app.queue.clone();
        let running = actix_web::rt::spawn(async move { queue.run_due().await });
        answering.came(1).await;
        // Sixteen places: the others had theirs in the same round at best.
        let others = silent.held.borrow().ids.len() - before;
        assert!(others < 16, "{others} had their turn before, {pause} s later");
        running.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn what_nobody_tries_any_more_has_failed_and_can_be_sent_again() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let (id, _) = webhook(&t, &tenant.admin, &tenant.root, &nobodys_url(), json!([])).await;
    t.act(&format!("/webhooks/{id}/ping"), &tenant.admin)
        .await
        .expect(201);
    // Its job was given up, as after twenty failures of our own.
    let lost = "DELETE FROM jobs WHERE kind = 'webhooks.deliver'";
    t.app
        .db
        .write(move |conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query(lost), conn)?))
        .await
        .unwrap();
    let status = async || deliveries(&t, &tenant.admin, &id).await[0]["status"].clone();
    t.advance_s(86_400);
    webhooks::sweep(&t.app).await.unwrap();
    assert_eq!(status().await, "pending");
    t.advance_s(2 * 86_400);
    webhooks::sweep(&t.app).await.unwrap();
    assert_eq!(status().await, "failed");
    let delivery = deliveries(&t, &tenant.admin, &id).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    t.act(
        &format!("/webhook-deliveries/{delivery}/redeliver"),
        &tenant.admin,
    )
    .await
    .expect(200);
    // However old it is, it is on its way now.
    webhooks::sweep(&t.app).await.unwrap();
    assert_eq!(status().await, "pending");
}
