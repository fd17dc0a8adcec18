//! Signatures and the timetable of attempts (https://www.standardwebhooks.com). No database, no clock.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::platform::db::Instant;

/// The secret as it is told, once, to whoever receives.
pub fn write_secret(secret: &[u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(secret))
}

/// The value of `webhook-signature`: one for each secret that is good.
pub fn sign(secrets: &[[u8; 32]], id: &str, timestamp_s: i64, body: &str) -> String {
    let signatures = secrets.iter().map(|secret| {
        // HMAC takes a key of any length, so this has no second outcome.
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// After the first attempt, the second, …: about three days in all.
const PAUSES_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// When to try again after so many attempts; none: no more.
pub fn next_attempt(attempts: i32, now: Instant) -> Option<Instant> {
    let nth = usize::try_from(attempts.max(1) - 1).unwrap_or(usize::MAX);
    PAUSES_S.get(nth).map(|pause| now.plus_s(*pause))
}

/// An address at which nothing but failures has answered for so long is not asked any more.
pub const GIVE_UP_S: i64 = 5 * 86_400;
/// How long the secret before a new one still signs.
pub const OVERLAP_S: i64 = 86_400;

/// A message without the notices for this member; one that cannot be read is emptied.
pub fn without(body: &str, member: &str) -> String {
    let Ok(mut message) = serde_json::from_str::<Value>(body) else {
        return "{}".to_owned();
    };
    if let Some(notices) = message.pointer_mut("/data/notices").and_then(Value::as_array_mut) {
        notices.retain(|notice| notice.get("member_id").is_none_or(|id| id != member));
    }
    message.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_what_the_specification_says() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
        let known = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(known, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = sign(&[[1; 32], [2; 32]], "msg_1", 7, "{}");
        assert_eq!(two.split(' ').count(), 2);
        assert!(two.split(' ').all(|one| one.starts_with("v1,")));
        assert_eq!(write_secret(&[0; 32]).len(), 6 + 44);
    }

    #[test]
    fn pauses_grow_and_end() {
        let now = Instant::from_micros(0);
        let pauses: Vec<i64> = (1..)
            .map_while(|n| next_attempt(n, now))
            .map(Instant::seconds)
            .collect();
        assert_eq!(pauses, PAUSES_S);
        assert!(pauses.is_sorted());
        assert_eq!(next_attempt(10, now), None);
    }

    #[test]
    fn what_is_forgotten_of_one_leaves_the_others_theirs() {
        let body =
            r#"{"data":{"notices":[{"member_id":"a","text":"1"},{"member_id":"b","text":"2"}]},"type":"x"}"#;
        let left = r#"{"data":{"notices":[{"member_id":"b","text":"2"}]},"type":"x"}"#;
        assert_eq!(without(body, "a"), left);
        assert_eq!(without(left, "a"), left);
        assert_eq!(without("not JSON", "a"), "{}");
    }
}
