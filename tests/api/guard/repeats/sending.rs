//! Sends a case: once, or as a client does whose answers are lost.

use std::collections::BTreeMap;

use actix_web::dev::ServerHandle;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Request, RequestBuilder, Url};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use zhibu::attendance;
use zhibu::auth::Actor;
use zhibu::platform::db::DbConnection;

use super::tables::{Tables, since};
use super::{Case, Kind};
use crate::support::{Reply, Tenant, TestApp, new_uuid};

/// What a client does about keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    One,
    /// A broken one, for the control.
    OneEach,
}

/// Two servers on one database, and tenants as many as there are cases.
pub struct World {
    t: TestApp,
    system: String,
    tables: Tables,
    second: (String, ServerHandle),
}

impl World {
    pub async fn start() -> Self {
        let t = TestApp::start_for_days().await;
        Self {
            system: t.system_admin("repeats").await,
            tables: Tables::of(&t).await,
            second: t.replica().await,
            t,
        }
    }

    /// A fresh tenant of which somebody outside is told whatever its people are, and what somebody is about to send.
    async fn prepare(&self, case: &Case) -> (Tenant, RequestBuilder) {
        let tenant = self.t.another_tenant(&self.system).await;
        let path = format!("/organizations/{}/webhooks", tenant.root);
        let webhook = json!({ "url": "https://example.org/hook" });
        self.t.post(&path, &tenant.admin, webhook).await.expect(201);
        let request = (case.request)(&self.t, &tenant).await;
        // The servers do so in rounds of their own, which must not be taken for the request's doing.
        let (ctx, root) = (self.t.app.ctx(Actor::operator()), tenant.root.parse().unwrap());
        let freeze = move |conn: &mut DbConnection| attendance::freeze_due_rosters(conn, &ctx, root);
        self.t.app.db.write(freeze).await.unwrap();
        (tenant, request)
    }

    /// The answer to one request, and what it has left in the database.
    pub async fn once(&self, case: &Case) -> (Reply, BTreeMap<String, i64>) {
        let (tenant, request) = self.prepare(case).await;
        let request = keyed(request, case.kind, &new_uuid()).build().unwrap();
        self.homes(&tenant, &self.t.url).await;
        let before = self.tables.count(&self.t, &tenant).await;
        let reply = self.insist(&request, &self.t.url).await;
        // This server has kept them from before; the other has never made them.
        let kept = self.homes(&tenant, &self.t.url).await;
        let made = self.homes(&tenant, &self.second.0).await;
        for (kept, made) in kept.iter().zip(&made) {
            // Somebody's end is heard of elsewhere within a second.
            if kept["status"].is_null() && made["status"].is_null() {
                assert_eq!(kept, made, "{}: a first screen is behind", case.name);
            }
        }
        (reply, since(&before, &self.tables.count(&self.t, &tenant).await))
    }

    /// The same of several copies: those whose answer was not lost.
    pub async fn often(&mut self, case: &Case, keys: Keys) -> (Vec<Reply>, BTreeMap<String, i64>) {
        let (tenant, request) = self.prepare(case).await;
        let key = new_uuid();
        let copy = || {
            let key = match keys {
                Keys::One => key.clone(),
                Keys::OneEach => new_uuid(),
            };
            keyed(request.try_clone().unwrap(), case.kind, &key)
                .build()
                .unwrap()
        };
        let before = self.tables.count(&self.t, &tenant).await;
        let seed = case
            .name
            .bytes()
            .fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut rng = StdRng::seed_from_u64(seed);
        let copies = (0..rng.random_range(2..=8)).map(|n| {
            let server = if n % 2 == 0 { &self.t.url } else { &self.second.0 };
            (copy(), server, rng.random_bool(0.3), rng.random_bool(0.5))
        });
        let copies: Vec<_> = copies.collect();
        let sent = copies.iter().map(async |(request, server, is_lost, at_once)| {
            if *is_lost {
                lose_answer(request, server, *at_once).await;
                return None;
            }
            Some(self.insist(request, server).await)
        });
        let answers = join_all(sent).await;
        let started = self.t.replica().await;
        let last = self.insist(&copy(), &started.0).await;
        let left = since(&before, &self.tables.count(&self.t, &tenant).await);
        std::mem::replace(&mut self.second, started).1.stop(false).await;
        (answers.into_iter().flatten().chain([last]).collect(), left)
    }

    /// Everybody's first screen.
    async fn homes(&self, tenant: &Tenant, server: &str) -> Vec<serde_json::Value> {
        let people = [
            &tenant.admin,
            &tenant.secretary_a,
            &tenant.organizer_a,
            &tenant.member_a,
            &tenant.member_b,
        ];
        let mut homes = Vec::new();
        for token in people {
            let request = self
                .t
                .request(reqwest::Method::GET, "/home", token)
                .build()
                .unwrap();
            let mut home = self.insist(&request, server).await.json;
            // Boards follow a moment later.
            home["rank"] = json!(null);
            homes.push(home);
        }
        homes
    }

    /// Sends until it is not told to come again.
    async fn insist(&self, request: &Request, server: &str) -> Reply {
        for _ in 0..50 {
            let mut copy = request.try_clone().unwrap();
            *copy.url_mut() = at(request.url(), server);
            let reply = Reply::of(RequestBuilder::from_parts(self.t.http.clone(), copy)).await;
            if reply.status != 503 {
                return reply;
            }
        }
        panic!("no server answers {}", request.url());
    }
}

fn keyed(request: RequestBuilder, kind: Kind, key: &str) -> RequestBuilder {
    match kind {
        Kind::Key | Kind::KeyAnd(..) | Kind::Merged => request.header("idempotency-key", key),
        _ => request,
    }
}

/// The same address of another server.
fn at(url: &Url, server: &str) -> Url {
    let mut url = url.clone();
    url.set_port(Url::parse(server).unwrap().port()).unwrap();
    url
}

/// Writes a request and goes away: at once, or when its answer comes.
async fn lose_answer(request: &Request, server: &str, at_once: bool) {
    let url = at(request.url(), server);
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let body = request
        .body()
        .and_then(|body| body.as_bytes())
        .unwrap_or_default();
    let mut bytes = format!(
        "{} {}{query} HTTP/1.1\r\nhost: x\r\n",
        request.method(),
        url.path()
    )
    .into_bytes();
    for (name, value) in request.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    let address = server.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    if !at_once {
        stream.readable().await.unwrap();
    }
}
