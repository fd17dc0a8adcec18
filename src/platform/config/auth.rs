//! Tokens, passwords, and how many may be tried.

use serde::Deserialize;

use super::{ConfigError, within};

const DAY_S: i64 = 86_400;

/// With two passes and one lane the least that OWASP recommends for argon2id.
pub const HASHING_MEMORY_KIB: u32 = 19_456;

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
    /// What argon2id takes for a new hash. No file sets it: only tests take less than is safe.
    pub hashing_memory_kib: u32,
    /// 32 bytes or more from `ZHIBU_SECRET_KEY`; none means the key file in the data folder.
    pub secret_key: Option<String>,
    /// Former keys, still good for reading tokens and codes (`ZHIBU_OLD_SECRET_KEYS`, separated by commas).
    pub old_secret_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
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

impl RawAuth {
    pub(super) fn validate(self) -> Result<AuthConfig, ConfigError> {
        let refresh_days = within(
            "auth.refresh_token_days",
            self.refresh_token_days,
            1..=400,
            "days",
        )?;
        let code_days = within(
            "auth.activation_code_days",
            self.activation_code_days,
            1..=90,
            "days",
        )?;
        let failures = within(
            "auth.login_failures_per_hour",
            self.login_failures_per_hour,
            3..=1_000,
            "",
        )?;
        let by_address = within(
            "auth.failures_per_address_per_hour",
            self.failures_per_address_per_hour,
            10..=1_000_000,
            "",
        )?;
        let changes = within(
            "auth.phone_changes_per_hour",
            self.phone_changes_per_hour,
            1..=1_000,
            "",
        )?;
        Ok(AuthConfig {
            issuer: self.issuer,
            audience: self.audience,
            access_token_s: within("auth.access_token_s", self.access_token_s, 60..=3_600, "seconds")?,
            refresh_token_s: refresh_days * DAY_S,
            activation_code_s: code_days * DAY_S,
            password_min_length: within(
                "auth.password_min_length",
                self.password_min_length,
                8..=64,
                "characters",
            )?,
            login_failures_per_hour: failures,
            failures_per_address_per_hour: by_address,
            phone_changes_per_hour: changes,
            hashing_threads: within("auth.hashing_threads", self.hashing_threads, 1..=64, "")?,
            hashing_queue: within("auth.hashing_queue", self.hashing_queue, 1..=10_000, "")?,
            hashing_memory_kib: HASHING_MEMORY_KIB,
            secret_key: None,
            old_secret_keys: Vec::new(),
        })
    }
}
