//! Who may see which ranking, remembered until something changes on which that depends: where people belong, roles, the tree
//! and its settings. Each change leaves a row of `leaderboard_moves`, which `look` finds with the boards' following.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use moka::future::Cache;

use super::service::{self, Shown, Wanted};
use super::store;
use crate::app::App;
use crate::auth::{AccountId, Actor};
use crate::platform::db::{Db, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::points;

const MOST: u64 = 200_000;
const KEPT: Duration = Duration::from_secs(60);
/// What was not looked after for so long is asked anew: rights end within a second.
const TRUST: Duration = Duration::from_millis(900);

#[derive(Clone)]
pub struct Permits(Arc<Inner>);

struct Inner {
    known: Cache<Key, Permit>,
    /// Grows with each change.
    changes: AtomicU64,
    /// Up to which number moves were looked at.
    at: AtomicI64,
    looked_at: Mutex<Option<Moment>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account: AccountId,
    wanted: Wanted,
    is_own: bool,
}

#[derive(Clone)]
struct Permit {
    shown: Arc<Shown>,
    /// The end of the tree's day: then other periods are meant.
    until: Instant,
    /// How much had changed when it was looked up.
    changes: u64,
}

impl Default for Permits {
    fn default() -> Self {
        Self(Arc::new(Inner {
            known: Cache::builder().max_capacity(MOST).time_to_live(KEPT).build(),
            changes: AtomicU64::new(0),
            at: AtomicI64::new(0),
            looked_at: Mutex::new(None),
        }))
    }
}

impl Permits {
    /// The ranking, if it is shown to the actor; `is_own`: the one on which they find themselves.
    pub async fn show(&self, app: &App, actor: Actor, wanted: Wanted, is_own: bool) -> AppResult<Arc<Shown>> {
        let key = Key {
            account: actor.account,
            wanted,
            is_own,
        };
        let changes = self.0.changes.load(Ordering::Acquire);
        if self.is_looked_after()
            && let Some(permit) = self.0.known.get(&key).await
            && permit.changes == changes
            && app.clock.now() < permit.until
        {
            return Ok(permit.shown);
        }
        let ctx = app.ctx(actor);
        let look = move |conn: &mut DbConnection| match is_own {
            true => service::show_own(conn, &ctx, wanted),
            false => service::show(conn, &ctx, wanted),
        };
        let shown = Arc::new(app.db.read_fresh(look).await?);
        // What has changed meanwhile may be missing: then it is of no use.
        let permit = Permit {
            until: shown.day_ends_at,
            shown: shown.clone(),
            changes,
        };
        self.0.known.insert(key, permit).await;
        Ok(shown)
    }

    fn is_looked_after(&self) -> bool {
        let looked_at = self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.is_some_and(|at| at.elapsed() < TRUST)
    }

    /// Forgets everything if anything has changed. Called four times a second.
    pub async fn look(&self, db: &Db) -> AppResult<()> {
        let (began, from) = (Moment::now(), self.0.at.load(Ordering::Acquire));
        let read = move |conn: &mut DbConnection| {
            let to = points::settled_change_no(conn)?;
            Ok((to, store::has_moves(conn, from)?))
        };
        let (to, has_moves) = db.read_fresh(read).await?;
        if has_moves {
            self.forget();
        }
        self.0.at.store(to, Ordering::Release);
        *self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }

    pub fn forget(&self) {
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        self.0.known.invalidate_all();
    }
}
