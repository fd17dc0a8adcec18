//! The live screen: Server-Sent Events to whoever may see the event's attendance, for as long as they may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, get, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use crate::app::App;
use crate::attendance::live::{LiveFrame, as_event};
use crate::devices::{self, Purpose, Viewer};
use crate::events::EventId;
use crate::organizations::Right;
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, event_stream};

/// A silent connection is told that we live, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How old the answer to 'may they still watch?' may be when something is sent.
const TRUST: Duration = Duration::from_secs(1);

/// Watch an event live (Server-Sent Events): counts, and the latest names. Each event is the whole state, and the first
/// comes at once, so that a stream taken up again with `Last-Event-ID` has missed nothing. The stream ends with the
/// access token, or with the right to see: sign in again or refresh, and resume. A screen of a room watches until a day
/// after the event, or until it is revoked.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path)), responses((status = 200, description = "text/event-stream of LiveFrame", body = LiveFrame, content_type = "text/event-stream")))]
#[get("/events/{id}/live")]
pub async fn watch_attendance(
    app: web::Data<App>,
    who: Viewer,
    id: IdPath<EventId>,
) -> AppResult<HttpResponse> {
    require_view(&app, &who, id.0).await?;
    let mut frames = app.live.watch(id.0);
    frames.mark_changed();
    let screen = Screen {
        frames,
        stopping: app.live.stopping(),
        spoke_at: Instant::now(),
        checked_at: Instant::now(),
        event: id.0,
        who,
        app,
    };
    Ok(event_stream(stream::unfold(screen, Screen::next)))
}

async fn require_view(app: &App, who: &Viewer, event: EventId) -> AppResult<()> {
    let ctx = who.ctx(app);
    who.read(app, move |conn| {
        devices::require_event(conn, &ctx, event, Right::View, Purpose::Screen)
    })
    .await
    .map(|_| ())
}

/// One listener: what it is sent next depends on what it has seen, and on whether it may still see.
struct Screen {
    app: web::Data<App>,
    who: Viewer,
    event: EventId,
    frames: watch::Receiver<Option<Arc<LiveFrame>>>,
    stopping: watch::Receiver<bool>,
    spoke_at: Instant,
    checked_at: Instant,
}

impl Screen {
    async fn next(mut self) -> Option<(AppResult<Bytes>, Self)> {
        loop {
            let changed = tokio::select! {
                changed = tokio::time::timeout(TRUST, self.frames.changed()) => changed,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            // In memory, so asked each time: an ended session's screen goes dark within a second.
            if !self.who.is_valid(&self.app) {
                return None;
            }
            let text = match changed {
                Ok(Ok(())) => self.frame(),
                Ok(Err(_)) => return None,
                // A device's token is only in the database: asked even when there is nothing to send, so that its
                // screen goes dark as soon.
                Err(_) if self.spoke_at.elapsed() < HEARTBEAT => match self.who.is_device() {
                    true if !self.may_watch().await => return None,
                    _ => continue,
                },
                Err(_) => ": alive\n\n".to_owned(),
            };
            if !self.may_watch().await {
                return None;
            }
            self.spoke_at = Instant::now();
            return Some((Ok(Bytes::from(text)), self));
        }
    }

    fn frame(&mut self) -> String {
        match self.frames.borrow_and_update().clone() {
            None => ": starting\n\n".to_owned(),
            Some(frame) => as_event(&frame),
        }
    }

    async fn may_watch(&mut self) -> bool {
        if self.checked_at.elapsed() < TRUST {
            return true;
        }
        self.checked_at = Instant::now();
        let may = require_view(&self.app, &self.who, self.event).await.is_ok();
        if may {
            self.who.note_seen(&self.app).await;
        }
        may
    }
}
