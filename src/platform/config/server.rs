//! Where we listen, who is in front of us, and how long we wait.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, Network, within, wrong};

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
    /// For how long a reader may take nothing.
    pub reader_timeout: Duration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    listen: String,
    data: PathBuf,
    public_url: String,
    trusted_proxies: String,
    workers: usize,
    request_timeout_s: u64,
    shutdown_timeout_s: u64,
    reader_timeout_s: u64,
}

impl RawServer {
    pub(super) fn validate(self) -> Result<ServerConfig, ConfigError> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            wrong(
                "server.listen",
                &self.listen,
                "an address and a port, like 127.0.0.1:8080",
            )
        })?;
        let public_url = match self.public_url.is_empty() {
            true => format!("http://{listen}"),
            false => self.public_url,
        };
        if !is_public_url(&public_url) {
            let allowed = "http:// or https:// with a host, perhaps a port and a path, and nothing after it";
            return Err(wrong("server.public_url", public_url, allowed));
        }
        let trusted_proxies = Network::parse_list(&self.trusted_proxies).ok_or_else(|| {
            let allowed = "addresses or networks separated by commas, like 127.0.0.1, 10.0.0.0/8, or empty";
            wrong("server.trusted_proxies", &self.trusted_proxies, allowed)
        })?;
        within("server.workers", self.workers, 0..=256, "(0: one per core)")?;
        within(
            "server.request_timeout_s",
            self.request_timeout_s,
            1..=300,
            "seconds",
        )?;
        within(
            "server.shutdown_timeout_s",
            self.shutdown_timeout_s,
            1..=600,
            "seconds",
        )?;
        within(
            "server.reader_timeout_s",
            self.reader_timeout_s,
            1..=600,
            "seconds",
        )?;
        Ok(ServerConfig {
            listen,
            data: self.data,
            public_url: public_url.trim_end_matches('/').to_owned(),
            trusted_proxies,
            workers: self.workers,
            request_timeout: Duration::from_secs(self.request_timeout_s),
            shutdown_timeout: Duration::from_secs(self.shutdown_timeout_s),
            reader_timeout: Duration::from_secs(self.reader_timeout_s),
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
