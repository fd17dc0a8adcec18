//! Access tokens (RFC 9068 style): one algorithm, one type, named keys, every claim required, our own clock.
//! The library only signs and verifies; its validation is too lenient (RELIABILITY.md P12).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AccountId, Actor, SessionId};
use crate::organizations::OrganizationId;
use crate::platform::config::AuthConfig;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::keys::Keys;

const TYPE: &str = "at+jwt";
const LEEWAY_S: i64 = 5;
const MAX_LENGTH: usize = 2_048;
/// Tokens that are not verified again: about 20 MB.
const MOST_KNOWN: u64 = 30_000;

pub struct Tokens {
    issuer: String,
    audience: String,
    lifetime_s: i64,
    key_id: String,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    /// What these tokens, byte for byte, were found to say. A phone sends the same one for minutes, and its signature stays as
    /// good as it was: only time is looked at again.
    known: Cache<Box<str>, Arc<Claims>>,
}

/// Nothing but these three: `crit`, `jwk`, `x5u` and their like are refused with everything else that is unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictHeader {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Uuid>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    adm: bool,
}

impl Tokens {
    pub fn new(config: &AuthConfig, keys: &Keys) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            lifetime_s: config.access_token_s,
            key_id: keys.current.id.clone(),
            signing: EncodingKey::from_secret(&keys.current.access_token),
            verifying: keys
                .all()
                .map(|set| (set.id.clone(), DecodingKey::from_secret(&set.access_token)))
                .collect(),
            known: Cache::builder()
                .max_capacity(MOST_KNOWN)
                .time_to_idle(Duration::from_secs(config.access_token_s.unsigned_abs()))
                .build(),
        }
    }

    pub fn lifetime_s(&self) -> i64 {
        self.lifetime_s
    }

    pub fn make(&self, actor: &Actor, now: Instant) -> AppResult<String> {
        let header = Header {
            typ: Some(TYPE.into()),
            kid: Some(self.key_id.clone()),
            ..Header::new(Algorithm::HS256)
        };
        let at = now.seconds();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: actor.account.0,
            sid: actor.session.0,
            iat: at,
            nbf: at,
            exp: at.saturating_add(self.lifetime_s),
            tenant: actor.tenant.map(Uuid::from),
            adm: actor.is_system_admin,
        };
        jsonwebtoken::encode(&header, &claims, &self.signing)
            .map_err(|error| AppError::internal(error.to_string()))
    }

    /// Who holds this token; None for anything that is not exactly a live token of ours.
    pub fn check(&self, token: &str, now: Instant) -> Option<Actor> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let claims = match self.known.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.verify(token)?);
                self.known.insert(token.into(), claims.clone());
                claims
            }
        };
        claims.are_live(now).then(|| Actor {
            account: AccountId(claims.sub),
            session: SessionId(claims.sid),
            tenant: claims.tenant.map(OrganizationId::from),
            is_system_admin: claims.adm,
        })
    }

    /// What a token of ours says, whatever the time.
    fn verify(&self, token: &str) -> Option<Claims> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: StrictHeader = parse(header)?;
        if header.alg != "HS256" || header.typ != TYPE {
            return None;
        }
        let (_, key) = self.verifying.iter().find(|(id, _)| *id == header.kid)?;
        if !crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256).unwrap_or(false) {
            return None;
        }
        let claims: Claims = parse(payload)?;
        (claims.iss == self.issuer && claims.aud == self.audience).then_some(claims)
    }
}

impl Claims {
    fn are_live(&self, now: Instant) -> bool {
        let now_s = now.seconds();
        self.exp.saturating_add(LEEWAY_S) > now_s
            && self.nbf.saturating_sub(LEEWAY_S) <= now_s
            && self.iat.saturating_sub(LEEWAY_S) <= now_s
    }
}

fn parse<T: serde::de::DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::Config;
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn keys(secret: &str) -> (Config, Keys) {
        let mut config = Config::for_testing(std::path::Path::new("/nowhere"));
        config.auth.secret_key = Some(secret.repeat(40));
        let keys = Keys::load(&config).unwrap();
        (config, keys)
    }

    fn forge(header: Value, claims: Value, key: &[u8]) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = crypto::sign(
            message.as_bytes(),
            &EncodingKey::from_secret(key),
            Algorithm::HS256,
        )
        .unwrap();
        format!("{message}.{signature}")
    }

    fn merged(mut base: Value, change: Value) -> Value {
        for (name, value) in change.as_object().unwrap() {
            let members = base.as_object_mut().unwrap();
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        base
    }

    #[test]
    fn only_the_exact_token_is_taken() {
        let (config, keys) = keys("a");
        let tokens = Tokens::new(&config.auth, &keys);
        let header = json!({ "alg": "HS256", "typ": TYPE, "kid": keys.current.id });
        let claims = json!({
            "iss": "zhibu", "aud": "zhibu-api", "sub": Uuid::from_u128(1), "sid": Uuid::from_u128(2),
            "iat": NOW, "nbf": NOW, "exp": NOW + 900,
        });
        let check = |h: Value, c: Value, key: &[u8], now: i64| {
            tokens
                .check(
                    &forge(merged(header.clone(), h), merged(claims.clone(), c), key),
                    at(now),
                )
                .is_some()
        };
        let (own, none) = (&keys.current.access_token[..], json!({}));
        assert!(check(none.clone(), none.clone(), own, NOW));
        for change in [
            json!({"alg": "none"}),
            json!({"alg": "HS512"}),
            json!({"alg": "hs256"}),
            json!({"typ": "JWT"}),
            json!({"typ": null}),
            json!({"kid": null}),
            json!({"kid": "other"}),
            json!({"crit": ["exp"]}),
            json!({"jwk": {}}),
        ] {
            assert!(!check(change.clone(), none.clone(), own, NOW), "{change}");
        }
        for name in ["iss", "aud", "sub", "sid", "iat", "nbf", "exp"] {
            assert!(
                !check(none.clone(), json!({ name: null }), own, NOW),
                "without {name}"
            );
        }
        for change in [
            json!({"iss": "other"}),
            json!({"aud": "other"}),
            json!({"aud": ["zhibu-api"]}),
            json!({"sub": "x"}),
            json!({"nbf": NOW + 6}),
            json!({"iat": NOW + 6}),
            json!({"exp": NOW - 5}),
            json!({"exp": "never"}),
            json!({"role": "admin"}),
        ] {
            assert!(!check(none.clone(), change.clone(), own, NOW), "{change}");
        }
        assert!(!check(none.clone(), none.clone(), b"another key", NOW));
        // Also of one that is known.
        assert!(check(none.clone(), none.clone(), own, NOW + 904));
        assert!(!check(none.clone(), none.clone(), own, NOW + 905));
        assert!(!check(none.clone(), none.clone(), own, NOW - 6));
        assert!(check(none.clone(), none.clone(), own, NOW));
        let known = forge(header.clone(), claims.clone(), own);
        for n in 0..known.len() {
            let mut other = known.clone().into_bytes();
            other[n] ^= 1;
            let other = String::from_utf8(other).unwrap();
            assert!(tokens.check(&other, at(NOW)).is_none(), "{other}");
        }
        for rubbish in ["", ".", "..", "a.b.c", "a.b.c.d", &"x".repeat(5_000)] {
            assert!(tokens.check(rubbish, at(NOW)).is_none());
        }
    }

    #[test]
    fn old_keys_read_and_strangers_do_not() {
        let ((config, old), (_, new)) = (keys("a"), keys("b"));
        let actor = Actor {
            account: AccountId(Uuid::nil()),
            session: SessionId(Uuid::nil()),
            tenant: None,
            is_system_admin: true,
        };
        let token = Tokens::new(&config.auth, &old).make(&actor, at(NOW)).unwrap();
        let after = Keys {
            current: new.current.clone(),
            old: vec![old.current.clone()],
        };
        assert!(
            Tokens::new(&config.auth, &after)
                .check(&token, at(NOW))
                .is_some_and(|a| a.is_system_admin)
        );
        assert!(Tokens::new(&config.auth, &new).check(&token, at(NOW)).is_none());
    }
}
