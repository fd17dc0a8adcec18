//! The token by which a phone asks what has changed in the list it keeps.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::store::Attendee;
use crate::platform::db::Instant;

/// A change is committed at most this long after the instant it is dated with, replicas' clocks included. What was
/// changed so shortly before the last change is sent again.
pub const LATENESS_S: i64 = 300;

/// Says the same as long as nothing has changed, so that the list it comes with keeps its `ETag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncToken {
    /// The last change of an event of mine; none when I had none.
    pub at: Option<Instant>,
    /// Stands for who I am, where I belong, every change of who is expected in my tenant, and for what I have signed up.
    pub audience: u64,
}

impl SyncToken {
    /// `counts`: the times that who is expected at a published event has changed, my sign-ups, and those that have ended.
    pub fn new(at: Option<Instant>, who: &Attendee, counts: [i64; 3]) -> Self {
        let mut hash = Sha256::new();
        hash.update(who.id.0);
        for id in &who.line {
            hash.update(id);
        }
        // There and back again: a roster may have been frozen meanwhile.
        for version in who.versions {
            hash.update(version.to_be_bytes());
        }
        for count in counts {
            hash.update(count.to_be_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self {
            at,
            audience: u64::from_be_bytes(first),
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
    fn a_token_survives_its_way_and_tells_people_and_audiences_apart() {
        let token = SyncToken::new(None, &who(1), [7, 2, 1]);
        assert_eq!(SyncToken::decode(&token.encode()), Some(token.clone()));
        assert_eq!(token, SyncToken::new(None, &who(1), [7, 2, 1]));
        assert_ne!(token.audience, SyncToken::new(None, &who(2), [7, 2, 1]).audience);
        for other in [[8, 2, 1], [7, 3, 1], [7, 2, 2]] {
            assert_ne!(token.audience, SyncToken::new(None, &who(1), other).audience);
        }
        assert_eq!(SyncToken::decode("nonsense"), None);
    }
}
