//! Rankings that are derived from the database, in this process or in Redis, with the same answers. Holds no truth: a board may
//! be gone at any moment and is built anew, and no answer in time (`Unavailable`) is answered from the database by the caller.
//!
//! Nobody pushes single updates. Whoever keeps a board asks up to which version it is complete, reads from the database what
//! has changed since, and hands that over as one batch. A board shows everything up to its version, and perhaps some of what came later.

mod memory;
mod ranking;
mod redis_boards;
mod versions;

use uuid::Uuid;

use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
pub use memory::{MemoryBoards, MemoryBuilding};
pub use ranking::{Line, Score};
pub use redis_boards::{RedisBoards, RedisBuilding};

/// For how long nobody else may build a board, after a builder was last heard of.
const LEASE_S: i64 = 4;
/// For how long a board that nobody asks to keep stays.
const KEPT_S: i64 = 15 * 60;

/// Which board, e.g. `…:month:20261101`. A key is one ranking for ever: what counts in another way has another key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoardKey(String);

impl BoardKey {
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How far a board goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// It shows all that bears a smaller number.
    pub at: i64,
    /// Of what bears this number or a larger one: what it showed when it was built, as far as its builder says so.
    pub besides: Vec<i64>,
}

impl Extent {
    pub fn up_to(at: i64) -> Self {
        let besides = Vec::new();
        Self { at, besides }
    }
}

/// All that changed between two versions of the truth, of any length. Versions and times stay below 2^53.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub from: i64,
    pub to: i64,
    /// The whole score each time; none: no longer on the board. Of one who comes twice the last counts.
    pub changes: Vec<(Uuid, Option<Score>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// The board is further already, or another batch has overtaken this one: nothing to do.
    Stale,
    /// The board is not complete up to the batch's `from`: read from the board's version on, or build it anew.
    Gap,
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub at: i64,
    pub size: u64,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub at: i64,
    pub size: u64,
    /// None: not on the board.
    pub line: Option<Line>,
    /// Up to so many lines before and after, the line itself included.
    pub around: Vec<Line>,
}

/// Redis failed, or was slower than its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the boards do not answer")]
pub struct Unavailable;

#[derive(Clone)]
pub enum Boards {
    Memory(MemoryBoards),
    Redis(RedisBoards),
}

impl Boards {
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(MemoryBoards::new(clock))
    }

    /// Where the cache is, over the same connection.
    pub fn beside(cache: &Cache, clock: Clock) -> Self {
        match cache {
            Cache::Memory(_) => Self::memory(clock),
            Cache::Redis(redis) => Self::Redis(RedisBoards::new(redis.redis().clone())),
        }
    }

    /// None: there is no such board.
    pub async fn page(&self, board: &BoardKey, from: u64, limit: u64) -> Result<Option<Page>, Unavailable> {
        match self {
            Self::Memory(memory) => Ok(memory.page(board, from, limit)),
            Self::Redis(redis) => redis.page(board, from, limit).await,
        }
    }

    /// Where an entrant stands, with up to so many neighbours either way. None: there is no such board.
    pub async fn find(
        &self,
        board: &BoardKey,
        id: Uuid,
        neighbours: u64,
    ) -> Result<Option<Found>, Unavailable> {
        match self {
            Self::Memory(memory) => Ok(memory.find(board, id, neighbours)),
            Self::Redis(redis) => redis.find(board, id, neighbours).await,
        }
    }

    /// How far each board goes, in one round trip.
    pub async fn extents(&self, boards: &[BoardKey]) -> Result<Vec<Option<Extent>>, Unavailable> {
        match self {
            Self::Memory(memory) => Ok(boards.iter().map(|board| memory.extent(board)).collect()),
            Self::Redis(redis) => redis.extents(boards).await,
        }
    }

    /// Sets what has changed. A batch of up to 1,000 changes is set at once; of a longer one some may be seen before the rest,
    /// and only its end raises the version (see `Versions`).
    pub async fn apply(&self, board: &BoardKey, batch: &Batch) -> Result<Applied, Unavailable> {
        for part in batch.parts() {
            let applied = match self {
                Self::Memory(memory) => memory.apply(board, &part),
                Self::Redis(redis) => redis.apply(board, &part).await?,
            };
            if applied != Applied::Done {
                return Ok(applied);
            }
            if !part.is_last {
                tokio::task::yield_now().await;
            }
        }
        Ok(Applied::Done)
    }

    /// Begins to build a board, beside the one there may be. None: somebody else builds it, on whichever replica.
    pub async fn begin(&self, board: &BoardKey) -> Result<Option<Building>, Unavailable> {
        match self {
            Self::Memory(memory) => Ok(memory.begin(board).map(Building::Memory)),
            Self::Redis(redis) => Ok(redis.begin(board).await?.map(Building::Redis)),
        }
    }

    /// For the boards that were read lately, every few seconds: they live for another 15 minutes, others end.
    pub async fn keep(&self, boards: &[BoardKey]) {
        match self {
            Self::Memory(memory) => memory.keep(boards),
            Self::Redis(redis) => redis.keep(boards).await,
        }
    }

    /// Takes a board away. Whoever builds it now builds in vain.
    pub async fn forget(&self, board: &BoardKey) {
        match self {
            Self::Memory(memory) => memory.forget(board),
            Self::Redis(redis) => redis.forget(board).await,
        }
    }
}

/// A board under way. Dropped before it is finished, nothing has happened, and somebody else may begin within 4 s.
pub enum Building {
    Memory(MemoryBuilding),
    Redis(RedisBuilding),
}

impl Building {
    /// Adds entrants, in chunks of any size, of whom none has come before, and renews the lease.
    /// False: the lease has run out, and this board will not be.
    pub async fn add(&mut self, entrants: &[(Uuid, Score)]) -> Result<bool, Unavailable> {
        match self {
            Self::Memory(memory) => Ok(memory.add(entrants)),
            Self::Redis(redis) => redis.add(entrants).await,
        }
    }

    /// Puts the new board in the old one's place at once, with the extent that was read BEFORE its entrants were.
    /// False: the lease has run out, or the board that is there is further.
    pub async fn finish(self, extent: Extent) -> Result<bool, Unavailable> {
        match self {
            Self::Memory(memory) => memory.finish(extent).await,
            Self::Redis(redis) => redis.finish(&extent).await,
        }
    }
}
