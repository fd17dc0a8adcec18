//! A database for each test. All of a build are copies of one that was migrated once: thirty migrations a test were most of
//! what a test on PostgreSQL took.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use zhibu::platform::config::Config;
use zhibu::server;

/// Gives the configuration a database with every migration, of the backend under test; SQLite's is in its folder.
pub fn give_database(config: &mut Config) -> Option<PostgresDatabase> {
    let Some(admin_url) = PostgresDatabase::wanted() else {
        std::fs::copy(migrated_file(), &config.database.sqlite_path).unwrap();
        return None;
    };
    let database = PostgresDatabase::make(&admin_url, Some(&migrated_database(&admin_url)));
    config.database.url = Some(database.url.clone());
    config.cache.redis = redis_url().map(|url| url.parse().unwrap());
    config.cache.prefix = database.name.clone();
    Some(database)
}

/// The server the suite uses where it runs on PostgreSQL.
pub fn redis_url() -> Option<String> {
    std::env::var("ZHIBU_TEST_REDIS_URL").ok()
}

/// Another for each build of the tests, and so for each change of the migrations.
fn mark() -> String {
    let built = std::env::current_exe().unwrap().metadata().unwrap();
    let at = built.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    format!("{:x}_{:x}", at.as_nanos(), built.len())
}

/// Made by whoever comes first, under another name until it is whole; two who make it at once make the same.
fn migrated_file() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let whole = target.join(format!("migrated_{}.db", mark()));
    if !whole.exists() {
        let folder = tempfile::tempdir_in(target).unwrap();
        let config = Config::for_testing(folder.path());
        server::migrate_now(&config).unwrap();
        std::fs::rename(&config.database.sqlite_path, &whole).unwrap();
    }
    whole
}

/// The same on the server under test: one at a time makes it.
fn migrated_database(admin_url: &str) -> String {
    let name = format!("migrated_{}", mark());
    let mut conn = PgConnection::establish(admin_url).unwrap();
    conn.batch_execute("SELECT pg_advisory_lock(7068)").unwrap();
    let found = diesel::sql_query("SELECT count(*) AS n FROM pg_database WHERE datname = $1");
    let Count { n } = found.bind::<Text, _>(&name).get_result(&mut conn).unwrap();
    if n == 0 {
        let mut made = PostgresDatabase::make(admin_url, None);
        let mut config = Config::for_testing(Path::new(env!("CARGO_TARGET_TMPDIR")));
        config.database.url = Some(made.url.clone());
        server::migrate_now(&config).unwrap();
        conn.batch_execute(&format!("ALTER DATABASE {} RENAME TO {name}", made.name))
            .unwrap();
        made.is_kept = true;
    }
    name
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// A database for one test, dropped with it.
pub struct PostgresDatabase {
    admin_url: String,
    name: String,
    pub url: String,
    is_kept: bool,
}

impl PostgresDatabase {
    /// The server's address, when the suite runs on PostgreSQL.
    fn wanted() -> Option<String> {
        (std::env::var("ZHIBU_TEST_BACKEND").as_deref() == Ok("postgres")).then(|| {
            std::env::var("ZHIBU_TEST_DATABASE_URL")
                .expect("ZHIBU_TEST_DATABASE_URL names a PostgreSQL server")
        })
    }

    /// An empty one, when the suite runs on PostgreSQL.
    pub fn if_wanted() -> Option<Self> {
        Self::wanted().map(|admin_url| Self::make(&admin_url, None))
    }

    fn make(admin_url: &str, copy_of: Option<&str>) -> Self {
        let name = format!("test_{}", hex::encode(rand::random::<[u8; 8]>()));
        let template = copy_of.map_or(String::new(), |other| format!(" TEMPLATE {other}"));
        let mut conn = PgConnection::establish(admin_url).unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {name}{template}"))
            .unwrap();
        let (server, _) = admin_url.rsplit_once('/').unwrap();
        Self {
            url: format!("{server}/{name}"),
            admin_url: admin_url.to_owned(),
            name,
            is_kept: false,
        }
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Ok(mut conn) = PgConnection::establish(&self.admin_url) {
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}
