//! The right to read one file for a while, as a word in its address, so that a `<video>` tag can use it: bound to the
//! member and the session that asked for it. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::MediaId;
use crate::auth::{AccountId, SessionId};
use crate::platform::db::Instant;
use crate::platform::keys::{KeySet, Keys};

/// Of the tag; the whole ticket is 56 bytes, 75 letters.
const TAG: usize = 16;

/// Who may read, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub account: AccountId,
    pub session: SessionId,
    pub expires_s: i64,
}

impl Ticket {
    /// Good for at least `life_s`, and a quarter of it longer at most: it ends on the quarter, so that within one the
    /// same member gets the same address, and a browser finds in its cache what it has.
    pub fn new(account: AccountId, session: SessionId, now: Instant, life_s: i64) -> Self {
        let quarter = (life_s / 4).max(1);
        let passed = now.seconds().rem_euclid(quarter);
        Self {
            account,
            session,
            expires_s: now.seconds() - passed + quarter + life_s,
        }
    }

    fn head(self) -> Vec<u8> {
        let expires = self.expires_s.to_be_bytes();
        [
            expires.as_slice(),
            self.account.0.as_bytes(),
            self.session.0.as_bytes(),
        ]
        .concat()
    }

    pub fn write(self, file: MediaId, keys: &KeySet) -> String {
        let mut ticket = self.head();
        let tag = keys.media.tag(&[file.0.as_bytes(), &ticket]);
        ticket.extend(tag.iter().take(TAG));
        URL_SAFE_NO_PAD.encode(ticket)
    }

    pub fn is_over(self, now: Instant) -> bool {
        self.expires_s <= now.seconds()
    }

    /// None for anything but a ticket of ours for this file.
    pub fn read(text: &str, file: MediaId, keys: &Keys) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (head, tag) = bytes.split_at_checked(40)?;
        let is_ours = || {
            keys.all()
                .any(|set| set.media.verify(&[file.0.as_bytes(), head], tag))
        };
        if tag.len() != TAG || !is_ours() {
            return None;
        }
        Some(Self {
            expires_s: i64::from_be_bytes(head.get(..8)?.try_into().ok()?),
            account: AccountId(Uuid::from_slice(head.get(8..24)?).ok()?),
            session: SessionId(Uuid::from_slice(head.get(24..40)?).ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::Config;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn keys(secret: &str) -> Keys {
        let mut config = Config::for_testing(std::path::Path::new("/nowhere"));
        config.auth.secret_key = Some(secret.repeat(40));
        Keys::load(&config).unwrap()
    }

    #[test]
    fn a_ticket_is_for_one_file_one_session_and_a_while() {
        let (ours, theirs) = (keys("a"), keys("b"));
        let file = MediaId(Uuid::from_u128(1));
        let who = (AccountId(Uuid::from_u128(2)), SessionId(Uuid::from_u128(3)));
        let ticket = Ticket::new(who.0, who.1, at(100_000), 14_400);
        assert_eq!(ticket, Ticket::new(who.0, who.1, at(100_799), 14_400));
        for now in [100_000, 100_799, 100_800] {
            let left = Ticket::new(who.0, who.1, at(now), 14_400).expires_s - now;
            assert!((14_400..=18_000).contains(&left), "{left}");
        }
        let text = ticket.write(file, &ours.current);
        assert_eq!(text.len(), 75);
        let read = Ticket::read;
        assert_eq!(read(&text, file, &ours), Some(ticket));
        assert!(ticket.is_over(at(ticket.expires_s)) && !ticket.is_over(at(ticket.expires_s - 1)));
        assert_eq!(read(&text, MediaId(Uuid::from_u128(9)), &ours), None);
        assert_eq!(read(&text, file, &theirs), None);
        assert_eq!(read(text.get(..74).unwrap(), file, &ours), None);
        assert_eq!(read("", file, &ours), None);
        let rotated = Keys {
            current: theirs.current.clone(),
            old: vec![ours.current.clone()],
        };
        assert_eq!(read(&text, file, &rotated), Some(ticket));
        // Any bit turned is another ticket.
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&URL_SAFE_NO_PAD.encode(forged), file, &ours), None, "{bit}");
        }
    }
}
