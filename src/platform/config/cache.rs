//! Redis, or this process.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, within, wrong};
use crate::platform::redis::{Topology, WrongAddress};

#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// None means in this process.
    pub redis: Option<Topology>,
    /// Before every key and channel.
    pub prefix: String,
    pub deadline: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCache {
    url: String,
    prefix: String,
    deadline_ms: u64,
}

impl RawCache {
    pub(super) fn validate(self) -> Result<CacheConfig, ConfigError> {
        let redis = match self.url.as_str() {
            "" => None,
            // The address itself may hold a password.
            url => Some(
                url.parse()
                    .map_err(|e: WrongAddress| wrong("cache.url", "…", e.to_string()))?,
            ),
        };
        within("cache.deadline_ms", self.deadline_ms, 10..=5_000, "milliseconds")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.prefix.is_empty() || !self.prefix.chars().all(is_plain) {
            let allowed = "letters, digits, hyphens and underscores";
            return Err(wrong("cache.prefix", self.prefix, allowed));
        }
        Ok(CacheConfig {
            redis,
            prefix: self.prefix,
            deadline: Duration::from_millis(self.deadline_ms),
        })
    }
}
