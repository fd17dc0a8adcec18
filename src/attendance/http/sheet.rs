//! The attendance sheet, the quorum, and the live screen.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, get, web};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::app::App;
use crate::attendance::live::{LiveFrame, as_event};
use crate::attendance::rules::{self, Presence, QuorumRule, Source};
use crate::attendance::service::{self, Line};
use crate::attendance::{CheckInId, export};
use crate::auth::SignedIn;
use crate::events::{self, EventId, Form};
use crate::members::MemberId;
use crate::organizations::{OrganizationId, Right};
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, Page, Query, Tagged};
use crate::platform::sheet::SheetFormat;
use crate::platform::text::Check;

#[derive(Serialize, utoipa::ToSchema)]
pub struct LineView {
    member_id: MemberId,
    organization_id: OrganizationId,
    name: String,
    standing: String,
    /// Was on the roster when it was frozen.
    expected: bool,
    may_vote: bool,
    status: Presence,
    check_in_id: Option<CheckInId>,
    occurred_at: Option<Instant>,
    received_at: Option<Instant>,
    source: Option<Source>,
    /// Waits for a person to accept or annul it.
    review: bool,
    /// Hints for a person: shared_device, far_clock, late_upload.
    flags: Vec<String>,
    reason: Option<String>,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        let row = line.check_in.as_ref();
        let flags = row.map(|r| {
            r.flags
                .split(',')
                .filter(|f| !f.is_empty())
                .map(str::to_owned)
                .collect()
        });
        Self {
            member_id: line.member,
            organization_id: line.organization,
            expected: line.expected,
            may_vote: line.may_vote,
            status: line.presence,
            check_in_id: row.map(|r| r.id),
            occurred_at: row.map(|r| r.occurred_at),
            received_at: row.map(|r| r.received_at),
            source: row.and_then(|r| Source::parse(&r.source)),
            review: row.is_some_and(|r| r.waits_for_review()),
            flags: flags.unwrap_or_default(),
            reason: row.and_then(|r| r.reason.clone()),
            name: line.name,
            standing: line.standing,
        }
    }
}

#[derive(Default, Serialize, utoipa::ToSchema)]
struct Counts {
    expected: usize,
    present: usize,
    late: usize,
    on_leave: usize,
    absent: usize,
    in_review: usize,
}

impl Counts {
    fn of(lines: &[Line]) -> Self {
        let count = |presence| lines.iter().filter(|line| line.presence == presence).count();
        Self {
            expected: lines.iter().filter(|line| line.expected).count(),
            present: count(Presence::Present),
            late: count(Presence::Late),
            on_leave: count(Presence::OnLeave),
            absent: count(Presence::Absent),
            in_review: lines
                .iter()
                .filter(|l| l.check_in.as_ref().is_some_and(|r| r.waits_for_review()))
                .count(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct AttendanceView {
    /// By name.
    items: Vec<LineView>,
    next_cursor: Option<String>,
    /// Of the whole sheet, whatever the page.
    counts: Counts,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AttendanceQuery {
    /// Only lines of this status.
    status: Option<Presence>,
    /// Only lines that wait for review.
    review: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}
impl Check for AttendanceQuery {}

/// List who should attend and who came. With `Accept: text/csv` or the xlsx media type: the whole sheet as a file.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path), AttendanceQuery), responses((status = 200, body = AttendanceView)))]
#[get("/events/{id}/attendance")]
pub async fn list_attendance(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<AttendanceQuery>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<(String, MemberId)>::from_query(query.limit, query.cursor.as_deref())?;
    let sheet = app.db.read(move |conn| service::sheet(conn, &ctx, id.0)).await?;
    if let Some(format) = wanted_file(&request) {
        let bytes = export::export(&sheet, format)?;
        let disposition = format!(
            "attachment; filename=\"attendance-{}.{}\"",
            sheet.event.id,
            format.extension()
        );
        return Ok(HttpResponse::Ok()
            .content_type(format.content_type())
            .insert_header(("content-disposition", disposition))
            .body(bytes));
    }
    let counts = Counts::of(&sheet.lines);
    let waits = |line: &Line| line.check_in.as_ref().is_some_and(|row| row.waits_for_review());
    let lines = sheet
        .lines
        .into_iter()
        .filter(|line| query.status.is_none_or(|status| line.presence == status))
        .filter(|line| query.review.is_none_or(|review| waits(line) == review))
        .filter(|line| {
            page.after
                .as_ref()
                .is_none_or(|(name, id)| (&line.name, line.member) > (name, *id))
        })
        .take(page.limit + 1)
        .collect();
    let list = page.list(lines, |line| (line.name.clone(), line.member), LineView::from);
    let view = AttendanceView {
        items: list.items,
        next_cursor: list.next_cursor,
        counts,
    };
    Ok(actix_web::Responder::respond_to(Tagged(view), &request))
}

fn wanted_file(request: &HttpRequest) -> Option<SheetFormat> {
    let accept = request.headers().get(ACCEPT)?.to_str().ok()?;
    [SheetFormat::Csv, SheetFormat::Xlsx]
        .into_iter()
        .find(|format| accept.contains(format.content_type().split(';').next().unwrap_or_default()))
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct QuorumView {
    /// Those on the roster.
    should_attend: u32,
    /// Of them: those with voting rights on the day.
    may_vote: u32,
    /// Of the roster: here, not counting what waits for review. Those on leave stay in the denominator.
    present: u32,
    voters_present: u32,
    /// Votes a motion needs: more than half of those who should attend and may vote.
    votes_needed: u32,
    forms: Vec<FormQuorumView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct FormQuorumView {
    form: Form,
    rule: QuorumRule,
    required: u32,
    counted: u32,
    reached: bool,
    missing: u32,
}

/// Find whether the quorum is reached, by which rule, and how many are missing.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), responses((status = 200, body = QuorumView)))]
#[get("/events/{id}/quorum")]
pub async fn find_quorum(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
) -> AppResult<Tagged<QuorumView>> {
    let ctx = app.ctx(who.0);
    let (turnout, forms) = app
        .db
        .read(move |conn| {
            let sheet = service::sheet(conn, &ctx, id.0)?;
            Ok((sheet.turnout(), events::forms_of(conn, id.0)?))
        })
        .await?;
    let forms = forms.into_iter().map(|form| {
        let q = rules::quorum(form, turnout);
        FormQuorumView {
            form,
            rule: q.rule,
            required: q.required,
            counted: q.counted,
            reached: q.reached,
            missing: q.missing,
        }
    });
    Ok(Tagged(QuorumView {
        should_attend: turnout.expected,
        may_vote: turnout.may_vote,
        present: turnout.present,
        voters_present: turnout.voters_present,
        votes_needed: rules::votes_needed(turnout.may_vote),
        forms: forms.collect(),
    }))
}

/// A silent connection is told that we live, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Watch an event live (Server-Sent Events): counts, and the latest names. `Last-Event-ID` resumes.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), responses((status = 200, description = "text/event-stream of LiveFrame", body = LiveFrame, content_type = "text/event-stream")))]
#[get("/events/{id}/live")]
pub async fn watch_attendance(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let ctx = app.ctx(who.0);
    app.db
        .read(move |conn| events::require_event(conn, &ctx, id.0, Right::View))
        .await?;
    let last_seen = request
        .headers()
        .get("last-event-id")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    let mut frames = app.live.watch(id.0);
    frames.mark_changed();
    let screen = Screen {
        frames,
        stopping: app.live.stopping(),
        seen: last_seen.unwrap_or(0),
    };
    let events = stream::unfold(screen, Screen::next);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("content-encoding", "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

/// One listener: what it is sent next depends on what it has seen.
struct Screen {
    frames: watch::Receiver<Option<Arc<LiveFrame>>>,
    stopping: watch::Receiver<bool>,
    seen: i64,
}

impl Screen {
    async fn next(mut self) -> Option<(AppResult<Bytes>, Self)> {
        let changed = tokio::select! {
            changed = tokio::time::timeout(HEARTBEAT, self.frames.changed()) => changed,
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        let text = match changed {
            Ok(Ok(())) => {
                let frame = self.frames.borrow_and_update().clone();
                frame.map_or_else(|| ": starting\n\n".to_owned(), |frame| self.show(&frame))
            }
            Ok(Err(_)) => return None,
            Err(_) => ": alive\n\n".to_owned(),
        };
        Some((Ok(Bytes::from(text)), self))
    }

    fn show(&mut self, frame: &LiveFrame) -> String {
        let text = as_event(frame, self.seen);
        self.seen = self.seen.max(frame.seq);
        text
    }
}
