//! Leave requests (請假): asked before the event, decided by the organiser.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attendance::LeaveRequestId;
use crate::attendance::http::check_ins::CheckInView;
use crate::attendance::leave::{self, Asked};
use crate::attendance::store::LeaveRow;
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::http::{Answer, IdPath, List, Once, PageQuery, Query, Tagged};
use crate::platform::text::{Check, Problems};

#[derive(Serialize, utoipa::ToSchema)]
pub struct LeaveView {
    id: LeaveRequestId,
    event_id: EventId,
    member_id: MemberId,
    reason: String,
    /// pending, approved, rejected, withdrawn
    #[schema(example = "pending")]
    status: String,
    requested_at: Instant,
    decided_at: Option<Instant>,
    decision_note: Option<String>,
}

impl From<LeaveRow> for LeaveView {
    fn from(row: LeaveRow) -> Self {
        Self {
            id: row.id,
            event_id: row.event_id,
            member_id: row.member_id,
            reason: row.reason,
            status: row.status,
            requested_at: row.requested_at,
            decided_at: row.decided_at,
            decision_note: row.decision_note,
        }
    }
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "出差"}))]
pub struct RequestLeave {
    reason: String,
}

impl Check for RequestLeave {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Ask for leave from an event I am expected at, before it begins.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), request_body = RequestLeave, responses((status = 201, body = LeaveView), (status = 403, description = "not_expected"), (status = 409, description = "leave_too_late, leave_already_requested, already_checked_in (with `check_in`), event_over")))]
#[post("/events/{id}/leave-requests")]
pub async fn request_leave(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<RequestLeave>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        match leave::request_leave(conn, ctx, id.0, &body.reason)? {
            Asked::Requested(row) => Answer::created(&LeaveView::from(row)),
            Asked::Came(row) => {
                Err(AppError::from(Code::AlreadyCheckedIn).with("check_in", CheckInView::from(&row)))
            }
        }
    })
    .await
}

/// List the leave requests of an event, oldest first.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<LeaveView>)))]
#[get("/events/{id}/leave-requests")]
pub async fn list_leave_requests(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<LeaveView>>> {
    let ctx = app.ctx(who.0);
    let page = query.0.page::<(Instant, LeaveRequestId)>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read(move |conn| leave::list_leave(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        rows,
        |row| (row.requested_at, row.id),
        LeaveView::from,
    )))
}

#[derive(Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "已知悉"}))]
pub struct DecideLeave {
    note: Option<String>,
}

impl Check for DecideLeave {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/note", &mut self.note, 500);
    }
}

async fn decide(
    app: &App,
    who: SignedIn,
    id: LeaveRequestId,
    once: Once<DecideLeave>,
    approve: bool,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = leave::decide_leave(conn, ctx, id, approve, body.note.as_deref())?;
        Answer::ok(&LeaveView::from(row))
    })
    .await
}

/// Approve a leave request: an excused absence. Also one that was rejected, until the event is closed.
#[utoipa::path(tag = "attendance", params(("id" = LeaveRequestId, Path)), request_body = DecideLeave, responses((status = 200, body = LeaveView), (status = 409, description = "leave_already_decided, leave_already_requested, event_over")))]
#[post("/leave-requests/{id}/approve")]
pub async fn approve_leave(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LeaveRequestId>,
    once: Once<DecideLeave>,
) -> AppResult<Answer> {
    decide(&app, who, id.0, once, true).await
}

/// Reject a leave request; the member may ask again. Also one that was approved, until the event is closed.
#[utoipa::path(tag = "attendance", params(("id" = LeaveRequestId, Path)), request_body = DecideLeave, responses((status = 200, body = LeaveView), (status = 409, description = "leave_already_decided, leave_already_requested, event_over")))]
#[post("/leave-requests/{id}/reject")]
pub async fn reject_leave(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LeaveRequestId>,
    once: Once<DecideLeave>,
) -> AppResult<Answer> {
    decide(&app, who, id.0, once, false).await
}

/// Take my own leave request back, also an approved one: I come after all. Until the event is closed.
#[utoipa::path(tag = "attendance", params(("id" = LeaveRequestId, Path)), responses((status = 200, body = LeaveView), (status = 409, description = "leave_already_decided: rejected, or withdrawn before; event_over")))]
#[post("/leave-requests/{id}/withdraw")]
pub async fn withdraw_leave(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LeaveRequestId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        let row = leave::withdraw_leave(conn, ctx, id.0)?;
        Answer::ok(&LeaveView::from(row))
    })
    .await
}
