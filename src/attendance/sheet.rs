//! The attendance sheet: everybody expected, whoever came besides, and what a member sees of their own line.

use std::collections::{HashMap, HashSet};

use super::CheckInId;
use super::checkpoints::{self, PassageRow, Plan, Stay};
use super::desk::PassedPoint;
use super::make_up;
use super::roster;
use super::rules::{self, Act, Presence, Turnout};
use super::store::{self, CheckInRow, LeaveRow, MakeUpRow, RosterRow};
use crate::app::Ctx;
use crate::events::{self, Admission, EventId, EventRow};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::sign_ups;

/// One line of the sheet.
#[derive(Debug, Clone)]
pub struct Line {
    pub member: MemberId,
    /// None where the reader does not see it: people move, and who came besides may come from anywhere.
    pub organization: Option<OrganizationId>,
    pub name: String,
    pub standing: String,
    pub expected: bool,
    pub may_vote: bool,
    pub presence: Presence,
    pub check_in: Option<CheckInRow>,
    /// Hints for a person, of the check-in itself and of the sheet as a whole.
    pub flags: Vec<String>,
    /// Where the event has points: those that were passed, and what follows, of whoever is checked in.
    pub stay: Option<(Stay, Vec<PassageRow>)>,
}

impl Line {
    pub fn waits_for_review(&self) -> bool {
        self.check_in.as_ref().is_some_and(CheckInRow::waits_for_review)
    }
}

/// The sheet of an event, by name.
pub struct Sheet {
    pub event: EventRow,
    /// False when it holds only the lines of the organizations that the reader administers.
    pub whole: bool,
    pub lines: Vec<Line>,
    /// Empty where the event has no points.
    pub plan: Plan,
}

impl Sheet {
    pub fn turnout(&self) -> Turnout {
        let mut turnout = Turnout::default();
        for line in self.lines.iter().filter(|line| line.expected) {
            let here = line.check_in.is_some() && !line.waits_for_review();
            turnout.expected += 1;
            turnout.may_vote += u32::from(line.may_vote);
            turnout.present += u32::from(here);
            turnout.voters_present += u32::from(here && line.may_vote);
        }
        turnout
    }
}

/// The sheet for whoever may see it: the whole for those who administer the event, and for those who administer some
/// of the people alone, a branch secretary whose committee has called, the lines of these.
pub fn sheet(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<Sheet> {
    let refusal = match whole_sheet(conn, ctx, id) {
        Err(error) if error.is_refusal() => error,
        done => return done,
    };
    if !events::calls_my_people(conn, ctx, id)? {
        return Err(refusal);
    }
    let own = organizations::ids_with_right(conn, ctx, Right::View)?.unwrap_or_default();
    let own: HashSet<OrganizationId> = own.into_iter().collect();
    let event = events::find_event(conn, id)?;
    let mut part = read(conn, ctx, event)?;
    part.lines
        .retain(|line| line.organization.is_some_and(|home| own.contains(&home)));
    part.whole = false;
    Ok(part)
}

/// Everybody's lines, for those who administer the event.
pub fn whole_sheet(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<Sheet> {
    let event = events::require_event(conn, ctx, id, Right::View)?;
    let mut whole = read(conn, ctx, event)?;
    let homes: Vec<OrganizationId> = whole.lines.iter().filter_map(|line| line.organization).collect();
    let seen = organizations::in_sight(conn, ctx, &homes)?;
    for line in &mut whole.lines {
        line.organization = line.organization.filter(|home| seen.contains(home));
    }
    Ok(whole)
}

fn read(conn: &mut DbConnection, ctx: &Ctx, event: EventRow) -> AppResult<Sheet> {
    let id = event.id;
    let over = is_over(&event, ctx.now);
    let leave: HashSet<MemberId> = store::list_approved_leave(conn, id)?.into_iter().collect();
    let check_ins = store::list_event_check_ins(conn, id)?;
    let mut hints = hints(&check_ins);
    let mut came: HashMap<MemberId, CheckInRow> =
        check_ins.into_iter().map(|row| (row.member_id, row)).collect();

    let mut lines = Vec::new();
    let expected = roster::current(conn, &event)?;
    let away: Vec<MemberId> = expected
        .iter()
        .map(|entry| entry.member_id)
        .filter(|member| !came.contains_key(member))
        .collect();
    let make_up = make_up::make_ups_of(conn, &[id])?.remove(&id);
    let answered = make_up::answered(conn, &event, make_up.as_ref(), &away)?;
    for entry in expected {
        let check_in = came.remove(&entry.member_id);
        let on_leave = leave.contains(&entry.member_id);
        let by_study = answered.contains(&entry.member_id);
        let mut line = expected_line(entry, check_in, on_leave, over, &mut hints);
        line.presence = line.presence.answered(by_study);
        lines.push(line);
    }
    let walk_ins: Vec<MemberId> = came.keys().copied().collect();
    let people = members::briefs(conn, &walk_ins)?;
    for row in came.into_values() {
        if let Some(person) = people.get(&row.member_id) {
            lines.push(walk_in_line(person, row, over, &mut hints));
        }
    }
    lines.sort_by(|a, b| (&a.name, a.member).cmp(&(&b.name, b.member)));
    let plan = checkpoints::plan_of(conn, id)?;
    if !plan.points.is_empty() {
        add_stays(conn, &event, &plan, &mut lines)?;
    }
    Ok(Sheet {
        event,
        whole: true,
        lines,
        plan,
    })
}

fn add_stays(conn: &mut DbConnection, event: &EventRow, plan: &Plan, lines: &mut [Line]) -> AppResult<()> {
    let mut passages = checkpoints::passages_at(conn, event.id)?;
    for line in lines {
        let own = passages.remove(&line.member).unwrap_or_default();
        let check_in = line.check_in.as_ref();
        line.stay = check_in.map(|check_in| (plan.stay(event, check_in, &own), own));
    }
    Ok(())
}

/// Somebody who came to an event, and how long they stayed as far as its points tell.
#[derive(Debug, Clone)]
pub struct Attended {
    pub member: MemberId,
    /// Theirs on the day.
    pub organization: OrganizationId,
    pub name: String,
    pub check_in: CheckInId,
    pub waits_for_review: bool,
    pub first_in_at: Instant,
    pub out_at: Option<Instant>,
    /// None without a check-out.
    pub minutes: Option<i32>,
}

/// Who came, by name. No permission asked.
pub fn attended(conn: &mut DbConnection, ctx: &Ctx, event: &EventRow) -> AppResult<Vec<Attended>> {
    let sheet = read(conn, ctx, event.clone())?;
    let person = |line: Line| {
        let waits_for_review = line.waits_for_review();
        let (check_in, organization) = (line.check_in?, line.organization?);
        let stay = line.stay.map(|(stay, _)| stay);
        Some(Attended {
            member: line.member,
            organization,
            name: line.name,
            waits_for_review,
            first_in_at: stay.map_or_else(|| check_in.own_time(), |stay| stay.first_in_at),
            out_at: stay.and_then(|stay| stay.out_at),
            minutes: stay.and_then(|stay| stay.minutes),
            check_in: check_in.id,
        })
    };
    Ok(sheet.lines.into_iter().filter_map(person).collect())
}

/// Nobody is absent from what was cancelled, or never called.
pub fn is_over(event: &EventRow, now: Instant) -> bool {
    match event.status.as_str() {
        "closed" => true,
        "published" => now >= event.check_in_closes_at,
        _ => false,
    }
}

type Hints = HashMap<CheckInId, Vec<&'static str>>;

/// What only the whole sheet shows: a device shared by several people, and marks made in a burst.
fn hints(check_ins: &[CheckInRow]) -> Hints {
    let acts: Vec<Act> = check_ins
        .iter()
        .map(|row| Act {
            id: row.id.0,
            member: row.member_id.0,
            by: row.submitted_by.0,
            by_hand: row.source == rules::Source::ByHand.as_str(),
            device: row.device.map(|device| device.0),
            at: row.received_at,
        })
        .collect();
    let mut hints = Hints::new();
    for (id, hint) in rules::sheet_hints(&acts) {
        hints.entry(CheckInId(id)).or_default().push(hint);
    }
    hints
}

fn flags_of(check_in: Option<&CheckInRow>, hints: &mut Hints) -> Vec<String> {
    let Some(row) = check_in else { return Vec::new() };
    let own = row.flags.split(',').filter(|flag| !flag.is_empty());
    let of_sheet = hints.remove(&row.id).unwrap_or_default();
    let mut flags: Vec<String> = own.chain(of_sheet).map(str::to_owned).collect();
    flags.sort_unstable();
    flags.dedup();
    flags
}

fn expected_line(
    entry: RosterRow,
    check_in: Option<CheckInRow>,
    on_leave: bool,
    over: bool,
    hints: &mut Hints,
) -> Line {
    let status = check_in.as_ref().map(|row| row.status.as_str());
    Line {
        presence: Presence::of(status, on_leave, over),
        member: entry.member_id,
        organization: Some(entry.organization_id),
        name: entry.name,
        standing: entry.standing,
        expected: true,
        may_vote: entry.may_vote,
        flags: flags_of(check_in.as_ref(), hints),
        check_in,
        stay: None,
    }
}

fn walk_in_line(person: &MemberBrief, row: CheckInRow, over: bool, hints: &mut Hints) -> Line {
    Line {
        presence: Presence::of(Some(&row.status), false, over),
        member: person.id,
        organization: Some(person.organization_id),
        name: person.name.clone(),
        standing: person.standing.clone(),
        expected: false,
        may_vote: false,
        flags: flags_of(Some(&row), hints),
        check_in: Some(row),
        stay: None,
    }
}

/// What a member sees of their own line.
#[derive(Debug, Clone)]
pub struct Mine {
    pub presence: Presence,
    pub check_in: Option<CheckInRow>,
    /// The newest one, whatever was decided.
    pub leave: Option<LeaveRow>,
    /// The lesson that answers an absence, its title, and until when it does.
    pub make_up: Option<(MakeUpRow, String, Instant)>,
    /// The points that were passed, in order of time.
    pub passed: Vec<PassedPoint>,
}

/// The actor's own line of each of these events, in their order.
pub fn mine(conn: &mut DbConnection, ctx: &Ctx, events: &[EventRow]) -> AppResult<Vec<Mine>> {
    let member = ctx.actor.member()?;
    let asked: Vec<_> = events.iter().map(|event| (event.id, member)).collect();
    let mut came: HashMap<EventId, CheckInRow> = store::list_effective(conn, &asked)?
        .into_iter()
        .map(|row| (row.event_id, row))
        .collect();
    // Oldest first, so that the newest stays.
    let mut leave: HashMap<EventId, LeaveRow> = store::list_leave_of(conn, &asked)?
        .into_iter()
        .map(|row| (row.event_id, row))
        .collect();
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut make_ups = HashMap::new();
    for (id, row) in make_up::make_ups_of(conn, &ids)? {
        let title = make_up::title_of(conn, row.lesson_id)?;
        let event = events.iter().find(|event| event.id == id);
        let by_study = match event {
            Some(event) => make_up::answered(conn, event, Some(&row), &[member])?.contains(&member),
            None => false,
        };
        make_ups.insert(id, (row, title, by_study));
    }
    let by_sign_up = events
        .iter()
        .filter(|event| Admission::of(event) == Admission::SignUp);
    let pairs: Vec<_> = by_sign_up.map(|event| (event.id, member)).collect();
    let placed = sign_ups::placed(conn, &pairs)?;
    // Whoever has not come has passed nothing.
    let present: Vec<_> = came.keys().map(|event| (*event, member)).collect();
    let mut passed = checkpoints::passed_of(conn, &present)?;
    let line = |event: &EventRow| {
        let has_place = Admission::of(event) == Admission::Roster || placed.contains(&(event.id, member));
        let make_up = make_ups.remove(&event.id);
        let by_study = make_up.as_ref().is_some_and(|(_, _, by_study)| *by_study);
        let (check_in, leave) = (came.remove(&event.id), leave.remove(&event.id));
        let status = check_in.as_ref().map(|row| row.status.as_str());
        let on_leave = leave.as_ref().is_some_and(|row| row.status == "approved");
        Mine {
            presence: Presence::of(status, on_leave, is_over(event, ctx.now))
                .with_place(has_place)
                .answered(by_study),
            check_in,
            leave,
            make_up: make_up.map(|(row, title, _)| (row, title, make_up::due_at(event))),
            passed: passed.remove(&event.id).unwrap_or_default(),
        }
    };
    Ok(events.iter().map(line).collect())
}

/// Which of these people have come to which of these events. No permission asked.
pub fn came(
    conn: &mut DbConnection,
    asked: &[(EventId, MemberId)],
) -> AppResult<HashSet<(EventId, MemberId)>> {
    let rows = store::list_effective(conn, asked)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.event_id, row.member_id))
        .collect())
}

/// The actor's own line of an event they are expected at, or came to.
pub fn find_mine(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<Mine> {
    let event = events::find_event(conn, id)?;
    let line = mine(conn, ctx, std::slice::from_ref(&event))?.pop();
    let line = line.ok_or_else(AppError::not_found)?;
    if line.check_in.is_none() && !events::is_attendee(conn, ctx, id)? {
        return Err(AppError::not_found());
    }
    Ok(line)
}
