//! The keeper of boards. The truth is in the database; a board is derived from it when somebody looks, follows its changes four
//! times a second while anybody does, and is made anew when it is gone. Nobody pushes anything into it: so nothing that is lost
//! after a commit, flushed, or written late by a replica that was asleep can stay wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant as Moment};

use moka::future::Cache as MokaCache;
use tokio::sync::{Semaphore, mpsc, watch};

use super::rules::Board;
use super::store;
use super::truth::{BoardNews, read_changes, read_extent, read_whole};
use crate::platform::boards::{Applied, BoardKey, Boards, Building, Extent, Found, Page, Score, Unavailable};
use crate::platform::cache::{Cache, News};
use crate::platform::clock::Clock;
use crate::platform::db::{Backend, Db, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::fault;

/// How long a reader waits for a board that is being made.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// The same for who has other things to show.
const HURRY: Duration = Duration::from_millis(150);
/// A board that nobody has looked at for so long is left to itself.
const WATCHED: Duration = Duration::from_secs(600);
/// Boards that a process follows at most: those that were looked at last.
const MOST_WATCHED: usize = 500;
/// The version of what changes no more: above all others, and below 2^53, as boards ask.
const FINAL: i64 = (1 << 53) - 1;
/// Lines of answers that are remembered, some two hundred bytes each.
const MOST_TOLD: u64 = 100_000;
/// Boards that a process makes at a time.
const MAKINGS: usize = 2;
/// How often whoever makes a board says so: well below the lease.
const HOLDING: Duration = Duration::from_secs(1);
/// How long nobody waits for a place that did not answer in time.
const AWAY: Duration = Duration::from_millis(500);
/// What was checked so long ago may be behind.
const STALE_S: i64 = 5;

#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    /// Of which database the boards tell. Where they are kept others' may lie, or those of the same before it was restored.
    origin: RwLock<Origin>,
    db: Db,
    clock: Clock,
    cache: Cache,
    /// Redis and then this process, or this process alone.
    sides: Vec<Side>,
    /// Turns at making a board.
    makings: Semaphore,
    /// What was told last, and when: while a board that was lost is made anew it is better than nothing.
    told: MokaCache<(Board, Ask), (Told, Instant)>,
}

struct Origin {
    mark: String,
    /// Does the database tell all of it?
    is_whole: bool,
}

/// One place where boards are kept.
struct Side {
    boards: Boards,
    watched: Mutex<HashMap<Board, Watched>>,
    /// When all watched boards were last found to be as the truth is.
    checked_at: Mutex<Instant>,
    /// It did not answer: nobody waits for it again before this.
    away_until: Mutex<Option<Moment>>,
}

struct Watched {
    read_at: Moment,
    /// Where it was when it was last followed or made.
    at: Option<i64>,
    /// Told when the board that is being made is there, or is not.
    making: Option<watch::Receiver<()>>,
}

/// What was found on a board, and how fresh it is.
#[derive(Debug, Clone)]
pub struct Reading<T> {
    pub found: T,
    /// The board was as the truth at this time; later changes may be missing.
    pub stale_since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Ask {
    Page { from: u64, limit: u64 },
    Find { id: uuid::Uuid, neighbours: u64 },
}

#[derive(Clone)]
enum Told {
    Page(Page),
    Found(Found),
}

impl Told {
    fn lines(&self) -> u32 {
        let lines = match self {
            Self::Page(page) => page.lines.len(),
            Self::Found(found) => found.around.len(),
        };
        u32::try_from(lines).unwrap_or(u32::MAX - 1)
    }
}

/// What was read of a board, some at a time.
type Scores = mpsc::Receiver<Vec<(uuid::Uuid, Score)>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells all processes that a board has changed.
pub fn news_of(board: &Board) -> News {
    News(format!("board:{}", board.name()))
}

impl Origin {
    /// On SQLite one of its own for each process: there is no other that could share its boards.
    fn first(db: &Db) -> Self {
        let ask = |is_whole| {
            let found = db.write_blocking(|conn| Ok(store::origin(conn, is_whole)?));
            found.map(|mark| mark.map(|mark| Self { mark, is_whole }))
        };
        let found = match db.backend() {
            Backend::Postgres => ask(true).or_else(|_| ask(false)).ok().flatten(),
            Backend::Sqlite => None,
        };
        found.unwrap_or_else(|| Self {
            mark: hex::encode(rand::random::<[u8; 8]>()),
            is_whole: true,
        })
    }
}

impl Keeper {
    /// Boards stand where the cache is. While that is Redis and does not answer, this process keeps them itself.
    pub fn new(db: Db, clock: Clock, cache: Cache) -> Self {
        let side = |boards| Side {
            boards,
            watched: Mutex::default(),
            checked_at: Mutex::new(clock.now()),
            away_until: Mutex::default(),
        };
        let own = Boards::memory(clock.clone());
        let origin = Origin::first(&db);
        let sides = match &cache {
            Cache::Memory(_) => vec![side(own)],
            Cache::Redis(_) => vec![side(Boards::beside(&cache, clock.clone())), side(own)],
        };
        Self(Arc::new(Inner {
            origin: RwLock::new(origin),
            db,
            clock,
            cache,
            sides,
            makings: Semaphore::new(MAKINGS),
            told: MokaCache::builder()
                .max_capacity(MOST_TOLD)
                .weigher(|_, (told, _): &(Told, Instant)| 1 + told.lines())
                .time_to_live(WATCHED)
                .build(),
        }))
    }

    /// Lines of a board, from a position on.
    pub async fn page(&self, board: &Board, from: u64, limit: u64) -> AppResult<Reading<Page>> {
        let Reading { found, stale_since } = self.ask(board, Ask::Page { from, limit }).await?;
        match found {
            Told::Page(found) => Ok(Reading { found, stale_since }),
            Told::Found(_) => Err(AppError::internal("a board answered something else")),
        }
    }

    /// Somebody's line, if they have one, with those around it.
    pub async fn find(&self, board: &Board, id: uuid::Uuid, neighbours: u64) -> AppResult<Reading<Found>> {
        let Reading { found, stale_since } = self.ask(board, Ask::Find { id, neighbours }).await?;
        match found {
            Told::Found(found) => Ok(Reading { found, stale_since }),
            Told::Page(_) => Err(AppError::internal("a board answered something else")),
        }
    }

    /// `find` for what must not wait: none where the board is not there yet.
    pub async fn glance(&self, board: &Board, id: uuid::Uuid) -> Option<Found> {
        let ask = Ask::Find { id, neighbours: 0 };
        match self.ask_sides(board, ask, HURRY).await.ok()?.found {
            Told::Found(found) => Some(found),
            Told::Page(_) => None,
        }
    }

    /// Soon, or as it was told last, or else as soon as the board is made.
    async fn ask(&self, board: &Board, ask: Ask) -> AppResult<Reading<Told>> {
        match self.ask_sides(board, ask, HURRY).await {
            Ok(reading) => {
                self.remember(board, ask, &reading).await;
                Ok(reading)
            }
            Err(error) if error.code() != Code::Unavailable => Err(error),
            Err(_) => match self.0.told.get(&(board.clone(), ask)).await {
                Some((found, told_at)) => Ok(Reading {
                    found,
                    stale_since: Some(told_at),
                }),
                None => self.ask_sides(board, ask, PATIENCE - HURRY).await,
            },
        }
    }

    /// Boards in this process are lost with it only.
    async fn remember(&self, board: &Board, ask: Ask, reading: &Reading<Told>) {
        if self.0.sides.len() > 1 && reading.stale_since.is_none() {
            let told = (reading.found.clone(), self.0.clock.now());
            self.0.told.insert((board.clone(), ask), told).await;
        }
    }

    async fn ask_sides(&self, board: &Board, ask: Ask, patience: Duration) -> AppResult<Reading<Told>> {
        let key = self.key_of(board);
        for (n, side) in self.0.sides.iter().enumerate() {
            if side.is_away() {
                continue;
            }
            // Nobody has followed what nobody looked at.
            if side.note_reader(board) && !board.is_final {
                match self.follow_side(n, side, vec![board.clone()]).await? {
                    Ok(_) => {}
                    Err(Unavailable) => {
                        side.goes_away();
                        continue;
                    }
                }
            }
            match self.ask_side(n, side, board, &key, ask, patience).await {
                Ok(Some(found)) => {
                    let stale_since = (!board.is_final).then(|| self.stale_since(side)).flatten();
                    return Ok(Reading { found, stale_since });
                }
                Ok(None) => return Err(AppError::unavailable()),
                Err(Unavailable) => side.goes_away(),
            }
        }
        Err(AppError::unavailable())
    }

    /// None: it could not be made in time.
    async fn ask_side(
        &self,
        n: usize,
        side: &Side,
        board: &Board,
        key: &BoardKey,
        ask: Ask,
        patience: Duration,
    ) -> Result<Option<Told>, Unavailable> {
        let until = Moment::now() + patience;
        loop {
            if let Some(found) = side.answer(key, ask).await? {
                return Ok(Some(found));
            }
            let left = until.saturating_duration_since(Moment::now());
            if left.is_zero() {
                return Ok(None);
            }
            let mut made = self.make(n, side, board);
            // Another replica may be at it: then nobody here is told.
            let _ = tokio::time::timeout(left.min(Duration::from_millis(100)), made.changed()).await;
        }
    }

    fn stale_since(&self, side: &Side) -> Option<Instant> {
        let checked_at = *lock(&side.checked_at);
        (checked_at.plus_s(STALE_S) < self.0.clock.now()).then_some(checked_at)
    }

    /// Has a board made, unless this process is at it.
    fn make(&self, n: usize, side: &Side, board: &Board) -> watch::Receiver<()> {
        let mut watched = lock(&side.watched);
        let entry = watched.entry(board.clone()).or_insert_with(Watched::now);
        if let Some(making) = &entry.making
            && making.has_changed().is_ok()
        {
            return making.clone();
        }
        let (told, made) = watch::channel(());
        entry.making = Some(made.clone());
        let (keeper, board) = (self.clone(), board.clone());
        tokio::spawn(async move {
            if let Some(side) = keeper.0.sides.get(n)
                && let Err(error) = keeper.make_now(side, &board).await
            {
                tracing::warn!(board = keeper.key_of(&board).as_str(), %error, "cannot make a leaderboard; whoever looks next tries again");
            }
            told.send_replace(());
        });
        made
    }

    /// Reads the whole board from the database and puts it in place, beside whatever is read meanwhile. A few at a time: each
    /// takes a connection for as long as it reads.
    async fn make_now(&self, side: &Side, board: &Board) -> AppResult<()> {
        let _turn = self
            .0
            .makings
            .acquire()
            .await
            .map_err(|_| AppError::unavailable())?;
        let key = self.key_of(board);
        let building = match side.boards.begin(&key).await {
            Ok(Some(building)) => building,
            Ok(None) => return Ok(()),
            Err(Unavailable) => {
                side.goes_away();
                return Err(AppError::unavailable());
            }
        };
        let begun = Moment::now();
        match self.fill(building, board).await? {
            Ok(true) => {
                let took_ms = begun.elapsed().as_millis();
                tracing::info!(board = key.as_str(), took_ms, "a leaderboard is made");
                self.0.cache.announce(news_of(board));
            }
            Ok(false) => tracing::debug!(board = key.as_str(), "another replica has made a leaderboard"),
            Err(Unavailable) => {
                side.goes_away();
                return Err(AppError::unavailable());
            }
        }
        Ok(())
    }

    /// Reads on while what was read before is added.
    async fn fill(&self, building: Building, board: &Board) -> AppResult<Result<bool, Unavailable>> {
        let (some, read) = mpsc::channel(1);
        let of = board.clone();
        let reading = self.0.db.read_long(move |conn: &mut DbConnection| {
            let extent = read_extent(conn, &of)?;
            // Whoever adds them may have given up.
            read_whole(conn, &of, |scores| some.blocking_send(scores).is_ok())?;
            Ok(extent)
        });
        let (extent, added) = tokio::join!(reading, add_all(building, read));
        let extent = extent?;
        let extent = if board.is_final {
            Extent::up_to(FINAL)
        } else {
            extent
        };
        match added {
            Ok(Some(building)) => Ok(building.finish(extent).await),
            Ok(None) => Ok(Ok(false)),
            Err(unavailable) => Ok(Err(unavailable)),
        }
    }

    /// Brings the boards that are looked at to where the truth is. Called four times a second; every replica does it, and
    /// whichever comes first leaves the others nothing. False: some are being made anew.
    pub async fn follow(&self) -> AppResult<bool> {
        let mut all_right = true;
        for (n, side) in self.0.sides.iter().enumerate() {
            let boards = side.followed();
            if boards.is_empty() {
                *lock(&side.checked_at) = self.0.clock.now();
                continue;
            }
            let began = self.0.clock.now();
            match self.follow_side(n, side, boards).await? {
                Ok(true) => *lock(&side.checked_at) = began,
                // Some are made anew, and shown as they were meanwhile.
                Ok(false) => all_right = false,
                // What takes no changes is not read either.
                Err(Unavailable) => side.goes_away(),
            }
        }
        Ok(all_right)
    }

    /// Are all of them as the truth is? Those that are not there are shown by nobody.
    async fn follow_side(
        &self,
        n: usize,
        side: &Side,
        boards: Vec<Board>,
    ) -> AppResult<Result<bool, Unavailable>> {
        let keys: Vec<BoardKey> = boards.iter().map(|board| self.key_of(board)).collect();
        let Ok(extents) = side.boards.extents(&keys).await else {
            return Ok(Err(Unavailable));
        };
        let mut there = Vec::new();
        for (board, extent) in boards.into_iter().zip(extents) {
            match extent {
                Some(extent) => there.push((board, extent)),
                None => drop(self.make(n, side, &board)),
            }
        }
        if there.is_empty() {
            return Ok(Ok(true));
        }
        let mut all_right = true;
        let read = move |conn: &mut DbConnection| read_changes(conn, &there);
        for (board, news) in self.0.db.read_fresh(read).await? {
            match self.apply(n, side, &board, news).await {
                Ok(is_right) => all_right &= is_right,
                Err(Unavailable) => return Ok(Err(Unavailable)),
            }
        }
        Ok(Ok(all_right))
    }

    async fn apply(
        &self,
        n: usize,
        side: &Side,
        board: &Board,
        news: BoardNews,
    ) -> Result<bool, Unavailable> {
        let key = self.key_of(board);
        let batch = match news {
            BoardNews::Nothing(at) => {
                side.note_version(board, Some(at));
                return Ok(true);
            }
            BoardNews::Anew => {
                drop(self.make(n, side, board));
                return Ok(false);
            }
            BoardNews::Changes(batch) => batch,
        };
        let has_changed = !batch.changes.is_empty();
        fault::point("boards::before_update");
        match side.boards.apply(&key, &batch).await? {
            Applied::Done => {
                // Changes of a transaction that is not over yet are read again and again under one version.
                side.note_version(board, (!has_changed).then_some(batch.to));
                if has_changed {
                    self.0.cache.announce(news_of(board));
                }
            }
            Applied::Stale => side.note_version(board, None),
            Applied::Gap | Applied::Missing => {
                drop(self.make(n, side, board));
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Is the database the one that it was? If not, what is known of boards is of another, whose last changes may be gone.
    async fn look_where(&self) {
        let origin = || self.0.origin.write().unwrap_or_else(PoisonError::into_inner);
        let is_whole = origin().is_whole;
        let ask = move |conn: &mut DbConnection| Ok(store::origin(conn, is_whole)?);
        match self.0.db.read_fresh(ask).await {
            Ok(Some(mark)) if mark != origin().mark => {
                tracing::info!("another database, or another life of it: leaderboards are made anew");
                origin().mark = mark;
                self.0.told.invalidate_all();
                for side in &self.0.sides {
                    lock(&side.watched).values_mut().for_each(|one| one.at = None);
                }
            }
            Ok(_) => {}
            // It is busy, or away: that is no other one.
            Err(error) if error.code() == Code::Unavailable => {}
            Err(_) => origin().is_whole = false,
        }
    }

    /// The version that a board is at, as this process last saw it and nothing has changed since; none: it must be read.
    pub fn version(&self, board: &Board) -> Option<i64> {
        let side = self.0.sides.iter().find(|side| !side.is_away())?;
        if board.is_final {
            return Some(FINAL);
        }
        if self.stale_since(side).is_some() {
            return None;
        }
        let mut watched = lock(&side.watched);
        let one = watched.get_mut(board)?;
        one.read_at = Moment::now();
        one.at
    }

    fn key_of(&self, board: &Board) -> BoardKey {
        board.key(&self.0.origin.read().unwrap_or_else(PoisonError::into_inner).mark)
    }

    /// Tells the places where boards are kept which of them are still looked at.
    pub async fn keep(&self) {
        self.look_where().await;
        for side in &self.0.sides {
            let keys: Vec<BoardKey> = side.looked_at().iter().map(|board| self.key_of(board)).collect();
            side.boards.keep(&keys).await;
        }
    }
}

impl Watched {
    fn now() -> Self {
        Self {
            read_at: Moment::now(),
            at: None,
            making: None,
        }
    }
}

impl Side {
    fn is_away(&self) -> bool {
        lock(&self.away_until).is_some_and(|until| Moment::now() < until)
    }

    fn goes_away(&self) {
        *lock(&self.away_until) = Some(Moment::now() + AWAY);
    }

    /// Tells whether nobody has looked at it lately.
    fn note_reader(&self, board: &Board) -> bool {
        let mut watched = lock(&self.watched);
        let is_new = !watched.contains_key(board);
        let entry = watched.entry(board.clone()).or_insert_with(Watched::now);
        entry.read_at = Moment::now();
        is_new
    }

    fn note_version(&self, board: &Board, at: Option<i64>) {
        if let Some(one) = lock(&self.watched).get_mut(board) {
            one.at = at;
        }
    }

    async fn answer(&self, key: &BoardKey, ask: Ask) -> Result<Option<Told>, Unavailable> {
        Ok(match ask {
            Ask::Page { from, limit } => self.boards.page(key, from, limit).await?.map(Told::Page),
            Ask::Find { id, neighbours } => self.boards.find(key, id, neighbours).await?.map(Told::Found),
        })
    }

    /// The boards that somebody has looked at lately; others are forgotten.
    fn looked_at(&self) -> Vec<Board> {
        let mut watched = lock(&self.watched);
        watched.retain(|_, one| one.read_at.elapsed() < WATCHED);
        if watched.len() > MOST_WATCHED {
            let mut times: Vec<Moment> = watched.values().map(|one| one.read_at).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            if let Some(oldest) = times.get(MOST_WATCHED).copied() {
                watched.retain(|_, one| one.read_at > oldest);
            }
        }
        watched.keys().cloned().collect()
    }

    fn followed(&self) -> Vec<Board> {
        let boards = self.looked_at().into_iter();
        boards.filter(|board| !board.is_final).collect()
    }
}

/// None: it is somebody else's turn by now.
async fn add_all(mut building: Building, mut read: Scores) -> Result<Option<Building>, Unavailable> {
    loop {
        let scores = match tokio::time::timeout(HOLDING, read.recv()).await {
            Ok(Some(scores)) => scores,
            Ok(None) => return Ok(Some(building)),
            // It is still ours while we wait.
            Err(_) => Vec::new(),
        };
        if !building.add(&scores).await? {
            return Ok(None);
        }
    }
}
