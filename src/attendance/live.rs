//! The live screen of an event: one frame is made per change and event, whatever the number of screens that show it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::{roster, store};
use crate::events::{self, EventId};
use crate::platform::cache::{Cache, News};
use crate::platform::db::{Db, DbConnection, Instant};
use crate::platform::error::AppResult;

/// Changes within this time are shown together.
const PACE: Duration = Duration::from_millis(250);
/// A frame is made at least so often while somebody watches: news may be lost, screens catch up.
const REFRESH: Duration = Duration::from_secs(10);
const NAMES: i64 = 50;

/// All that a screen shows: each frame replaces the one before. `seq`, the id of the server-sent event, grows with
/// each check-in and each decision about one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LiveFrame {
    pub seq: i64,
    pub expected: i64,
    pub present: i64,
    pub late: i64,
    /// Of the present and late: those that wait for a person to look at them.
    pub in_review: i64,
    /// The newest 50, newest first.
    pub latest: Vec<LiveName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LiveName {
    pub seq: i64,
    pub name: String,
    pub status: String,
    pub received_at: Instant,
}

type Frames = watch::Receiver<Option<Arc<LiveFrame>>>;

#[derive(Clone)]
pub struct LiveHub {
    db: Db,
    cache: Cache,
    watched: Arc<Mutex<HashMap<EventId, Frames>>>,
    stopping: watch::Sender<bool>,
}

/// Tells all processes that an event's attendance has changed.
pub fn news_of(event: EventId) -> News {
    News(format!("event:{event}"))
}

impl LiveHub {
    pub fn new(db: Db, cache: Cache) -> Self {
        Self {
            db,
            cache,
            watched: Arc::default(),
            stopping: watch::channel(false).0,
        }
    }

    /// Ends every screen's stream, so that a stopping server need not wait for them; they come back by themselves.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Resolves when the server stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The frames of an event, beginning with the newest. The maker ends when nobody listens any more.
    pub fn watch(&self, event: EventId) -> Frames {
        let mut watched = self
            .watched
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(frames) = watched.get(&event)
            && frames.has_changed().is_ok()
        {
            return frames.clone();
        }
        let (sender, frames) = watch::channel(None);
        watched.retain(|_, frames| frames.has_changed().is_ok());
        watched.insert(event, frames.clone());
        tokio::spawn(self.clone().make_frames(event, sender));
        frames
    }

    async fn make_frames(self, event: EventId, sender: watch::Sender<Option<Arc<LiveFrame>>>) {
        let mut news = self.cache.listen();
        let wanted = news_of(event);
        loop {
            // The news comes right after the commit: a replica may not have it yet, and there is no second news.
            match self.db.read_fresh(move |conn| frame(conn, event)).await {
                Ok(frame) => {
                    sender.send_if_modified(|current| {
                        let changed = current.as_deref() != Some(&frame);
                        if changed {
                            *current = Some(Arc::new(frame));
                        }
                        changed
                    });
                }
                Err(error) => tracing::debug!(%error, "no live frame"),
            }
            // The map holds one receiver; the screens hold the others.
            if sender.receiver_count() <= 1 {
                return;
            }
            tokio::time::sleep(PACE).await;
            let next = async {
                loop {
                    match news.recv().await {
                        Ok(heard) if heard != wanted => {}
                        _ => return,
                    }
                }
            };
            let _ = tokio::time::timeout(REFRESH, next).await;
        }
    }
}

fn frame(conn: &mut DbConnection, event: EventId) -> AppResult<LiveFrame> {
    let row = events::find_event(conn, event)?;
    let expected = match row.roster_frozen_at {
        Some(_) => store::count_roster(conn, event)?,
        None => i64::try_from(roster::preview(conn, &row)?.len()).unwrap_or(i64::MAX),
    };
    let mut frame = LiveFrame {
        seq: row.last_seq,
        expected,
        present: 0,
        late: 0,
        in_review: 0,
        latest: Vec::new(),
    };
    for (status, waiting, n) in store::count_check_ins(conn, event)? {
        if status == "late" {
            frame.late += n;
        } else {
            frame.present += n;
        }
        frame.in_review += if waiting { n } else { 0 };
    }
    for (row, name) in store::list_newest(conn, event, NAMES)? {
        frame.latest.push(LiveName {
            seq: row.seq,
            name,
            status: row.status,
            received_at: row.received_at,
        });
    }
    Ok(frame)
}

/// A frame as the text of one server-sent event.
pub fn as_event(frame: &LiveFrame) -> String {
    let data = serde_json::to_string(frame).unwrap_or_default();
    format!("id: {}\nevent: attendance\ndata: {data}\n\n", frame.seq)
}
