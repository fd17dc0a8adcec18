//! The points of an event, everybody's exit, and taking a passage back.

use actix_web::{HttpRequest, get, post, put, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attendance::checkpoints::{
    self, CheckpointPlan, CheckpointRow, ExitAll, Kind, PassageRow, PresenceRule, WriteCheckpoints,
};
use crate::attendance::rules::{Gate, Source};
use crate::attendance::{CheckpointId, PassageId};
use crate::auth::SignedIn;
use crate::devices::Viewer;
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, Once, if_match};
use crate::platform::text::{Check, Problems};

/// A point as far as its code tells.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct NamedCheckpointView {
    id: CheckpointId,
    #[schema(example = "出發")]
    name: String,
    kind: Kind,
}

impl From<&CheckpointRow> for NamedCheckpointView {
    fn from(point: &CheckpointRow) -> Self {
        Self {
            id: point.id,
            name: point.name.clone(),
            kind: Kind::of(point),
        }
    }
}

/// Somebody's passing a point.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct PassageView {
    id: PassageId,
    member_id: MemberId,
    checkpoint: NamedCheckpointView,
    source: Source,
    /// As the server judges it: minutes follow from this.
    passed_at: Instant,
    /// The phone's claim; of what was kept offline within the window of its code.
    occurred_at: Instant,
    /// The server's clock.
    received_at: Instant,
    /// Hints for a person: shared_device, far_clock, late_upload.
    flags: Vec<String>,
    /// When it was taken back.
    annulled_at: Option<Instant>,
}

impl PassageView {
    pub fn of(row: &PassageRow, point: &CheckpointRow) -> Self {
        let flags = row.flags.split(',').filter(|flag| !flag.is_empty());
        Self {
            id: row.id,
            member_id: row.member_id,
            checkpoint: point.into(),
            source: Source::parse(&row.source).unwrap_or(Source::Code),
            passed_at: row.passed_at,
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            flags: flags.map(str::to_owned).collect(),
            annulled_at: row.annulled_at,
        }
    }

    /// Those whose points are among `points`.
    pub fn all(rows: &[PassageRow], points: &[CheckpointRow]) -> Vec<Self> {
        let view = |row: &PassageRow| {
            let point = points.iter().find(|point| point.id == row.checkpoint_id)?;
            Some(Self::of(row, point))
        };
        rows.iter().filter_map(view).collect()
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct CheckpointView {
    id: CheckpointId,
    #[schema(example = "出發")]
    name: String,
    kind: Kind,
    /// As it was written: seconds after the event's start.
    opens_after_s: Option<i32>,
    closes_after_s: Option<i32>,
    /// What follows from it.
    opens_at: Instant,
    closes_at: Instant,
    /// False: the event's geofence is not asked for here.
    in_area: bool,
    /// How many have passed it so far; null for those who do not see who does.
    passed: Option<i64>,
}

impl From<(CheckpointRow, Gate, Option<i64>)> for CheckpointView {
    fn from((row, gate, passed): (CheckpointRow, Gate, Option<i64>)) -> Self {
        Self {
            id: row.id,
            kind: Kind::of(&row),
            name: row.name,
            opens_after_s: row.opens_after_s,
            closes_after_s: row.closes_after_s,
            opens_at: gate.window.opens_at,
            closes_at: gate.window.closes_at,
            in_area: row.in_area,
            passed,
        }
    }
}

/// The points that people pass at an event.
#[derive(Serialize, utoipa::ToSchema)]
struct CheckpointsView {
    event_id: EventId,
    /// In the organiser's order; none: the event has one code of its own.
    checkpoints: Vec<CheckpointView>,
    /// `any`: one check-in point is enough. `all`: whoever lacks one is shown as incomplete, and is present all the same.
    presence: PresenceRule,
    /// Nobody's minutes run on after this: half an hour after the event's end.
    minutes_until: Instant,
    /// 0 where nobody has written any.
    version: i32,
}

impl From<CheckpointPlan> for CheckpointsView {
    fn from(plan: CheckpointPlan) -> Self {
        Self {
            event_id: plan.event.id,
            minutes_until: checkpoints::minutes_until(&plan.event),
            checkpoints: plan.points.into_iter().map(CheckpointView::from).collect(),
            presence: plan.presence,
            version: plan.version,
        }
    }
}

fn answer(plan: CheckpointPlan) -> AppResult<Answer> {
    let version = plan.version;
    Ok(Answer::ok(&CheckpointsView::from(plan))?.version(version))
}

/// List the points that people pass at an event, with how many have. Also for the screen of a room, whose code is that of
/// one of them.
#[utoipa::path(tag = "attendance", security(("bearer" = []), ("device" = [])), params(("id" = EventId, Path)), responses((status = 200, body = CheckpointsView)))]
#[get("/events/{id}/checkpoints")]
pub async fn list_checkpoints(app: web::Data<App>, who: Viewer, id: IdPath<EventId>) -> AppResult<Answer> {
    let ctx = who.ctx(&app);
    let plan = who
        .read(&app, move |conn| checkpoints::view_plan(conn, &ctx, id.0))
        .await?;
    answer(plan)
}

/// Write the points of an event, whole and in order: several to check in (出發、場館、返程) and one to check out, each with a
/// code of its own. Present is who has passed one check-in point; minutes run from the first of them to the check-out, and
/// end half an hour after the event's end at the latest; without a check-out there are none. A point that somebody has
/// passed stays, under its name. Needs `If-Match`: `"0"` where there are no points yet.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), request_body = WriteCheckpoints, responses((status = 200, body = CheckpointsView), (status = 409, description = "checkpoint_in_use (with `checkpoint_id`), event_over"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/events/{id}/checkpoints")]
pub async fn update_checkpoints(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    body: Json<WriteCheckpoints>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    let plan = app
        .db
        .write(move |conn| checkpoints::write_checkpoints(conn, &ctx, id.0, version, &body.0))
        .await?;
    answer(plan)
}

/// What an exit of everybody has done.
#[derive(Serialize, utoipa::ToSchema)]
struct ExitView {
    event_id: EventId,
    checkpoint_id: CheckpointId,
    at: Instant,
    /// Who had checked out before is not among them.
    checked_out: usize,
}

/// Check everybody out who is checked in and has not checked out, now or at a past instant. Doing it again finds nobody
/// left; whoever came after that instant leaves as they came.
#[utoipa::path(tag = "attendance", params(("id" = EventId, Path)), request_body = ExitAll, responses((status = 200, body = ExitView), (status = 409, description = "no_check_out, not_open_yet, event_cancelled")))]
#[post("/events/{id}/exit-all")]
pub async fn exit_all(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<ExitAll>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let exit = checkpoints::exit_all(conn, ctx, id.0, &body)?;
        Answer::ok(&ExitView {
            event_id: id.0,
            checkpoint_id: exit.checkpoint,
            at: exit.at,
            checked_out: exit.checked_out,
        })
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "誤掃簽退碼"}))]
pub struct AnnulPassage {
    reason: String,
}

impl Check for AnnulPassage {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Take a passage back, with a reason: a check-out by mistake, for one. The record stays; the point may be passed again.
/// Whoever should not be present at all has their check-in annulled.
#[utoipa::path(tag = "attendance", params(("id" = PassageId, Path)), request_body = AnnulPassage, responses((status = 200, body = PassageView), (status = 409, description = "already_annulled")))]
#[post("/checkpoint-passages/{id}/annul")]
pub async fn annul_passage(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<PassageId>,
    once: Once<AnnulPassage>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let (row, point) = checkpoints::annul_passage(conn, ctx, id.0, &body.reason)?;
        Answer::ok(&PassageView::of(&row, &point))
    })
    .await
}
