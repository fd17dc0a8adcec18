//! The attendance sheet and the quorum.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::{Deserialize, Serialize};

use super::checkpoints::PassageView;
use crate::app::App;
use crate::attendance::checkpoints::CheckpointRow;
use crate::attendance::rules::{self, Presence, QuorumRule, Source};
use crate::attendance::sheet::{self, Line};
use crate::attendance::{CheckInId, export};
use crate::auth::SignedIn;
use crate::events::{self, EventId, Form};
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{IdPath, LIST_OR_SHEET, Query, Tagged, Wanted, sheet_response, wanted};
use crate::platform::page::{Found, Page};
use crate::platform::text::Check;

#[derive(Serialize, utoipa::ToSchema)]
pub struct LineView {
    member_id: MemberId,
    /// Theirs on the day. Null where it is out of the reader's sight.
    organization_id: Option<OrganizationId>,
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
    /// Hints for a person: shared_device, far_clock, late_upload, burst (marked by hand in a quick row).
    flags: Vec<String>,
    reason: Option<String>,
    /// Where the event has points, of whoever is checked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    stay: Option<StayView>,
}

/// The points that somebody has passed, and what follows.
#[derive(Serialize, utoipa::ToSchema)]
struct StayView {
    first_in_at: Instant,
    out_at: Option<Instant>,
    /// From the first to the check-out, until half an hour after the event's end at most; null without a check-out.
    minutes: Option<i32>,
    /// Lacks a check-in point where the event asks for all.
    incomplete: bool,
    /// In order of time.
    passages: Vec<PassageView>,
}

impl LineView {
    fn of(line: Line, points: &[CheckpointRow]) -> Self {
        let row = line.check_in.as_ref();
        let stay = line.stay.as_ref().map(|(stay, passages)| StayView {
            first_in_at: stay.first_in_at,
            out_at: stay.out_at,
            minutes: stay.minutes,
            incomplete: stay.is_incomplete,
            passages: PassageView::all(passages, points),
        });
        Self {
            stay,
            member_id: line.member,
            organization_id: line.organization,
            expected: line.expected,
            may_vote: line.may_vote,
            status: line.presence,
            check_in_id: row.map(|r| r.id),
            occurred_at: row.map(|r| r.occurred_at),
            received_at: row.map(|r| r.received_at),
            source: row.and_then(|r| Source::parse(&r.source)),
            review: line.waits_for_review(),
            flags: line.flags.clone(),
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
    /// Absent or on leave, and answered by study since.
    made_up: usize,
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
            made_up: count(Presence::MadeUp),
            in_review: lines.iter().filter(|line| line.waits_for_review()).count(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct AttendanceView {
    /// By name.
    items: Vec<LineView>,
    next_cursor: Option<String>,
    /// With `count=true`: how many there are on all pages together.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    /// Of all lines that I may see, whatever the page.
    counts: Counts,
    /// False: only the lines of people whom I administer, because I do not administer the event.
    whole: bool,
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AttendanceQuery {
    /// Only lines of this status.
    status: Option<Presence>,
    /// Only lines that wait for review.
    review: Option<bool>,
    /// Items a page, 1 to 200 (default 50); without effect on CSV and XLSX, which hold the whole list.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}
impl Check for AttendanceQuery {}

impl AttendanceQuery {
    /// Does a line belong to what was asked for, whatever the page?
    fn filter(&self) -> impl Fn(&Line) -> bool + Copy + Send + 'static {
        let (status, review) = (self.status, self.review);
        move |line| {
            status.is_none_or(|status| line.presence == status)
                && review.is_none_or(|review| line.waits_for_review() == review)
        }
    }
}

/// List who should attend and who came. With `Accept: text/csv` or the XLSX media type all lines of that status come as
/// a file. A secretary whose committee has called the event sees the lines of their own branch.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path), AttendanceQuery), responses((status = 200, content((AttendanceView = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/events/{id}/attendance")]
pub async fn list_attendance(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<AttendanceQuery>,
    request: HttpRequest,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<(String, MemberId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let keep = query.filter();
    if let Wanted::Sheet(format) = wanted {
        let export = move |conn: &mut _| export::load(conn, &ctx, id.0, keep);
        let sheet = app.db.read(export).await?;
        let name = sheet.file_name();
        // Thousands of rows are work: not on a thread that others wait for.
        let bytes = web::block(move || sheet.write(format))
            .await
            .map_err(|error| AppError::internal(format!("writing a sheet ended abnormally: {error}")))??;
        return Ok(sheet_response(format, &name, bytes));
    }
    let sheet = app.db.read(move |conn| sheet::sheet(conn, &ctx, id.0)).await?;
    let counts = Counts::of(&sheet.lines);
    let mut lines = sheet.lines;
    lines.retain(keep);
    let count = page
        .count
        .then_some(lines.len())
        .and_then(|n| i64::try_from(n).ok());
    let rows = lines
        .into_iter()
        .filter(|line| {
            page.after
                .as_ref()
                .is_none_or(|(name, id)| (&line.name, line.member) > (name, *id))
        })
        .take(page.limit + 1)
        .collect();
    let list = page.list(
        Found { rows, count },
        |line| (line.name.clone(), line.member),
        |line| LineView::of(line, &sheet.plan.points),
    );
    let view = AttendanceView {
        items: list.items,
        next_cursor: list.next_cursor,
        count: list.count,
        counts,
        whole: sheet.whole,
    };
    Ok(actix_web::Responder::respond_to(Tagged(view), &request))
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
            let sheet = sheet::whole_sheet(conn, &ctx, id.0)?;
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
