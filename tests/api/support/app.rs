//! Starts and stops what a test needs.

use actix_web::web;
use chrono::{DateTime, Duration, Utc};
use diesel::RunQueryDsl;
use zhibu::app::App;
use zhibu::platform::clock::Clock;
use zhibu::platform::config::Config;
use zhibu::platform::db::{Backend, DbConnection, Instant, sql};
use zhibu::platform::ids::Ids;
use zhibu::server;

use super::database::{PostgresDatabase, give_database};

pub struct TestApp {
    pub app: web::Data<App>,
    pub url: String,
    pub http: reqwest::Client,
    handle: actix_web::dev::ServerHandle,
    _jobs: zhibu::platform::jobs::Jobs,
    _folder: tempfile::TempDir,
    _database: Option<PostgresDatabase>,
}

/// Tuesday, half past nine in Shanghai.
pub fn test_now() -> DateTime<Utc> {
    "2026-11-24T01:30:00Z".parse().unwrap()
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// For tests that move the clock by days: access tokens outlive them.
    pub async fn start_for_days() -> Self {
        Self::start_with(|config| config.auth.access_token_s = 30 * 86_400).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::for_testing(folder.path());
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.workers = 1;
        let database = give_database(&mut config);
        change(&mut config);
        let app = web::Data::new(App::build(config, Clock::fixed(test_now()), Ids::system()).unwrap());
        let running = server::start(app.clone()).await.unwrap();
        let handle = running.server.handle();
        actix_web::rt::spawn(running.server);
        Self {
            url: format!("http://{}", running.address),
            app,
            http: http_client()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            handle,
            _jobs: running.jobs,
            _folder: folder,
            _database: database,
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.app.clock
    }

    pub fn now(&self) -> Instant {
        self.app.clock.now()
    }

    pub fn advance_s(&self, seconds: i64) {
        self.app.clock.advance(Duration::seconds(seconds));
    }

    /// RFC 3339, so many seconds from now by the server's clock.
    pub fn in_s(&self, seconds: i64) -> String {
        self.now().plus_s(seconds).to_string()
    }

    /// Does what is due beside the requests, which nothing else does in a test.
    pub async fn run_jobs(&self) {
        self.app.queue.run_due().await.unwrap();
    }

    /// Takes what is due like a server that is killed before it has done it.
    pub async fn take_jobs_and_die(&self) {
        let (now, until) = (self.now(), self.now().plus_s(120));
        let take = move |conn: &mut DbConnection| {
            let query = "UPDATE jobs SET attempts = attempts + 1, leased_until = $1 WHERE run_at <= $2";
            Ok(diesel::sql_query(query)
                .bind::<sql::Instant, _>(until)
                .bind::<sql::Instant, _>(now)
                .execute(conn)?)
        };
        assert!(self.app.db.write(take).await.unwrap() > 0);
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &'static str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            rows: i64,
        }
        let count = move |conn: &mut DbConnection| {
            let query = format!("SELECT count(*) AS rows FROM {table}");
            Ok(diesel::sql_query(query).get_result::<Count>(conn)?.rows)
        };
        self.app.db.read_fresh(count).await.unwrap()
    }

    /// All rows of all tables as text: what is not in it is nowhere in the database.
    pub async fn dump(&self) -> String {
        let tables = self.texts("SELECT name AS line FROM sqlite_master WHERE type = 'table'", "SELECT CAST(relname AS text) AS line FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").await;
        let mut dump = String::new();
        for table in tables {
            let columns =
                format!("SELECT 'quote(\"' || name || '\")' AS line FROM pragma_table_info('{table}')");
            let columns = match self.app.db.backend() {
                Backend::Sqlite => self.texts(&columns, "").await.join(" || ' ' || "),
                Backend::Postgres => String::new(),
            };
            let lite = format!("SELECT {columns} AS line FROM \"{table}\"");
            let pg = format!("SELECT CAST(t AS text) AS line FROM \"{table}\" t");
            for line in self.texts(&lite, &pg).await {
                dump.push_str(&format!("{table}: {line}\n"));
            }
        }
        dump
    }

    /// All that this app has in Redis, keys and values as text. Nothing where there is no Redis.
    pub fn dump_redis(&self) -> String {
        let Some(url) = super::redis_url() else {
            return String::new();
        };
        let mut redis = redis::Client::open(url).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{}*", self.app.config.cache.prefix))
            .query(&mut redis)
            .unwrap();
        let mut dump = String::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut redis).unwrap();
            let command: &[&str] = match kind.as_str() {
                "string" => &["GET"],
                "hash" => &["HGETALL"],
                "list" => &["LRANGE", "0", "-1"],
                "set" => &["SMEMBERS"],
                "zset" => &["ZRANGE", "0", "-1"],
                "stream" => &["XRANGE", "-", "+"],
                // It ran out meanwhile.
                "none" => continue,
                other => panic!("{key} is a {other}"),
            };
            let mut ask = redis::cmd(command[0]);
            let value: redis::Value = ask.arg(&key).arg(&command[1..]).query(&mut redis).unwrap();
            dump.push_str(&format!("{key}: {}\n", text_of(&value)));
        }
        dump
    }

    /// The `line`s of a query, which is written in a form for each database.
    async fn texts(&self, sqlite: &str, postgres: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Text {
            #[diesel(sql_type = diesel::sql_types::Text)]
            line: String,
        }
        let query = match self.app.db.backend() {
            Backend::Sqlite => sqlite.to_owned(),
            Backend::Postgres => postgres.to_owned(),
        };
        let read = move |conn: &mut DbConnection| Ok(diesel::sql_query(query.clone()).load::<Text>(conn)?);
        let found = self.app.db.read_fresh(read).await.unwrap();
        found.into_iter().map(|text| text.line).collect()
    }

    /// A second server on the same database: another replica.
    pub async fn replica(&self) -> (String, actix_web::dev::ServerHandle) {
        self.replica_with(self.app.config.as_ref().clone()).await
    }

    pub async fn replica_with(&self, mut config: Config) -> (String, actix_web::dev::ServerHandle) {
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        let app = App::build(config, self.app.clock.clone(), Ids::system()).unwrap();
        let running = server::start(web::Data::new(app)).await.unwrap();
        let handle = running.server.handle();
        let url = format!("http://{}", running.address);
        actix_web::rt::spawn(async move {
            let _jobs = running.jobs;
            running.server.await
        });
        (url, handle)
    }
}

fn text_of(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Array(parts) | redis::Value::Set(parts) => {
            parts.iter().map(text_of).collect::<Vec<_>>().join(" ")
        }
        redis::Value::Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(name, value)| format!("{} {}", text_of(name), text_of(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// TLS in this program has no provider of cryptography until somebody installs one, which `main` does for the server.
pub fn http_client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let stop = self.handle.stop(false);
        actix_web::rt::spawn(stop);
    }
}
