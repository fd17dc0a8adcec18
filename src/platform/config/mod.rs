//! Settings: one struct per concern. Embedded defaults < file < environment; a wrong value fails the start and says
//! which setting it is, what its value is, and what is allowed.

mod auth;
mod cache;
mod check_in;
mod database;
mod documents;
mod jobs;
mod log;
mod media;
mod network;
mod server;
mod sharing;
mod sign_ups;
mod study;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use auth::RawAuth;
use cache::RawCache;
use check_in::RawCheckIn;
use database::RawDatabase;
use documents::RawDocuments;
use jobs::{RawGuests, RawJobs, RawNotices, RawWebhooks};
use log::RawLog;
use media::RawMedia;
use server::RawServer;
use sharing::RawSharing;
use sign_ups::RawSignUps;
use study::RawStudy;

pub use auth::{AuthConfig, HASHING_MEMORY_KIB};
pub use cache::CacheConfig;
pub use check_in::CheckInConfig;
pub use database::DatabaseConfig;
pub use documents::DocumentConfig;
pub use jobs::{GuestConfig, JobsConfig, NoticeConfig, WebhookConfig};
pub use log::LogConfig;
pub use media::{BucketConfig, MediaConfig};
pub use network::Network;
pub use server::ServerConfig;
pub use sharing::SharingConfig;
pub use sign_ups::SignUpConfig;
pub use study::StudyConfig;

#[derive(Debug, Clone)]
pub struct Config {
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub cache: CacheConfig,
    pub auth: AuthConfig,
    pub check_in: CheckInConfig,
    pub sign_ups: SignUpConfig,
    pub study: StudyConfig,
    pub media: MediaConfig,
    pub guests: GuestConfig,
    pub sharing: SharingConfig,
    pub jobs: JobsConfig,
    pub notices: NoticeConfig,
    pub webhooks: WebhookConfig,
    pub documents: DocumentConfig,
    pub log: LogConfig,
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
        allowed: String,
    },
}

fn wrong(name: &'static str, value: impl ToString, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        name,
        value: value.to_string(),
        allowed: allowed.into(),
    }
}

/// Refuses a number outside `range`, naming the setting and what is allowed; `unit` stands after the range.
fn within<T: PartialOrd + std::fmt::Display + Copy>(
    name: &'static str,
    value: T,
    range: std::ops::RangeInclusive<T>,
    unit: &'static str,
) -> Result<T, ConfigError> {
    if range.contains(&value) {
        return Ok(value);
    }
    let allowed = format!("{} to {} {unit}", range.start(), range.end());
    Err(wrong(name, value, allowed.trim_end()))
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
        config.media.folder = folder.join("media");
        config.database.connections = 4;
        config.database.deadline = Duration::from_secs(20);
        config.database.statement_timeout = Duration::from_secs(20);
        // Tests run what is due themselves, receive what is sent on this machine, and keep no secrets.
        config.jobs.pace = None;
        config.webhooks.allow_private = true;
        config.auth.hashing_memory_kib = 64;
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
    sign_ups: RawSignUps,
    study: RawStudy,
    media: RawMedia,
    guests: RawGuests,
    sharing: RawSharing,
    jobs: RawJobs,
    notices: RawNotices,
    webhooks: RawWebhooks,
    documents: RawDocuments,
    log: RawLog,
}

impl Raw {
    fn validate(self) -> Result<Config, ConfigError> {
        let server = self.server.validate()?;
        Ok(Config {
            database: self.database.validate(&server.data)?,
            media: self.media.validate(&server.data)?,
            server,
            cache: self.cache.validate()?,
            auth: self.auth.validate()?,
            check_in: self.check_in.validate()?,
            sign_ups: self.sign_ups.validate()?,
            study: self.study.validate()?,
            guests: self.guests.validate()?,
            sharing: self.sharing.validate()?,
            jobs: self.jobs.validate()?,
            notices: self.notices.validate()?,
            webhooks: self.webhooks.validate()?,
            documents: self.documents.validate()?,
            log: self.log.validate()?,
        })
    }
}
