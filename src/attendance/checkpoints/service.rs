//! Who writes an event's points, what they show, everybody's exit, and taking a passage back.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::commands::{ExitAll, WriteCheckpoint, WriteCheckpoints};
use super::passing::{gate_of, passed};
use super::rules::{self, Kind, PresenceRule, Stay};
use super::store::{self, Annulment, CheckpointRow, PassageRow, PlanRow};
use crate::app::Ctx;
use crate::attendance::desk::PassedPoint;
use crate::attendance::rules::{Gate, Source};
use crate::attendance::service::note;
use crate::attendance::store::{CheckInRow, list_event_check_ins};
use crate::attendance::{CheckpointId, PassageId};
use crate::devices::{self, Purpose};
use crate::events::{self, EventId, EventRow};
use crate::members::MemberId;
use crate::organizations::Right;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Permitted};

/// The points of an event, as they are judged.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub rule: PresenceRule,
    pub points: Vec<CheckpointRow>,
}

impl Plan {
    /// What follows for somebody who is checked in.
    pub fn stay(&self, event: &EventRow, check_in: &CheckInRow, passages: &[PassageRow]) -> Stay {
        let entries = self
            .points
            .iter()
            .filter(|point| Kind::of(point) == Kind::CheckIn);
        let asked: Vec<CheckpointId> = entries.map(|point| point.id).collect();
        let until = rules::minutes_until(event);
        let passed = passed(&self.points, passages);
        rules::stay(self.rule, until, &asked, check_in.own_time(), &passed)
    }

    fn check_out(&self) -> Option<&CheckpointRow> {
        self.points.iter().find(|point| Kind::of(point) == Kind::CheckOut)
    }
}

/// No permission asked. Without points it is empty.
pub fn plan_of(conn: &mut DbConnection, event: EventId) -> AppResult<Plan> {
    let points = store::list_points(conn, &[event])?;
    if points.is_empty() {
        return Ok(Plan::default());
    }
    let row = store::find_plan(conn, event)?;
    Ok(Plan {
        rule: row.map_or(PresenceRule::Any, |row| PresenceRule::parse(&row.presence)),
        points,
    })
}

/// The points as they are shown.
pub struct CheckpointPlan {
    pub event: EventRow,
    pub presence: PresenceRule,
    /// 0 where nobody has written any.
    pub version: i32,
    /// With how many have passed each, for those who see who does.
    pub points: Vec<(CheckpointRow, Gate, Option<i64>)>,
}

fn read_plan(conn: &mut DbConnection, event: EventRow, counts: bool) -> AppResult<CheckpointPlan> {
    let row = store::find_plan(conn, event.id)?;
    let shown = |(point, passed): (CheckpointRow, i64)| {
        let gate = rules::gate(&event, &point);
        (point, gate, counts.then_some(passed))
    };
    let points = store::list_counted(conn, event.id)?
        .into_iter()
        .map(shown)
        .collect();
    Ok(CheckpointPlan {
        presence: row
            .as_ref()
            .map_or(PresenceRule::Any, |row| PresenceRule::parse(&row.presence)),
        version: row.map_or(0, |row| row.version),
        points,
        event,
    })
}

/// For whoever may see the event, and a room's screen; how many have passed for those who may see who.
pub fn view_plan(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<CheckpointPlan> {
    if ctx.device.is_some() {
        let event = devices::require_event(conn, ctx, id, Right::View, Purpose::Screen)?;
        return read_plan(conn, event, true);
    }
    let event = events::view_event_row(conn, ctx, id)?;
    let sees_who = events::require_event(conn, ctx, id, Right::View).permitted()?;
    read_plan(conn, event, sees_who.is_some())
}

/// Where a code is judged that is shown for this event, or for one of its points. An event with points has none of its own.
pub fn require_gate(
    conn: &mut DbConnection,
    event: &EventRow,
    named: Option<CheckpointId>,
) -> AppResult<Gate> {
    let points = store::list_points(conn, &[event.id])?;
    match named {
        None if points.is_empty() => Ok(Gate::of(event)),
        None => {
            let message = "is needed: each point of this event has its own code";
            Err(AppError::invalid_field("checkpoint_id", "required", message))
        }
        Some(id) => {
            let point = points.iter().find(|point| point.id == id);
            let point = point.ok_or_else(AppError::not_found)?;
            Ok(gate_of(event, Some(point)))
        }
    }
}

/// Gives an event's new copy the same points. Nothing when it has none.
pub fn clone_points(conn: &mut DbConnection, ctx: &Ctx, from: EventId, to: EventId) -> AppResult<()> {
    let plan = plan_of(conn, from)?;
    if plan.points.is_empty() {
        return Ok(());
    }
    let point = |point: CheckpointRow| WriteCheckpoint {
        id: None,
        kind: Kind::of(&point),
        name: point.name,
        opens_after_s: point.opens_after_s,
        closes_after_s: point.closes_after_s,
        in_area: point.in_area,
    };
    let wanted = WriteCheckpoints {
        checkpoints: plan.points.into_iter().map(point).collect(),
        presence: plan.rule,
    };
    write_checkpoints(conn, ctx, to, None, &wanted).map(|_| ())
}

/// Writes the points whole, before the event and during it. One that somebody has passed keeps its name and kind, and
/// stays. `version` is what the caller has read, 0 where there was none; none means 'whatever is there'.
pub fn write_checkpoints(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    version: Option<i32>,
    wanted: &WriteCheckpoints,
) -> AppResult<CheckpointPlan> {
    let event = events::hold_to_manage(conn, ctx, id)?;
    if event.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    let plan = store::find_plan(conn, id)?;
    if version.is_some_and(|version| version != plan.as_ref().map_or(0, |row| row.version)) {
        return Err(Code::VersionMismatch.into());
    }
    let before = store::list_points(conn, &[id])?;
    let after = wanted_points(ctx, &event, &before, &wanted.checkpoints)?;
    let presence = wanted.presence.as_str();
    if before == after && plan.as_ref().is_some_and(|row| row.presence == presence) {
        return read_plan(conn, event, true);
    }
    require_unused(conn, id, &before, &after)?;
    replace_points(conn, &before, &after)?;
    save_plan(conn, ctx, &event, plan, presence)?;
    let names: Vec<&str> = after.iter().map(|point| point.name.as_str()).collect();
    let detail = json!({ "checkpoints": names, "presence": presence });
    note(conn, ctx, "checkpoints.write", id.0, &event, detail)?;
    read_plan(conn, event, true)
}

fn wanted_points(
    ctx: &Ctx,
    event: &EventRow,
    before: &[CheckpointRow],
    wanted: &[WriteCheckpoint],
) -> AppResult<Vec<CheckpointRow>> {
    let point = |(position, point): (i32, &WriteCheckpoint)| {
        let had = before.iter().find(|row| Some(row.id) == point.id);
        if point.id.is_some() && had.is_none() {
            let field = format!("/checkpoints/{position}/id");
            return Err(AppError::invalid_field(
                &field,
                "unknown",
                "is no point of this event",
            ));
        }
        let row = CheckpointRow {
            id: had.map_or_else(|| ctx.ids.make(), |row| row.id),
            event_id: event.id,
            tenant_id: event.tenant_id,
            position,
            name: point.name.clone(),
            kind: point.kind.as_str().to_owned(),
            opens_after_s: point.opens_after_s,
            closes_after_s: point.closes_after_s,
            in_area: point.in_area,
        };
        require_open(event, &row)?;
        Ok(row)
    };
    (0i32..).zip(wanted).map(point).collect()
}

/// What is asked for is what will be: nothing is cut down in silence. A later change of the event may do so.
fn require_open(event: &EventRow, point: &CheckpointRow) -> AppResult<()> {
    let window = rules::gate(event, point).window;
    let wrong = |field: &str, code, message: &str| {
        let field = format!("/checkpoints/{}/{field}", point.position);
        Err(AppError::invalid_field(&field, code, message))
    };
    let is = |at: Instant, after_s: Option<i32>| {
        after_s.is_none_or(|s| event.starts_at.plus_s(i64::from(s)) == at)
    };
    if !is(window.opens_at, point.opens_after_s) {
        wrong(
            "opens_after_s",
            "outside_check_in",
            "lies before the event's check-in opens",
        )
    } else if !is(window.closes_at, point.closes_after_s) {
        wrong(
            "closes_after_s",
            "outside_check_in",
            "lies after the event's check-in closes",
        )
    } else if window.closes_at <= window.opens_at {
        wrong("closes_after_s", "not_after_start", "is not after it opens")
    } else {
        Ok(())
    }
}

fn require_unused(
    conn: &mut DbConnection,
    event: EventId,
    before: &[CheckpointRow],
    after: &[CheckpointRow],
) -> AppResult<()> {
    let is_kept = |had: &CheckpointRow| {
        after
            .iter()
            .any(|row| (row.id, &row.name, &row.kind) == (had.id, &had.name, &had.kind))
    };
    if before.iter().all(is_kept) {
        return Ok(());
    }
    let used: HashSet<CheckpointId> = store::list_used(conn, event)?.into_iter().collect();
    match before.iter().find(|had| !is_kept(had) && used.contains(&had.id)) {
        Some(had) => Err(AppError::from(Code::CheckpointInUse).with("checkpoint_id", had.id)),
        None => Ok(()),
    }
}

fn replace_points(
    conn: &mut DbConnection,
    before: &[CheckpointRow],
    after: &[CheckpointRow],
) -> AppResult<()> {
    for gone in before
        .iter()
        .filter(|had| after.iter().all(|row| row.id != had.id))
    {
        store::delete_point(conn, gone.id)?;
    }
    for row in after {
        if before.iter().any(|had| had.id == row.id) {
            store::update_point(conn, row)?;
        } else {
            store::insert_point(conn, row)?;
        }
    }
    Ok(())
}

fn save_plan(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    before: Option<PlanRow>,
    presence: &str,
) -> AppResult<()> {
    let row = PlanRow {
        event_id: event.id,
        tenant_id: event.tenant_id,
        presence: presence.to_owned(),
        version: before.as_ref().map_or(0, |row| row.version) + 1,
        created_at: before.as_ref().map_or(ctx.now, |row| row.created_at),
        updated_at: ctx.now,
    };
    match before {
        Some(_) => store::update_plan(conn, &row)?,
        None => store::insert_plan(conn, &row)?,
    };
    Ok(())
}

/// What an exit of everybody has done.
pub struct Exit {
    pub checkpoint: CheckpointId,
    pub at: Instant,
    /// Who had checked out before is not among them.
    pub checked_out: usize,
}

/// Everybody who is checked in and has not checked out does so now, or at a past instant; whoever came later than that
/// leaves as they came. The event's row is held, so a check-out of one's own comes before or after, and the second finds
/// the first.
pub fn exit_all(conn: &mut DbConnection, ctx: &Ctx, id: EventId, asked: &ExitAll) -> AppResult<Exit> {
    let event = events::hold_to_manage(conn, ctx, id)?;
    let plan = plan_of(conn, id)?;
    let point = plan.check_out().ok_or(Code::NoCheckOut)?;
    let at = asked.at.unwrap_or(ctx.now);
    require_time(&event, ctx.now, at)?;
    let (mut passages, mut rows) = (passages_at(conn, id)?, Vec::new());
    for check_in in list_event_check_ins(conn, id)? {
        let own = passages.remove(&check_in.member_id).unwrap_or_default();
        let stay = plan.stay(&event, &check_in, &own);
        if stay.out_at.is_none() {
            let at = at.max(stay.first_in_at);
            rows.push(exit_of(ctx, point, &check_in, at, asked.reason.clone()));
        }
    }
    store::insert_passages(conn, &rows)?;
    if !rows.is_empty() {
        let detail = json!({ "at": at, "checked_out": rows.len(), "reason": asked.reason });
        note(conn, ctx, "event.exit_all", id.0, &event, detail)?;
    }
    Ok(Exit {
        checkpoint: point.id,
        at,
        checked_out: rows.len(),
    })
}

fn require_time(event: &EventRow, now: Instant, at: Instant) -> AppResult<()> {
    if event.status == "cancelled" {
        return Err(Code::EventCancelled.into());
    }
    if event.status == "draft" || now < event.check_in_opens_at {
        return Err(AppError::from(Code::NotOpenYet).with("opens_at", event.check_in_opens_at));
    }
    if at > now {
        return Err(AppError::invalid_field("/at", "too_late", "lies in the future"));
    }
    if at < event.check_in_opens_at {
        let message = "lies before check-in opened";
        return Err(AppError::invalid_field("/at", "too_early", message));
    }
    Ok(())
}

fn exit_of(
    ctx: &Ctx,
    point: &CheckpointRow,
    check_in: &CheckInRow,
    at: Instant,
    reason: Option<String>,
) -> PassageRow {
    let id: PassageId = ctx.ids.make();
    PassageRow {
        id,
        tenant_id: point.tenant_id,
        event_id: point.event_id,
        checkpoint_id: point.id,
        member_id: check_in.member_id,
        check_in_id: check_in.id,
        submitted_by: ctx.actor.account,
        // No phone has made one.
        client_event_id: AnyId(id.0),
        source: Source::ExitAll.as_str().to_owned(),
        passed_at: at,
        occurred_at: at,
        received_at: ctx.now,
        flags: String::new(),
        device: None,
        reason,
        annulled_at: None,
        annulled_by: None,
        annul_reason: None,
    }
}

/// Takes a passage back: the record stays, with who, when and why, and the point may be passed anew. Whoever should not
/// be present at all has their check-in annulled.
pub fn annul_passage(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: PassageId,
    reason: &str,
) -> AppResult<(PassageRow, CheckpointRow)> {
    let row = store::find_passage(conn, id)?.ok_or_else(AppError::not_found)?;
    let event = events::hold_to_manage(conn, ctx, row.event_id)?;
    if !store::annul_passage(conn, id, &annulment(ctx, reason))? {
        return Err(Code::AlreadyAnnulled.into());
    }
    let detail = json!({ "reason": reason, "member_id": row.member_id, "checkpoint_id": row.checkpoint_id });
    note(conn, ctx, "checkpoint_passage.annul", id.0, &event, detail)?;
    let row = store::find_passage(conn, id)?.ok_or_else(AppError::not_found)?;
    let points = store::list_points(conn, &[row.event_id])?;
    let point = points.into_iter().find(|point| point.id == row.checkpoint_id);
    Ok((row, point.ok_or_else(AppError::not_found)?))
}

/// What was passed under a check-in is taken back with it.
pub fn annul_with(conn: &mut DbConnection, ctx: &Ctx, check_in: &CheckInRow, reason: &str) -> AppResult<()> {
    store::annul_passages_under(conn, check_in, &annulment(ctx, reason))?;
    Ok(())
}

fn annulment<'a>(ctx: &Ctx, reason: &'a str) -> Annulment<'a> {
    Annulment {
        annulled_at: ctx.now,
        annulled_by: ctx.actor.account,
        annul_reason: reason,
    }
}

/// All that people have passed at an event, in order of time. No permission asked.
pub fn passages_at(conn: &mut DbConnection, event: EventId) -> AppResult<HashMap<MemberId, Vec<PassageRow>>> {
    let mut found: HashMap<MemberId, Vec<PassageRow>> = HashMap::new();
    for row in store::list_event_passages(conn, event)? {
        found.entry(row.member_id).or_default().push(row);
    }
    Ok(found)
}

/// What one member has passed at these events, in order of time. No permission asked.
pub fn passed_of(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashMap<EventId, Vec<PassedPoint>>> {
    let mut passages = store::list_passages_of(conn, asked)?;
    if passages.is_empty() {
        return Ok(HashMap::new());
    }
    passages.sort_by_key(|row| (row.passed_at, row.id));
    let events: Vec<EventId> = passages.iter().map(|row| row.event_id).collect();
    let points = store::list_points(conn, &events)?;
    let mut found: HashMap<EventId, Vec<PassedPoint>> = HashMap::new();
    for passage in passages {
        let point = points.iter().find(|point| point.id == passage.checkpoint_id);
        if let Some(point) = point.cloned() {
            let passed = PassedPoint { passage, point };
            found.entry(passed.passage.event_id).or_default().push(passed);
        }
    }
    Ok(found)
}
