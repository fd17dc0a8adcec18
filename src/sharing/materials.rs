//! The materials of an event: files of the media slice that whoever manages it puts beside it, for those who take part.

use serde_json::json;

use super::MaterialId;
use super::commands::CreateMaterial;
use super::rules::MAX_MATERIALS;
use super::store::{self, MaterialRow};
use crate::app::Ctx;
use crate::attendance;
use crate::audit::{self, Entry};
use crate::events::{self, EventId, EventRow};
use crate::media::{self, FileRow, MediaKind, MediaPurpose};
use crate::organizations::Right;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code};
use crate::platform::page::{Found, Page};

/// A material with what is known of its file.
#[derive(Debug, Clone)]
pub struct Material {
    pub row: MaterialRow,
    pub file: FileRow,
}

pub fn create_material(
    conn: &mut DbConnection,
    ctx: &Ctx,
    event: EventId,
    new: CreateMaterial,
) -> AppResult<Material> {
    // Whoever adds one at the same time waits here: no more get in than may.
    let event = events::hold_to_manage(conn, ctx, event)?;
    let file = media::hold_files(conn, ctx, &[new.media_id])?.pop();
    let file = file
        .filter(|file| file.tenant_id == event.tenant_id)
        .ok_or_else(AppError::not_found)?;
    if !matches!(file.purpose(), MediaPurpose::Material | MediaPurpose::Lesson) {
        // Members would see it.
        let words = "was uploaded as a receipt";
        return Err(AppError::invalid_field("/media_id", "wrong_purpose", words));
    }
    if file.kind().ok_or(Code::MediaNotReady)? == MediaKind::Subtitle {
        let words = "a subtitle goes with a lesson";
        return Err(AppError::invalid_field("/media_id", "wrong_kind", words));
    }
    let (there, last) = store::end_of_materials(conn, event.id)?;
    if usize::try_from(there).unwrap_or(usize::MAX) >= MAX_MATERIALS {
        return Err(AppError::from(Code::LimitReached).with("limit", MAX_MATERIALS));
    }
    let row = MaterialRow {
        id: ctx.ids.make(),
        tenant_id: event.tenant_id,
        event_id: event.id,
        title: new.title,
        media_id: file.id,
        position: new.position.unwrap_or_else(|| last.map_or(0, |last| last + 1)),
        created_at: ctx.now,
        created_by: ctx.actor.account,
        archived_at: None,
        archived_by: None,
    };
    store::insert_material(conn, &row)?;
    note(conn, ctx, "material.create", &row, &event)?;
    Ok(Material { row, file })
}

/// For those who take part and for the event's administration: 403 for others who may see the event.
pub fn list_materials(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: EventId,
    page: &Page<(i32, MaterialId)>,
) -> AppResult<Found<Material>> {
    let event = events::find_event(conn, id)?;
    let takes_part = match ctx.actor.member() {
        Ok(member) => attendance::takes_part(conn, &event, member)?,
        Err(_) => false,
    };
    if !takes_part {
        events::require_event(conn, ctx, id, Right::View)?;
    }
    let found = store::list_materials(conn, id, page)?;
    let files: Vec<_> = found.rows.iter().map(|row| row.media_id).collect();
    let files = media::list_files(conn, &files)?;
    let material = |row: MaterialRow| {
        let file = files.iter().find(|file| file.id == row.media_id)?.clone();
        Some(Material { row, file })
    };
    Ok(Found {
        rows: found.rows.into_iter().filter_map(material).collect(),
        count: found.count,
    })
}

/// It is shown no more; who put it there and who took it away stays on record.
pub fn archive_material(conn: &mut DbConnection, ctx: &Ctx, id: MaterialId) -> AppResult<()> {
    let row = store::find_material(conn, id)?.ok_or_else(AppError::not_found)?;
    let event = events::require_event(conn, ctx, row.event_id, Right::ManageEvents)?;
    if !store::archive_material(conn, id, ctx.actor.account, ctx.now)? {
        return Err(AppError::not_found());
    }
    note(conn, ctx, "material.archive", &row, &event)
}

fn note(
    conn: &mut DbConnection,
    ctx: &Ctx,
    action: &str,
    row: &MaterialRow,
    event: &EventRow,
) -> AppResult<()> {
    let detail = json!({ "event_id": row.event_id, "title": row.title, "media_id": row.media_id });
    let entry = Entry::of(action, row.id.0, row.tenant_id, event.organization_id, detail);
    audit::record(conn, ctx, entry)
}
