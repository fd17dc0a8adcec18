//! What this process knows of ended sessions and accounts: in memory, because a token is checked without the database.
//! The truth is the `auth_changes` table; entries older than an access token's life are forgotten.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::store::ChangeRow;
use super::{AccountId, Actor, SessionId};
use crate::platform::db::Instant;

/// Rows are read again for this long, because they are committed later than they are dated.
const OVERLAP_S: i64 = 30;

#[derive(Default)]
pub struct Revocations(RwLock<Known>);

#[derive(Default)]
struct Known {
    sessions: HashMap<SessionId, State>,
    accounts: HashMap<AccountId, State>,
    polled_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct State {
    is_revoked: bool,
    changed_at: Instant,
}

impl Revocations {
    pub fn is_revoked(&self, actor: &Actor) -> bool {
        self.is_ended(actor.account, actor.session)
    }

    pub fn is_ended(&self, account: AccountId, session: SessionId) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.sessions.get(&session).is_some_and(|state| state.is_revoked)
            || known.accounts.get(&account).is_some_and(|state| state.is_revoked)
    }

    /// The date from which rows are to be read: the last successful poll less the overlap, or `memory_s` back.
    pub fn since(&self, now: Instant, memory_s: i64) -> Instant {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = now.plus_s(-memory_s);
        known
            .polled_at
            .map_or(oldest, |at| at.min(now).plus_s(-OVERLAP_S).max(oldest))
    }

    /// Takes in rows, oldest first; of two about the same thing the later one counts.
    pub fn learn(&self, rows: Vec<ChangeRow>, polled_at: Instant, memory_s: i64) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let news = State {
                is_revoked: row.is_revoked,
                changed_at: row.changed_at,
            };
            let state = match row.session_id {
                Some(session) => known.sessions.entry(session).or_insert(news),
                None => known.accounts.entry(row.account_id).or_insert(news),
            };
            if state.changed_at <= news.changed_at {
                *state = news;
            }
        }
        let oldest = polled_at.plus_s(-memory_s);
        known.sessions.retain(|_, state| state.changed_at >= oldest);
        known.accounts.retain(|_, state| state.changed_at >= oldest);
        known.polled_at = known.polled_at.max(Some(polled_at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn row(session: Option<u128>, is_revoked: bool, seconds: i64) -> ChangeRow {
        ChangeRow {
            account_id: AccountId(Uuid::from_u128(1)),
            session_id: session.map(|n| SessionId(Uuid::from_u128(n))),
            is_revoked,
            changed_at: at(seconds),
        }
    }

    #[test]
    fn the_latest_change_counts_and_old_ones_are_forgotten() {
        let known = Revocations::default();
        let actor = |session| Actor {
            account: AccountId(Uuid::from_u128(1)),
            session: SessionId(Uuid::from_u128(session)),
            tenant: None,
            is_system_admin: false,
        };
        assert_eq!(known.since(at(5_000), 960), at(4_040));
        known.learn(
            vec![row(None, true, 4_500), row(Some(2), true, 4_500)],
            at(5_000),
            960,
        );
        assert!(known.is_revoked(&actor(2)) && known.is_revoked(&actor(3)));
        assert_eq!(known.since(at(5_001), 960), at(4_970));
        known.learn(
            vec![row(None, false, 4_600), row(None, true, 4_500)],
            at(5_001),
            960,
        );
        assert!(known.is_revoked(&actor(2)) && !known.is_revoked(&actor(3)));
        known.learn(vec![], at(5_461), 960);
        assert!(!known.is_revoked(&actor(2)));
    }
}
