//! Server keys: one secret, from which each use derives a key of its own, so that a code can never pass for a token.

use std::io::Write;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::platform::config::Config;

type HmacSha256 = Hmac<Sha256>;

/// A derived key, ready for use: cloning the state is cheaper than keying anew for each code.
#[derive(Clone)]
pub struct MacKey(HmacSha256);

impl MacKey {
    fn derive(secret: &[u8], purpose: &str) -> Self {
        let mut mac = Self::keyed(secret);
        mac.update(purpose.as_bytes());
        Self(Self::keyed(&mac.finalize().into_bytes()))
    }

    fn keyed(secret: &[u8]) -> HmacSha256 {
        // HMAC takes a key of any length, so this has no second outcome.
        HmacSha256::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes any key"))
    }

    /// The 32 bytes of HMAC-SHA-256 over the parts, one after the other; the caller fixes their lengths.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Compares the beginning of the tag with `claimed`, in constant time.
    pub fn verify(&self, parts: &[&[u8]], claimed: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        let tag = self.tag(parts);
        tag.get(..claimed.len())
            .is_some_and(|own| !own.is_empty() && bool::from(own.ct_eq(claimed)))
    }
}

/// One generation of keys.
#[derive(Clone)]
pub struct KeySet {
    /// Names the generation in a token's header; tells nothing about the secret.
    pub id: String,
    pub access_token: [u8; 32],
    pub refresh_token: MacKey,
    pub check_in_code: MacKey,
    pub check_in_proof: MacKey,
    pub personal_code: MacKey,
    pub typed_code: MacKey,
    pub cursor: MacKey,
    /// Names that were typed to sign in, as they stand in the cache.
    pub sign_in: MacKey,
    /// Addresses of files that hold for a while.
    pub media: MacKey,
    /// What a guest's phone keeps.
    pub guest_pass: MacKey,
    /// The secrets that webhooks are signed with.
    pub webhook: MacKey,
}

impl KeySet {
    fn from_secret(secret: &[u8]) -> Self {
        let derive = |purpose| MacKey::derive(secret, purpose);
        Self {
            id: hex::encode(derive("key id").tag(&[]).get(..4).unwrap_or_default()),
            access_token: derive("access token").tag(&[]),
            refresh_token: derive("refresh token"),
            check_in_code: derive("check-in code"),
            check_in_proof: derive("check-in proof"),
            personal_code: derive("personal code"),
            typed_code: derive("typed code"),
            cursor: derive("cursor"),
            sign_in: derive("sign-in"),
            media: derive("media"),
            guest_pass: derive("guest pass"),
            webhook: derive("webhook"),
        }
    }
}

/// The current keys make and read; the old ones only read, until what they made has expired.
#[derive(Clone)]
pub struct Keys {
    pub current: KeySet,
    pub old: Vec<KeySet>,
}

impl Keys {
    /// From the environment, else from `secret.key` in the data folder, which is made on the first start.
    pub fn load(config: &Config) -> std::io::Result<Self> {
        let secret = match &config.auth.secret_key {
            Some(secret) if secret.len() >= 32 => secret.clone(),
            Some(_) => {
                let why =
                    "ZHIBU_SECRET_KEY is too short: 32 characters at least, e.g. from `openssl rand -hex 32`";
                return Err(std::io::Error::other(why));
            }
            None if config.database.url.is_some() => {
                let why = "ZHIBU_SECRET_KEY is not set: replicas on PostgreSQL share one, e.g. from `openssl rand -hex 32`";
                return Err(std::io::Error::other(why));
            }
            None => key_file(&config.server.data.join("secret.key"))?,
        };
        if config.auth.old_secret_keys.iter().any(|key| key.len() < 32) {
            let why = "ZHIBU_OLD_SECRET_KEYS holds a key of less than 32 characters";
            return Err(std::io::Error::other(why));
        }
        let old = config
            .auth
            .old_secret_keys
            .iter()
            .map(|key| KeySet::from_secret(key.as_bytes()))
            .collect();
        Ok(Self {
            current: KeySet::from_secret(secret.as_bytes()),
            old,
        })
    }

    /// Current first.
    pub fn all(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

fn key_file(path: &Path) -> std::io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(secret) if secret.trim().len() >= 32 => Ok(secret.trim().to_owned()),
        Ok(_) => Err(std::io::Error::other(format!(
            "{} is damaged: it holds no key",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key_file(path),
        Err(error) => Err(error),
    }
}

/// Whole or not at all, whatever ends this process; and of several processes one makes it, the others read it.
fn make_key_file(path: &Path) -> std::io::Result<String> {
    let draft = path.with_extension(format!("{}.new", random_secret::<9>()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(hex::encode(rand::random::<[u8; 32]>()).as_bytes())?;
    file.sync_all()?;
    // Unlike a rename, a link never takes the place of what is there.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::File::open(folder)?.sync_all()?;
            }
            key_file(path)
        }
    }
}

/// How a secret that a person or a device holds is stored: only its hash.
pub fn hash_secret(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// A fresh random secret in base64url, `bytes` strong.
/// Nobody can foretell them.
pub fn random_bytes<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes);
    bytes
}

pub fn random_secret<const BYTES: usize>() -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_who_start_at_once_have_one_whole_key_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let crowd = std::sync::Barrier::new(8);
        let secrets: std::collections::HashSet<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        crowd.wait();
                        key_file(&path).unwrap()
                    })
                })
                .collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(secrets.len(), 1);
        assert_eq!(secrets.iter().next().unwrap().len(), 64);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        std::fs::write(&path, "").unwrap();
        assert!(key_file(&path).unwrap_err().to_string().contains("damaged"));
    }
}
