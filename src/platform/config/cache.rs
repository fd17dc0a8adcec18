//! Redis, or this process.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, within, wrong};

#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// `redis://…` or `rediss://…`; none means in this process.
    pub url: Option<String>,
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
        let url = match self.url.as_str() {
            "" => None,
            u if u.starts_with("redis://") || u.starts_with("rediss://") => Some(self.url),
            _ => {
                let allowed = "redis://host:port or rediss://…, or empty for in-process";
                return Err(wrong("cache.url", "…", allowed));
            }
        };
        within("cache.deadline_ms", self.deadline_ms, 10..=5_000, "milliseconds")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.prefix.is_empty() || !self.prefix.chars().all(is_plain) {
            let allowed = "letters, digits, hyphens and underscores";
            return Err(wrong("cache.prefix", self.prefix, allowed));
        }
        Ok(CacheConfig {
            url,
            prefix: self.prefix,
            deadline: Duration::from_millis(self.deadline_ms),
        })
    }
}
