//! What is logged, and how it is written.

use serde::Deserialize;

use super::{ConfigError, wrong};

#[derive(Debug, Clone)]
pub struct LogConfig {
    pub json: bool,
    pub filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    format: String,
    filter: String,
}

/// tracing's syntax, without bare targets: there `inof` would be one, and everything of it logged.
fn is_filter(text: &str) -> bool {
    let level = |part: &str| part.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let known = |part: &str| part.is_empty() || part.contains(['=', '[', ']', '}']) || level(part);
    tracing_subscriber::EnvFilter::try_new(text).is_ok() && text.split(',').map(str::trim).all(known)
}

impl RawLog {
    pub(super) fn validate(self) -> Result<LogConfig, ConfigError> {
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
