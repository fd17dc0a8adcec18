//! Which lesson answers an absence.

use actix_web::{put, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attendance::make_up;
use crate::attendance::store::MakeUpRow;
use crate::auth::SignedIn;
use crate::events::{self, EventId};
use crate::lessons::LessonId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json};
use crate::platform::text::Check;

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"lesson_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
pub struct SetMakeUp {
    /// Published for all who are expected; null: an absence cannot be made up.
    lesson_id: Option<LessonId>,
}

impl Check for SetMakeUp {}

/// The lesson that answers an absence.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct MakeUpView {
    lesson_id: LessonId,
    title: String,
    /// Completed after this it answers nothing any more: 30 days after the event.
    due_at: Instant,
}

impl MakeUpView {
    pub fn of(row: &MakeUpRow, title: String, due_at: Instant) -> Self {
        Self {
            lesson_id: row.lesson_id,
            title,
            due_at,
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct EventMakeUpView {
    event_id: EventId,
    make_up: Option<MakeUpView>,
}

/// Say which lesson answers an absence from this event, before it or after. Who has completed it within 30 days after the
/// event's end, or before, is `made_up` on the sheet instead of absent or on leave; the quorum stays as it was.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), request_body = SetMakeUp, responses((status = 200, body = EventMakeUpView), (status = 409, description = "event_cancelled")))]
#[put("/events/{id}/make-up")]
pub async fn update_make_up(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    body: Json<SetMakeUp>,
) -> AppResult<Answer> {
    let (ctx, lesson) = (app.ctx(who.0), body.0.lesson_id);
    let make_up = app
        .db
        .write(move |conn| {
            let row = make_up::set_make_up(conn, &ctx, id.0, lesson)?;
            let Some(row) = row else { return Ok(None) };
            let due_at = make_up::due_at(&events::find_event(conn, id.0)?);
            let title = make_up::title_of(conn, row.lesson_id)?;
            Ok(Some(MakeUpView::of(&row, title, due_at)))
        })
        .await?;
    Answer::ok(&EventMakeUpView {
        event_id: id.0,
        make_up,
    })
}
