//! `App`: the one context that handlers get; `Ctx`: what one request hands down to services.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::attendance::{self, CheckInLane, LiveHub};
use crate::auth::{Actor, Auth};
use crate::devices::RoomDevice;
use crate::home::{HomeParts, Homes};
use crate::leaderboards::{Keeper, LiveBoards, Names, Pages, Permits};
use crate::media::Media;
use crate::notices::{self, NoticeHub};
use crate::platform::cache::Cache;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db::{AnyId, Db, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, Key, current_request_id};
use crate::platform::ids::Ids;
use crate::platform::jobs::{Handlers, JobQueue};
use crate::platform::keys::Keys;
use crate::sign_ups::{self, SignUpLane};
use crate::study::{self, StudyLane};
use crate::webhooks::{self, Sender};

const ROSTERS_AT_ONCE: usize = 2;

pub struct App {
    pub config: Arc<Config>,
    pub db: Db,
    pub cache: Cache,
    pub clock: Clock,
    pub ids: Ids,
    pub keys: Arc<Keys>,
    pub auth: Auth,
    pub check_ins: CheckInLane,
    pub sign_ups: SignUpLane,
    pub study: StudyLane,
    pub live: LiveHub,
    pub leaderboards: Keeper,
    pub live_boards: LiveBoards,
    /// Who may see which ranking, what lines are called, and pages that many look at.
    pub permits: Permits,
    pub board_names: Names,
    pub pages: Pages,
    pub homes: Homes<HomeParts>,
    pub notices: NoticeHub,
    pub queue: JobQueue,
    pub media: Media,
    /// Turns at unpacking and reading an uploaded roster, which takes a core and some tens of MiB.
    pub roster_turns: Arc<Semaphore>,
}

/// Who asks, when, and what is needed to answer; cheap to make, moved into the blocking hop.
#[derive(Clone)]
pub struct Ctx {
    pub now: Instant,
    pub ids: Ids,
    pub actor: Actor,
    /// The device of a room that asks: then `actor` bears its id, and no right.
    pub device: Option<RoomDevice>,
    /// As the client was told in `x-request-id`; none for commands and jobs.
    pub request_id: Option<Arc<str>>,
    pub config: Arc<Config>,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{0}")]
    Keys(#[from] std::io::Error),
    #[error("cannot open the database: {0}")]
    Database(#[from] r2d2::Error),
    #[error("cannot start a lane: {0}")]
    Lane(#[source] std::io::Error),
    #[error("cannot use media.store: {0}")]
    Bucket(#[from] object_store::Error),
    #[error("cannot send messages: {0}")]
    Sender(#[from] reqwest::Error),
}

impl App {
    /// Opens everything the settings name. Migrations have run before. Call it inside the runtime.
    pub fn build(config: Config, clock: Clock, ids: Ids) -> Result<Self, BuildError> {
        let config = Arc::new(config);
        let keys = Arc::new(Keys::load(&config)?);
        let db = Db::open(&config.database)?;
        let cache = Cache::open(&config.cache);
        let auth = Auth::new(&config, keys.clone());
        let live = LiveHub::new(db.clone(), cache.clone());
        let leaderboards = Keeper::new(db.clone(), clock.clone(), cache.clone());
        let permits = Permits::default();
        let board_names = Names::new(db.clone(), permits.clone());
        let live_boards = LiveBoards::new(board_names.clone(), cache.clone(), leaderboards.clone());
        let check_ins = attendance::start_lane(
            &config.check_in,
            db.clone(),
            ids.clone(),
            keys.clone(),
            clock.clone(),
            cache.clone(),
        )
        .map_err(BuildError::Lane)?;
        let study = study::start_lane(&config.study, db.clone(), ids.clone(), clock.clone())
            .map_err(BuildError::Lane)?;
        let sign_ups = sign_ups::start_lane(&config.sign_ups, db.clone(), ids.clone(), clock.clone())
            .map_err(BuildError::Lane)?;
        let media = Media::new(&config.media, db.clone(), clock.clone())?;
        let mut handlers = Handlers::default();
        notices::handle(&mut handlers, ids.clone());
        let sender = Sender::new(db.clone(), clock.clone(), keys.clone(), &config.webhooks)?;
        webhooks::handle(&mut handlers, sender);
        Ok(Self {
            config,
            media,
            notices: NoticeHub::new(db.clone(), clock.clone()),
            queue: JobQueue::new(db.clone(), clock.clone(), handlers),
            db,
            cache,
            clock,
            ids,
            keys,
            auth,
            check_ins,
            sign_ups,
            study,
            live,
            leaderboards,
            live_boards,
            permits,
            board_names,
            pages: Pages::default(),
            homes: Homes::default(),
            roster_turns: Arc::new(Semaphore::new(ROSTERS_AT_ONCE)),
        })
    }

    /// One write that its `Idempotency-Key` makes safe to repeat: effect and kept answer commit together.
    pub async fn write_once<F>(&self, actor: Actor, key: Key, work: F) -> AppResult<Answer>
    where
        F: Fn(&mut DbConnection, &Ctx) -> AppResult<Answer> + Send + 'static,
    {
        let ctx = self.ctx(actor);
        self.db
            .write(move |conn| {
                let account = AnyId(ctx.actor.account.0);
                key.once(conn, account, ctx.now, |conn| work(conn, &ctx))
            })
            .await
    }

    pub fn ctx(&self, actor: Actor) -> Ctx {
        Ctx {
            now: self.clock.now(),
            ids: self.ids.clone(),
            actor,
            device: None,
            request_id: current_request_id(),
            config: self.config.clone(),
        }
    }
}
