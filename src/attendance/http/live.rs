//! The live screen: Server-Sent Events to whoever may see the event's attendance, for as long as they may.

use actix_web::{HttpResponse, get, web};

use crate::app::App;
use crate::attendance::live::LiveFrame;
use crate::devices::{self, Purpose, Viewer};
use crate::events::EventId;
use crate::organizations::Right;
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, Watcher, live_stream};

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
    let (frames, stopping) = (app.live.watch(id.0), app.live.stopping());
    let screen = Screen {
        app,
        who,
        event: id.0,
    };
    Ok(live_stream(frames, stopping, screen))
}

async fn require_view(app: &App, who: &Viewer, event: EventId) -> AppResult<()> {
    let ctx = who.ctx(app);
    who.read(app, move |conn| {
        devices::require_event(conn, &ctx, event, Right::View, Purpose::Screen)
    })
    .await
    .map(|_| ())
}

/// One who watches, or a screen.
struct Screen {
    app: web::Data<App>,
    who: Viewer,
    event: EventId,
}

impl Watcher for Screen {
    fn is_valid(&self) -> bool {
        self.who.is_valid(&self.app)
    }

    async fn may_watch(&mut self) -> bool {
        let may = require_view(&self.app, &self.who, self.event).await.is_ok();
        if may {
            self.who.note_seen(&self.app).await;
        }
        may
    }

    /// A device's token is only in the database.
    fn is_asked_in_silence(&self) -> bool {
        self.who.is_device()
    }
}
