//! Templates as they are written, and the events that are made of them.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::EventTemplateId;
use super::commands::{SkipDay, TemplateSignUp, WriteEventTemplate};
use super::rules;
use super::store::{self, DayRow, Failure, TemplateRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::auth;
use crate::events::{self, CreateEvent, Expected, Form, PublishEvent, Sight};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{Db, DbConnection, Instant, Json};
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::local_time::{self, parse_minute};
use crate::platform::page::{Found, Page};
use crate::sign_ups;

/// A rule that has no day within so long has none.
const FIVE_YEARS: Days = Days::new(5 * 366);
/// Days that are shown ahead.
const SHOWN: usize = 12;
/// Events that are made in one transaction: nobody else waits for more.
const AT_ONCE: usize = 12;

/// One of a template's days, and what has become of it.
#[derive(Debug, Clone)]
pub struct Day {
    pub on: NaiveDate,
    pub starts_at: Instant,
    pub made: Option<DayRow>,
}

/// A template with the next of its days.
#[derive(Debug, Clone)]
pub struct FullTemplate {
    pub row: TemplateRow,
    pub days: Vec<Day>,
}

pub fn create_template(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    wanted: &WriteEventTemplate,
) -> AppResult<FullTemplate> {
    let organization = organizations::require_held(conn, ctx, organization, Right::ManageEvents)?;
    let zone = organizations::settings_of(conn, &organization, &ctx.config.check_in)?.time_zone;
    let mut row = TemplateRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        title: String::new(),
        description: String::new(),
        place: String::new(),
        forms: Json(json!([])),
        expected: Json(json!({})),
        rule: String::new(),
        starts_on: wanted.starts_on,
        starts_at_min: 0,
        duration_s: 0,
        time_zone: zone,
        ahead_days: 0,
        publish: true,
        sign_up: None,
        version: 1,
        created_at: ctx.now,
        created_by: ctx.actor.account,
        updated_at: ctx.now,
        ended_at: None,
        ended_by: None,
        last_error: None,
        written_by: None,
        last_error_field: None,
    };
    write(&mut row, ctx, wanted)?;
    store::insert_template(conn, &row)?;
    note(conn, ctx, "event_template.create", &row)?;
    make(conn, ctx, &row)?;
    show(conn, ctx, row)
}

/// The days that are not made yet follow what is wanted now, with the rights of who wants it; those that are, are events
/// of their own.
pub fn update_template(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventTemplateId,
    version: Option<i32>,
    wanted: &WriteEventTemplate,
) -> AppResult<FullTemplate> {
    let mut row = hold(conn, ctx, id)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    require_active(&row)?;
    // Whoever does not see all whom it calls would write some of them out.
    if in_sight(conn, ctx, vec![row.clone()])?.hides {
        return Err(AppError::forbidden());
    }
    let before = row.clone();
    // The hour is one of where the organization is now.
    let organization = organizations::find_organization(conn, row.organization_id)?;
    row.time_zone = organizations::settings_of(conn, &organization, &ctx.config.check_in)?.time_zone;
    write(&mut row, ctx, wanted)?;
    if row == before {
        return show(conn, ctx, row);
    }
    save(conn, ctx, "event_template.update", &mut row)?;
    make(conn, ctx, &row)?;
    show(conn, ctx, row)
}

fn write(row: &mut TemplateRow, ctx: &Ctx, wanted: &WriteEventTemplate) -> AppResult<()> {
    let today = local_time::local_date(ctx.now, local_time::zone(&row.time_zone));
    let from = wanted.starts_on.max(today);
    let until = from.checked_add_days(FIVE_YEARS).unwrap_or(NaiveDate::MAX);
    let days = rules::days(&wanted.rule, wanted.starts_on, from, until)
        .map_err(|(code, words)| AppError::invalid_field("/rule", code, words))?;
    if days.is_empty() {
        let words = "has no day within five years";
        return Err(AppError::invalid_field("/rule", "never", words));
    }
    let minute = parse_minute(&wanted.starts_at).unwrap_or_default();
    row.title.clone_from(&wanted.title);
    row.description.clone_from(&wanted.description);
    row.place.clone_from(&wanted.place);
    row.forms = Json(json!(wanted.forms));
    row.expected = Json(json!(wanted.expected));
    row.rule.clone_from(&wanted.rule);
    row.starts_on = wanted.starts_on;
    row.starts_at_min = i32::try_from(minute).unwrap_or_default();
    row.duration_s = wanted.duration_s;
    row.ahead_days = wanted.ahead_days;
    row.publish = wanted.publish.unwrap_or(true);
    row.sign_up = wanted.sign_up.as_ref().map(|sign_up| Json(json!(sign_up)));
    row.written_by = Some(ctx.actor.account);
    row.last_error = None;
    row.last_error_field = None;
    Ok(())
}

/// Refuses what the actor may not call, and what no occurrence can be made of, by the field: when it is written, and again
/// in each run, for rights and settings change.
fn require_makeable(conn: &mut DbConnection, ctx: &Ctx, row: &TemplateRow) -> AppResult<()> {
    let organization = organizations::find_organization(conn, row.organization_id)?;
    events::settle_expected(conn, ctx, &organization, read(&row.expected)?, &[])
        .map_err(|error| error.at_field("/expected"))?;
    let Some(sign_up) = &row.sign_up else {
        return Ok(());
    };
    let sign_up: TemplateSignUp = read(sign_up)?;
    let limited: Vec<OrganizationId> = sign_up.quotas.iter().map(|quota| quota.organization_id).collect();
    organizations::require_of_tree(conn, ctx, row.tenant_id, &limited, &[], Right::ManageEvents)
        .map_err(|error| error.at_field("/sign_up/quotas"))?;
    let opens_before_s =
        organizations::settings_of(conn, &organization, &ctx.config.check_in)?.opens_before_s;
    if sign_up
        .draw_before_s
        .is_some_and(|before_s| before_s <= opens_before_s)
    {
        let words = format!("is not before check-in opens, {opens_before_s} s before the start");
        return Err(AppError::invalid_field(
            "/sign_up/draw_before_s",
            "too_late",
            words,
        ));
    }
    Ok(())
}

/// A part of a template that is stored as it came.
pub fn read<T: DeserializeOwned>(stored: &Json) -> AppResult<T> {
    serde_json::from_value(stored.0.clone())
        .map_err(|error| AppError::internal(format!("an unreadable template: {error}")))
}

/// No more days are made. What was made takes place, unless somebody cancels it.
pub fn end_template(conn: &mut DbConnection, ctx: &Ctx, id: EventTemplateId) -> AppResult<FullTemplate> {
    let row = store::find_template(conn, id)?.ok_or_else(AppError::not_found)?;
    // Of an archived organization too, where nothing else is left to do with it.
    organizations::require_ever(conn, ctx, row.organization_id, Right::ManageEvents)?;
    let mut row = store::lock_template(conn, id)?.ok_or_else(AppError::not_found)?;
    require_active(&row)?;
    row.ended_at = Some(ctx.now);
    row.ended_by = Some(ctx.actor.account);
    save(conn, ctx, "event_template.end", &mut row)?;
    show(conn, ctx, row)
}

/// Leaves one of its days out, if it is not made yet.
pub fn skip_day(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventTemplateId,
    skip: &SkipDay,
) -> AppResult<FullTemplate> {
    let mut row = hold(conn, ctx, id)?;
    require_active(&row)?;
    if days_of(&row, skip.day, skip.day)?.is_empty() {
        return Err(AppError::invalid_field("/day", "unknown", "is none of its days"));
    }
    let made = store::list_days(conn, id, skip.day)?
        .into_iter()
        .find(|made| made.on_day == skip.day);
    match made {
        Some(DayRow { event_id: None, .. }) => return show(conn, ctx, row),
        Some(_) => return Err(Code::OccurrenceMade.into()),
        None => {}
    }
    let day = DayRow {
        template_id: row.id,
        on_day: skip.day,
        tenant_id: row.tenant_id,
        event_id: None,
        reason: Some(skip.reason.clone()),
        created_at: ctx.now,
    };
    store::insert_day(conn, &day)?;
    save(conn, ctx, "event_template.skip", &mut row)?;
    show(conn, ctx, row)
}

pub fn view_template(conn: &mut DbConnection, ctx: &Ctx, id: EventTemplateId) -> AppResult<FullTemplate> {
    let row = store::find_template(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require(conn, ctx, row.organization_id, Right::View)?;
    show(conn, ctx, row)
}

pub fn list_templates(
    conn: &mut DbConnection,
    ctx: &Ctx,
    organization: OrganizationId,
    page: &Page<EventTemplateId>,
) -> AppResult<Found<TemplateRow>> {
    let organization = organizations::require(conn, ctx, organization, Right::View)?;
    let Found { rows, count } = store::list_templates(conn, organization.id, page)?;
    let rows = in_sight(conn, ctx, rows)?.rows;
    Ok(Found { rows, count })
}

/// Templates as far as the reader sees whom they call and whom they limit.
struct Seen {
    rows: Vec<TemplateRow>,
    /// Is an organization among these that the reader does not see?
    hides: bool,
}

fn in_sight(conn: &mut DbConnection, ctx: &Ctx, mut rows: Vec<TemplateRow>) -> AppResult<Seen> {
    let (mut expected, mut sign_ups) = (Vec::new(), Vec::new());
    for row in &rows {
        expected.push(read::<Expected>(&row.expected)?);
        sign_ups.push(row.sign_up.as_ref().map(read::<TemplateSignUp>).transpose()?);
    }
    let quotas = sign_ups.iter().flatten().flat_map(|sign_up| &sign_up.quotas);
    let limited: Vec<OrganizationId> = quotas.map(|quota| quota.organization_id).collect();
    let sight = Sight::of(conn, ctx, &expected, limited.iter().copied())?;
    let mut hides = limited.iter().any(|id| !sight.sees(*id));
    for ((row, expected), sign_up) in rows.iter_mut().zip(expected).zip(sign_ups) {
        let (seen, elsewhere) = sight.split(expected);
        hides |= !elsewhere.organizations.is_empty();
        row.expected = Json(json!(seen));
        row.sign_up = sign_up.map(|mut sign_up| {
            sign_up.quotas.retain(|quota| sight.sees(quota.organization_id));
            Json(json!(sign_up))
        });
    }
    Ok(Seen { rows, hides })
}

/// Its row, locked; nobody archives its organization meanwhile.
fn hold(conn: &mut DbConnection, ctx: &Ctx, id: EventTemplateId) -> AppResult<TemplateRow> {
    let row = store::find_template(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_held(conn, ctx, row.organization_id, Right::ManageEvents)?;
    store::lock_template(conn, id)?.ok_or_else(AppError::not_found)
}

fn require_active(row: &TemplateRow) -> AppResult<()> {
    match row.ended_at {
        Some(_) => Err(Code::EventTemplateEnded.into()),
        None => Ok(()),
    }
}

fn save(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &mut TemplateRow) -> AppResult<()> {
    row.version += 1;
    row.updated_at = ctx.now;
    store::update_template(conn, row)?;
    note(conn, ctx, action, row)
}

fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &TemplateRow) -> AppResult<()> {
    let detail = json!({ "title": row.title, "rule": row.rule });
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

fn days_of(row: &TemplateRow, from: NaiveDate, until: NaiveDate) -> AppResult<Vec<NaiveDate>> {
    rules::days(&row.rule, row.starts_on, from, until)
        .map_err(|(_, words)| AppError::internal(format!("a stored rule is none: {words}")))
}

fn starts_at(row: &TemplateRow, day: NaiveDate) -> Instant {
    let minute = u32::try_from(row.starts_at_min).unwrap_or_default();
    local_time::at_minute(day, minute, local_time::zone(&row.time_zone))
}

/// The next days from today on, made or not.
fn show(conn: &mut DbConnection, ctx: &Ctx, row: TemplateRow) -> AppResult<FullTemplate> {
    let today = local_time::local_date(ctx.now, local_time::zone(&row.time_zone));
    let made = store::list_days(conn, row.id, today)?;
    let mut made: HashMap<_, _> = made.into_iter().map(|day| (day.on_day, day)).collect();
    let mut on: Vec<NaiveDate> = made.keys().copied().collect();
    if row.ended_at.is_none() {
        let until = today.checked_add_days(FIVE_YEARS).unwrap_or(today);
        on.extend(days_of(&row, today, until)?);
    }
    on.sort_unstable();
    on.dedup();
    on.truncate(SHOWN);
    let day = |on: NaiveDate| Day {
        on,
        starts_at: starts_at(&row, on),
        made: made.remove(&on),
    };
    let days = on.into_iter().map(day).collect();
    let row = in_sight(conn, ctx, vec![row])?
        .rows
        .pop()
        .ok_or_else(AppError::not_found)?;
    Ok(FullTemplate { row, days })
}

/// Makes the next events that are due, in the caller's transaction, which holds the template locked. True: there are more.
fn make(conn: &mut DbConnection, ctx: &Ctx, row: &TemplateRow) -> AppResult<bool> {
    require_makeable(conn, ctx, row)?;
    let today = local_time::local_date(ctx.now, local_time::zone(&row.time_zone));
    let ahead = Days::new(u64::try_from(row.ahead_days).unwrap_or_default());
    let until = today.checked_add_days(ahead).unwrap_or(today);
    let made: Vec<NaiveDate> = store::list_days(conn, row.id, today)?
        .iter()
        .map(|day| day.on_day)
        .collect();
    let mut due = days_of(row, today, until)?;
    due.retain(|day| !made.contains(day) && starts_at(row, *day) > ctx.now);
    for day in due.iter().take(AT_ONCE) {
        make_one(conn, ctx, row, *day)?;
    }
    Ok(due.len() > AT_ONCE)
}

fn make_one(conn: &mut DbConnection, ctx: &Ctx, row: &TemplateRow, day: NaiveDate) -> AppResult<()> {
    let starts_at = starts_at(row, day);
    let forms: Vec<Form> = read(&row.forms)?;
    let expected: Expected = read(&row.expected)?;
    let new = CreateEvent {
        organization_id: row.organization_id,
        title: row.title.clone(),
        description: row.description.clone(),
        place: row.place.clone(),
        starts_at,
        ends_at: starts_at.plus_s(row.duration_s.into()),
        forms,
        expected,
        opens_before_s: None,
        late_after_s: None,
        closes_after_s: None,
        code_window_s: None,
        offline_allowed: None,
        geofence: None,
    };
    let event = events::create_event(conn, ctx, new)?.row.id;
    if let Some(sign_up) = &row.sign_up {
        let sign_up: TemplateSignUp = read(sign_up)?;
        sign_ups::write_policy(conn, ctx, event, None, &sign_up.policy(starts_at))?;
    }
    if row.publish {
        events::publish_event(conn, ctx, event, &PublishEvent::default())?;
    }
    let day = DayRow {
        template_id: row.id,
        on_day: day,
        tenant_id: row.tenant_id,
        event_id: Some(event),
        reason: None,
        created_at: ctx.now,
    };
    store::insert_day(conn, &day)?;
    Ok(())
}

/// Makes what is due of every template. One that fails stops no other, and says why. `ctx` tells what time it is, which is
/// asked for each transaction: phones find what is new by when it was made.
pub async fn make_due(db: &Db, ctx: &(impl Fn() -> Ctx + Sync)) -> AppResult<()> {
    for id in db.read_fresh(|conn| Ok(store::list_active(conn)?)).await? {
        if let Err(error) = make_all(db, ctx, id).await {
            tracing::warn!(template = %id, %error, "cannot make occurrences; the next run tries again");
            let failure = Failure {
                last_error: Some(error.code().wire()),
                last_error_field: error.errors().first().map(|error| error.field.clone()),
            };
            db.write(move |conn| Ok(store::set_failure(conn, id, &failure).map(|_| ())?))
                .await?;
        }
    }
    Ok(())
}

async fn make_all(db: &Db, ctx: &(impl Fn() -> Ctx + Sync), id: EventTemplateId) -> AppResult<()> {
    loop {
        let asked = ctx();
        let some = move |conn: &mut DbConnection| make_some(conn, &asked, id);
        if !db.write_long(some).await? {
            return Ok(());
        }
    }
}

/// In the name of whoever wrote it last, who may be allowed less by now. True: there are more.
fn make_some(conn: &mut DbConnection, ctx: &Ctx, id: EventTemplateId) -> AppResult<bool> {
    let seen = store::find_template(conn, id)?.ok_or_else(AppError::not_found)?;
    let ctx = Ctx {
        actor: auth::actor_of(conn, seen.author())?,
        ..ctx.clone()
    };
    let row = hold(conn, &ctx, id)?;
    if row.author() != seen.author() {
        return Err(AppError::again());
    }
    if row.ended_at.is_some() {
        return Ok(false);
    }
    let more = make(conn, &ctx, &row)?;
    if row.last_error.is_some() {
        store::set_failure(conn, id, &Failure::default())?;
    }
    Ok(more)
}
