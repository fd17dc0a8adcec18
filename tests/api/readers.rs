//! Who asks and does not read: their connection ends, and what was kept for them with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use zhibu::platform::http::sweep_keys;

use crate::support::{Reply, TestApp, new_uuid};

/// The kernel's state of the server's end of a connection; none: it is over.
fn server_end(of: &TcpStream) -> Option<String> {
    let (server, client) = (of.peer_addr().unwrap().port(), of.local_addr().unwrap().port());
    let ends = [format!(":{server:04X}"), format!(":{client:04X}")];
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.find(|line| line[1].ends_with(&ends[0]) && line[2].ends_with(&ends[1]));
    ours.map(|line| line[3].to_owned())
}

#[actix_web::test]
async fn a_connection_whose_reader_takes_nothing_ends() {
    if !cfg!(target_os = "linux") {
        eprintln!("LEFT OUT: only Linux ends a connection whose reader takes nothing");
        return;
    }
    let t = TestApp::start_with(|config| config.server.reader_timeout = Duration::from_secs(1)).await;
    let ask = |times: usize| {
        let mut stream = TcpStream::connect(t.url.strip_prefix("http://").unwrap()).unwrap();
        let request = "GET /api/v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request.repeat(times).as_bytes()).unwrap();
        stream
    };
    // So much that no buffer holds it.
    let (stalled, idle) = (ask(60), ask(0));
    while server_end(&stalled).is_none() {
        actix_web::rt::task::yield_now().await;
    }
    let over = async {
        while server_end(&stalled).is_some() {
            actix_web::rt::task::yield_now().await;
        }
    };
    actix_web::rt::time::timeout(Duration::from_secs(30), over)
        .await
        .expect("its reader took nothing");
    // Who has nothing to take is waited for.
    assert!(server_end(&idle).is_some());

    // Who reads is told everything.
    let url = format!("{}/api/v1/openapi.json", t.url);
    let whole = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    assert!(whole.len() > 100_000);
    let mut got = Vec::new();
    let mut stalled = stalled;
    let _ = stalled.read_to_end(&mut got);
    assert!(got.len() < 60 * whole.len());
}

/// Exports have some of the readers, never all: whoever asks for sixteen keeps nobody else from reading.
#[actix_web::test]
async fn exports_leave_readers_for_everybody() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let readers = t.app.config.database.connections;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let long = (0..readers).map(|_| {
        let (db, held) = (t.app.db.clone(), held.clone());
        actix_web::rt::spawn(async move {
            let wait = move |_: &mut _| Ok(held.lock().unwrap().recv().is_ok());
            db.read_export(wait).await
        })
    });
    let long: Vec<_> = long.collect();
    // Until they have what they get of the readers.
    while t.app.db.connections_in_use() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        t.get("/lessons", &tenant.member_a).await.expect(200);
    }
    for _ in 0..readers {
        release.send(()).unwrap();
    }
    for one in long {
        assert!(one.await.unwrap().unwrap());
    }
}

/// What is of no use any more goes some rows a transaction: all of it, and nothing else.
#[actix_web::test]
async fn a_sweep_takes_as_many_transactions_as_it_needs() {
    let t = TestApp::start_for_days().await;
    let tenant = t.tenant().await;
    let write = async |name: &str| {
        let body = json!({ "name": name, "kind": "group", "parent_id": tenant.branch_a });
        let request = t
            .request(Method::POST, "/organizations", &tenant.admin)
            .json(&body);
        Reply::of(request.header("idempotency-key", new_uuid()))
            .await
            .expect(201);
    };
    write("甲組").await;
    let many = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4500) \
         INSERT INTO idempotency_keys (account_id, route, key, fingerprint, status, body, created_at) \
         SELECT k.account_id, k.route, 'old-' || n.n, k.fingerprint, k.status, k.body, k.created_at \
         FROM idempotency_keys k, n WHERE k.route LIKE '%/organizations'";
    t.app
        .db
        .write(move |conn| Ok(diesel::RunQueryDsl::execute(diesel::sql_query(many), conn)?))
        .await
        .unwrap();
    assert!(t.count("idempotency_keys").await > 4_500);
    t.advance_s(86_401);
    write("乙組").await;
    let now = t.clock().now();
    t.app.db.sweep(move |conn| sweep_keys(conn, now)).await.unwrap();
    assert_eq!(t.count("idempotency_keys").await, 1);
}
