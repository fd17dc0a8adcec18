//! Templates as they are written, and the events that are made of them.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use serde_json::json;

use super::EventTemplateId;
use super::commands::{SkipDay, TemplateSignUp, WriteEventTemplate};
use super::rules;
use super::store::{self, DayRow, TemplateRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::events::{self, CreateEvent, Expected, Form, PublishEvent};
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
    };
    write(&mut row, wanted)?;
    store::insert_template(conn, &row)?;
    note(conn, ctx, "event_template.create", &row)?;
    make(conn, ctx, &row)?;
    show(conn, ctx, row)
}

/// The days that are not made yet follow what is wanted now; those that are, are events of their own.
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
    let before = row.clone();
    write(&mut row, wanted)?;
    if row == before {
        return show(conn, ctx, row);
    }
    save(conn, ctx, "event_template.update", &mut row)?;
    make(conn, ctx, &row)?;
    show(conn, ctx, row)
}

fn write(row: &mut TemplateRow, wanted: &WriteEventTemplate) -> AppResult<()> {
    let until = wanted
        .starts_on
        .checked_add_days(FIVE_YEARS)
        .unwrap_or(NaiveDate::MAX);
    let days = rules::days(&wanted.rule, wanted.starts_on, wanted.starts_on, until)
        .map_err(|(code, words)| AppError::invalid_field("/rule", code, words))?;
    if days.is_empty() {
        return Err(AppError::invalid_field(
            "/rule",
            "never",
            "has no day within five years",
        ));
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
    Ok(())
}

/// No more days are made. What was made takes place, unless somebody cancels it.
pub fn end_template(conn: &mut DbConnection, ctx: &Ctx, id: EventTemplateId) -> AppResult<FullTemplate> {
    let mut row = hold(conn, ctx, id)?;
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
    Ok(store::list_templates(conn, organization.id, page)?)
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
    Ok(FullTemplate { row, days })
}

/// Makes the events that are due, in the caller's transaction, which holds the template locked.
fn make(conn: &mut DbConnection, ctx: &Ctx, row: &TemplateRow) -> AppResult<()> {
    let today = local_time::local_date(ctx.now, local_time::zone(&row.time_zone));
    let ahead = Days::new(u64::try_from(row.ahead_days).unwrap_or_default());
    let until = today.checked_add_days(ahead).unwrap_or(today);
    let made: Vec<NaiveDate> = store::list_days(conn, row.id, today)?
        .iter()
        .map(|day| day.on_day)
        .collect();
    let due = days_of(row, today, until)?.into_iter();
    for day in due.filter(|day| !made.contains(day) && starts_at(row, *day) > ctx.now) {
        make_one(conn, ctx, row, day)?;
    }
    Ok(())
}

fn make_one(conn: &mut DbConnection, ctx: &Ctx, row: &TemplateRow, day: NaiveDate) -> AppResult<()> {
    let unreadable =
        |error: serde_json::Error| AppError::internal(format!("an unreadable template: {error}"));
    let starts_at = starts_at(row, day);
    let forms: Vec<Form> = serde_json::from_value(row.forms.0.clone()).map_err(unreadable)?;
    let expected: Expected = serde_json::from_value(row.expected.0.clone()).map_err(unreadable)?;
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
        let sign_up: TemplateSignUp = serde_json::from_value(sign_up.0.clone()).map_err(unreadable)?;
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

/// Makes what is due of every template. One that fails stops no other, and says why.
pub async fn make_due(db: &Db, ctx: &Ctx) -> AppResult<()> {
    for id in db.read_fresh(|conn| Ok(store::list_active(conn)?)).await? {
        let asked = ctx.clone();
        let make_all = move |conn: &mut DbConnection| {
            let row = hold(conn, &asked, id)?;
            if row.ended_at.is_none() {
                make(conn, &asked, &row)?;
                if row.last_error.is_some() {
                    store::set_error(conn, id, None)?;
                }
            }
            Ok(())
        };
        if let Err(error) = db.write_long(make_all).await {
            tracing::warn!(template = %id, %error, "cannot make occurrences; the next run tries again");
            let why = error.code().wire();
            db.write(move |conn| Ok(store::set_error(conn, id, Some(why)).map(|_| ())?))
                .await?;
        }
    }
    Ok(())
}
