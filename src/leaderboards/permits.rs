//! Who may see which ranking, remembered until something changes on which that depends: where people belong, roles, the tree
//! and its settings. Each change leaves a row of `leaderboard_moves`, which `look` finds with the boards' following.
//!
//! What is shown where is the same for everybody, and looked up once; where somebody may look is looked up once for each
//! account, and not at all for the board of their whole tree, which everybody sees.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant as Moment};

use moka::future::Cache;

use super::service::{self, Shown, Wanted};
use super::store;
use crate::app::App;
use crate::auth::{AccountId, Actor};
use crate::organizations::{Access, OrganizationId};
use crate::platform::db::{Db, DbConnection};
use crate::platform::error::{AppError, AppResult};
use crate::points;

const MOST_BOARDS: u64 = 10_000;
const MOST_ACCOUNTS: u64 = 200_000;
const KEPT: Duration = Duration::from_secs(60);
/// What was not looked after for so long is asked anew: rights end within a second.
const TRUST: Duration = Duration::from_millis(900);

#[derive(Clone)]
pub struct Permits(Arc<Inner>);

struct Inner {
    boards: Cache<Wanted, Kept<Shown>>,
    accesses: Cache<AccountId, Kept<Access>>,
    /// How often something has changed in a tree.
    changes: RwLock<HashMap<OrganizationId, u64>>,
    /// Up to which number moves were looked at.
    at: AtomicI64,
    looked_at: Mutex<Option<Moment>>,
}

struct Kept<T> {
    what: Arc<T>,
    /// How much had changed before it was looked up.
    changes: u64,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self {
            what: self.what.clone(),
            changes: self.changes,
        }
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self(Arc::new(Inner {
            boards: Cache::builder()
                .max_capacity(MOST_BOARDS)
                .time_to_live(KEPT)
                .build(),
            accesses: Cache::builder()
                .max_capacity(MOST_ACCOUNTS)
                .time_to_live(KEPT)
                .build(),
            changes: RwLock::default(),
            at: AtomicI64::new(0),
            looked_at: Mutex::new(None),
        }))
    }
}

impl Permits {
    /// The ranking, if the actor may look there; what its mode shows, and to whom, is the caller's to ask.
    pub async fn find(&self, app: &App, actor: Actor, wanted: Wanted) -> AppResult<Arc<Shown>> {
        // The system admin looks rarely, and at any tree.
        let Some(tenant) = actor.tenant else {
            let ctx = app.ctx(actor);
            let find = move |conn: &mut DbConnection| service::find(conn, &ctx, wanted);
            return app.db.read_fresh(find).await.map(Arc::new);
        };
        // What changes meanwhile may be missing in what is read now: then that is of no use later.
        let changes = self.changes(tenant);
        let board = self.recall(&self.0.boards, &wanted, changes).await;
        let board = board.filter(|board| app.clock.now() < board.day_ends_at);
        if let Some(board) = &board
            && board.board.top == tenant
        {
            return Ok(board.clone());
        }
        let account = actor.account;
        let access = self.recall(&self.0.accesses, &account, changes).await;
        if let (Some(board), Some(access)) = (&board, &access) {
            return match access.sees(&board.path) {
                true => Ok(board.clone()),
                false => Err(AppError::not_found()),
            };
        }
        let ctx = app.ctx(actor);
        let look = move |conn: &mut DbConnection| {
            let access = match &access {
                Some(access) => access.clone(),
                None => Arc::new(Access::load(conn, &ctx)?),
            };
            let board = service::find_for(conn, &ctx, &access, wanted).map(Arc::new);
            Ok((access, board))
        };
        let (access, board) = app.db.read_fresh(look).await?;
        self.0
            .accesses
            .insert(
                account,
                Kept {
                    what: access,
                    changes,
                },
            )
            .await;
        let what = board?;
        let kept = Kept {
            what: what.clone(),
            changes,
        };
        self.0.boards.insert(wanted, kept).await;
        Ok(what)
    }

    /// What was looked up before, if nothing has changed since.
    async fn recall<K, T>(&self, from: &Cache<K, Kept<T>>, key: &K, changes: u64) -> Option<Arc<T>>
    where
        K: Hash + Eq + Send + Sync + 'static,
        T: Send + Sync + 'static,
    {
        let kept = from.get(key).await?;
        (kept.changes == changes && self.is_looked_after()).then_some(kept.what)
    }

    fn changes(&self, tenant: OrganizationId) -> u64 {
        let changes = self.0.changes.read().unwrap_or_else(PoisonError::into_inner);
        changes.get(&tenant).copied().unwrap_or_default()
    }

    /// How often something has changed in a tree: what was read after it was asked is as it was until this is another. None: it
    /// was not looked after lately.
    pub fn known_changes(&self, tenant: OrganizationId) -> Option<u64> {
        self.is_looked_after().then(|| self.changes(tenant))
    }

    fn is_looked_after(&self) -> bool {
        let looked_at = self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.is_some_and(|at| at.elapsed() < TRUST)
    }

    /// Forgets what is known of trees in which anything has changed. Called four times a second.
    pub async fn look(&self, db: &Db) -> AppResult<()> {
        let (began, from) = (Moment::now(), self.0.at.load(Ordering::Acquire));
        let read = move |conn: &mut DbConnection| {
            let to = points::settled_change_no(conn)?;
            Ok((to, store::list_moved_trees(conn, from)?))
        };
        let (to, moved) = db.read_fresh(read).await?;
        for tenant in moved {
            self.forget(tenant);
        }
        self.0.at.store(to, Ordering::Release);
        *self.0.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(began);
        Ok(())
    }

    /// Something has changed in this tree.
    pub fn forget(&self, tenant: OrganizationId) {
        let mut changes = self.0.changes.write().unwrap_or_else(PoisonError::into_inner);
        *changes.entry(tenant).or_default() += 1;
    }
}
