//! Settings: one struct per concern. Embedded defaults < file < environment; a wrong value fails the start and says
//! which setting it is, what its value is, and what is allowed.

mod network;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use network::Network;

#[derive(Debug, Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub cache: CacheConfig,
    pub auth: AuthConfig,
    pub check_in: CheckInConfig,
    pub log: LogConfig,
}

#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// Without a slash at its end.
    pub public_url: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    pub workers: usize,
    pub request_timeout: Duration,
    pub shutdown_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://…`; none means SQLite at `sqlite_path`.
    pub url: Option<String>,
    pub read_url: Option<String>,
    pub sqlite_path: PathBuf,
    pub connections: u32,
    pub deadline: Duration,
    pub statement_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// `redis://…` or `rediss://…`; none means in this process.
    pub url: Option<String>,
    /// Before every key and channel.
    pub prefix: String,
    pub deadline: Duration,
}

#[derive(Debug, Clone)]
pub struct AuthConfig {
    pub issuer: String,
    pub audience: String,
    pub access_token_s: i64,
    pub refresh_token_s: i64,
    pub activation_code_s: i64,
    pub password_min_length: usize,
    pub login_failures_per_hour: u32,
    pub failures_per_address_per_hour: u32,
    pub phone_changes_per_hour: u32,
    pub hashing_threads: usize,
    pub hashing_queue: usize,
    /// 32 bytes or more from `ZHIBU_SECRET_KEY`; none means the key file in the data folder.
    pub secret_key: Option<String>,
    /// Former keys, still good for reading tokens and codes (`ZHIBU_OLD_SECRET_KEYS`, separated by commas).
    pub old_secret_keys: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct CheckInConfig {
    pub code_window_s: i32,
    pub opens_before_s: i32,
    pub late_after_s: i32,
    pub closes_after_s: i32,
    pub proof_s: i64,
    pub personal_code_s: i64,
    pub offline_max_age_s: i64,
    pub typed_guesses_per_member: u32,
    pub typed_guesses_per_event: u32,
    pub proofs_per_address: u32,
    pub lane_queue: usize,
    pub lane_batch: usize,
}

#[derive(Debug, Clone)]
pub struct LogConfig {
    pub json: bool,
    pub filter: String,
}

/// What the command line says; it wins over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    pub file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings: {0}")]
    Read(#[from] config::ConfigError),
    #[error("{name} = {value:?} is not allowed: {allowed}")]
    Value {
        name: &'static str,
        value: String,
        allowed: &'static str,
    },
}

fn wrong(name: &'static str, value: impl ToString, allowed: &'static str) -> ConfigError {
    ConfigError::Value {
        name,
        value: value.to_string(),
        allowed,
    }
}

/// Refuses a number outside `range`, naming the setting.
fn within<T: PartialOrd + ToString + Copy>(
    name: &'static str,
    value: T,
    range: std::ops::RangeInclusive<T>,
    allowed: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(wrong(name, value, allowed))
    }
}

impl Config {
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut sources = config::Config::builder().add_source(config::File::from_str(
            include_str!("defaults.toml"),
            config::FileFormat::Toml,
        ));
        sources = match &overrides.file {
            Some(file) => sources.add_source(config::File::from(file.as_path())),
            None => sources.add_source(config::File::from(Path::new("zhibu.toml")).required(false)),
        };
        sources = sources.add_source(
            config::Environment::with_prefix("ZHIBU")
                .prefix_separator("__")
                .separator("__")
                .try_parsing(true),
        );
        for (name, variable) in [
            ("server.listen", "ZHIBU_LISTEN"),
            ("server.data", "ZHIBU_DATA"),
            ("server.public_url", "PUBLIC_URL"),
            ("database.url", "DATABASE_URL"),
            ("cache.url", "REDIS_URL"),
            ("log.filter", "RUST_LOG"),
        ] {
            sources =
                sources.set_override_option(name, std::env::var(variable).ok().filter(|v| !v.is_empty()))?;
        }
        sources = sources
            .set_override_option("server.listen", overrides.listen.clone())?
            .set_override_option(
                "server.data",
                overrides.data.as_ref().map(|d| d.to_string_lossy().into_owned()),
            )?;
        let raw: Raw = sources.build()?.try_deserialize()?;
        let mut config = raw.validate()?;
        config.auth.secret_key = std::env::var("ZHIBU_SECRET_KEY").ok().filter(|v| !v.is_empty());
        config.auth.old_secret_keys = std::env::var("ZHIBU_OLD_SECRET_KEYS")
            .map(|keys| {
                keys.split(',')
                    .map(str::trim)
                    .filter(|k| !k.is_empty())
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default();
        Ok(config)
    }

    /// The embedded defaults with everything in `folder`; tests change what they need.
    pub fn for_testing(folder: &Path) -> Self {
        let raw: Raw = config::Config::builder()
            .add_source(config::File::from_str(
                include_str!("defaults.toml"),
                config::FileFormat::Toml,
            ))
            .build()
            .and_then(config::Config::try_deserialize)
            .unwrap_or_else(|error| unreachable!("the embedded defaults: {error}"));
        let mut config = raw
            .validate()
            .unwrap_or_else(|error| unreachable!("the embedded defaults: {error}"));
        config.server.data = folder.to_owned();
        config.server.public_url = "https://zhibu.test".into();
        config.database.sqlite_path = folder.join("zhibu.db");
        config.database.connections = 4;
        config.database.deadline = Duration::from_secs(20);
        config.database.statement_timeout = Duration::from_secs(20);
        config.auth.secret_key = Some("a key for tests only, of sufficient length".into());
        config
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    server: RawServer,
    database: RawDatabase,
    cache: RawCache,
    auth: RawAuth,
    check_in: RawCheckIn,
    log: RawLog,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawServer {
    listen: String,
    data: PathBuf,
    public_url: String,
    trusted_proxies: String,
    workers: usize,
    request_timeout_s: u64,
    shutdown_timeout_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    url: String,
    read_url: String,
    connections: u32,
    deadline_ms: u64,
    statement_timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCache {
    url: String,
    prefix: String,
    deadline_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuth {
    issuer: String,
    audience: String,
    access_token_s: i64,
    refresh_token_days: i64,
    activation_code_days: i64,
    password_min_length: usize,
    login_failures_per_hour: u32,
    failures_per_address_per_hour: u32,
    phone_changes_per_hour: u32,
    hashing_threads: usize,
    hashing_queue: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCheckIn {
    code_window_s: i32,
    opens_before_s: i32,
    late_after_s: i32,
    closes_after_s: i32,
    proof_s: i64,
    personal_code_s: i64,
    offline_max_age_h: i64,
    typed_guesses_per_member: u32,
    typed_guesses_per_event: u32,
    proofs_per_address: u32,
    lane_queue: usize,
    lane_batch: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    format: String,
    filter: String,
}

impl Raw {
    fn validate(self) -> Result<Config, ConfigError> {
        let server = self.server.validate()?;
        Ok(Config {
            database: self.database.validate(&server.data)?,
            server,
            cache: self.cache.validate()?,
            auth: self.auth.validate()?,
            check_in: self.check_in.validate()?,
            log: self.log.validate()?,
        })
    }
}

/// What `/c/{code}` can be put behind.
fn is_public_url(text: &str) -> bool {
    let Ok(url) = text.parse::<actix_web::http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default();
    matches!(url.scheme_str(), Some("http" | "https"))
        && host.chars().any(char::is_alphanumeric)
        && url
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'))
        && url.query().is_none()
        && !text.contains('#')
}

impl RawServer {
    fn validate(self) -> Result<ServerConfig, ConfigError> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            wrong(
                "server.listen",
                &self.listen,
                "an address and a port, like 127.0.0.1:8080",
            )
        })?;
        let public_url = if self.public_url.is_empty() {
            format!("http://{listen}")
        } else {
            self.public_url
        };
        if !is_public_url(&public_url) {
            return Err(wrong(
                "server.public_url",
                public_url,
                "http:// or https:// with a host, perhaps a port and a path, and nothing after it",
            ));
        }
        let trusted_proxies = Network::parse_list(&self.trusted_proxies).ok_or_else(|| {
            wrong(
                "server.trusted_proxies",
                &self.trusted_proxies,
                "addresses or networks separated by commas, like 127.0.0.1, 10.0.0.0/8, or empty",
            )
        })?;
        within("server.workers", self.workers, 0..=256, "0 (one per core) to 256")?;
        within(
            "server.request_timeout_s",
            self.request_timeout_s,
            1..=300,
            "1 to 300 seconds",
        )?;
        within(
            "server.shutdown_timeout_s",
            self.shutdown_timeout_s,
            1..=600,
            "1 to 600 seconds",
        )?;
        Ok(ServerConfig {
            listen,
            data: self.data,
            public_url: public_url.trim_end_matches('/').to_owned(),
            trusted_proxies,
            workers: self.workers,
            request_timeout: Duration::from_secs(self.request_timeout_s),
            shutdown_timeout: Duration::from_secs(self.shutdown_timeout_s),
        })
    }
}

impl RawDatabase {
    fn validate(self, data: &Path) -> Result<DatabaseConfig, ConfigError> {
        let postgres = |name, url: String| match url.as_str() {
            "" => Ok(None),
            u if u.starts_with("postgres://") || u.starts_with("postgresql://") => Ok(Some(url)),
            // The value holds a password: it is not repeated.
            _ => Err(wrong(
                name,
                "…",
                "postgres://user:password@host/name, or empty for SQLite in the data folder",
            )),
        };
        within("database.connections", self.connections, 1..=500, "1 to 500")?;
        within(
            "database.deadline_ms",
            self.deadline_ms,
            100..=60_000,
            "100 to 60000 milliseconds",
        )?;
        within(
            "database.statement_timeout_ms",
            self.statement_timeout_ms,
            100..=600_000,
            "100 to 600000 milliseconds",
        )?;
        let url = postgres("database.url", self.url)?;
        let read_url = postgres("database.read_url", self.read_url)?;
        if url.is_none() && read_url.is_some() {
            let allowed =
                "empty, unless database.url (DATABASE_URL) names the primary that it is a replica of";
            return Err(wrong("database.read_url", "…", allowed));
        }
        Ok(DatabaseConfig {
            url,
            read_url,
            sqlite_path: data.join("zhibu.db"),
            connections: self.connections,
            deadline: Duration::from_millis(self.deadline_ms),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
        })
    }
}

impl RawCache {
    fn validate(self) -> Result<CacheConfig, ConfigError> {
        let url = match self.url.as_str() {
            "" => None,
            u if u.starts_with("redis://") || u.starts_with("rediss://") => Some(self.url),
            _ => {
                return Err(wrong(
                    "cache.url",
                    "…",
                    "redis://host:port or rediss://…, or empty for in-process",
                ));
            }
        };
        within(
            "cache.deadline_ms",
            self.deadline_ms,
            10..=5_000,
            "10 to 5000 milliseconds",
        )?;
        if self.prefix.is_empty()
            || !self
                .prefix
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        {
            return Err(wrong(
                "cache.prefix",
                self.prefix,
                "letters, digits, hyphens and underscores",
            ));
        }
        Ok(CacheConfig {
            url,
            prefix: self.prefix,
            deadline: Duration::from_millis(self.deadline_ms),
        })
    }
}

impl RawAuth {
    fn validate(self) -> Result<AuthConfig, ConfigError> {
        const DAY_S: i64 = 86_400;
        within(
            "auth.access_token_s",
            self.access_token_s,
            60..=3_600,
            "60 to 3600 seconds",
        )?;
        within(
            "auth.refresh_token_days",
            self.refresh_token_days,
            1..=400,
            "1 to 400 days",
        )?;
        within(
            "auth.activation_code_days",
            self.activation_code_days,
            1..=90,
            "1 to 90 days",
        )?;
        within(
            "auth.password_min_length",
            self.password_min_length,
            8..=64,
            "8 to 64 characters",
        )?;
        within(
            "auth.login_failures_per_hour",
            self.login_failures_per_hour,
            3..=1_000,
            "3 to 1000",
        )?;
        within(
            "auth.failures_per_address_per_hour",
            self.failures_per_address_per_hour,
            10..=1_000_000,
            "10 to 1000000",
        )?;
        within(
            "auth.phone_changes_per_hour",
            self.phone_changes_per_hour,
            1..=1_000,
            "1 to 1000",
        )?;
        within("auth.hashing_threads", self.hashing_threads, 1..=64, "1 to 64")?;
        within("auth.hashing_queue", self.hashing_queue, 1..=10_000, "1 to 10000")?;
        Ok(AuthConfig {
            issuer: self.issuer,
            audience: self.audience,
            access_token_s: self.access_token_s,
            refresh_token_s: self.refresh_token_days * DAY_S,
            activation_code_s: self.activation_code_days * DAY_S,
            password_min_length: self.password_min_length,
            login_failures_per_hour: self.login_failures_per_hour,
            failures_per_address_per_hour: self.failures_per_address_per_hour,
            phone_changes_per_hour: self.phone_changes_per_hour,
            hashing_threads: self.hashing_threads,
            hashing_queue: self.hashing_queue,
            secret_key: None,
            old_secret_keys: Vec::new(),
        })
    }
}

impl RawCheckIn {
    fn validate(self) -> Result<CheckInConfig, ConfigError> {
        const DAY_S: i32 = 86_400;
        within(
            "check_in.code_window_s",
            self.code_window_s,
            5..=120,
            "5 to 120 seconds",
        )?;
        within(
            "check_in.opens_before_s",
            self.opens_before_s,
            0..=DAY_S,
            "0 to 86400 seconds",
        )?;
        within(
            "check_in.late_after_s",
            self.late_after_s,
            0..=DAY_S,
            "0 to 86400 seconds",
        )?;
        within(
            "check_in.closes_after_s",
            self.closes_after_s,
            60..=7 * DAY_S,
            "60 to 604800 seconds",
        )?;
        within("check_in.proof_s", self.proof_s, 60..=3_600, "60 to 3600 seconds")?;
        within(
            "check_in.personal_code_s",
            self.personal_code_s,
            10..=300,
            "10 to 300 seconds",
        )?;
        within(
            "check_in.offline_max_age_h",
            self.offline_max_age_h,
            1..=720,
            "1 to 720 hours",
        )?;
        for (name, value) in [
            ("check_in.typed_guesses_per_member", self.typed_guesses_per_member),
            ("check_in.typed_guesses_per_event", self.typed_guesses_per_event),
        ] {
            within(name, value, 1..=100_000, "1 to 100000")?;
        }
        within(
            "check_in.proofs_per_address",
            self.proofs_per_address,
            100..=10_000_000,
            "100 to 10000000",
        )?;
        within(
            "check_in.typed_guesses_per_member",
            self.typed_guesses_per_member,
            1..=100,
            "1 to 100",
        )?;
        within(
            "check_in.typed_guesses_per_event",
            self.typed_guesses_per_event,
            1..=100_000,
            "1 to 100000",
        )?;
        within(
            "check_in.lane_queue",
            self.lane_queue,
            16..=1_000_000,
            "16 to 1000000",
        )?;
        within(
            "check_in.lane_batch",
            self.lane_batch,
            0..=4_096,
            "1 to 4096, or 0 for a transaction each",
        )?;
        Ok(CheckInConfig {
            code_window_s: self.code_window_s,
            opens_before_s: self.opens_before_s,
            late_after_s: self.late_after_s,
            closes_after_s: self.closes_after_s,
            proof_s: self.proof_s,
            personal_code_s: self.personal_code_s,
            offline_max_age_s: self.offline_max_age_h * 3_600,
            typed_guesses_per_member: self.typed_guesses_per_member,
            typed_guesses_per_event: self.typed_guesses_per_event,
            proofs_per_address: self.proofs_per_address,
            lane_queue: self.lane_queue,
            lane_batch: self.lane_batch,
        })
    }
}

/// tracing's syntax, without bare targets: there `inof` would be one, and everything of it logged.
fn is_filter(text: &str) -> bool {
    let level = |part: &str| part.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let known = |part: &str| part.is_empty() || part.contains(['=', '[', ']', '}']) || level(part);
    tracing_subscriber::EnvFilter::try_new(text).is_ok() && text.split(',').map(str::trim).all(known)
}

impl RawLog {
    fn validate(self) -> Result<LogConfig, ConfigError> {
        let json = match self.format.as_str() {
            "text" => false,
            "json" => true,
            _ => return Err(wrong("log.format", &self.format, "text or json")),
        };
        if !is_filter(&self.filter) {
            let allowed = "off, error, warn, info, debug or trace, and target=level, separated by commas";
            return Err(wrong("log.filter", self.filter, allowed));
        }
        Ok(LogConfig {
            json,
            filter: self.filter,
        })
    }
}
