//! Boards of this process. A board is read by many at once, and made beside the one that is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use uuid::Uuid;

use super::ranking::Ranking;
use super::{Applied, Batch, BoardKey, Found, KEPT, LEASE, Page, Score};

#[derive(Clone, Default)]
pub struct MemoryBoards(Arc<Inner>);

#[derive(Default)]
struct Inner {
    boards: RwLock<HashMap<BoardKey, Arc<Board>>>,
    /// Who makes a board, and until when they may.
    leases: Mutex<HashMap<BoardKey, (u64, Instant)>>,
}

struct Board {
    ranking: RwLock<(i64, Ranking)>,
    kept_until: Mutex<Instant>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryBoards {
    fn board(&self, key: &BoardKey) -> Option<Arc<Board>> {
        read(&self.0.boards).get(key).cloned()
    }

    pub fn page(&self, key: &BoardKey, from: u64, limit: u64) -> Option<Page> {
        let board = self.board(key)?;
        let inner = read(&board.ranking);
        Some(inner.1.page(inner.0, from, limit))
    }

    pub fn find(&self, key: &BoardKey, id: Uuid, neighbours: u64) -> Option<Found> {
        let board = self.board(key)?;
        let inner = read(&board.ranking);
        Some(inner.1.find(inner.0, id, neighbours))
    }

    pub fn at(&self, key: &BoardKey) -> Option<i64> {
        Some(read(&self.board(key)?.ranking).0)
    }

    pub fn apply(&self, key: &BoardKey, batch: &Batch) -> Applied {
        let Some(board) = self.board(key) else {
            return Applied::Missing;
        };
        let mut inner = write(&board.ranking);
        if batch.from > inner.0 {
            return Applied::Gap;
        }
        if batch.to < inner.0 {
            return Applied::Stale;
        }
        inner.0 = batch.to;
        for (id, score) in &batch.changes {
            inner.1.set(*id, *score);
        }
        Applied::Done
    }

    pub fn begin(&self, key: &BoardKey) -> Option<MemoryBuilding> {
        let mut leases = lock(&self.0.leases);
        let now = Instant::now();
        if leases.get(key).is_some_and(|(_, until)| *until > now) {
            return None;
        }
        let token = rand::random();
        leases.insert(key.clone(), (token, now + LEASE));
        Some(MemoryBuilding {
            boards: self.clone(),
            key: key.clone(),
            token,
            entrants: Vec::new(),
        })
    }

    pub fn keep(&self, keys: &[BoardKey]) {
        let until = Instant::now() + KEPT;
        for key in keys {
            if let Some(board) = self.board(key) {
                *lock(&board.kept_until) = until;
            }
        }
        let now = Instant::now();
        write(&self.0.boards).retain(|_, board| *lock(&board.kept_until) > now);
        lock(&self.0.leases).retain(|_, (_, until)| *until > now);
    }

    pub fn drop_board(&self, key: &BoardKey) {
        write(&self.0.boards).remove(key);
    }

    /// Lets all leases run out: for tests.
    #[cfg(test)]
    pub fn age_leases(&self, by: std::time::Duration) {
        for (_, until) in lock(&self.0.leases).values_mut() {
            *until = until.checked_sub(by).unwrap_or(*until);
        }
    }
}

/// A board that is being made.
pub struct MemoryBuilding {
    boards: MemoryBoards,
    key: BoardKey,
    token: u64,
    entrants: Vec<(Uuid, Score)>,
}

impl MemoryBuilding {
    pub fn add(&mut self, entrants: &[(Uuid, Score)]) {
        self.entrants.extend_from_slice(entrants);
        if let Some((token, until)) = lock(&self.boards.0.leases).get_mut(&self.key)
            && *token == self.token
        {
            *until = Instant::now() + LEASE;
        }
    }

    /// Puts it in place of the one that is there, unless that is newer, or somebody else makes it now.
    pub fn finish(self, at: i64) -> bool {
        let board = Arc::new(Board {
            ranking: RwLock::new((at, Ranking::of(self.entrants))),
            kept_until: Mutex::new(Instant::now() + KEPT),
        });
        let mut leases = lock(&self.boards.0.leases);
        let is_ours = leases
            .get(&self.key)
            .is_some_and(|(token, _)| *token == self.token);
        if !is_ours {
            return false;
        }
        leases.remove(&self.key);
        let mut boards = write(&self.boards.0.boards);
        let newer = boards
            .get(&self.key)
            .is_some_and(|there| read(&there.ranking).0 > at);
        if !newer {
            boards.insert(self.key, board);
        }
        !newer
    }
}
