//! Work after commits, what it sends to the outside, and how long things are kept.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, within};

#[derive(Debug, Clone)]
pub struct JobsConfig {
    /// How often work is looked for; none: never, by this process.
    pub pace: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct WebhookConfig {
    pub timeout: Duration,
    /// May messages go to addresses that are not public, and without TLS?
    pub allow_private: bool,
}

#[derive(Debug, Clone)]
pub struct NoticeConfig {
    /// Minute of the local day before, at which people are reminded of an event.
    pub remind_at_min: u32,
    pub keep_days: i64,
}

#[derive(Debug, Clone)]
pub struct GuestConfig {
    /// After an event, what is held about its guests is erased.
    pub keep_days: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGuests {
    keep_days: i64,
}

impl RawGuests {
    pub(super) fn validate(self) -> Result<GuestConfig, ConfigError> {
        Ok(GuestConfig {
            keep_days: within("guests.keep_days", self.keep_days, 0..=3_650, "days")?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJobs {
    pace_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhooks {
    timeout_s: u64,
    allow_private: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNotices {
    remind_at_min: u32,
    keep_days: i64,
}

impl RawJobs {
    pub(super) fn validate(self) -> Result<JobsConfig, ConfigError> {
        let allowed = 0..=60_000;
        let pace = within("jobs.pace_ms", self.pace_ms, allowed, "milliseconds (0: never)")?;
        Ok(JobsConfig {
            pace: (pace > 0).then(|| Duration::from_millis(pace)),
        })
    }
}

impl RawWebhooks {
    pub(super) fn validate(self) -> Result<WebhookConfig, ConfigError> {
        let timeout = within("webhooks.timeout_s", self.timeout_s, 1..=60, "seconds")?;
        Ok(WebhookConfig {
            timeout: Duration::from_secs(timeout),
            allow_private: self.allow_private,
        })
    }
}

impl RawNotices {
    pub(super) fn validate(self) -> Result<NoticeConfig, ConfigError> {
        Ok(NoticeConfig {
            remind_at_min: within("notices.remind_at_min", self.remind_at_min, 0..=1_439, "minutes")?,
            keep_days: within("notices.keep_days", self.keep_days, 7..=3_650, "days")?,
        })
    }
}
