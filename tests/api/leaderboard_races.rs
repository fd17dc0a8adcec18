//! The journal's sum is the totals are the boards, for every member and period: after thousands of awards and reversals from
//! several processes, of which one is killed; and whatever happens to Redis, which holds no truth.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use chrono::NaiveDate;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Date, Text};
use diesel::{Connection, RunQueryDsl};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use zhibu::leaderboards::{Period, Span};
use zhibu::platform::clock::Clock;
use zhibu::platform::db::{Backend, DbConnection, Instant, sql};

use crate::leaderboards::{board, follow, give, set_mode, standing};
use crate::points::{disagreements, entry_like_the_first};
use crate::process::{Server, beside};
use crate::races::Count;
use crate::support::{Person, Tenant, TestApp};

#[derive(diesel::QueryableByName)]
struct Entry {
    #[diesel(sql_type = Text)]
    member: String,
    #[diesel(sql_type = Date)]
    day: NaiveDate,
    #[diesel(sql_type = BigInt)]
    points: i64,
    #[diesel(sql_type = sql::Instant)]
    recorded_at: Instant,
}

/// All entries that change anything, from the journal itself.
async fn entries(t: &TestApp) -> Vec<Entry> {
    let member = match t.app.db.backend() {
        Backend::Sqlite => "lower(hex(member_id))",
        Backend::Postgres => "replace(CAST(member_id AS text), '-', '')",
    };
    let query = format!(
        "SELECT {member} AS member, day, CAST(points AS bigint) AS points, recorded_at FROM point_entries WHERE points <> 0"
    );
    let read = move |conn: &mut DbConnection| Ok(diesel::sql_query(&query).load::<Entry>(conn)?);
    t.app.db.read_fresh(read).await.unwrap()
}

/// Rank, member and points, reckoned from the journal by sorting it.
fn reckoned(entries: &[Entry], period: Period) -> Vec<(u64, String, i64)> {
    let mut sums: BTreeMap<&str, (i64, Instant)> = BTreeMap::new();
    for entry in entries {
        let is_in = entry.day >= period.starts_on && period.ends_before().is_none_or(|end| entry.day < end);
        if is_in {
            let sum = sums.entry(&entry.member).or_insert((0, entry.recorded_at));
            *sum = (sum.0 + entry.points, sum.1.max(entry.recorded_at));
        }
    }
    let mut order: Vec<_> = sums.into_iter().filter(|(_, (points, _))| *points > 0).collect();
    order.sort_by_key(|(member, (points, at))| (-points, *at, (*member).to_owned()));
    let rank = |points: i64| order.iter().filter(|(_, (other, _))| *other > points).count() as u64 + 1;
    let line =
        |(member, (points, _)): &(&str, (i64, Instant))| (rank(*points), (*member).to_owned(), *points);
    order.iter().map(line).collect()
}

/// A whole board by the pages that the API answers.
async fn listed(t: &TestApp, tenant: &Tenant, span: Span) -> Vec<(u64, String, i64)> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("span={}&limit=200{cursor}", span.as_str());
        let page = board(t, &tenant.admin, &tenant.root, &query).await;
        for item in page.items() {
            all.push((
                item["rank"].as_u64().unwrap(),
                item["member_id"].as_str().unwrap().replace('-', ""),
                item["points"].as_i64().unwrap(),
            ));
        }
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Journal, totals and boards of all periods say the same.
async fn agree(t: &TestApp, tenant: &Tenant) {
    assert_eq!(disagreements(t).await, Vec::<String>::new());
    let entries = entries(t).await;
    let today = zhibu::platform::local_time::local_date(t.now(), chrono_tz::Asia::Shanghai);
    for span in Span::ENDING.into_iter().chain([Span::All]) {
        let expected = reckoned(&entries, Period::of(span, today));
        assert!(!expected.is_empty());
        assert_eq!(listed(t, tenant, span).await, expected, "{}", span.as_str());
    }
}

/// Sends a write until there is an answer. What was sent before a kill is sent again, with the same id.
async fn send(t: &TestApp, servers: &[String], n: usize, path: &str, token: &str, body: &Value) -> Value {
    for attempt in 0.. {
        let server = &servers[(n + attempt) % servers.len()];
        let request = t
            .http
            .post(format!("{server}/api/v1{path}"))
            .bearer_auth(token)
            .json(body);
        if let Ok(response) = request.send().await {
            let status = response.status().as_u16();
            if let Ok(answer) = response.json::<Value>().await {
                // 409: it had been annulled before the answer was lost.
                if (status < 300 && is_whole(&answer)) || status == 409 {
                    return answer;
                }
                assert!(status >= 500 || !is_whole(&answer), "{status} {answer}");
            }
        }
        assert!(attempt < 10_000, "nobody answers");
        tokio::task::yield_now().await;
    }
    Value::Null
}

/// Items of a batch that were not served in time are sent again, like a request.
fn is_whole(answer: &Value) -> bool {
    let items = answer["items"].as_array().into_iter().flatten();
    items.into_iter().all(|item| item["code"] != "unavailable")
}

/// A phone checks in at all events at once; the organiser takes some of it back, and the phone tries those again.
async fn go_round(
    t: &TestApp,
    tenant: &Tenant,
    servers: &[String],
    n: usize,
    person: &Person,
    codes: &[String],
) {
    let items = |codes: &[&String]| {
        let items: Vec<Value> = codes.iter().map(|code| t.with_code(code)).collect();
        json!({ "items": items })
    };
    let batch = items(&codes.iter().collect::<Vec<_>>());
    let done = send(t, servers, n, "/check-ins/batch", &person.token, &batch).await;
    let done = done["items"].as_array().unwrap();
    assert_eq!(done.len(), codes.len(), "{done:?}");
    let mut again = Vec::new();
    for (one, code) in done.iter().zip(codes).skip(n % 4).step_by(4) {
        let id = one["check_in"]["id"].as_str().unwrap_or_else(|| panic!("{one}"));
        let annul = format!("/check-ins/{id}/annul");
        send(t, servers, n, &annul, &tenant.admin, &json!({ "reason": "測試" })).await;
        again.push(code);
    }
    send(t, servers, n, "/check-ins/batch", &person.token, &items(&again)).await;
}

#[actix_web::test]
async fn journal_totals_and_boards_agree_after_ten_thousand_entries_from_three_processes_of_which_one_is_killed()
 {
    let t = TestApp::start_with(|config| config.auth.access_token_s = 30 * 86_400).await;
    t.clock().set(Clock::system().now());
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    let people = t.crowd(&tenant, 200).await;
    let (mut events, mut codes) = (Vec::new(), Vec::new());
    for _ in 0..27 {
        let event = t
            .open_event(&tenant.admin, &tenant.branch_a, json!({ "code_window_s": 120 }))
            .await;
        codes.push(t.code(&tenant.admin, &event).await);
        events.push(event);
    }
    // Somebody looks meanwhile, so that the boards are there to be followed.
    listed(&t, &tenant, Span::Month).await;
    let other = beside(&t).await;
    let mut victim = Some(beside(&t).await);
    let urls = [
        t.url.clone(),
        other.url.clone(),
        victim.as_ref().unwrap().url.clone(),
    ];
    let (t, tenant, urls, codes) = (&t, &tenant, &urls, &codes);
    let mut all = stream::iter(people.iter().enumerate())
        .map(|(n, person)| go_round(t, tenant, urls, n, person, codes))
        .buffer_unordered(32);
    let mut done = 0;
    while all.next().await.is_some() {
        done += 1;
        if done % 40 == 0 {
            follow(t).await;
        }
        if done == 90 {
            // kill -9, in the middle of whatever it does; its requests go to the others.
            drop(victim.take());
        }
    }
    drop(all);
    // Ten events did not take place after all.
    for event in events.iter().rev().take(9).chain(events.first()) {
        let cancel = format!("/events/{event}/cancel");
        t.post(&cancel, &tenant.admin, json!({ "reason": "測試" }))
            .await
            .expect(200);
    }
    let written = t.count("point_entries").await;
    assert!(written >= 10_000, "{written}");
    follow(t).await;
    agree(t, tenant).await;
    // What is taken back frees the day's limit, which nobody has ever passed.
    let month = listed(t, tenant, Span::Month).await;
    assert!(month.iter().all(|(_, _, points)| *points <= 10));
    drop::<Server>(other);
}

/// A Redis of a test's own, which may be killed, frozen and filled.
struct OwnRedis {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl OwnRedis {
    /// None where there is no Redis to start.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Self::spawn(port, folder.path())?;
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    fn spawn(port: u16, folder: &std::path::Path) -> Option<Child> {
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if process.is_err() {
            eprintln!("LEFT OUT: there is no redis-server");
        }
        process.ok()
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([name, &self.process.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn come_back(&mut self) {
        self.process = Self::spawn(self.port, self._folder.path()).unwrap();
    }

    async fn tell(&self, command: &[&str]) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let (first, rest) = command.split_first().unwrap();
        redis::cmd(first)
            .arg(rest)
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn on_redis(redis: &OwnRedis) -> (TestApp, Tenant, Vec<Person>) {
    let t = TestApp::start_with(|config| config.cache.redis = Some(redis.url().parse().unwrap())).await;
    while !t.app.cache.is_up().await {
        tokio::task::yield_now().await;
    }
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    let people = t.crowd(&tenant, 4).await;
    for (person, points) in people.iter().zip([40, 30, 30]) {
        give(&t, &tenant, &person.id, points).await;
    }
    agree(&t, &tenant).await;
    (t, tenant, people)
}

/// On PostgreSQL transactions end in another order than they begin.
#[actix_web::test]
async fn what_is_committed_late_is_on_the_board_though_later_changes_were_seen_before() {
    let t = TestApp::start().await;
    if t.app.db.backend() == Backend::Sqlite {
        return;
    }
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    let people = t.crowd(&tenant, 2).await;
    for person in &people {
        give(&t, &tenant, &person.id, 10).await;
    }
    agree(&t, &tenant).await;
    let add = entry_like_the_first(&t, &people[0].id, 7);
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<i64>();
    let (wait, begun) = (std::sync::Mutex::new(wait), std::sync::Mutex::new(Some(begun)));
    let db = t.app.db.clone();
    let late = tokio::spawn(async move {
        let write = move |conn: &mut DbConnection| {
            add(conn)?;
            if let Some(begun) = begun.lock().unwrap().take() {
                begun.send(zhibu::points::next_change_no(conn)?).unwrap();
                wait.lock().unwrap().recv().unwrap();
            }
            Ok(())
        };
        db.write_long(write).await
    });
    let late_no = has_begun.await.unwrap();
    give(&t, &tenant, &people[1].id, 5).await;
    follow(&t).await;
    agree(&t, &tenant).await;
    // Control: who remembered the newest number that they saw would never look at the late one.
    let numbers = |conn: &mut DbConnection| {
        use diesel::prelude::*;
        use zhibu::platform::db::schema::point_entries;
        let newest: Option<i64> = point_entries::table
            .select(diesel::dsl::max(point_entries::change_no))
            .first(conn)?;
        Ok((newest.unwrap(), zhibu::points::settled_change_no(conn)?))
    };
    let (newest, settled) = t.app.db.read_fresh(numbers).await.unwrap();
    assert!(
        settled <= late_no && late_no < newest,
        "{settled} {late_no} {newest}"
    );
    go_on.send(()).unwrap();
    late.await.unwrap().unwrap();
    follow(&t).await;
    agree(&t, &tenant).await;
    assert_eq!(
        standing(&board(&t, &tenant.admin, &tenant.root, "span=month").await)[0].2,
        17
    );
}

/// After a flush all boards are made anew, and each making holds a connection: the others must find one.
#[actix_web::test]
async fn boards_are_made_two_at_a_time_and_the_rest_of_the_api_goes_on() {
    let t = TestApp::start().await;
    let Some(url) = t.app.config.database.url.clone() else {
        eprintln!("LEFT OUT: who waits for whom is seen on PostgreSQL only");
        return;
    };
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    let connect = || diesel::PgConnection::establish(&url).unwrap();
    let (mut holder, mut watcher) = (connect(), connect());
    let hold = "BEGIN; LOCK TABLE point_totals IN ACCESS EXCLUSIVE MODE";
    holder.batch_execute(hold).unwrap();
    let spans = ["day", "week", "month", "quarter", "year", "all"];
    let paths: Vec<String> = [&tenant.root, &tenant.branch_a, &tenant.branch_b]
        .iter()
        .flat_map(|top| {
            spans
                .iter()
                .map(move |span| format!("/leaderboards/{top}?span={span}"))
        })
        .collect();
    let look = || join_all(paths.iter().map(|path| t.get(path, &tenant.admin)));
    for reply in look().await {
        reply.refused(503, "unavailable");
    }
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
    let makings = diesel::sql_query(waiting)
        .get_result::<Count>(&mut watcher)
        .unwrap();
    assert_eq!(makings.n, 2);
    let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
    t.get(&format!("/events/{event}"), &tenant.admin)
        .await
        .expect(200);
    holder.batch_execute("COMMIT").unwrap();
    for reply in look().await {
        reply.expect(200);
    }
}

/// The version of the truth stands still while any transaction is open; boards follow all the same.
#[actix_web::test]
async fn while_a_transaction_stays_open_a_board_is_made_anew_but_once_for_each_change_of_its_tree() {
    let t = TestApp::start().await;
    let Some(url) = t.app.config.database.url.clone() else {
        eprintln!("LEFT OUT: SQLite's writers take turns");
        return;
    };
    let tenant = t.tenant().await;
    set_mode(&t, &tenant, &tenant.root, "open").await;
    let people = t.crowd(&tenant, 2).await;
    let look = async || standing(&board(&t, &people[0].token, &tenant.root, "").await);
    let group = t.group(&tenant.admin, &tenant.branch_a).await;
    let hang = async |parent: &str| {
        let below = json!({ "parent_id": parent });
        let path = format!("/organizations/{group}/move");
        t.post(&path, &tenant.admin, below).await.expect(200);
    };
    let is_right = async || zhibu::leaderboards::follow(&t.app).await.unwrap();
    give(&t, &tenant, &people[0].id, 3).await;
    follow(&t).await;
    assert_eq!(look().await.len(), 1);

    let mut holder = diesel::PgConnection::establish(&url).unwrap();
    holder
        .batch_execute("BEGIN; SELECT pg_current_xact_id()")
        .unwrap();
    for points in 4..7 {
        hang(&tenant.branch_b).await;
        assert!(!is_right().await, "it is made anew");
        // The board that is being made may show this or not.
        hang(&tenant.branch_a).await;
        follow(&t).await;
        for _ in 0..3 {
            assert!(is_right().await, "it follows");
        }
        give(&t, &tenant, &people[1].id, points).await;
        assert!(is_right().await);
        assert_eq!(look().await[0].2, (4..=points).sum::<i64>());
    }
    holder.batch_execute("COMMIT").unwrap();
}

#[actix_web::test]
async fn while_a_lost_board_cannot_be_made_it_is_shown_as_it_was_and_since_when() {
    let Some(mut redis) = OwnRedis::start() else {
        return;
    };
    let (t, tenant, people) = on_redis(&redis).await;
    let board = format!("/leaderboards/{}", tenant.root);
    let mine = format!("{board}/me");
    let before = t.get(&mine, &people[0].token).await.expect(200).json;
    let lines = t.get(&board, &tenant.admin).await.expect(200).json;
    assert_eq!(
        (&before["stale_since"], &before["me"]["rank"]),
        (&Value::Null, &json!(1))
    );
    let told_at = t.in_s(0);
    t.advance_s(3);
    let rename = async |from: &'static str, to: &'static str| {
        let rename = move |conn: &mut DbConnection| {
            let statement = format!("ALTER TABLE {from} RENAME TO {to}");
            Ok(diesel::sql_query(statement).execute(conn).map(|_| ())?)
        };
        t.app.db.write(rename).await.unwrap();
    };
    rename("point_totals", "point_totals_away").await;
    redis.kill();
    let now = t.get(&mine, &people[0].token).await.expect(200).json;
    assert_eq!(now["stale_since"], told_at, "{now}");
    assert_eq!(
        (&now["me"], &now["neighbours"]),
        (&before["me"], &before["neighbours"])
    );
    let page = t.get(&board, &tenant.admin).await.expect(200).json;
    assert_eq!(page["items"], lines["items"]);
    assert_eq!(page["stale_since"], told_at, "{page}");
    // What nobody was told here is not made up.
    let reply = t.get(&format!("{board}?span=day"), &tenant.admin).await;
    reply.refused(503, "unavailable");
    rename("point_totals_away", "point_totals").await;
    redis.come_back();
    heals(&t, &tenant).await;
}

/// Boards are right within a moment of their following, whatever Redis does.
async fn heals(t: &TestApp, tenant: &Tenant) {
    for _ in 0..200 {
        follow(t).await;
        let reply = t
            .get(&format!("/leaderboards/{}", tenant.root), &tenant.admin)
            .await;
        let now = reckoned(&entries(t).await, Period::of(Span::Month, day(t)));
        let points = |lines: &[(u64, String, i64)]| {
            lines
                .iter()
                .map(|(rank, _, points)| (*rank, *points))
                .collect::<Vec<_>>()
        };
        if reply.status == 200 && points(&standing(&reply)) == points(&now) {
            return agree(t, tenant).await;
        }
        tokio::task::yield_now().await;
    }
    panic!("the boards stay wrong");
}

fn day(t: &TestApp) -> NaiveDate {
    zhibu::platform::local_time::local_date(t.now(), chrono_tz::Asia::Shanghai)
}

#[actix_web::test]
async fn boards_are_right_again_after_a_flush_and_while_redis_is_killed_frozen_or_full() {
    let Some(mut redis) = OwnRedis::start() else {
        return;
    };
    let (t, tenant, people) = on_redis(&redis).await;
    let earn = async |n: usize| {
        give(&t, &tenant, &people[n].id, 7).await;
        let event = t.open_event(&tenant.admin, &tenant.branch_a, json!({})).await;
        let code = t.code(&tenant.admin, &event).await;
        t.post("/check-ins", &people[n].token, t.with_code(&code))
            .await
            .expect(201);
    };
    // Emptied, in the middle of things.
    redis.tell(&["FLUSHALL"]).await;
    earn(0).await;
    heals(&t, &tenant).await;
    // Full: it answers, and takes nothing.
    redis.tell(&["CONFIG", "SET", "maxmemory", "1"]).await;
    earn(1).await;
    heals(&t, &tenant).await;
    redis.tell(&["CONFIG", "SET", "maxmemory", "0"]).await;
    earn(2).await;
    heals(&t, &tenant).await;
    // Frozen: it accepts connections, and answers nothing.
    redis.signal("-STOP");
    earn(3).await;
    heals(&t, &tenant).await;
    redis.signal("-CONT");
    earn(0).await;
    heals(&t, &tenant).await;
    // Gone.
    redis.kill();
    earn(1).await;
    heals(&t, &tenant).await;
    redis.come_back();
    earn(2).await;
    heals(&t, &tenant).await;
}
