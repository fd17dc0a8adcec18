//! What may happen to a file, in which order, and who may do it. The bytes themselves are `uploads` and `checks`.

use serde_json::json;

use super::MediaId;
use super::rules::{MediaKind, MediaPurpose, MediaState};
use super::store::{self, FileFilter, FileRow, Sight};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::costs;
use crate::lessons;
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::platform::page::{Found, Page};
use crate::sharing;

/// An upload that begins.
#[derive(Debug, Clone)]
pub struct NewUpload {
    pub organization: OrganizationId,
    pub purpose: MediaPurpose,
    pub name: String,
    pub size_bytes: i64,
    pub metadata: String,
}

/// What it takes to upload a file.
fn right_to_write(purpose: MediaPurpose) -> Right {
    match purpose {
        MediaPurpose::Lesson => Right::WriteLessons,
        // Who manages an event tells what it cost, and what goes with it. Pictures are nobody's to upload.
        MediaPurpose::Receipt | MediaPurpose::Material | MediaPurpose::Picture => Right::ManageEvents,
    }
}

/// Makes room for it. The tree's row is locked while its files are counted: of many who begin at once, those get in
/// whose files fit.
pub fn create_upload(conn: &mut DbConnection, ctx: &Ctx, new: NewUpload) -> AppResult<FileRow> {
    let limits = &ctx.config.media;
    let most_bytes = new.purpose.most_bytes(limits.file_bytes);
    if new.size_bytes > most_bytes {
        return Err(AppError::from(Code::TooLarge).with("limit_bytes", most_bytes));
    }
    let right = right_to_write(new.purpose);
    let seen = organizations::require(conn, ctx, new.organization, right)?;
    organizations::lock_tree(conn, seen.tenant_id)?;
    let organization = organizations::require_held(conn, ctx, new.organization, right)?;
    require_room(conn, ctx, organization.tenant_id, new.size_bytes)?;
    let state = if new.size_bytes == 0 {
        MediaState::Checking
    } else {
        MediaState::Uploading
    };
    let row = FileRow {
        state: state.as_str().to_owned(),
        upload_metadata: new.metadata,
        ..new_file(ctx, &organization, new.purpose, new.name, new.size_bytes)
    };
    store::insert_file(conn, &row)?;
    note(conn, ctx, "media.upload", &row)?;
    Ok(row)
}

/// The caller holds the tree locked.
pub(super) fn require_room(
    conn: &mut DbConnection,
    ctx: &Ctx,
    tenant: OrganizationId,
    size_bytes: i64,
) -> AppResult<()> {
    let quota_bytes = ctx.config.media.quota_bytes;
    let used = store::used_bytes(conn, tenant)?;
    if used.saturating_add(size_bytes) > quota_bytes {
        return Err(AppError::from(Code::MediaQuotaExceeded)
            .with("quota_bytes", quota_bytes)
            .with("used_bytes", used));
    }
    Ok(())
}

/// A file of which no byte is here yet.
pub(super) fn new_file(
    ctx: &Ctx,
    organization: &OrganizationRow,
    purpose: MediaPurpose,
    name: String,
    size_bytes: i64,
) -> FileRow {
    FileRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        name,
        state: MediaState::Uploading.as_str().to_owned(),
        refusal: None,
        kind: None,
        content_type: None,
        size_bytes,
        received_bytes: 0,
        sha256: None,
        duration_ms: None,
        upload_metadata: String::new(),
        expires_at: ctx.now.plus_s(ctx.config.media.upload_s),
        created_at: ctx.now,
        created_by: ctx.actor.account,
        updated_at: ctx.now,
        deleted_at: None,
        deleted_by: None,
        cleared_at: None,
        purpose: purpose.as_str().to_owned(),
    }
}

fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &FileRow) -> AppResult<()> {
    let detail = json!({ "name": row.name, "size_bytes": row.size_bytes });
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

/// One file, for those who write lessons there or inspect them, a receipt for those who see what is spent there; to
/// everybody else it is not there. A picture is seen with what a member has written, and nowhere else.
pub fn view_file(conn: &mut DbConnection, ctx: &Ctx, id: MediaId) -> AppResult<FileRow> {
    let row = store::find_file(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.purpose() == MediaPurpose::Picture {
        return Err(AppError::not_found());
    }
    let mut has = |right| organizations::require_ever(conn, ctx, row.organization_id, right).permitted();
    let writes = row.purpose() == MediaPurpose::Lesson && has(Right::WriteLessons)?.is_some();
    if writes || has(Right::View)?.is_some() {
        Ok(row)
    } else {
        Err(AppError::not_found())
    }
}

/// A file of one's own, or of an organization that one administers: 403 for others who may see it.
fn own_file(conn: &mut DbConnection, ctx: &Ctx, id: MediaId) -> AppResult<FileRow> {
    let row = view_file(conn, ctx, id)?;
    let right = if row.created_by == ctx.actor.account {
        right_to_write(row.purpose())
    } else {
        Right::ManageOrganization
    };
    organizations::require_ever(conn, ctx, row.organization_id, right)?;
    Ok(row)
}

/// An upload that the actor may go on with: 410 when it was left for too long.
pub fn own_upload(conn: &mut DbConnection, ctx: &Ctx, id: MediaId) -> AppResult<FileRow> {
    let row = own_file(conn, ctx, id)?;
    let is_over = match row.state() {
        MediaState::Expired => true,
        MediaState::Uploading => row.expires_at <= ctx.now,
        _ => false,
    };
    if is_over {
        Err(Code::UploadExpired.into())
    } else {
        Ok(row)
    }
}

/// Removes a file that no lesson, no expense and no event uses; an upload ends. Its bytes go after the commit.
pub fn delete_file(conn: &mut DbConnection, ctx: &Ctx, id: MediaId) -> AppResult<FileRow> {
    own_file(conn, ctx, id)?;
    let row = store::lock_files(conn, &[id])?
        .pop()
        .ok_or_else(AppError::not_found)?;
    if lessons::uses_file(conn, id)? || costs::uses_file(conn, id)? || sharing::uses_file(conn, id)? {
        return Err(Code::MediaInUse.into());
    }
    store::delete_file(conn, id, ctx.actor.account, ctx.now)?;
    note(conn, ctx, "media.delete", &row)?;
    Ok(row)
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListMedia {
    pub organization: Option<OrganizationId>,
    pub purpose: Option<MediaPurpose>,
    pub kind: Option<MediaKind>,
    pub state: Option<MediaState>,
    pub page: Page<MediaId>,
}

pub fn list_media(conn: &mut DbConnection, ctx: &Ctx, asked: &ListMedia) -> AppResult<Found<FileRow>> {
    let sight = match (
        organizations::ids_with_right(conn, ctx, Right::WriteLessons)?,
        organizations::ids_with_right(conn, ctx, Right::View)?,
    ) {
        (Some(of_lessons), Some(all)) => Some(Sight { of_lessons, all }),
        _ => None,
    };
    let filter = FileFilter {
        tenant: ctx.actor.tenant,
        sight,
        organizations: organizations::narrowed(conn, ctx, asked.organization)?,
        purpose: asked.purpose,
        kind: asked.kind,
        state: asked.state,
        page: asked.page.clone(),
    };
    Ok(store::list_files(conn, &filter)?)
}

/// For lessons and expenses: these files, if the actor may see all of them, held until the transaction ends so that nobody deletes
/// them. What is not ready has no kind.
pub fn hold_files(conn: &mut DbConnection, ctx: &Ctx, ids: &[MediaId]) -> AppResult<Vec<FileRow>> {
    for id in ids {
        view_file(conn, ctx, *id)?;
    }
    Ok(store::lock_files(conn, ids)?)
}

/// For what is shown with them: these files, whatever has become of them.
pub fn list_files(conn: &mut DbConnection, ids: &[MediaId]) -> AppResult<Vec<FileRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(store::list_by_ids(conn, ids)?)
}
