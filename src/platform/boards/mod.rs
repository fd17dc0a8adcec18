//! Ranked boards: who stands where by points, and among equals by who got there first. They are derived from a truth that lies
//! elsewhere, in this process or in Redis with the same answers, and may be gone at any moment. A board knows up to which
//! version of the truth it is complete; whoever brings it forward says from where to where, so that nothing late can spoil it.

mod memory;
mod ranking;
mod redis_boards;

use std::time::Duration;

use uuid::Uuid;

pub use memory::MemoryBoards;
pub use redis_boards::RedisBoards;

/// What ranks an entrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    pub points: i64,
    /// When they were reached, in microseconds.
    pub reached_at: i64,
}

/// An entrant's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: Uuid,
    pub score: Score,
    /// One more than those with more points: 1, 2, 2, 4.
    pub rank: u64,
    /// In the order, from 0.
    pub position: u64,
}

/// Some lines of a board, complete up to the version `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub at: i64,
    /// Entrants of the whole board.
    pub size: u64,
    pub lines: Vec<Line>,
}

/// One entrant's line, if there is one, with those around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub at: i64,
    pub size: u64,
    pub line: Option<Line>,
    /// In order, the line itself among them.
    pub around: Vec<Line>,
}

/// A board's name: letters, digits, hyphens and colons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BoardKey(String);

impl From<String> for BoardKey {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl std::fmt::Display for BoardKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that has changed from one version of the truth to another. Scores are absolute, so that a batch that was set in part is
/// mended by the next; without one the entrant is on the board no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub from: i64,
    pub to: i64,
    pub changes: Vec<(Uuid, Option<Score>)>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Done,
    /// The board is further already: nothing was changed.
    Stale,
    /// Something between is unknown: the board must be made anew.
    Gap,
    /// There is no board.
    Missing,
}

/// Redis failed, or was slower than its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// How long nobody else makes a board after who makes it was heard of last.
const LEASE: Duration = Duration::from_secs(15);
/// How long a board stays after it was said to be kept.
const KEPT: Duration = Duration::from_secs(900);

#[derive(Clone)]
pub enum Boards {
    Memory(MemoryBoards),
    Redis(Box<RedisBoards>),
}

impl Boards {
    pub fn memory() -> Self {
        Self::Memory(MemoryBoards::default())
    }

    /// Lines from a position on; none: there is no board.
    pub async fn page(&self, key: &BoardKey, from: u64, limit: u64) -> Result<Option<Page>, Unavailable> {
        match self {
            Self::Memory(boards) => Ok(boards.page(key, from, limit)),
            Self::Redis(boards) => boards.page(key, from, limit).await,
        }
    }

    /// Somebody's line with up to so many on either side; none: there is no board.
    pub async fn find(
        &self,
        key: &BoardKey,
        id: Uuid,
        neighbours: u64,
    ) -> Result<Option<Found>, Unavailable> {
        match self {
            Self::Memory(boards) => Ok(boards.find(key, id, neighbours)),
            Self::Redis(boards) => boards.find(key, id, neighbours).await,
        }
    }

    /// The versions up to which boards are complete; none where there is no board.
    pub async fn at(&self, keys: &[BoardKey]) -> Result<Vec<Option<i64>>, Unavailable> {
        match self {
            Self::Memory(boards) => Ok(keys.iter().map(|key| boards.at(key)).collect()),
            Self::Redis(boards) => boards.at(keys).await,
        }
    }

    pub async fn apply(&self, key: &BoardKey, batch: &Batch) -> Result<Applied, Unavailable> {
        match self {
            Self::Memory(boards) => Ok(boards.apply(key, batch)),
            Self::Redis(boards) => boards.apply(key, batch).await,
        }
    }

    /// The right to make a board, which one has at a time, on any number of replicas; none: somebody else has it.
    pub async fn begin(&self, key: &BoardKey) -> Result<Option<Building>, Unavailable> {
        match self {
            Self::Memory(boards) => Ok(boards.begin(key).map(Building::Memory)),
            Self::Redis(boards) => {
                let building = boards.begin(key).await?;
                Ok(building.map(|building| Building::Redis(Box::new(building))))
            }
        }
    }

    /// These boards stay for a while; others go in their time.
    pub async fn keep(&self, keys: &[BoardKey]) -> Result<(), Unavailable> {
        match self {
            Self::Memory(boards) => {
                boards.keep(keys);
                Ok(())
            }
            Self::Redis(boards) => boards.keep(keys).await,
        }
    }

    pub async fn drop_board(&self, key: &BoardKey) -> Result<(), Unavailable> {
        match self {
            Self::Memory(boards) => {
                boards.drop_board(key);
                Ok(())
            }
            Self::Redis(boards) => boards.drop_board(key).await,
        }
    }
}

/// A board that is being made, beside the one that is there. Dropped unfinished, it runs out by itself.
pub enum Building {
    Memory(memory::MemoryBuilding),
    Redis(Box<redis_boards::RedisBuilding>),
}

impl Building {
    pub async fn add(&mut self, entrants: &[(Uuid, Score)]) -> Result<(), Unavailable> {
        match self {
            Self::Memory(building) => {
                building.add(entrants);
                Ok(())
            }
            Self::Redis(building) => building.add(entrants).await,
        }
    }

    /// Puts it in place, complete up to `at`. False: a newer one is there, or somebody else makes it by now.
    pub async fn finish(self, at: i64) -> Result<bool, Unavailable> {
        match self {
            Self::Memory(building) => Ok(building.finish(at)),
            Self::Redis(building) => building.finish(at).await,
        }
    }
}
