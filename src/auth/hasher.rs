//! argon2id, never on an async thread: so many at once, so many waiting, the rest is told to come again.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::platform::config::AuthConfig;
use crate::platform::error::{AppError, AppResult};

/// Verified when there is no account or no password, so that the answer takes as long.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash_password("nobody has this password").ok());

pub struct Hasher {
    admitted: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Hasher {
    pub fn new(config: &AuthConfig) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(config.hashing_threads + config.hashing_queue)),
            turns: Arc::new(Semaphore::new(config.hashing_threads)),
        }
    }

    pub async fn hash(&self, password: String) -> AppResult<String> {
        self.run(move || hash_password(&password)).await?
    }

    /// The place of the first hash that the password fits. Without any hash it takes as long as with one.
    pub async fn verify(&self, password: String, hashes: Vec<String>) -> AppResult<Option<usize>> {
        self.run(move || {
            if hashes.is_empty() {
                NOBODY.as_deref().map(|hash| fits(&password, hash));
                return None;
            }
            hashes.iter().position(|hash| fits(&password, hash))
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> AppResult<T> {
        let admitted = self
            .admitted
            .clone()
            .try_acquire_owned()
            .map_err(|_| AppError::overloaded())?;
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| AppError::unavailable())?;
        let span = tracing::Span::current();
        // The permits go along: a caller that hangs up does not let more in than the machine can hash.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (admitted, turn);
            span.in_scope(work)
        });
        done.await
            .map_err(|panic| AppError::internal(format!("hashing ended abnormally: {panic}")))
    }
}

fn argon2id() -> AppResult<Argon2<'static>> {
    let params = Params::new(19_456, 2, 1, None).map_err(|error| AppError::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes at once on this thread (some 30 ms): for commands and tests; requests go through the queue.
pub fn hash_password(password: &str) -> AppResult<String> {
    let salt = rand::random::<[u8; 16]>();
    let password = super::rules::normalise_password(password);
    let hash = argon2id()?.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| AppError::internal(error.to_string()))
}

fn fits(password: &str, hash: &str) -> bool {
    argon2id().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_in_either_form_only() {
        let hash = hash_password("cafe\u{301} au lait").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(fits("caf\u{e9} au lait", &hash));
        assert!(!fits("cafe au lait", &hash));
        assert!(!fits("caf\u{e9} au lait", "not a hash"));
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let hasher = Hasher {
            admitted: Arc::new(Semaphore::new(1)),
            turns: Arc::new(Semaphore::new(1)),
        };
        let held = hasher.admitted.clone().try_acquire_owned().unwrap();
        assert!(hasher.hash("x".into()).await.unwrap_err().is_unavailable());
        drop(held);
        assert!(hasher.hash("x".into()).await.is_ok());
    }
}
