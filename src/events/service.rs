//! What may happen to an event, in which order, and who may do it.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::EventId;
use super::admission::{Admission, as_attended, closes_at};
use super::changes::Changes;
use super::commands::{
    CreateEvent, Expected, PublishEvent, UpdateEvent, check_times, late_too_large, set_geofence,
};
use super::rules::{Form, Status, Window};
use super::sight::{Elsewhere, Sight};
use super::store::{self, Attendee, CalendarFeedRow, EventBrief, EventFilter, EventRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::costs;
use crate::members::{self, MemberId, Standing};
use crate::notices::{self, Audience, Kind};
use crate::organizations::{self, Access, OrganizationId, OrganizationRow, Right};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::keys::{hash_secret, random_secret};
use crate::platform::page::Page;
use crate::platform::text::Problems;
use crate::sign_ups;

/// An event with its parts, as it is shown.
#[derive(Debug, Clone)]
pub struct FullEvent {
    pub row: EventRow,
    pub forms: Vec<Form>,
    /// Only for those who manage it: as far as they see it.
    pub expected: Option<Expected>,
    /// What of it they do not see.
    pub elsewhere: Elsewhere,
}

pub fn create_event(conn: &mut DbConnection, ctx: &Ctx, new: CreateEvent) -> AppResult<FullEvent> {
    let organization = organizations::require_held(conn, ctx, new.organization_id, Right::ManageEvents)?;
    let settings = organizations::settings_of(conn, &organization, &ctx.config.check_in)?;
    let mut row = EventRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        title: new.title,
        description: new.description,
        place: new.place,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        time_zone: settings.time_zone,
        status: Status::Draft.as_str().to_owned(),
        expected_standings: 0,
        opens_before_s: new.opens_before_s.unwrap_or(settings.opens_before_s),
        late_after_s: 0,
        closes_after_s: new.closes_after_s.unwrap_or(settings.closes_after_s),
        code_window_s: new.code_window_s.unwrap_or(settings.code_window_s),
        offline_allowed: new.offline_allowed.unwrap_or(settings.offline_allowed),
        geofence_latitude: None,
        geofence_longitude: None,
        geofence_radius_m: None,
        check_in_opens_at: new.starts_at,
        late_from: new.starts_at,
        check_in_closes_at: new.starts_at,
        roster_frozen_at: None,
        audience_version: 0,
        last_seq: 0,
        version: 1,
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
        updated_at: ctx.now,
        closed_at: None,
        cancel_reason: None,
        admission: Admission::Roster.as_str().to_owned(),
    };
    // What is inherited gives way to what is asked for here.
    row.late_after_s = new
        .late_after_s
        .unwrap_or(settings.late_after_s.min(row.closes_after_s));
    set_geofence(&mut row, new.geofence);
    set_window(&mut row)?;
    let expected = settle_expected(conn, ctx, &organization, new.expected, &[])?;
    row.expected_standings = standings_bits(&expected);
    store::insert_event(conn, &row)?;
    store_forms(conn, &row, &new.forms)?;
    store::replace_expected(conn, &row, &expected.organization_ids, &expected.member_ids)?;
    note(conn, ctx, "event.create", &row, json!({ "title": row.title }))?;
    Ok(FullEvent {
        row,
        forms: new.forms,
        expected: Some(expected),
        elsewhere: Elsewhere::default(),
    })
}

fn set_window(row: &mut EventRow) -> AppResult<()> {
    if row.late_after_s > row.closes_after_s {
        let message = late_too_large(row.closes_after_s);
        return Err(AppError::invalid_field("/late_after_s", "too_large", message));
    }
    let window = Window::around(
        row.starts_at,
        row.opens_before_s,
        row.late_after_s,
        row.closes_after_s,
    );
    row.check_in_opens_at = window.opens_at;
    row.late_from = window.late_from;
    row.check_in_closes_at = window.closes_at;
    Ok(())
}

fn standings_bits(expected: &Expected) -> i32 {
    expected
        .standings
        .iter()
        .fold(0, |bits, standing| bits | standing.bit())
}

/// Fills in the defaults, and makes sure that the actor may call everybody who is expected. An organization of the `held`
/// ones may have been archived since.
pub fn settle_expected(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: &OrganizationRow,
    mut expected: Expected,
    held: &[OrganizationId],
) -> AppResult<Expected> {
    if expected.organization_ids.is_empty() && expected.member_ids.is_empty() {
        expected.organization_ids.push(organization.id);
    }
    if expected.standings.is_empty() {
        expected.standings = vec![Standing::Full, Standing::Probationary];
    }
    expected.organization_ids.sort_unstable();
    expected.organization_ids.dedup();
    expected.member_ids.sort_unstable();
    expected.member_ids.dedup();
    let (tenant, called) = (organization.tenant_id, &expected.organization_ids);
    organizations::require_of_tree(conn, ctx, tenant, called, held, Right::ManageEvents)?;
    expected.standings = Standing::from_bits(standings_bits(&expected));
    members::require_members(conn, ctx, organization.tenant_id, &expected.member_ids)?;
    Ok(expected)
}

fn store_forms(conn: &mut DbConnection, row: &EventRow, forms: &[Form]) -> AppResult<()> {
    let forms: Vec<&str> = forms.iter().map(|form| form.as_str()).collect();
    store::replace_forms(conn, row, &forms)?;
    Ok(())
}

/// `version` is what the caller has read; none means 'whatever is there'.
pub fn update_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    version: Option<i32>,
    change: UpdateEvent,
) -> AppResult<FullEvent> {
    let mut event = editable_event(conn, ctx, id)?;
    let row = &mut event.row;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    if row.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    let opened = row.roster_frozen_at.is_some()
        || (row.status == Status::Published.as_str() && row.check_in_opens_at <= ctx.now);
    if opened && change.touches_check_in() {
        return Err(Code::RosterFrozen.into());
    }
    let before = row.clone();
    let (forms, expected) = (change.forms.clone(), change.expected.clone());
    change.apply(row);
    let mut problems = Problems::default();
    check_times(&mut problems, row.starts_at, row.ends_at);
    problems.into_result()?;
    set_window(row)?;
    costs::require_same_currency(conn, &before, row)?;
    sign_ups::move_times(conn, ctx, row.id, row.starts_at.minus(before.starts_at))?;
    if (row.starts_at, row.ends_at) != (before.starts_at, before.ends_at) {
        sign_ups::require_sessions_within(conn, row)?;
    }
    row.check_in_closes_at = closes_at(row, sign_ups::last_start(conn, row.id)?);
    let is_called = row.status == Status::Published.as_str();
    if is_called && row.check_in_closes_at <= ctx.now && before.check_in_closes_at > ctx.now {
        // Mostly a slip, and one that could not be mended: the roster is frozen in the next moment, all are absent.
        let message = "would end check-in before now";
        return Err(AppError::invalid_field("/starts_at", "in_past", message));
    }
    let mut changes = Changes::between(&before, row);
    if let Some(expected) = expected {
        replace_expected(conn, ctx, &mut event, &mut changes, expected)?;
    }
    if let Some(forms) = forms.filter(|forms| !Form::are_same(forms, &event.forms)) {
        store_forms(conn, &event.row, &forms)?;
        changes.note("forms", &event.forms, &forms);
        event.forms = forms;
    }
    if !changes.is_empty() {
        save(conn, ctx, &mut event.row, "event.update", changes.into_detail())?;
        tell_of_change(conn, ctx, &before, &event.row)?;
    }
    Ok(event)
}

/// Whoever does not see all organizations that are called cannot say anew who is called; people who have moved out of
/// sight stay named.
fn replace_expected(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &mut FullEvent,
    changes: &mut Changes,
    wanted: Expected,
) -> AppResult<()> {
    let organization = organizations::find_organization(conn, event.row.organization_id)?;
    let held = event.expected.clone().unwrap_or_default();
    let wanted = settle_expected(conn, ctx, &organization, wanted, &held.organization_ids)?;
    if wanted == held {
        return Ok(());
    }
    if !event.elsewhere.organizations.is_empty() {
        return Err(AppError::forbidden());
    }
    event.row.expected_standings = standings_bits(&wanted);
    let named = [wanted.member_ids.as_slice(), event.elsewhere.members.as_slice()].concat();
    store::replace_expected(conn, &event.row, &wanted.organization_ids, &named)?;
    let wanted = Some(wanted);
    changes.note("expected", &event.expected, &wanted);
    event.expected = wanted;
    if event.row.status == Status::Published.as_str() {
        event.row.audience_version += 1;
    }
    Ok(())
}

/// A draft becomes visible to those whom it calls.
pub fn publish_event(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    publish: &PublishEvent,
) -> AppResult<FullEvent> {
    let mut event = editable_event(conn, ctx, id)?;
    if event.row.status != Status::Draft.as_str() {
        return Err(Code::NotADraft.into());
    }
    event.row.status = Status::Published.as_str().to_owned();
    save(conn, ctx, &mut event.row, "event.publish", json!({}))?;
    if publish.notify.unwrap_or(true) {
        let message = publish.message.as_deref();
        tell(
            conn,
            ctx,
            &event.row,
            Kind::EventPublished,
            Audience::Called,
            message,
        )?;
    }
    Ok(event)
}

/// The event will not take place. Its records stay.
pub fn cancel_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId, reason: &str) -> AppResult<FullEvent> {
    let mut event = managed_event(conn, ctx, id)?;
    if event.row.closed_at.is_some() {
        return Err(Code::EventOver.into());
    }
    let was_called = event.row.status == Status::Published.as_str();
    event.row.cancel_reason = Some(reason.to_owned());
    let detail = json!({ "reason": reason });
    let event = finish(conn, ctx, event, Status::Cancelled, "event.cancel", detail)?;
    crate::attendance::event_cancelled(conn, ctx, &event.row)?;
    if was_called {
        tell(
            conn,
            ctx,
            &event.row,
            Kind::EventCancelled,
            Audience::Concerned,
            Some(reason),
        )?;
    }
    Ok(event)
}

/// What somebody has put into their calendar is another now.
fn tell_of_change(conn: &mut DbConnection, ctx: &Ctx, before: &EventRow, now: &EventRow) -> AppResult<()> {
    let shown = |row: &EventRow| (row.title.clone(), row.place.clone(), row.starts_at, row.ends_at);
    let is_called = now.status == Status::Published.as_str() && ctx.now < now.ends_at;
    if !is_called || shown(before) == shown(now) {
        return Ok(());
    }
    tell(conn, ctx, now, Kind::EventChanged, Audience::Concerned, None)
}

fn tell(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: &EventRow,
    kind: Kind,
    audience: Audience,
    words: Option<&str>,
) -> AppResult<()> {
    notices::tell(conn, &ctx.ids, ctx.now, event, kind, (audience, words, None))
}

/// Ends check-in for good: who has not come is absent, reason unknown. Not before anybody could have come.
pub fn close_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<FullEvent> {
    let event = managed_event(conn, ctx, id)?;
    if event.row.status != Status::Published.as_str() {
        return Err(Code::EventOver.into());
    }
    if ctx.now < event.row.check_in_opens_at {
        return Err(AppError::from(Code::NotOpenYet).with("opens_at", event.row.check_in_opens_at));
    }
    finish(conn, ctx, event, Status::Closed, "event.close", json!({}))
}

fn finish(
    conn: &mut DbConnection,
    ctx: &Ctx,
    mut event: FullEvent,
    status: Status,
    action: &str,
    detail: serde_json::Value,
) -> AppResult<FullEvent> {
    // Who was called stays on record, whenever it ends.
    crate::attendance::freeze_now(conn, &ctx.ids, ctx.now, &mut event.row)?;
    event.row.status = status.as_str().to_owned();
    event.row.closed_at = Some(ctx.now);
    save(conn, ctx, &mut event.row, action, detail)?;
    Ok(event)
}

pub(super) fn save(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut EventRow,
    action: &str,
    detail: serde_json::Value,
) -> AppResult<()> {
    row.updated_at = ctx.now;
    if !store::update_event(conn, row)? {
        return Err(Code::VersionMismatch.into());
    }
    note(conn, ctx, action, row, detail)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &EventRow,
    detail: serde_json::Value,
) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

/// Would anything of this organization wait for somebody who can manage it no more? No permission asked.
pub fn has_unfinished(
    conn: &mut DbConnection,
    organization: OrganizationId,
    now: Instant,
) -> AppResult<bool> {
    Ok(store::has_unfinished(conn, organization, now)?)
}

/// The row, for services that have checked the actor's right already.
pub fn find_event(conn: &mut DbConnection, id: EventId) -> AppResult<EventRow> {
    store::find_event(conn, id)?.ok_or_else(AppError::not_found)
}

/// What does not take place is attended, made up, served at and reflected on by nobody.
pub fn require_not_cancelled(event: &EventRow) -> AppResult<()> {
    match event.status == Status::Cancelled.as_str() {
        true => Err(Code::EventCancelled.into()),
        false => Ok(()),
    }
}

/// The row, if the actor has this right on its organization, archived or not: 404 when the event is out of sight.
pub fn require_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId, right: Right) -> AppResult<EventRow> {
    let row = find_event(conn, id)?;
    let mut has = |right| organizations::require_ever(conn, ctx, row.organization_id, right).permitted();
    if has(right)?.is_some() {
        return Ok(row);
    }
    // Somebody who may see the event, and lacks the right, is told so; anybody else learns nothing.
    if has(Right::View)?.is_some() || is_attendee(conn, ctx, id)? || calls_my_people(conn, ctx, id)? {
        Err(AppError::forbidden())
    } else {
        Err(AppError::not_found())
    }
}

/// For what may keep an event going: nobody archives its organization meanwhile.
fn editable_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<FullEvent> {
    let row = require_event(conn, ctx, id, Right::ManageEvents)?;
    organizations::require_held(conn, ctx, row.organization_id, Right::ManageEvents)?;
    managed_event(conn, ctx, id)
}

/// Locked until the transaction ends, so that no two edits pass each other.
pub(super) fn managed_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<FullEvent> {
    require_event(conn, ctx, id, Right::ManageEvents)?;
    let row = store::lock_events(conn, &[id])?
        .pop()
        .ok_or_else(AppError::not_found)?;
    with_parts(conn, ctx, row, true)
}

fn with_parts(conn: &mut DbConnection, ctx: &Ctx, row: EventRow, managed: bool) -> AppResult<FullEvent> {
    let forms = forms_of(conn, row.id)?;
    let (expected, elsewhere) = if managed {
        let expected = Expected {
            organization_ids: store::list_organizations(conn, row.id)?,
            standings: Standing::from_bits(row.expected_standings),
            member_ids: store::list_named(conn, row.id)?,
        };
        let all = [expected];
        let sight = Sight::of(conn, ctx, &all, [])?;
        let [expected] = all;
        let (seen, elsewhere) = sight.split(expected);
        (Some(seen), elsewhere)
    } else {
        (None, Elsewhere::default())
    };
    Ok(FullEvent {
        row,
        forms,
        expected,
        elsewhere,
    })
}

/// One event, for those who manage it, for those who are expected, and for those who administer some of these.
pub fn view_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<FullEvent> {
    let row = find_event(conn, id)?;
    let access = Access::load(conn, ctx)?;
    let organization = organizations::find_organization(conn, row.organization_id)?;
    let managed = access.may(&organization.path, Right::View);
    if !managed && !is_attendee(conn, ctx, row.id)? && !calls_my_people(conn, ctx, row.id)? {
        return Err(AppError::not_found());
    }
    with_parts(conn, ctx, row, managed)
}

/// The row of an event that the actor may know of.
pub fn view_event_row(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<EventRow> {
    view_event(conn, ctx, id).map(|event| event.row)
}

/// What lists say of these events. No permission asked.
pub fn briefs(conn: &mut DbConnection, ids: &[EventId]) -> AppResult<HashMap<EventId, EventBrief>> {
    Ok(store::list_briefs(conn, ids)?.into_iter().collect())
}

/// What the event counts as.
pub fn forms_of(conn: &mut DbConnection, id: EventId) -> AppResult<Vec<Form>> {
    Ok(store::list_forms(conn, &[id])?
        .iter()
        .filter_map(|(_, form)| Form::parse(form))
        .collect())
}

/// Those of these events that count as this, too.
pub fn with_form(
    conn: &mut DbConnection,
    ids: impl Iterator<Item = EventId>,
    form: Form,
) -> AppResult<HashSet<EventId>> {
    Ok(store::list_with_form(conn, ids, form.as_str())?
        .into_iter()
        .collect())
}

/// Is the actor expected at an event that was called?
pub fn is_attendee(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<bool> {
    match attendee(conn, ctx)? {
        Some(who) => Ok(store::is_attendee(conn, id, &who)?),
        None => Ok(false),
    }
}

/// Has it called people of organizations that the actor administers?
pub fn calls_my_people(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<bool> {
    match organizations::reach(conn, ctx, Right::View)? {
        Some(reach) if !reach.within.is_empty() => Ok(store::calls_people(conn, id, &reach)?),
        _ => Ok(false),
    }
}

pub(super) fn attendee(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Option<Attendee>> {
    if ctx.actor.is_system_admin {
        return Ok(None);
    }
    attendee_for(conn, ctx.actor.member()?).map(Some)
}

pub(super) fn attendee_for(conn: &mut DbConnection, id: MemberId) -> AppResult<Attendee> {
    let member = members::find_member(conn, id)?;
    let organization = organizations::find_organization(conn, member.organization_id)?;
    let line = organizations::ids_of_path(&organization.path);
    let standing = Standing::parse(&member.standing).map_or(0, Standing::bit);
    Ok(Attendee {
        id,
        line,
        standing,
        versions: [member.version, organization.version],
    })
}

/// A private address for a calendar program. Making a new one ends the old one.
pub fn create_feed(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<String> {
    // Several at once take turns on the member's row: without it each would find the others' in its way.
    let member = members::hold_member(conn, ctx.actor.member()?)?;
    store::revoke_feeds(conn, member.id, ctx.now)?;
    let token = random_secret::<24>();
    // The index behind the turns: never two at once.
    store::insert_feed(
        conn,
        &CalendarFeedRow {
            id: ctx.ids.make(),
            tenant_id: member.tenant_id,
            member_id: member.id,
            token_hash: hash_secret(&token),
            created_at: ctx.now,
            revoked_at: None,
        },
    )
    .map_err(AppError::overtaken)?;
    Ok(token)
}

pub fn revoke_feed(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<()> {
    store::revoke_feeds(conn, ctx.actor.member()?, ctx.now)?;
    Ok(())
}

/// The member's published events from a month ago on; whoever holds the token is the member.
/// An event as the actor comes to it: at the times of their session.
pub fn attended_event(conn: &mut DbConnection, ctx: &Ctx, id: EventId) -> AppResult<EventRow> {
    let row = view_event(conn, ctx, id)?.row;
    let Ok(member) = ctx.actor.member() else {
        return Ok(row);
    };
    let attended = as_attended(conn, member, vec![row])?.pop();
    attended.ok_or_else(AppError::not_found)
}

pub fn read_feed(conn: &mut DbConnection, now: Instant, token: &str) -> AppResult<Vec<EventRow>> {
    let feed = store::find_feed(conn, &hash_secret(token))?.ok_or_else(AppError::not_found)?;
    let member = members::find_member(conn, feed.member_id)?;
    if member.deactivated_at.is_some() {
        return Err(AppError::not_found());
    }
    let filter = EventFilter {
        tenant: Some(feed.tenant_id),
        member: Some(attendee_for(conn, feed.member_id)?),
        mine: true,
        from: Some(now.plus_s(-31 * 86_400)),
        page: Page::first(500),
        ..EventFilter::default()
    };
    let rows = store::list_events(conn, &filter)?.rows;
    as_attended(conn, feed.member_id, rows)
}
