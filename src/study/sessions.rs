//! The sittings in which a version of a lesson was played: from when to when, by the phone's clock.

use uuid::Uuid;

use super::clock::Wall;
use super::varint::{put, take_as};

/// A sitting ends with its day; who goes on begins another.
pub const LONGEST_MS: i64 = 24 * 3_600_000;
/// What a phone that says nothing else may have played before its first report.
pub const FIRST_MS: i64 = 60_000;
const KEPT: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub id: Uuid,
    pub begin: Wall,
    /// The latest report.
    pub last: Wall,
}

/// The latest sessions, the one that reported last at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions(Vec<Session>);

/// In which span a report's milliseconds were played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sitting {
    pub session: Session,
    /// Since the report before this one; the session's begin when that came later.
    pub since: Wall,
}

impl Sessions {
    /// Takes note of a report at `at`. A session that is new begins when the phone says; else with a report of nothing, or
    /// shortly before one of something. It grows backwards when an earlier report comes late.
    pub fn report(&mut self, id: Uuid, at: Wall, started_at: Option<Wall>, has_played: bool) -> Sitting {
        let unsaid = if has_played { at - FIRST_MS } else { at };
        let begin = started_at.unwrap_or(unsaid).clamp(at - LONGEST_MS, at);
        let position = self.0.iter().position(|session| session.id == id);
        let before = position.map(|position| self.0.remove(position));
        let session = before.map_or(Session { id, begin, last: at }, |before| {
            let last = before.last.max(at);
            Session {
                id,
                begin: before.begin.min(begin).max(last - LONGEST_MS),
                last,
            }
        });
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(session);
        let since = match before.filter(|before| before.last <= at) {
            Some(before) => before.last.max(session.begin),
            // Of a sitting that went on for more than a day it is a part that the rest no longer tells of.
            None if at <= session.begin => begin,
            None => session.begin,
        };
        Sitting { session, since }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 26);
        for session in &self.0 {
            bytes.extend_from_slice(session.id.as_bytes());
            put(&mut bytes, session.begin.max(0).cast_unsigned());
            put(&mut bytes, (session.last - session.begin).max(0).cast_unsigned());
        }
        bytes
    }

    /// None for what `encode` never writes.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut sessions = Vec::new();
        while !bytes.is_empty() {
            let (id, rest) = bytes.split_first_chunk::<16>()?;
            bytes = rest;
            let begin: Wall = take_as(&mut bytes)?;
            let last = begin.checked_add(take_as(&mut bytes)?)?;
            sessions.push(Session {
                id: Uuid::from_bytes(*id),
                begin,
                last,
            });
        }
        Some(Self(sessions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_800_000_000_000;

    #[test]
    fn a_session_grows_both_ways_and_is_never_longer_than_a_day() {
        let mut sessions = Sessions::default();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let opened = sessions.report(Uuid::from_u128(3), T, None, false);
        assert_eq!((opened.session.begin, opened.since), (T, T));
        let first = sessions.report(a, T, None, true);
        assert_eq!((first.session.begin, first.since), (T - FIRST_MS, T - FIRST_MS));
        let next = sessions.report(a, T + 30_000, None, true);
        assert_eq!((next.session.begin, next.since), (T - FIRST_MS, T));
        let late = sessions.report(a, T - 300_000, None, true);
        assert_eq!(
            (late.session.begin, late.session.last, late.since),
            (T - 360_000, T + 30_000, T - 360_000)
        );
        let told = sessions.report(b, T, Some(T - 8 * 3_600_000), true);
        assert_eq!(told.since, T - 8 * 3_600_000);
        assert_eq!(sessions.report(b, T, Some(0), true).session.begin, T - LONGEST_MS);
        assert_eq!(
            sessions.report(b, T, Some(T + 1), true).session.begin,
            T - LONGEST_MS
        );
        assert_eq!(Sessions::decode(&sessions.encode()), Some(sessions.clone()));
        let week = Uuid::from_u128(4);
        sessions.report(week, T, None, true);
        let earlier = sessions.report(week, T - 3 * LONGEST_MS, None, true);
        assert_eq!(earlier.since, T - 3 * LONGEST_MS - FIRST_MS);
        for n in 10..60 {
            sessions.report(Uuid::from_u128(n), T, None, true);
        }
        assert_eq!(sessions.0.len(), KEPT);
        assert_eq!(Sessions::decode(&[1, 2, 3]), None);
    }
}
