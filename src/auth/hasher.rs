//! argon2id, never on an async thread: so many at once, so many waiting, the rest is told to come again.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::platform::config::AuthConfig;
use crate::platform::error::{AppError, AppResult};

/// Verified when there are fewer hashes than are to be tried, so that the answer takes as long. Fits no password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoaXMgdGV4dCE";

pub struct Hasher {
    admitted: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    memory_kib: u32,
}

impl Hasher {
    pub fn new(config: &AuthConfig) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(config.hashing_threads + config.hashing_queue)),
            turns: Arc::new(Semaphore::new(config.hashing_threads)),
            memory_kib: config.hashing_memory_kib,
        }
    }

    pub async fn hash(&self, password: String) -> AppResult<String> {
        let memory_kib = self.memory_kib;
        self.run(move || hash_password(&password, memory_kib)).await?
    }

    /// For each hash, whether the password fits it. All are tried, and not less than `at_least`, so that the time tells
    /// neither which one fits nor how many there are.
    pub async fn verify(
        &self,
        password: String,
        hashes: Vec<String>,
        at_least: usize,
    ) -> AppResult<Vec<bool>> {
        self.run(move || {
            for _ in hashes.len()..at_least {
                fits(&password, NOBODY);
            }
            hashes.iter().map(|hash| fits(&password, hash)).collect()
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

fn argon2id(memory_kib: u32) -> AppResult<Argon2<'static>> {
    let params =
        Params::new(memory_kib, 2, 1, None).map_err(|error| AppError::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes at once on this thread (some 30 ms): for commands and tests; requests go through the queue.
pub fn hash_password(password: &str, memory_kib: u32) -> AppResult<String> {
    let salt = rand::random::<[u8; 16]>();
    let password = super::rules::normalise_password(password);
    let hash = argon2id(memory_kib)?.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|error| AppError::internal(error.to_string()))
}

fn fits(password: &str, hash: &str) -> bool {
    // What it takes stands in the hash.
    Argon2::default()
        .verify_password(password.as_bytes(), hash)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::HASHING_MEMORY_KIB;

    #[test]
    fn a_hash_fits_its_password_in_either_form_only() {
        let hash = hash_password("cafe\u{301} au lait", HASHING_MEMORY_KIB).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let cheap = hash_password("x", 64).unwrap();
        assert!(
            cheap.starts_with("$argon2id$v=19$m=64,t=2,p=1$") && fits("x", &cheap),
            "{cheap}"
        );
        assert!(fits("caf\u{e9} au lait", &hash));
        assert!(!fits("cafe au lait", &hash));
        assert!(!fits("caf\u{e9} au lait", "not a hash"));
    }

    #[test]
    fn nobodys_hash_costs_what_others_cost() {
        let own = hash_password("x", HASHING_MEMORY_KIB).unwrap();
        let parts = |hash: &str| -> Vec<String> { hash.split('$').map(str::to_owned).collect() };
        let (own, nobodys) = (parts(&own), parts(NOBODY));
        assert_eq!(own[..4], nobodys[..4]);
        assert_eq!(own[4].len(), nobodys[4].len());
        assert_eq!(own[5].len(), nobodys[5].len());
        assert!(argon2::PasswordHash::new(NOBODY).is_ok() && !fits("nobody has it!", NOBODY));
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let hasher = Hasher {
            admitted: Arc::new(Semaphore::new(1)),
            turns: Arc::new(Semaphore::new(1)),
            memory_kib: 64,
        };
        let held = hasher.admitted.clone().try_acquire_owned().unwrap();
        assert!(hasher.hash("x".into()).await.unwrap_err().is_unavailable());
        drop(held);
        assert!(hasher.hash("x".into()).await.is_ok());
    }
}
