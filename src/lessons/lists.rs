//! Who sees which lesson, and what is shown of it.

use super::LessonId;
use super::audience;
use super::commands::Audience;
use super::files::{self, Attached, LessonFiles};
use super::rules::{Kind, Status};
use super::store::{self, LessonFilter, LessonRow, Sight, Student, VersionRow};
use crate::app::Ctx;
use crate::media::MediaId;
use crate::members::{self, Standing};
use crate::organizations::{self, OrganizationId, Right};
use crate::platform::db::{AnyId, DbConnection};
use crate::platform::error::{AppError, AppResult, Permitted};
use crate::platform::page::{Found, Page};

/// A lesson as it is shown.
#[derive(Debug, Clone)]
pub struct FullLesson {
    pub row: LessonRow,
    pub tags: Vec<String>,
    /// What members see.
    pub published: Option<VersionRow>,
    /// Does whoever asks write or inspect there? To everybody else there is no working copy.
    pub written: bool,
    /// Only of one lesson, and for those; of its organizations such as the reader sees.
    pub audience: Option<Audience>,
    /// The others.
    pub audience_elsewhere: Vec<OrganizationId>,
    /// Likewise: of the working copy.
    pub files: Option<LessonFiles>,
    /// Only of one lesson: those of what members see.
    pub attached: Vec<Attached>,
}

pub fn with_parts(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: LessonRow,
    written: bool,
) -> AppResult<FullLesson> {
    let published = store::list_published(conn, &[row.id])?.pop();
    let tags = store::list_tags(conn, &[row.id])?
        .into_iter()
        .map(|(_, tag)| tag)
        .collect();
    let (audience, audience_elsewhere) = if written {
        let (seen, elsewhere) = audience::read(conn, ctx, &row)?;
        (Some(seen), elsewhere)
    } else {
        (None, Vec::new())
    };
    let files = if written {
        Some(LessonFiles::of(conn, &row)?)
    } else {
        None
    };
    let attached = match &published {
        Some(version) => files::attached(conn, row.id, version.number, version.media_id)?,
        None => Vec::new(),
    };
    Ok(FullLesson {
        row,
        tags,
        published,
        written,
        audience,
        audience_elsewhere,
        files,
        attached,
    })
}

/// One lesson: for those who write or inspect there, and, when it is published, for those it is meant for.
pub fn view_lesson(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<FullLesson> {
    let row = store::find_lesson(conn, id)?.ok_or_else(AppError::not_found)?;
    let mut has = |right| organizations::require_ever(conn, ctx, row.organization_id, right).permitted();
    if has(Right::WriteLessons)?.is_some() || has(Right::View)?.is_some() {
        return with_parts(conn, ctx, row, true);
    }
    let is_for_me = match student(conn, ctx)? {
        Some(who) => store::is_for_student(conn, id, &who)?,
        None => false,
    };
    if is_for_me {
        with_parts(conn, ctx, row, false)
    } else {
        Err(AppError::not_found())
    }
}

/// Where a lesson belongs, for slices that hang something on it.
#[derive(Debug, Clone, Copy)]
pub struct LessonPlace {
    pub tenant: OrganizationId,
    pub organization: OrganizationId,
    /// May whoever asks write it?
    pub is_writer: bool,
}

/// Of a lesson that is there for whoever asks; else 404.
pub fn place(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<LessonPlace> {
    let row = view_lesson(conn, ctx, id)?.row;
    let writes = organizations::require_ever(conn, ctx, row.organization_id, Right::WriteLessons);
    Ok(LessonPlace {
        tenant: row.tenant_id,
        organization: row.organization_id,
        is_writer: writes.permitted()?.is_some(),
    })
}

/// Is this lesson there for whoever asks? Else 404.
pub fn may_see(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<()> {
    view_lesson(conn, ctx, id).map(|_| ())
}

/// All that was ever published of it, for those who write or inspect there.
pub fn list_versions(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    page: &Page<i32>,
) -> AppResult<Found<VersionRow>> {
    if !view_lesson(conn, ctx, id)?.written {
        return Err(AppError::forbidden());
    }
    Ok(store::list_versions(conn, id, page)?)
}

/// For files: does a lesson use this one, or did it when a version was published?
pub fn uses_file(conn: &mut DbConnection, file: MediaId) -> AppResult<bool> {
    Ok(store::uses_file(conn, AnyId(file.0))?)
}

fn student(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Option<Student>> {
    if ctx.actor.is_system_admin {
        return Ok(None);
    }
    let member = members::find_member(conn, ctx.actor.member()?)?;
    let organization = organizations::find_organization(conn, member.organization_id)?;
    Ok(Some(Student {
        line: organizations::ids_of_path(&organization.path),
        standing: Standing::parse(&member.standing).map_or(0, Standing::bit),
    }))
}

/// Which lessons the actor may see.
pub fn sight(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<Sight> {
    let managed = match (
        organizations::ids_with_right(conn, ctx, Right::WriteLessons)?,
        organizations::ids_with_right(conn, ctx, Right::View)?,
    ) {
        (Some(mut write), Some(view)) => {
            write.extend(view);
            Some(write)
        }
        _ => None,
    };
    Ok(Sight {
        tenant: ctx.actor.tenant,
        managed,
        student: student(conn, ctx)?,
    })
}

/// What a client may narrow the list to.
#[derive(Debug, Clone, Default)]
pub struct ListLessons {
    pub organization: Option<OrganizationId>,
    pub kind: Option<Kind>,
    pub status: Option<Status>,
    pub tag: Option<String>,
    pub mine: bool,
    pub page: Page<LessonId>,
}

pub fn list_lessons(conn: &mut DbConnection, ctx: &Ctx, asked: &ListLessons) -> AppResult<Found<FullLesson>> {
    let sight = sight(conn, ctx)?;
    let filter = LessonFilter {
        sight: sight.clone(),
        mine: asked.mine,
        organizations: organizations::narrowed(conn, ctx, asked.organization)?,
        kind: asked.kind.map(Kind::as_str),
        status: asked.status.map(Status::as_str),
        tag: asked.tag.clone(),
        page: asked.page.clone(),
    };
    let found = store::list_lessons(conn, &filter)?;
    let ids: Vec<LessonId> = found.rows.iter().map(|row| row.id).collect();
    let mut versions = store::list_published(conn, &ids)?;
    let tags = store::list_tags(conn, &ids)?;
    let full = |row: LessonRow| FullLesson {
        tags: tags
            .iter()
            .filter(|(id, _)| *id == row.id)
            .map(|(_, tag)| tag.clone())
            .collect(),
        published: versions
            .iter()
            .position(|version| version.lesson_id == row.id)
            .map(|at| versions.swap_remove(at)),
        written: sight.manages(row.organization_id),
        audience: None,
        audience_elsewhere: Vec::new(),
        files: None,
        attached: Vec::new(),
        row,
    };
    Ok(Found {
        rows: found.rows.into_iter().map(full).collect(),
        count: found.count,
    })
}
