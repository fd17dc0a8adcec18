//! The binary itself: a bare start on an empty folder, what it refuses, and how it stops.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{PostgresDatabase, TestApp, http_client, new_uuid, redis_url};
use zhibu::platform::clock::Clock;

const PASSWORD: &str = "ten thousand steps";

/// The command in this folder, with none of the caller's settings.
pub fn zhibu(folder: &Path) -> Command {
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

/// Did it succeed, and what did it print?
pub fn run(command: &mut Command) -> (bool, String) {
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
pub struct Server {
    process: Child,
    pub url: String,
}

/// A process of its own on a test's database, with its keys. It has the machine's clock: set the test's to that.
pub async fn beside(t: &TestApp) -> Server {
    let config = &t.app.config;
    let mut command = zhibu(&config.server.data);
    command
        .env("ZHIBU_DATA", &config.server.data)
        .env("ZHIBU_SECRET_KEY", config.auth.secret_key.as_ref().unwrap())
        // A crowd on a busy machine is slow to be served; that none is turned away is what a test looks at.
        .env("ZHIBU__DATABASE__DEADLINE_MS", "20000")
        .env("ZHIBU__SERVER__REQUEST_TIMEOUT_S", "120");
    if let (Some(database), Some(cache)) = (&config.database.url, redis_url()) {
        command
            .env("DATABASE_URL", database)
            .env("REDIS_URL", cache)
            .env("ZHIBU__CACHE__PREFIX", &config.cache.prefix);
    }
    Server::start_as(&mut command).await
}

impl Server {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_as(zhibu(folder).args(arguments)).await
    }

    pub async fn start_as(command: &mut Command) -> Self {
        let mut server = Self::spawn(command);
        server.ready().await;
        server
    }

    fn spawn(command: &mut Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = format!("127.0.0.1:{port}");
        let process = command
            .args(["--listen", &listen])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            url: format!("http://{listen}"),
        }
    }

    async fn ready(&mut self) {
        let client = client();
        while client.get(format!("{}/readyz", self.url)).send().await.is_err() {
            assert!(self.process.try_wait().unwrap().is_none(), "it ended by itself");
            tokio::task::yield_now().await;
        }
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
    http_client().no_proxy().build().unwrap()
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
    assert!(words.contains("data/media can be written and locked"), "{words}");
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
    for (variable, value, setting) in [
        ("RUST_LOG", "inof", "log.filter = \"inof\""),
        ("RUST_LOG", "info,zhibu=lodu", "log.filter = \"info,zhibu=lodu\""),
        ("PUBLIC_URL", "https://", "server.public_url = \"https://\""),
        (
            "PUBLIC_URL",
            "https://?x=1",
            "server.public_url = \"https://?x=1\"",
        ),
        (
            "PUBLIC_URL",
            "https://zhibu.example.org/?x=1",
            "server.public_url",
        ),
        ("PUBLIC_URL", "ftp://zhibu.example.org", "server.public_url"),
        (
            "ZHIBU__DATABASE__READ_URL",
            "postgres://replica/x",
            "database.read_url",
        ),
        (
            "ZHIBU__CHECK_IN__TYPED_GUESSES_PER_MEMBER",
            "0",
            "check_in.typed_guesses_per_member = \"0\" is not allowed: 1 to 100",
        ),
        (
            "ZHIBU__CHECK_IN__TYPED_GUESSES_PER_EVENT",
            "0",
            "check_in.typed_guesses_per_event = \"0\"",
        ),
    ] {
        let (good, words) = run(zhibu(folder.path()).env(variable, value));
        assert!(
            !good && words.contains(setting) && words.contains("allowed"),
            "{variable}: {words}"
        );
    }
}

/// The command with a fresh database of the backend under test; SQLite's is in the folder.
pub fn with_database(folder: &Path, database: Option<&PostgresDatabase>) -> Command {
    let mut command = zhibu(folder);
    if let Some(database) = database {
        command
            .env("DATABASE_URL", &database.url)
            .env("ZHIBU_SECRET_KEY", "a key for tests only, of sufficient length");
    }
    command
}

#[actix_web::test]
async fn processes_that_start_together_on_nothing_make_one_admin_and_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::if_wanted();
    let mut servers: Vec<Server> = (0..3)
        .map(|_| Server::spawn(&mut with_database(folder.path(), database.as_ref())))
        .collect();
    for server in &mut servers {
        server.ready().await;
    }
    let printed: Vec<String> = servers
        .into_iter()
        .map(|server| {
            server.signal("-TERM");
            let (code, printed) = finish(server);
            assert_eq!(code, Some(0), "{printed}");
            printed
        })
        .collect();
    let told = |words: &str| printed.iter().filter(|text| text.contains(words)).count();
    assert_eq!(
        (told("one-time activation code"), told("zhibu listens on")),
        (1, 3),
        "{printed:?}"
    );
    let (good, words) = run(with_database(folder.path(), database.as_ref()).args(["admin", "create"]));
    assert!(!good && words.contains("account_name_taken"), "{words}");
}

#[actix_web::test]
async fn demonstrations_that_start_together_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::if_wanted();
    let demo = || {
        with_database(folder.path(), database.as_ref())
            .arg("demo")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut new = 0;
    for process in [demo(), demo()] {
        let output = process.wait_with_output().unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{words}");
        new += usize::from(words.contains("data is ready"));
    }
    assert_eq!(new, 1);
    // Each start tells how to check in to a meeting that is open.
    let (_, words) = run(with_database(folder.path(), database.as_ref()).arg("demo"));
    let event = words
        .split("EVENT=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(words.contains(&format!("PASSWORD='{PASSWORD}'")), "{words}");
    let server =
        Server::start_as(with_database(folder.path(), database.as_ref()).args(["serve", "--demo"])).await;
    let admin = server.login("demo-admin").await;
    let code = client()
        .get(format!("{}/api/v1/events/{event}/code", server.url))
        .bearer_auth(&admin);
    assert_eq!(code.send().await.unwrap().status().as_u16(), 200);
}

#[actix_web::test]
async fn a_database_that_may_lose_what_was_acknowledged_is_refused_before_anything_is_written() {
    let Some(database) = PostgresDatabase::if_wanted() else {
        // What SQLite is set to is the connection's own: there the check is that it took.
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let alter = |value: &str| {
        use diesel::{Connection, connection::SimpleConnection};
        let name = database.url.rsplit('/').next().unwrap();
        diesel::PgConnection::establish(&database.url)
            .unwrap()
            .batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = {value}"))
            .unwrap();
    };
    alter("off");
    for arguments in [["serve", "--demo"], ["demo", "--listen=127.0.0.1:0"]] {
        let (good, words) = run(with_database(folder.path(), Some(&database)).args(arguments));
        assert!(
            !good && words.contains("refusing to start") && words.contains("synchronous_commit = off"),
            "{words}"
        );
    }
    let (good, words) = run(with_database(folder.path(), Some(&database)).arg("doctor"));
    assert!(
        !good && words.contains("WRONG") && words.contains("synchronous_commit"),
        "{words}"
    );
    let (_, words) = run(with_database(folder.path(), Some(&database)).args(["migrate", "--check"]));
    assert!(words.contains("pending"), "{words}");
    alter("on");
    let (good, words) = run(with_database(folder.path(), Some(&database)).arg("demo"));
    assert!(good, "{words}");
}

/// Shells and service managers begin with 1,024 open files, fewer than phones come in a second; a server takes what it may.
#[actix_web::test]
async fn a_server_opens_as_many_files_as_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = zhibu(folder.path());
    let server = {
        let binary = command.get_program().to_owned();
        let script = format!("ulimit -Sn 256; exec {} \"$@\"", binary.to_str().unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).current_dir(folder.path());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        command = shell;
        Server::start_as(command.stdin(Stdio::null())).await
    };
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert!(numbers[0] == numbers[1] && numbers[0] != "256", "{files}");
}

/// Password hashes are for nobody else on the machine, whoever made the folder.
#[actix_web::test]
async fn the_database_is_private_in_a_folder_that_was_there_before() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let _server = Server::start(folder.path(), &[]).await;
    for name in ["zhibu.db", "zhibu.db-wal", "zhibu.db-shm", "secret.key"] {
        let mode = data.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Lists may wait for a replica of the database that is away; people check in without it.
#[actix_web::test]
async fn a_read_replica_that_is_away_stops_no_start_and_no_check_in() {
    let t = TestApp::start().await;
    let Some(url) = t.app.config.database.url.clone() else {
        return;
    };
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    let mut config = t.app.config.as_ref().clone();
    config.database.url = Some(url);
    config.database.read_url = Some("postgres://zhibu@127.0.0.1:1/nobody".to_owned());
    config.database.deadline = std::time::Duration::from_secs(2);
    let (replica, stop) = t.replica_with(config).await;
    t.get(&format!("{replica}/readyz"), "").await.expect(200);
    let path = format!("{replica}/api/v1/check-ins");
    t.post(&path, &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    t.get(&format!("{replica}/api/v1/lessons"), &tenant.member_a)
        .await
        .refused(503, "unavailable");
    stop.stop(false).await;
}

#[actix_web::test]
async fn ready_means_that_the_database_has_every_migration_of_this_binary() {
    use diesel::prelude::*;
    let t = TestApp::start().await;
    let run = |sql: &'static str| {
        t.app
            .db
            .write(move |conn| Ok(diesel::sql_query(sql).execute(conn)?))
    };
    let url = format!("{}/readyz", t.url);
    let ready = || t.get(&url, "");
    ready().await.expect(200);
    // A newer database is what the old replicas see while they are replaced.
    run("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
        .await
        .unwrap();
    ready().await.expect(200);
    run("DELETE FROM __diesel_schema_migrations WHERE version = '0005'")
        .await
        .unwrap();
    ready().await.refused(503, "unavailable");
    run("INSERT INTO __diesel_schema_migrations (version) VALUES ('0005')")
        .await
        .unwrap();
    ready().await.expect(200);
}

#[actix_web::test]
async fn the_lanes_batches_are_counted_in_check_ins_not_in_seconds() {
    let t = TestApp::start().await;
    let tenant = t.tenant().await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    t.post("/check-ins", &tenant.member_a, t.with_code(&code))
        .await
        .expect(201);
    let metrics = t.get(&format!("{}/metrics", t.url), "").await.expect(200);
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    let buckets: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("zhibu_lane_batch_bucket"))
        .collect();
    assert!(
        buckets.iter().any(|line| line.contains("le=\"256\"")),
        "{buckets:?}"
    );
    assert!(
        buckets.iter().all(|line| !line.contains("le=\"0.")),
        "{buckets:?}"
    );
}

/// P17. The tests' clock stands still in 2026; the database's goes on.
#[actix_web::test]
async fn a_server_that_runs_tells_its_skew() {
    let t = TestApp::start().await;
    zhibu::doctor::watch_clock(&t.app).await.unwrap();
    let metrics = t.get(&format!("{}/metrics", t.url), "").await.expect(200);
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    let told = metrics
        .lines()
        .find_map(|line| line.strip_prefix("zhibu_clock_skew_seconds "))
        .unwrap();
    let ahead = (t.now().millis() - Clock::system().now().millis()) as f64 / 1_000.0;
    let told: f64 = told.parse().unwrap();
    assert!((told - ahead).abs() < 60.0, "{told} of {ahead}");
}

#[actix_web::test]
async fn a_made_up_method_is_no_label_of_its_own() {
    let t = TestApp::start().await;
    let made_up = reqwest::Method::from_bytes(b"MADEUP").unwrap();
    let url = format!("{}/api/v1/me", t.url);
    let reply = client().request(made_up, url).send().await.unwrap();
    assert_eq!(reply.status(), 405);
    let metrics = t.get(&format!("{}/metrics", t.url), "").await.expect(200);
    let metrics = String::from_utf8(metrics.bytes).unwrap();
    assert!(metrics.contains("method=\"other\"") && !metrics.contains("MADEUP"));
}

#[actix_web::test]
async fn the_health_check_asks_the_server_itself() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]).await;
    let listen = server.url.strip_prefix("http://").unwrap().to_owned();
    let check = || run(zhibu(folder.path()).args(["healthcheck", "--listen", &listen]));
    assert_eq!(check(), (true, "ready\n".into()));
    server.signal("-TERM");
    finish(server);
    let (good, words) = check();
    assert!(!good && words.contains("nothing answers"), "{words}");
}

#[actix_web::test]
async fn a_roster_is_imported_from_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["serve", "--demo"]).await;
    let admin = server.login("demo-admin").await;
    let tree = client()
        .get(format!("{}/api/v1/organizations?limit=1", server.url))
        .bearer_auth(&admin);
    let tree: Value = tree.send().await.unwrap().json().await.unwrap();
    let root = tree["items"][0]["id"].as_str().unwrap();
    std::fs::write(folder.path().join("r.csv"), "姓名,手机\n新人,13812345678\n").unwrap();
    let import = |more: &[&str]| {
        let arguments = ["import", "members", "r.csv", "--organization", root];
        run(zhibu(folder.path()).args(arguments).args(more))
    };
    for (more, created) in [(["--dry-run"].as_slice(), 1), (&[], 1), (&[], 0)] {
        let (good, words) = import(more);
        assert!(
            good && words.contains(&format!("\"created\": {created}")),
            "{words}"
        );
    }
    std::fs::write(folder.path().join("r.csv"), "姓名,手机\n別人,13812345678\n").unwrap();
    let (good, words) = import(&[]);
    assert!(
        !good && words.contains("identity_conflict") && words.contains("姓名"),
        "{words}"
    );
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

/// A Redis behind TLS that hangs up: said in words, and no panic.
#[test]
fn redis_over_tls_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (hello, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut first = [0];
            let _ = std::io::Read::read(&mut stream.unwrap(), &mut first);
            let _ = hello.send(first[0]);
        }
    });
    // The first byte of a TLS handshake; on a busy machine one try may be over before it has said anything.
    let is_greeted = (0..20).any(|_| {
        let (_, said) = run(zhibu(folder.path())
            .arg("doctor")
            .env("REDIS_URL", format!("rediss://{address}")));
        assert!(said.contains("Redis does not answer"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        heard.try_iter().any(|first| first == 22)
    });
    assert!(is_greeted);
}

/// In KiB, of the process and of its worst moment.
fn memory_kib(server: &Server) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':')
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    };
    (of("VmRSS"), of("VmHWM"))
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn a_gigabyte_goes_up_and_down_and_the_memory_stays_flat() {
    use base64::Engine;
    use futures_util::{StreamExt, stream};
    use sha2::{Digest, Sha256};
    const FILLING: usize = 1 << 30;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["serve", "--demo"]).await;
    let (token, http) = (server.login("demo-admin").await, client());
    let address = |path: &str| format!("{}/api/v1{path}", server.url);
    let me: Value = http
        .get(address("/me"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let organization = me["member"]["organization_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{me}"));
    // A film with a gigabyte of filling behind it.
    let film = crate::media::data("lesson.mp4");
    let filling = [&u32::try_from(FILLING).unwrap().to_be_bytes(), b"free".as_slice()].concat();
    let size = film.len() + FILLING;
    let zeros = bytes::Bytes::from(vec![0; 1 << 20]);
    let body = || {
        let head = [film.as_slice(), &filling].concat();
        let rest = (0..FILLING / zeros.len()).map(|n| if n == 0 { zeros.slice(8..) } else { zeros.clone() });
        std::iter::once(bytes::Bytes::from(head))
            .chain(rest)
            .collect::<Vec<_>>()
    };
    let mut hash = Sha256::new();
    body().iter().for_each(|piece| hash.update(piece));
    let sha256 = hex::encode(hash.finalize());
    let (before, _) = memory_kib(&server);

    let metadata = base64::engine::general_purpose::STANDARD.encode(organization);
    let request = http
        .post(address("/uploads"))
        .bearer_auth(&token)
        .header("tus-resumable", "1.0.0");
    let request = request
        .header("upload-length", size)
        .header("upload-metadata", format!("organization_id {metadata}"));
    let made = request.send().await.unwrap();
    let upload = made.headers()["location"].to_str().unwrap().to_owned();
    let request = http.patch(format!("{}{upload}", server.url)).bearer_auth(&token);
    let sent = request
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", 0)
        .header("content-type", "application/offset+octet-stream")
        .body(reqwest::Body::wrap_stream(stream::iter(
            body().into_iter().map(Ok::<_, std::io::Error>),
        )))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (sent.status().as_u16(), &sent.headers()["upload-offset"]),
        (204, &size.to_string().parse().unwrap())
    );
    let media = format!("{}{}", server.url, upload.replace("/uploads/", "/media/"));
    let seen = loop {
        let seen: Value = http
            .get(&media)
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        if seen["state"] != "checking" {
            break seen;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(
        (&seen["state"], seen["sha256"].as_str()),
        (&json!("ready"), Some(sha256.as_str())),
        "{seen}"
    );
    let mut read = http
        .get(seen["content_url"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .bytes_stream();
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(piece) = read.next().await {
        let piece = piece.unwrap();
        length += piece.len();
        hash.update(&piece);
    }
    assert_eq!((length, hex::encode(hash.finalize())), (size, sha256));
    let (_, worst) = memory_kib(&server);
    assert!(
        worst < before + 64 * 1024,
        "{before} KiB before, {worst} KiB at the worst"
    );
    println!("memory: {before} KiB before, {worst} KiB at the worst");
}

/// As much of S3 as a bucket of files needs, in memory: whole puts, puts in parts, ranges, deletes.
mod fake_s3 {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::Mutex;

    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

    #[derive(Default)]
    pub struct Objects {
        pub stored: Mutex<HashMap<String, Vec<u8>>>,
        parts: Mutex<BTreeMap<u32, Vec<u8>>>,
    }

    pub fn start() -> (String, web::Data<Objects>) {
        let objects = web::Data::new(Objects::default());
        let data = objects.clone();
        let server = HttpServer::new(move || {
            let limit = web::PayloadConfig::new(64 << 20);
            App::new()
                .app_data(data.clone())
                .app_data(limit)
                .default_service(web::to(answer))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        (address, objects)
    }

    async fn answer(request: HttpRequest, body: web::Bytes, objects: web::Data<Objects>) -> HttpResponse {
        assert!(
            request
                .headers()
                .get("authorization")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Credential=key-of-tests/")
        );
        let (path, query) = (request.path().to_owned(), request.query_string().to_owned());
        let mut stored = objects.stored.lock().unwrap();
        let tag = ("etag", "\"x\"");
        match (request.method().as_str(), query.as_str()) {
            ("POST", "uploads" | "uploads=") => HttpResponse::Ok().body(
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            ),
            ("PUT", query) if query.contains("partNumber=") => {
                let number = query
                    .split("partNumber=")
                    .nth(1)
                    .unwrap()
                    .split('&')
                    .next()
                    .unwrap();
                objects
                    .parts
                    .lock()
                    .unwrap()
                    .insert(number.parse().unwrap(), body.to_vec());
                HttpResponse::Ok().insert_header(tag).finish()
            }
            ("POST", "delete" | "delete=") => {
                let words = String::from_utf8(body.to_vec()).unwrap();
                let key = words
                    .split("<Key>")
                    .nth(1)
                    .unwrap()
                    .split("</Key>")
                    .next()
                    .unwrap();
                stored.remove(&format!("{path}/{key}"));
                HttpResponse::Ok().body(format!(
                    "<DeleteResult><Deleted><Key>{key}</Key></Deleted></DeleteResult>"
                ))
            }
            ("POST", _) => {
                let parts = std::mem::take(&mut *objects.parts.lock().unwrap());
                stored.insert(path, parts.into_values().flatten().collect());
                HttpResponse::Ok()
                    .body("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
            }
            ("PUT", _) => {
                stored.insert(path, body.to_vec());
                HttpResponse::Ok().insert_header(tag).finish()
            }
            ("GET", _) => {
                let bytes = &stored[&path];
                let range = request.headers().get("range").unwrap().to_str().unwrap();
                let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                HttpResponse::PartialContent()
                    .insert_header(tag)
                    .insert_header(("last-modified", "Tue, 24 Nov 2026 01:30:00 GMT"))
                    .insert_header(("content-range", format!("bytes {first}-{last}/{}", bytes.len())))
                    .body(bytes[first..=last].to_vec())
            }
            other => panic!("{other:?}"),
        }
    }
}

/// ZHIBU_TEST_S3 names another service to try it on, with an empty bucket `files` that takes any key.
#[actix_web::test]
async fn complete_files_go_to_a_bucket_and_are_read_from_there() {
    use base64::Engine;
    let folder = tempfile::tempdir().unwrap();
    let (fake, objects) = fake_s3::start();
    let other = std::env::var("ZHIBU_TEST_S3").ok();
    let endpoint = other.clone().unwrap_or(fake);
    let bucket = |command: &mut Command| {
        command
            .env("ZHIBU__MEDIA__STORE", "s3://files/of/zhibu")
            .env("ZHIBU__MEDIA__S3_ENDPOINT", &endpoint)
            .env("ZHIBU__MEDIA__S3_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "key-of-tests")
            .env("AWS_SECRET_ACCESS_KEY", "secret of tests");
    };
    let mut command = zhibu(folder.path());
    bucket(&mut command);
    let server = Server::start_as(command.args(["serve", "--demo"])).await;
    let (token, http) = (server.login("demo-admin").await, client());
    let address = |path: &str| format!("{}/api/v1{path}", server.url);
    let me: Value = http
        .get(address("/me"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let organization = me["member"]["organization_id"].as_str().unwrap();
    // More than one part of it.
    let mut film = crate::media::data("lesson.mp4");
    film.extend((40u32 << 20).to_be_bytes());
    film.extend(b"free");
    film.extend((0..(40u32 << 20) - 8).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]));
    let metadata = base64::engine::general_purpose::STANDARD.encode(organization);
    let request = http
        .post(address("/uploads"))
        .bearer_auth(&token)
        .header("tus-resumable", "1.0.0");
    let made = request
        .header("upload-length", film.len())
        .header("upload-metadata", format!("organization_id {metadata}"))
        .header("content-type", "application/offset+octet-stream")
        .body(film.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status().as_u16(), 201, "{}", made.text().await.unwrap());
    let media = made.headers()["location"]
        .to_str()
        .unwrap()
        .replace("/uploads/", "/media/");
    let media = format!("{}{media}", server.url);
    let seen: Value = http
        .get(&media)
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["state"], "ready", "{seen}");
    let url = seen["content_url"].as_str().unwrap();
    for range in [
        0..film.len(),
        10..11,
        (16 << 20) - 3..(16 << 20) + 3,
        film.len() - 5..film.len(),
    ] {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let part = http.get(url).header("range", asked).send().await.unwrap();
        assert_eq!(part.status().as_u16(), 206);
        assert!(part.bytes().await.unwrap() == film[range]);
    }
    let root = folder.path().join("data/media");
    let left = std::fs::read_dir(root.join("uploads")).unwrap().count();
    assert!(
        left == 0 && !root.join("files").exists(),
        "{left} left in the folder"
    );
    let name = format!("/files/of/zhibu/{organization}/{}", seen["id"].as_str().unwrap());
    assert!(other.is_some() || objects.stored.lock().unwrap()[&name] == film);
    let gone = http.delete(&media).bearer_auth(&token).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 204);
    assert!(other.is_some() || objects.stored.lock().unwrap().is_empty());
    assert_eq!(http.get(url).send().await.unwrap().status().as_u16(), 404);
    let mut doctor = zhibu(folder.path());
    bucket(&mut doctor);
    let (good, words) = tokio::task::spawn_blocking(move || run(doctor.arg("doctor")))
        .await
        .unwrap();
    assert!(
        good && words.contains("the bucket files can be written"),
        "{words}"
    );
}
