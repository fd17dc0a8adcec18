//! Live inboxes: one query a process and moment tells whose inbox has changed, whatever the number of phones that watch,
//! and whichever replica wrote it. It reads the database, so nothing is lost with the cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::service;
use super::store::Activity;
use crate::members::MemberId;
use crate::platform::clock::Clock;
use crate::platform::db::Db;

const PACE: Duration = Duration::from_millis(400);
/// A change is committed at most so long after the instant it bears, replicas' clocks included.
const LATENESS_S: i64 = 30;
/// After a database that was away for longer nobody looks for who is to be told.
const LONGEST_S: i64 = 600;

/// Grows with each change of one's inbox.
pub type Ticks = watch::Receiver<u64>;

#[derive(Clone)]
pub struct NoticeHub {
    db: Db,
    clock: Clock,
    watched: Arc<Mutex<Watched>>,
}

#[derive(Default)]
struct Watched {
    members: HashMap<MemberId, watch::Sender<u64>>,
    is_looking: bool,
}

impl NoticeHub {
    pub fn new(db: Db, clock: Clock) -> Self {
        Self {
            db,
            clock,
            watched: Arc::default(),
        }
    }

    /// Call it inside the runtime. Whoever looks for changes ends when nobody watches any more.
    pub fn watch(&self, member: MemberId) -> Ticks {
        let mut watched = self.lock();
        let ticks = watched
            .members
            .entry(member)
            .or_insert_with(|| watch::channel(0).0)
            .subscribe();
        if !watched.is_looking {
            watched.is_looking = true;
            tokio::spawn(self.clone().look());
        }
        ticks
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(self) {
        let mut known: HashMap<MemberId, Activity> = HashMap::new();
        let mut looked_at = self.clock.now();
        while self.is_watched() {
            // From the last look that was answered on: the database may have been away for long.
            let now = self.clock.now();
            if looked_at.plus_s(LONGEST_S) < now {
                // Too much to look for: whoever watches looks again.
                self.lock()
                    .members
                    .values()
                    .for_each(|ticks| ticks.send_modify(|tick| *tick += 1));
                looked_at = now;
            }
            let since = looked_at.plus_s(-LATENESS_S);
            match self
                .db
                .read_fresh(move |conn| service::activity(conn, since))
                .await
            {
                Ok(found) => {
                    let found: HashMap<_, _> = found.into_iter().map(|one| (one.member_id, one)).collect();
                    self.tick(&known, &found);
                    (known, looked_at) = (found, now);
                }
                Err(error) => tracing::debug!(%error, "no news of inboxes"),
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Tells those whose inbox is another than before. What has merely grown old is nothing new.
    fn tick(&self, before: &HashMap<MemberId, Activity>, now: &HashMap<MemberId, Activity>) {
        let watched = self.lock();
        for (member, ticks) in &watched.members {
            let Some(found) = now.get(member) else { continue };
            let is_old = before
                .get(member)
                .is_some_and(|old| old.last == found.last && old.notices >= found.notices);
            if !is_old {
                ticks.send_modify(|tick| *tick += 1);
            }
        }
    }

    fn is_watched(&self) -> bool {
        let mut watched = self.lock();
        watched.members.retain(|_, ticks| ticks.receiver_count() > 0);
        watched.is_looking = !watched.members.is_empty();
        watched.is_looking
    }
}
