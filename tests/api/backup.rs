//! The drill: what `zhibu backup` made, or told to make, while people checked in starts as a server of its own and has
//! everything that was acknowledged before it began.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use serde_json::json;
use zhibu::platform::clock::Clock;

use crate::leaderboards::{follow, give, set_mode};
use crate::process::{Server, run, zhibu};
use crate::support::{Person, PostgresDatabase, Reply, Tenant, TestApp, redis_url};

#[actix_web::test]
async fn a_copy_taken_while_people_check_in_has_all_that_was_acknowledged_before() {
    let t = TestApp::start().await;
    t.clock().set(Clock::system().now());
    let tenant = t.tenant().await;
    let people = t.crowd(&tenant, 200).await;
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    let code = t.code(&tenant.admin, &event).await;
    let (before, beside) = people.split_at(100);
    for reply in check_in(&t, &t.url, before, &code).await {
        reply.expect(201);
    }

    let folder = t.app.config.server.data.join("copy");
    let copying = backup(&t, &folder);
    let (words, replies) = tokio::join!(
        tokio::task::spawn_blocking(copying),
        check_in(&t, &t.url, beside, &code)
    );
    replies.into_iter().for_each(|reply| drop(reply.expect(201)));
    let words = words.unwrap();

    let database = PostgresDatabase::if_wanted();
    if let (Some(source), Some(database)) = (&t.app.config.database.url, &database) {
        shell(&told(&words, "pg_dump "), source);
        shell(&told(&words, "pg_restore "), &database.url);
    }
    let restored = start(&t, &folder, database.as_ref()).await;
    let kept = checked_in(&t, &restored.url, &tenant, &event).await;
    let lost: Vec<&Person> = before
        .iter()
        .filter(|person| !kept.contains(&person.id))
        .collect();
    assert!(lost.is_empty(), "{} of 100", lost.len());
    // Life goes on: whoever is missing there checks in again, the others are told that they have.
    for reply in check_in(&t, &restored.url, &people, &code).await {
        assert!([200, 201].contains(&reply.status), "{}", reply.json);
    }
    assert_eq!(checked_in(&t, &restored.url, &tenant, &event).await.len(), 200);
}

/// What Redis keeps of boards is of the database as it was before: nobody may see it once that was lost.
#[actix_web::test]
async fn boards_of_a_restored_database_are_its_own() {
    let (Some(database), Some(cache)) = (PostgresDatabase::if_wanted(), redis_url()) else {
        eprintln!("LEFT OUT: boards outlive a database in Redis only");
        return;
    };
    let t = TestApp::start().await;
    t.clock().set(Clock::system().now());
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    give(&t, &tenant, &tenant.member_a_id, 3).await;
    let folder = t.app.config.server.data.join("copy");
    let words = tokio::task::spawn_blocking(backup(&t, &folder)).await.unwrap();
    shell(
        &told(&words, "pg_dump "),
        t.app.config.database.url.as_ref().unwrap(),
    );
    give(&t, &tenant, &tenant.member_a_id, 4).await;
    let points = async |url: &str| {
        let path = format!("{url}/api/v1/leaderboards/{}?span=all", tenant.root);
        t.get(&path, &tenant.admin).await.expect(200).json["items"][0]["points"].clone()
    };
    follow(&t).await;
    assert_eq!(points(&t.url).await, 7);

    shell(&told(&words, "pg_restore "), &database.url);
    let mut restored = configured(&t, &folder, Some(&database.url));
    restored
        .env("REDIS_URL", cache)
        .env("ZHIBU__CACHE__PREFIX", &t.app.config.cache.prefix);
    let restored = Server::start_as(&mut restored).await;
    assert_eq!(points(&restored.url).await, 3);
}

#[actix_web::test]
async fn a_backup_replaces_none_and_needs_a_database() {
    if PostgresDatabase::if_wanted().is_some() {
        return; // Only words are told there.
    }
    let folder = tempfile::tempdir().unwrap();
    let backup = || run(zhibu(folder.path()).args(["backup", "copy"]));
    let (good, words) = backup();
    assert!(!good && words.contains("there is no database at"), "{words}");
    assert!(run(zhibu(folder.path()).arg("demo")).0);
    let (good, words) = backup();
    assert!(
        good && words.contains("zhibu --data copy") && words.contains("The key is beside it"),
        "{words}"
    );
    for name in ["zhibu.db", "secret.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = folder
            .path()
            .join("copy")
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (good, words) = backup();
    assert!(!good && words.contains("is there already"), "{words}");
    let (good, words) = run(zhibu(folder.path()).args(["--data", "copy", "doctor"]));
    assert!(
        good && words.contains("the database is of this version"),
        "{words}"
    );
}

/// Runs the command when it is called, and gives what it printed.
fn backup(t: &TestApp, folder: &Path) -> impl FnOnce() -> String + Send + 'static {
    let mut command = configured(t, &t.app.config.server.data, t.app.config.database.url.as_deref());
    command.arg("backup").arg(folder);
    move || {
        let (good, words) = run(&mut command);
        assert!(good, "{words}");
        words
    }
}

async fn start(t: &TestApp, folder: &Path, database: Option<&PostgresDatabase>) -> Server {
    let url = database.map(|database| database.url.as_str());
    Server::start_as(&mut configured(t, folder, url)).await
}

fn configured(t: &TestApp, data: &Path, database: Option<&str>) -> Command {
    let mut command = zhibu(data);
    command
        .env("ZHIBU_DATA", data)
        .env("ZHIBU_SECRET_KEY", t.app.config.auth.secret_key.as_ref().unwrap());
    if let Some(url) = database {
        command.env("DATABASE_URL", url);
    }
    command
}

/// The command among the words, as somebody would copy it.
fn told(words: &str, program: &str) -> String {
    let is_told = |line: &&str| line.starts_with("  ") && line.contains(program);
    let line = words.lines().find(is_told);
    line.unwrap_or_else(|| panic!("{program}: {words}")).to_owned()
}

fn shell(line: &str, database: &str) {
    let (good, words) = run(Command::new("sh")
        .args(["-c", line])
        .env("DATABASE_URL", database));
    assert!(good, "{line}: {words}");
}

async fn check_in(t: &TestApp, url: &str, people: &[Person], code: &str) -> Vec<Reply> {
    join_all(people.iter().map(|person| {
        // The same id each time: what a phone does that has heard no answer.
        let body = json!({ "client_event_id": person.id, "code": code, "occurred_at": t.in_s(0) });
        let url = format!("{url}/api/v1/check-ins");
        async move { t.post(&url, &person.token, body).await }
    }))
    .await
}

/// Who has checked in, as this server tells it.
async fn checked_in(t: &TestApp, url: &str, tenant: &Tenant, event: &str) -> HashSet<String> {
    let (mut found, mut cursor) = (HashSet::new(), String::new());
    loop {
        let path = format!("{url}/api/v1/events/{event}/attendance?limit=200{cursor}");
        let page = t.get(&path, &tenant.admin).await.expect(200);
        let lines = page.items().iter().filter(|line| !line["check_in_id"].is_null());
        found.extend(lines.map(|line| line["member_id"].as_str().unwrap().to_owned()));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}
