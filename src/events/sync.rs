//! The token by which a phone asks what has changed in the list it keeps.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store::Attendee;
use crate::platform::db::Instant;
use crate::sign_ups::SignUpId;

/// A change is committed at most this long after the instant it is dated with, replicas' clocks included. What was
/// changed so shortly before the last change is sent again.
pub const LATENESS_S: i64 = 300;

/// Says the same as long as nothing has changed, so that the list it comes with keeps its `ETag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncToken {
    /// The last change of an event of mine; none when I had none.
    pub at: Option<Instant>,
    /// Stands for who I am, where I belong, every change of who is expected in my tenant, and for what I have signed up
    /// and given back of events that end after `since`.
    pub audience: u64,
    /// Of a token from before that was counted: none.
    pub since: Option<Instant>,
}

/// For so long `since` is the same: that an event is over by and by is no change.
const PERIOD_S: i64 = 30 * 86_400;

impl SyncToken {
    /// From when on the sign-ups of a token of now are looked at.
    pub fn begin_of_period(now: Instant) -> Instant {
        let periods = now.seconds().div_euclid(PERIOD_S);
        Instant::from_micros(periods * PERIOD_S * 1_000_000)
    }

    /// `audiences` counts the times that who is expected at a published event has changed; `sign_ups` are mine in the order
    /// of their ids, and whether they have ended.
    pub fn new(
        at: Option<Instant>,
        who: &Attendee,
        audiences: i64,
        since: Instant,
        sign_ups: &[(SignUpId, bool)],
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(who.id.0);
        for id in &who.line {
            hash.update(id);
        }
        // There and back again: a roster may have been frozen meanwhile.
        for version in who.versions {
            hash.update(version.to_be_bytes());
        }
        hash.update(audiences.to_be_bytes());
        for (id, has_ended) in sign_ups {
            hash.update(id.0);
            hash.update([u8::from(*has_ended)]);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self {
            at,
            audience: u64::from_be_bytes(first),
            since: Some(since),
        }
    }

    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::MemberId;

    fn who(version: i32) -> Attendee {
        Attendee {
            id: MemberId(uuid::Uuid::from_u128(1)),
            line: vec![uuid::Uuid::from_u128(2), uuid::Uuid::from_u128(3)],
            standing: 1,
            versions: [version, 1],
        }
    }

    #[test]
    fn a_token_survives_its_way_and_tells_people_audiences_and_sign_ups_apart() {
        let (since, sign_up) = (Instant::from_micros(0), SignUpId(uuid::Uuid::from_u128(9)));
        let new = |version, audiences, sign_ups: &[(SignUpId, bool)]| {
            SyncToken::new(None, &who(version), audiences, since, sign_ups)
        };
        let token = new(1, 7, &[(sign_up, false)]);
        assert_eq!(SyncToken::decode(&token.encode()), Some(token.clone()));
        assert_eq!(token, new(1, 7, &[(sign_up, false)]));
        for other in [
            new(2, 7, &[(sign_up, false)]),
            new(1, 8, &[(sign_up, false)]),
            new(1, 7, &[(sign_up, true)]),
            new(1, 7, &[]),
        ] {
            assert_ne!(token.audience, other.audience);
        }
        assert_eq!(SyncToken::decode("nonsense"), None);
    }

    #[test]
    fn sign_ups_are_looked_at_from_the_same_time_on_for_a_while() {
        let at = |seconds: i64, micros: i64| Instant::from_micros(seconds * 1_000_000 + micros);
        assert_eq!(SyncToken::begin_of_period(at(PERIOD_S, 1)), at(PERIOD_S, 0));
        assert_eq!(
            SyncToken::begin_of_period(at(2 * PERIOD_S - 1, 7)),
            at(PERIOD_S, 0)
        );
        assert_eq!(
            SyncToken::begin_of_period(at(2 * PERIOD_S, 0)),
            at(2 * PERIOD_S, 0)
        );
    }
}
