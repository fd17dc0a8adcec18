//! What may happen to a series, and who may do it: who writes lessons there edits drafts, who publishes lessons there
//! publishes series and edits the published ones, whose changes everybody sees at once.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::commands::{CreateSeries, SeriesPlace, UpdateSeries};
use super::rules::SeriesStatus;
use super::store::{self, EntryRow, SeriesFilter, SeriesRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::lessons::lists::sight;
use crate::lessons::store::Sight;
use crate::lessons::{LessonId, SeriesId};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{DbConnection, Json};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::page::{Found, Page};

/// A series as it is shown to somebody.
#[derive(Debug, Clone)]
pub struct FullSeries {
    pub row: SeriesRow,
    /// Those that the actor may see.
    pub entries: Vec<EntryRow>,
    pub sight: Sight,
}

pub fn create_series(conn: &mut DbConnection, ctx: &Ctx, new: CreateSeries) -> AppResult<FullSeries> {
    let organization = organizations::require_held(conn, ctx, new.organization_id, Right::WriteLessons)?;
    let row = SeriesRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        title: new.title,
        summary: new.summary,
        status: SeriesStatus::Draft.as_str().to_owned(),
        version: 1,
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
        updated_at: ctx.now,
        published_at: None,
        archived_at: None,
    };
    store::insert_series(conn, &row)?;
    set_lessons(conn, ctx, &row, &new.lessons)?;
    note(conn, ctx, "series.create", &row, json!({ "title": row.title }))?;
    with_entries(conn, ctx, row)
}

/// Replaces the order. What is new in it is a lesson that the actor sees; what was in it may stay.
fn set_lessons(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &SeriesRow,
    places: &[SeriesPlace],
) -> AppResult<bool> {
    let before = store::list_places(conn, row.id)?;
    let had: HashSet<LessonId> = before.iter().map(|(id, _)| *id).collect();
    let wanted = places.iter().map(|place| place.lesson_id);
    let new: Vec<LessonId> = wanted.filter(|id| !had.contains(id)).collect();
    if !new.is_empty() {
        let sight = sight(conn, ctx)?;
        if store::list_usable(conn, row.tenant_id, &new, &sight)?.len() < new.len() {
            return Err(AppError::not_found());
        }
    }
    let after = places
        .iter()
        .map(|place| (place.lesson_id, Json(json!(place.prerequisite_ids))));
    if after.eq(before) {
        return Ok(false);
    }
    store::replace_lessons(conn, row, places)?;
    Ok(true)
}

pub fn update_series(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: SeriesId,
    version: Option<i32>,
    change: UpdateSeries,
) -> AppResult<FullSeries> {
    let mut row = held_series(conn, ctx, id, Right::WriteLessons)?;
    if version.is_some_and(|version| version != row.version) {
        return Err(Code::VersionMismatch.into());
    }
    if status_of(&row) == SeriesStatus::Published {
        organizations::require(conn, ctx, row.organization_id, Right::PublishLessons)?;
    }
    let before = row.clone();
    row.title = change.title.unwrap_or(row.title);
    row.summary = change.summary.unwrap_or(row.summary);
    let mut changed = row != before;
    if let Some(lessons) = &change.lessons {
        if lessons.is_empty() && status_of(&row) == SeriesStatus::Published {
            return Err(Code::SeriesEmpty.into());
        }
        changed |= set_lessons(conn, ctx, &row, lessons)?;
    }
    if changed {
        save(conn, ctx, &mut row, "series.update", json!({}))?;
    }
    with_entries(conn, ctx, row)
}

/// From now on everybody sees it for whom one of its lessons is.
pub fn publish_series(conn: &mut DbConnection, ctx: &Ctx, id: SeriesId) -> AppResult<FullSeries> {
    let mut row = held_series(conn, ctx, id, Right::PublishLessons)?;
    if status_of(&row) != SeriesStatus::Draft {
        return Err(Code::NotADraft.into());
    }
    if store::list_places(conn, id)?.is_empty() {
        return Err(Code::SeriesEmpty.into());
    }
    row.status = SeriesStatus::Published.as_str().to_owned();
    row.published_at = Some(ctx.now);
    save(conn, ctx, &mut row, "series.publish", json!({}))?;
    with_entries(conn, ctx, row)
}

/// Puts it away, and its order with it; its lessons stay.
pub fn archive_series(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: SeriesId,
    reason: &str,
) -> AppResult<FullSeries> {
    // Of an archived organization too: members may be shown it still.
    let seen = store::find_series(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, seen.organization_id, Right::PublishLessons)
        .or_as_seen(|| view_series(conn, ctx, id))?;
    let mut row = hold(conn, id)?;
    row.status = SeriesStatus::Archived.as_str().to_owned();
    row.archived_at = Some(ctx.now);
    save(conn, ctx, &mut row, "series.archive", json!({ "reason": reason }))?;
    with_entries(conn, ctx, row)
}

fn save(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut SeriesRow,
    action: &str,
    detail: Value,
) -> AppResult<()> {
    row.updated_at = ctx.now;
    store::update_series(conn, row)?;
    note(conn, ctx, action, row, detail)
}

fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &SeriesRow, detail: Value) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

fn status_of(row: &SeriesRow) -> SeriesStatus {
    SeriesStatus::parse(&row.status).unwrap_or(SeriesStatus::Draft)
}

/// Locked until the transaction ends; 409 once it is archived.
fn held_series(conn: &mut DbConnection, ctx: &Ctx, id: SeriesId, right: Right) -> AppResult<SeriesRow> {
    let seen = store::find_series(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require(conn, ctx, seen.organization_id, right)
        .or_as_seen(|| view_series(conn, ctx, id))?;
    hold(conn, id)
}

fn hold(conn: &mut DbConnection, id: SeriesId) -> AppResult<SeriesRow> {
    let row = store::lock_series(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.archived_at.is_some() {
        return Err(Code::SeriesArchived.into());
    }
    Ok(row)
}

fn with_entries(conn: &mut DbConnection, ctx: &Ctx, row: SeriesRow) -> AppResult<FullSeries> {
    let sight = sight(conn, ctx)?;
    let entries = store::list_entries(conn, row.id, &sight)?;
    Ok(FullSeries { row, entries, sight })
}

/// One series: for those who write or inspect there, and, when it is published, for those one of its lessons is for.
pub fn view_series(conn: &mut DbConnection, ctx: &Ctx, id: SeriesId) -> AppResult<FullSeries> {
    let row = store::find_series(conn, id)?.ok_or_else(AppError::not_found)?;
    let sight = sight(conn, ctx)?;
    if sight.manages(row.organization_id) {
        let entries = store::list_entries(conn, row.id, &sight)?;
        return Ok(FullSeries { row, entries, sight });
    }
    // What somebody else's series holds is, for whoever manages one of its lessons too, what members see of it.
    let sight = Sight {
        managed: Some(Vec::new()),
        ..sight
    };
    let entries = store::list_entries(conn, row.id, &sight)?;
    if status_of(&row) == SeriesStatus::Published && !entries.is_empty() {
        Ok(FullSeries { row, entries, sight })
    } else {
        Err(AppError::not_found())
    }
}

/// The lessons of a published series that the actor sees, in their order. 404 for one that is not published, too.
pub fn series_lessons(conn: &mut DbConnection, ctx: &Ctx, id: SeriesId) -> AppResult<Vec<LessonId>> {
    let series = view_series(conn, ctx, id)?;
    if status_of(&series.row) != SeriesStatus::Published {
        return Err(AppError::not_found());
    }
    Ok(series.entries.into_iter().map(|entry| entry.lesson_id).collect())
}

/// What published series ask the actor to finish before this lesson: only lessons that are published for them, so that
/// nobody waits for what they cannot open.
pub fn prerequisites(conn: &mut DbConnection, ctx: &Ctx, lesson: LessonId) -> AppResult<Vec<LessonId>> {
    let sight = sight(conn, ctx)?;
    Ok(store::list_prerequisites(conn, lesson, &sight)?)
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListSeries {
    pub organization: Option<OrganizationId>,
    pub status: Option<SeriesStatus>,
    pub mine: bool,
    pub page: Page<SeriesId>,
}

pub fn list_series(conn: &mut DbConnection, ctx: &Ctx, asked: &ListSeries) -> AppResult<Found<SeriesRow>> {
    let filter = SeriesFilter {
        sight: sight(conn, ctx)?,
        mine: asked.mine,
        organizations: organizations::narrowed(conn, ctx, asked.organization)?,
        status: asked.status.map(SeriesStatus::as_str),
        page: asked.page.clone(),
    };
    Ok(store::list_series(conn, &filter)?)
}
