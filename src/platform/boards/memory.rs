//! The in-process side: a ranking for each board behind a lock of its own. Reads do not wait for one another, and a board is
//! built beside the one that answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use uuid::Uuid;

use super::ranking::Ranking;
use super::versions::{Part, Versions};
use super::{Applied, BoardKey, Extent, Found, KEPT_S, LEASE_S, Page, Score, Unavailable};
use crate::platform::clock::Clock;
use crate::platform::db::Instant;

#[derive(Clone)]
pub struct MemoryBoards {
    shelf: Arc<Shelf>,
    clock: Clock,
}

#[derive(Default)]
struct Shelf {
    boards: RwLock<HashMap<BoardKey, Shelved>>,
    leases: Mutex<HashMap<BoardKey, Lease>>,
}

struct Shelved {
    board: Arc<RwLock<Board>>,
    until: Instant,
}

struct Board {
    versions: Versions,
    /// As it was built.
    besides: Vec<i64>,
    ranking: Ranking,
}

/// Whose turn it is to build a board.
struct Lease {
    holder: u64,
    until: Instant,
}

impl MemoryBoards {
    pub fn new(clock: Clock) -> Self {
        Self {
            shelf: Arc::default(),
            clock,
        }
    }

    pub fn page(&self, board: &BoardKey, from: u64, limit: u64) -> Option<Page> {
        self.read(board, |board| Page {
            at: board.versions.at,
            size: board.ranking.len(),
            lines: board.ranking.page(from, limit),
        })
    }

    pub fn find(&self, board: &BoardKey, id: Uuid, neighbours: u64) -> Option<Found> {
        self.read(board, |board| {
            let (line, around) = board.ranking.find(id, neighbours).unzip();
            Found {
                at: board.versions.at,
                size: board.ranking.len(),
                line,
                around: around.unwrap_or_default(),
            }
        })
    }

    pub fn extent(&self, board: &BoardKey) -> Option<Extent> {
        self.read(board, |board| Extent {
            at: board.versions.at,
            besides: board.besides.clone(),
        })
    }

    pub(super) fn apply(&self, board: &BoardKey, part: &Part) -> Applied {
        let Some(board) = self.board(board) else {
            return Applied::Missing;
        };
        let mut board = board.write().unwrap_or_else(PoisonError::into_inner);
        let judged = board.versions.judge(part);
        if judged == Applied::Done {
            for (id, score) in part.changes {
                board.ranking.set(*id, *score);
            }
            board.versions.advance(part);
        }
        judged
    }

    pub fn begin(&self, board: &BoardKey) -> Option<MemoryBuilding> {
        let now = self.clock.now();
        let mut leases = self.leases();
        if leases.get(board).is_some_and(|lease| lease.until > now) {
            return None;
        }
        let holder = rand::random();
        let until = now.plus_s(LEASE_S);
        leases.insert(board.clone(), Lease { holder, until });
        drop(leases);
        Some(MemoryBuilding {
            boards: self.clone(),
            board: board.clone(),
            holder,
            entrants: Vec::new(),
        })
    }

    pub fn keep(&self, boards: &[BoardKey]) {
        let now = self.clock.now();
        let mut shelf = self.shelf.boards.write().unwrap_or_else(PoisonError::into_inner);
        for board in boards {
            if let Some(shelved) = shelf.get_mut(board)
                && shelved.until > now
            {
                shelved.until = now.plus_s(KEPT_S);
            }
        }
        let gone: Vec<Shelved> = shelf
            .extract_if(|_, shelved| shelved.until <= now)
            .map(|(_, shelved)| shelved)
            .collect();
        drop(shelf);
        if !gone.is_empty() {
            give_up(gone);
        }
    }

    pub fn forget(&self, board: &BoardKey) {
        self.leases().remove(board);
        let mut shelf = self.shelf.boards.write().unwrap_or_else(PoisonError::into_inner);
        let gone = shelf.remove(board);
        drop(shelf);
        if let Some(gone) = gone {
            give_up(gone);
        }
    }

    fn read<T>(&self, board: &BoardKey, read: impl FnOnce(&Board) -> T) -> Option<T> {
        let board = self.board(board)?;
        let board = board.read().unwrap_or_else(PoisonError::into_inner);
        Some(read(&board))
    }

    fn board(&self, board: &BoardKey) -> Option<Arc<RwLock<Board>>> {
        let now = self.clock.now();
        let shelf = self.shelf.boards.read().unwrap_or_else(PoisonError::into_inner);
        let shelved = shelf.get(board).filter(|shelved| shelved.until > now)?;
        Some(shelved.board.clone())
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<BoardKey, Lease>> {
        self.shelf.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Giving back the memory of a million entrants takes tens of milliseconds, for which no request should wait.
fn give_up<T: Send + 'static>(gone: T) {
    tokio::task::spawn_blocking(move || drop(gone));
}

pub struct MemoryBuilding {
    boards: MemoryBoards,
    board: BoardKey,
    holder: u64,
    entrants: Vec<(Uuid, Score)>,
}

impl MemoryBuilding {
    pub fn add(&mut self, entrants: &[(Uuid, Score)]) -> bool {
        let now = self.boards.clock.now();
        let mut leases = self.boards.leases();
        let own = leases
            .get_mut(&self.board)
            .filter(|lease| lease.is_of(self.holder, now));
        let Some(lease) = own else {
            return false;
        };
        lease.until = now.plus_s(LEASE_S);
        drop(leases);
        self.entrants.extend_from_slice(entrants);
        true
    }

    /// Sorting a million is no work for a thread that serves requests.
    pub async fn finish(mut self, extent: Extent) -> Result<bool, Unavailable> {
        let entrants = std::mem::take(&mut self.entrants);
        let finish = move || self.put_up(extent, Ranking::build(entrants));
        tokio::task::spawn_blocking(finish).await.map_err(|_| Unavailable)
    }

    fn put_up(&self, extent: Extent, ranking: Ranking) -> bool {
        let Extent { at, besides } = extent;
        let now = self.boards.clock.now();
        // Held to the end: nobody else begins or finishes in between.
        let leases = self.boards.leases();
        let is_ours = leases
            .get(&self.board)
            .is_some_and(|lease| lease.is_of(self.holder, now));
        // From here on nobody writes to the old board: it would be told done and be seen nowhere.
        let gives_way = |old: Arc<RwLock<Board>>| {
            let mut old = old.write().unwrap_or_else(PoisonError::into_inner);
            old.versions.give_way(at)
        };
        if !is_ours || !self.boards.board(&self.board).is_none_or(gives_way) {
            return false;
        }
        let board = Board {
            versions: Versions::complete(at),
            besides,
            ranking,
        };
        let shelved = Shelved {
            board: Arc::new(RwLock::new(board)),
            until: now.plus_s(KEPT_S),
        };
        let mut shelf = self
            .boards
            .shelf
            .boards
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = shelf.insert(self.board.clone(), shelved);
        drop(shelf);
        drop(leases);
        drop(old);
        true
    }
}

impl Lease {
    fn is_of(&self, holder: u64, now: Instant) -> bool {
        self.holder == holder && self.until > now
    }
}

impl Drop for MemoryBuilding {
    fn drop(&mut self) {
        let mut leases = self.boards.leases();
        if leases
            .get(&self.board)
            .is_some_and(|lease| lease.holder == self.holder)
        {
            leases.remove(&self.board);
        }
    }
}
