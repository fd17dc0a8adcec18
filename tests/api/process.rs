//! The binary itself: a bare start on an empty folder, what it refuses, and how it stops.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::new_uuid;

const PASSWORD: &str = "ten thousand steps";

fn zhibu(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zhibu"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ZHIBU") || name.ends_with("_URL"))
    {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("ZHIBU_DEMO_PASSWORD", PASSWORD)
        .stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    (
        status.success(),
        format!(
            "{}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        ),
    )
}

/// A server process, killed if the test ends before it does.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = zhibu(folder);
        command.args(arguments).args(["--listen", &listen]);
        let process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            url: format!("http://{listen}"),
        };
        let client = client();
        while client.get(format!("{}/readyz", server.url)).send().await.is_err() {
            assert!(server.process.try_wait().unwrap().is_none(), "it ended by itself");
            tokio::task::yield_now().await;
        }
        server
    }

    fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([name, &self.process.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Option<(u16, Value)> {
        let request = client()
            .post(format!("{}/api/v1{path}", self.url))
            .bearer_auth(token)
            .json(body);
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.json().await.ok()?))
    }

    async fn login(&self, account: &str) -> String {
        let body = json!({ "account": account, "password": PASSWORD });
        let (_, answer) = self.post("/auth/login", "", &body).await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Waits for its end: the exit code and what it printed.
fn finish(server: Server) -> (Option<i32>, String) {
    let mut server = std::mem::ManuallyDrop::new(server);
    let mut printed = String::new();
    server
        .process
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    (server.process.wait().unwrap().code(), printed)
}

#[actix_web::test]
async fn a_bare_start_makes_everything_it_needs_and_a_system_admin_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    server.signal("-TERM");
    let (code, printed) = finish(server);
    assert_eq!(code, Some(0));
    assert!(printed.contains("one-time activation code"), "{printed}");
    assert!(folder.path().join("data/zhibu.db").exists() && folder.path().join("data/secret.key").exists());

    let again = Server::start(folder.path(), &["serve"]).await;
    again.signal("-INT");
    let (code, printed) = finish(again);
    assert_eq!(code, Some(0));
    assert!(!printed.contains("activation code"), "{printed}");
    let (good, words) = run(zhibu(folder.path()).args(["admin", "code"]));
    assert!(
        good && words.contains("'admin', activation code (once): "),
        "{words}"
    );
    let (good, words) = run(zhibu(folder.path()).args(["admin", "code", "nobody"]));
    assert!(!good && words.contains("no system admin 'nobody'"), "{words}");
    let (good, words) = run(zhibu(folder.path()).arg("doctor"));
    assert!(good && words.contains("synchronous = FULL"), "{words}");
    assert_eq!(
        run(zhibu(folder.path()).args(["migrate", "--check"])),
        (true, "up to date\n".into())
    );
}

#[test]
fn a_wrong_setting_fails_the_start_with_its_name_value_and_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let (good, words) = run(zhibu(folder.path()).env("ZHIBU__CHECK_IN__CODE_WINDOW_S", "1"));
    assert!(
        !good && words.contains("check_in.code_window_s = \"1\" is not allowed: 5 to 120 seconds"),
        "{words}"
    );
    let (good, words) = run(zhibu(folder.path()).args(["--listen", "everywhere"]));
    assert!(!good && words.contains("server.listen"), "{words}");
    let (good, words) = run(zhibu(folder.path()).env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/x"));
    assert!(!good, "{words}");
}

#[actix_web::test]
async fn a_stop_waits_for_no_screen_and_the_demonstration_stays_out_of_real_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["serve", "--demo"]).await;
    let admin = server.login("demo-admin").await;
    let events = client()
        .get(format!("{}/api/v1/events?check_in_open=true", server.url))
        .bearer_auth(&admin);
    let events: Value = events.send().await.unwrap().json().await.unwrap();
    let event = events["items"][0]["id"].as_str().unwrap();
    let screen = client()
        .get(format!("{}/api/v1/events/{event}/live", server.url))
        .bearer_auth(&admin);
    let screen = screen.send().await.unwrap();
    server.signal("-TERM");
    // The stream ends by itself, so the server need not wait for its time limit.
    assert!(screen.text().await.is_ok());
    assert_eq!(finish(server).0, Some(0));
    let (good, words) = run(zhibu(folder.path()).arg("demo"));
    assert!(good && words.contains("here already"), "{words}");

    let real = tempfile::tempdir().unwrap();
    assert!(run(zhibu(real.path()).arg("demo")).0);
    let db = rename_admin(real.path());
    assert!(db, "the demonstration's admin could not be renamed");
    let (good, words) = run(zhibu(real.path()).arg("demo"));
    assert!(!good && words.contains("real data"), "{words}");
}

/// Makes the demonstration look like somebody's own data.
fn rename_admin(folder: &Path) -> bool {
    use diesel::prelude::*;
    let path = folder.join("data/zhibu.db");
    let mut conn = diesel::SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    diesel::sql_query("UPDATE accounts SET account_name = 'somebody' WHERE account_name = 'demo-admin'")
        .execute(&mut conn)
        == Ok(1)
}

/// P1 in short: whatever was acknowledged before kill -9 is there afterwards, once.
#[actix_web::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &["serve", "--demo"]).await;
    let admin = server.login("demo-admin").await;
    let tokens = futures_util::future::join_all((1..=40).map(|n| {
        let server = &server;
        async move { server.login(&format!("demo-member-{n:03}")).await }
    }))
    .await;
    let get = async |server: &Server, path: String| -> Value {
        client()
            .get(format!("{}/api/v1{path}", server.url))
            .bearer_auth(&admin)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let events = get(&server, "/events?check_in_open=true".into()).await;
    let event = events["items"][0]["id"].as_str().unwrap().to_owned();
    let code = get(&server, format!("/events/{event}/code")).await["code"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut acknowledged = std::collections::BTreeSet::new();
    let bodies: Vec<Value> = tokens
        .iter()
        .map(
            |_| json!({ "code": code, "client_event_id": new_uuid(), "occurred_at": "2026-11-24T00:00:00Z" }),
        )
        .collect();
    for (n, (token, body)) in tokens.iter().zip(&bodies).enumerate() {
        if n == 20 {
            server.signal("-KILL");
        }
        if let Some((201, answer)) = server.post("/check-ins", token, body).await {
            acknowledged.insert(answer["id"].as_str().unwrap().to_owned());
        }
    }
    assert!(
        !acknowledged.is_empty() && acknowledged.len() < 40,
        "{}",
        acknowledged.len()
    );
    drop(server);
    server = Server::start(folder.path(), &["serve"]).await;
    let sheet = get(&server, format!("/events/{event}/attendance?limit=200")).await;
    let stored: Vec<&str> = sheet["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|l| l["check_in_id"].as_str())
        .collect();
    assert!(
        acknowledged.iter().all(|id| stored.contains(&id.as_str())),
        "an acknowledged check-in is gone"
    );
    // A repeat of one that was acknowledged is the same record still.
    let first = server.post("/check-ins", &tokens[0], &bodies[0]).await.unwrap();
    assert!(
        first.0 == 403 || acknowledged.contains(first.1["id"].as_str().unwrap_or_default()),
        "{first:?}"
    );
}
