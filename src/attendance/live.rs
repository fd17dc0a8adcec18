//! The live screen of an event.

use serde::Serialize;
use tokio::sync::watch;

use super::{roster, store};
use crate::events::{self, EventId};
use crate::platform::cache::{Cache, News};
use crate::platform::db::{Db, DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::frames::{Frame, Frames, Latest};

const NAMES: i64 = 50;

/// All that a screen shows: each frame replaces the one before. `seq`, the id of the server-sent event, grows with
/// each check-in and each decision about one.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
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

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LiveName {
    pub seq: i64,
    pub name: String,
    pub status: String,
    pub received_at: Instant,
}

#[derive(Clone)]
pub struct LiveHub {
    db: Db,
    frames: Frames<EventId>,
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
            frames: Frames::new(cache),
            stopping: watch::channel(false).0,
        }
    }

    /// Ends every stream, so that a stopping server need not wait for them; they come back by themselves.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Resolves when the server stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub fn watch(&self, event: EventId) -> Latest {
        let db = self.db.clone();
        self.frames.watch(&event, news_of(event), move || {
            let db = db.clone();
            async move {
                // The news comes right after the commit: a replica may not have it yet, and there is no second news.
                let shown = db.read_fresh(move |conn| frame(conn, event)).await?;
                Frame::of("attendance", shown.seq, &shown)
            }
        })
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
