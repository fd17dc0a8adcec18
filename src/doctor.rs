//! `zhibu doctor`, and the part of it that every start runs: what is wrong with the machine, in words.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Text};

use crate::app::App;
use crate::media::Bucket;
use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::{ConnectError, DbConnection, Manager, Target, migrate};
use crate::platform::document::Fonts;
use crate::platform::error::AppResult;

/// One finding. `Bad` means: not safe to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Good(String),
    Warning(String),
    Bad(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good(words) => write!(f, "ok       {words}"),
            Self::Warning(words) => write!(f, "warning  {words}"),
            Self::Bad(words) => write!(f, "WRONG    {words}"),
        }
    }
}

/// How to reach the database that the settings name, as its writer.
pub fn manager(config: &Config) -> Manager {
    let target = match &config.database.url {
        Some(url) => Target::Postgres { url: url.clone() },
        None => Target::SqliteWriter {
            path: config.database.sqlite_path.to_string_lossy().into_owned(),
        },
    };
    Manager {
        target,
        statement_timeout: config.database.statement_timeout,
    }
}

/// Looks at everything. On an empty folder looking at SQLite makes its file; otherwise nothing is changed.
pub async fn examine(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![data_folder(config), free_space(&config.server.data)];
    findings.push(open_files());
    findings.push(media_folder(&config.media.folder));
    findings.push(document_fonts(config));
    findings.extend(bucket(config).await);
    match manager(config).connect_untouched() {
        Ok(mut conn) => {
            findings.extend(durability_of(&mut conn));
            findings.extend(language_of(&mut conn));
            findings.extend(fences(&mut conn));
            findings.push(clock_skew(&mut conn, clock));
            findings.push(match migrate::pending(&manager(config)) {
                Ok(pending) if pending.is_empty() => Finding::Good("the database is of this version".into()),
                Ok(pending) => Finding::Warning(format!(
                    "migrations to run: {}; `zhibu migrate` runs them",
                    pending.join(", ")
                )),
                Err(error) => Finding::Bad(format!("cannot tell the database's version: {error}")),
            });
        }
        Err(error) => findings.push(Finding::Bad(format!("the database does not answer: {error}"))),
    }
    findings.push(redis(config).await);
    findings
}

fn data_folder(config: &Config) -> Finding {
    let folder = &config.server.data;
    let probe = folder.join(".zhibu-doctor");
    match std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => Finding::Good(format!("the data folder {} can be written", folder.display())),
        Err(error) => Finding::Bad(format!(
            "the data folder {} cannot be written: {error}",
            folder.display()
        )),
    }
}

/// Uploads are locked by their files, and moved when they are complete: within one file system.
fn media_folder(folder: &std::path::Path) -> Finding {
    let name = folder.display();
    let tried = || -> std::io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let [uploads, files] = [folder.join("uploads"), folder.join("files")];
        std::fs::create_dir_all(&uploads)?;
        std::fs::create_dir_all(&files)?;
        let probe = uploads.join(".zhibu-doctor");
        let file = std::fs::File::create(&probe)?;
        let locked = file.try_lock();
        std::fs::remove_file(&probe)?;
        locked.map_err(std::io::Error::from)?;
        Ok(std::fs::metadata(uploads)?.dev() == std::fs::metadata(files)?.dev())
    };
    match tried() {
        Ok(true) => Finding::Good(format!("the media folder {name} can be written and locked")),
        Ok(false) => Finding::Bad(format!(
            "uploads and files of the media folder {name} lie on two file systems: they must be on one"
        )),
        Err(error) => Finding::Bad(format!("the media folder {name} cannot be used: {error}")),
    }
}

/// Nothing but printing needs one.
fn document_fonts(config: &Config) -> Finding {
    match Fonts::find(config.documents.font.as_deref()) {
        Ok(fonts) => Finding::Good(format!("documents are set in {}", fonts.path().display())),
        Err(error) => Finding::Warning(format!(
            "no documents can be printed, {error}: set documents.font to a file with Chinese signs, or install a package like fonts-noto-cjk"
        )),
    }
}

async fn bucket(config: &Config) -> Option<Finding> {
    let settings = config.media.bucket.as_ref()?;
    let tried = match Bucket::open(settings) {
        Ok(bucket) => bucket.is_there().await,
        Err(error) => Err(error),
    };
    Some(match tried {
        Ok(()) => Finding::Good(format!("the bucket {} can be written", settings.name)),
        Err(error) => Finding::Bad(format!("the bucket {} cannot be used: {error}", settings.name)),
    })
}

/// Below this a database that grows may soon have nowhere to write.
const LITTLE_SPACE_MIB: u64 = 500;
const NO_SPACE_MIB: u64 = 20;

fn free_space(folder: &std::path::Path) -> Finding {
    // As it will be made there.
    let there = folder.ancestors().find(|part| part.exists());
    let there = there.unwrap_or(std::path::Path::new("."));
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            let free_mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
            let words = format!("{free_mib} MiB are free for the data folder");
            match free_mib {
                0..NO_SPACE_MIB => Finding::Bad(format!("only {words}: make room")),
                NO_SPACE_MIB..LITTLE_SPACE_MIB => Finding::Warning(format!("only {words}: make room")),
                _ => Finding::Good(words),
            }
        }
        Err(error) => Finding::Warning(format!(
            "the free space of {} is not told: {error}",
            there.display()
        )),
    }
}

/// Phones that a process should be able to hold, and what else it opens.
const MANY_FILES: u64 = 4_096;

/// As a server has them, which takes what it may.
fn open_files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(most) if most < MANY_FILES => Finding::Warning(format!(
            "a process may open {most} files, and each phone that is connected is one: allow more (ulimit -Hn, LimitNOFILE)"
        )),
        Some(most) => Finding::Good(format!("a process may open {most} files")),
        None => Finding::Good("a process may open as many files as it wants".into()),
    }
}

/// Settings under which an acknowledged check-in could be lost, on which the server refuses to start: those that are `Bad`.
/// Others it warns of.
pub fn safety(config: &Config) -> Result<Vec<Finding>, ConnectError> {
    let mut conn = manager(config).connect_untouched()?;
    let mut findings = durability_of(&mut conn);
    findings.extend(language_of(&mut conn));
    Ok(findings)
}

/// What PostgreSQL says of a deadlock, a timeout or a full disk is told from its words alone.
fn language_of(conn: &mut DbConnection) -> Option<Finding> {
    let DbConnection::Pg(_) = conn else {
        return None;
    };
    Some(match setting(conn, "lc_messages") {
        Ok(value) if is_english(&value) => {
            Finding::Good(format!("PostgreSQL speaks English (lc_messages = {value})"))
        }
        Ok(value) => Finding::Warning(format!(
            "PostgreSQL has lc_messages = {value}: what it says of deadlocks, timeouts and full disks is not understood, so they \
             are answered 500 in place of 503 and not tried again. As superuser: ALTER ROLE … SET lc_messages = 'C'"
        )),
        Err(error) => Finding::Warning(format!("PostgreSQL does not tell lc_messages: {error}")),
    })
}

/// An empty one is as the server's environment says, which nobody tells.
fn is_english(locale: &str) -> bool {
    ["C", "POSIX"].contains(&locale)
        || ["C.", "en", "English"]
            .iter()
            .any(|start| locale.starts_with(start))
}

/// PostgreSQL: what the server, the database and the role are set to; that our sessions ask for synchronous_commit = on
/// is no excuse, for a pooler between may lose it. SQLite: whether it took what we set.
fn durability_of(conn: &mut DbConnection) -> Vec<Finding> {
    match conn {
        DbConnection::Pg(_) => ["fsync", "full_page_writes", "synchronous_commit"]
            .into_iter()
            .map(|name| postgres_setting(conn, name))
            .collect(),
        DbConnection::Sqlite(_) => vec![sqlite_synchronous(conn), sqlite_journal(conn)],
    }
}

fn setting(conn: &mut DbConnection, name: &str) -> QueryResult<String> {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let found: Setting = diesel::sql_query("SELECT current_setting($1) AS value")
        .bind::<Text, _>(name)
        .get_result(conn)?;
    Ok(found.value)
}

fn postgres_setting(conn: &mut DbConnection, name: &str) -> Finding {
    match setting(conn, name) {
        Ok(value) if value == "off" => Finding::Bad(format!(
            "PostgreSQL has {name} = off: acknowledged writes can be lost. Set it to on, for the server, the database and the role"
        )),
        Ok(value) => Finding::Good(format!("PostgreSQL has {name} = {value}")),
        Err(error) => Finding::Bad(format!("PostgreSQL does not tell {name}: {error}")),
    }
}

fn sqlite_synchronous(conn: &mut DbConnection) -> Finding {
    #[derive(QueryableByName)]
    struct Level {
        #[diesel(sql_type = Integer)]
        synchronous: i32,
    }
    let found: QueryResult<Level> =
        diesel::sql_query("SELECT synchronous FROM pragma_synchronous").get_result(conn);
    match found {
        Ok(level) if level.synchronous >= 2 => {
            Finding::Good("SQLite syncs each commit (synchronous = FULL)".into())
        }
        Ok(_) => Finding::Bad("SQLite is below synchronous = FULL: acknowledged writes can be lost".into()),
        Err(error) => Finding::Bad(format!("SQLite does not tell its synchronous level: {error}")),
    }
}

fn sqlite_journal(conn: &mut DbConnection) -> Finding {
    #[derive(QueryableByName)]
    struct Mode {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }
    let found: QueryResult<Mode> =
        diesel::sql_query("SELECT journal_mode FROM pragma_journal_mode").get_result(conn);
    match found {
        Ok(mode) if mode.journal_mode == "wal" => {
            Finding::Good("SQLite writes ahead (journal_mode = WAL)".into())
        }
        Ok(mode) => Finding::Bad(format!(
            "SQLite could not switch to journal_mode = WAL, it is {}: put the data folder on a local disk",
            mode.journal_mode
        )),
        Err(error) => Finding::Bad(format!("SQLite does not tell its journal mode: {error}")),
    }
}

/// Row-level security is nothing to a role that may pass it.
fn fences(conn: &mut DbConnection) -> Option<Finding> {
    #[derive(QueryableByName)]
    struct Role {
        #[diesel(sql_type = Bool)]
        passes: bool,
    }
    let DbConnection::Pg(_) = conn else {
        return None;
    };
    let query = "SELECT rolsuper OR rolbypassrls AS passes FROM pg_roles WHERE rolname = current_user";
    Some(match diesel::sql_query(query).get_result::<Role>(conn) {
        Ok(Role { passes: false }) => Finding::Good("rows of each tree are fenced in".into()),
        Ok(Role { passes: true }) => Finding::Warning(
            "this role passes row-level security, the second fence between trees: \
             make it the owner of its database with NOSUPERUSER NOBYPASSRLS"
                .into(),
        ),
        Err(error) => Finding::Warning(format!(
            "the database does not tell what this role may do: {error}"
        )),
    })
}

/// Beyond it replicas judge lateness, codes and sessions visibly differently.
const MOST_SKEW_MS: i64 = 2_000;

fn clock_skew(conn: &mut DbConnection, clock: &Clock) -> Finding {
    match skew_ms(conn, clock) {
        Ok(skew) => {
            let words = format!("this clock and the database's differ by {skew} ms");
            if skew.abs() > MOST_SKEW_MS {
                Finding::Warning(format!("{words}: run NTP on both"))
            } else {
                Finding::Good(words)
            }
        }
        Err(error) => Finding::Warning(format!("the database does not tell its time: {error}")),
    }
}

/// By how much this machine's clock is ahead of the database's.
fn skew_ms(conn: &mut DbConnection, clock: &Clock) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Now {
        #[diesel(sql_type = BigInt)]
        ms: i64,
    }
    let query = match conn {
        DbConnection::Pg(_) => "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS ms",
        DbConnection::Sqlite(_) => "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS ms",
    };
    let now = diesel::sql_query(query).get_result::<Now>(conn)?;
    Ok(clock.now().millis() - now.ms)
}

/// What a server that runs does every minute: tells the skew as a metric, and warns of one that matters.
pub async fn watch_clock(app: &App) -> AppResult<()> {
    let clock = app.clock.clone();
    let skew = app.db.read_fresh(move |conn| Ok(skew_ms(conn, &clock)?)).await?;
    metrics::gauge!("zhibu_clock_skew_seconds").set(skew as f64 / 1_000.0);
    if skew.abs() > MOST_SKEW_MS {
        tracing::warn!(
            skew_ms = skew,
            "this clock and the database's differ: run NTP on both"
        );
    }
    Ok(())
}

async fn redis(config: &Config) -> Finding {
    if config.cache.redis.is_none() {
        return Finding::Good("no REDIS_URL: the cache is in this process, enough for one server".into());
    }
    match Cache::open(&config.cache).is_up().await {
        true => Finding::Good("Redis answers".into()),
        false => Finding::Warning(
            "Redis does not answer in time: everything works, live screens of other replicas lag".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_says_is_understood_in_english_only() {
        let english = [
            "C",
            "POSIX",
            "C.UTF-8",
            "en_US.UTF-8",
            "English_United States.1252",
        ];
        assert!(english.into_iter().all(is_english));
        let others = ["zh_CN.UTF-8", "de_DE", ""];
        assert!(others.into_iter().all(|locale| !is_english(locale)));
    }
}
