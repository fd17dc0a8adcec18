//! What a member sees of their own attendance.

use actix_web::{get, web};
use serde::Serialize;

use super::check_ins::CheckInView;
use super::checkpoints::PassageView;
use super::leave::LeaveView;
use super::make_up::MakeUpView;
use crate::app::App;
use crate::attendance::rules::Presence;
use crate::attendance::sheet::{self, Mine};
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, Tagged};

#[derive(Serialize, utoipa::ToSchema)]
pub struct MyAttendanceView {
    status: Presence,
    /// The one that stands; null when I have not come, or when it was annulled.
    check_in: Option<CheckInView>,
    /// My newest one, with what was decided.
    leave_request: Option<LeaveView>,
    /// The lesson that answers an absence, where the organiser allows one.
    make_up: Option<MakeUpView>,
    /// The points that I have passed, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passages: Vec<PassageView>,
}

impl From<Mine> for MyAttendanceView {
    fn from(mine: Mine) -> Self {
        Self {
            status: mine.presence,
            check_in: mine.check_in.as_ref().map(CheckInView::from),
            leave_request: mine.leave.map(LeaveView::from),
            make_up: mine
                .make_up
                .map(|(row, title, due_at)| MakeUpView::of(&row, title, due_at)),
            passages: mine
                .passed
                .iter()
                .map(|passed| PassageView::of(&passed.passage, &passed.point))
                .collect(),
        }
    }
}

/// Find my own line of an event: whether I am checked in, and what became of my leave request.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), responses((status = 200, body = MyAttendanceView)))]
#[get("/events/{id}/my-attendance")]
pub async fn find_my_attendance(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
) -> AppResult<Tagged<MyAttendanceView>> {
    let ctx = app.ctx(who.0);
    let mine = app
        .db
        // A phone asks right after it has checked in, and goes by the answer.
        .read_fresh(move |conn| sheet::find_mine(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(mine.into()))
}
