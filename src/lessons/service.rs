//! What may happen to a lesson, in which order, and who may do it.

use serde_json::{Value, json};

use super::LessonId;
use super::article;
use super::audience;
use super::commands::{CreateLesson, UpdateLesson};
use super::files::{self, FilesPatch, LessonFiles};
use super::lists::{FullLesson, LessonPlace, view_lesson, with_parts};
use super::rules::{Kind, Status};
use super::search;
use super::store::{self, LessonRow, VersionRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::members::{self, MemberBrief, MemberId};
use crate::organizations::{self, Right};
use crate::platform::db::{AnyId, DbConnection, Json};
use crate::platform::error::{AppError, AppResult, Code, Permitted};
use crate::points::{self, Deed, Rule};

pub fn create_lesson(conn: &mut DbConnection, ctx: &Ctx, new: CreateLesson) -> AppResult<FullLesson> {
    let organization = organizations::require_held(conn, ctx, new.organization_id, Right::WriteLessons)?;
    let home = (organization.id, organization.tenant_id);
    let audience = audience::settle(conn, ctx, home, new.audience, &[], Right::WriteLessons)?;
    let files = LessonFiles {
        media: new.media_id,
        poster: new.poster_id,
        subtitles: new.subtitles,
        attachments: new.attachments,
    };
    let mut row = LessonRow {
        id: ctx.ids.make(),
        tenant_id: organization.tenant_id,
        organization_id: organization.id,
        kind: new.kind.as_str().to_owned(),
        status: Status::Draft.as_str().to_owned(),
        title: new.title,
        summary: new.summary,
        body: new.body,
        transcript: new.transcript,
        media_id: None,
        threshold_permille: new.threshold_permille.unwrap_or(900),
        speed_percent: new.speed_percent.unwrap_or(200),
        audience_standings: audience::bits(&audience),
        published_number: None,
        version: 1,
        created_at: ctx.now,
        created_by: Some(ctx.actor.account),
        updated_at: ctx.now,
        submitted_at: None,
        submitted_by: None,
        reviewed_at: None,
        reviewed_by: None,
        review_note: None,
        archived_at: None,
    };
    row.media_id = files.media.map(|id| AnyId(id.0));
    store::insert_lesson(conn, &row)?;
    files.settle(conn, ctx, &mut row, new.kind, &LessonFiles::default())?;
    store::replace_tags(conn, &row, &new.tags)?;
    store::replace_audience(conn, &row, &audience.organization_ids)?;
    note(conn, ctx, "lesson.create", &row, json!({ "title": row.title }))?;
    Ok(FullLesson {
        row,
        tags: new.tags,
        published: None,
        written: true,
        audience: Some(audience),
        audience_elsewhere: Vec::new(),
        files: Some(files),
        attached: Vec::new(),
    })
}

/// Edits the working copy. Of what has been published, members go on seeing the published version until the next one;
/// tags, and whom it is for, hold at once, so only who may publish there changes them.
pub fn update_lesson(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    version: Option<i32>,
    change: UpdateLesson,
) -> AppResult<FullLesson> {
    let mut lesson = held_lesson(conn, ctx, id, Right::WriteLessons)?;
    if version.is_some_and(|version| version != lesson.row.version) {
        return Err(Code::VersionMismatch.into());
    }
    if !status_of(&lesson.row).is_editable() {
        return Err(Code::LessonInReview.into());
    }
    let before = lesson.clone();
    let row = &mut lesson.row;
    set(&mut row.title, change.title);
    set(&mut row.summary, change.summary);
    set(&mut row.body, change.body);
    set(&mut row.transcript, change.transcript);
    set(&mut row.threshold_permille, change.threshold_permille);
    set(&mut row.speed_percent, change.speed_percent);
    let (kind, held) = (kind_of(row), before.files.clone().unwrap_or_default());
    let files = held.patched(FilesPatch {
        media: change.media_id,
        poster: change.poster_id,
        subtitles: change.subtitles,
        attachments: change.attachments,
    });
    if files != held {
        files.settle(conn, ctx, row, kind, &held)?;
    }
    if *row != before.row || files != held {
        row.status = Status::Draft.as_str().to_owned();
    }
    lesson.files = Some(files);
    set(&mut lesson.tags, change.tags);
    if lesson.tags != before.tags {
        require_at_once(conn, ctx, &lesson.row)?;
    }
    if let Some(audience) = change.audience {
        let right = require_at_once(conn, ctx, &lesson.row)?;
        audience::replace(conn, ctx, &mut lesson, audience, right)?;
    }
    let parts = |lesson: &FullLesson| {
        let (tags, files) = (lesson.tags.clone(), lesson.files.clone());
        (lesson.row.clone(), tags, lesson.audience.clone(), files)
    };
    let changed = parts(&lesson) != parts(&before);
    if changed {
        store::replace_tags(conn, &lesson.row, &lesson.tags)?;
        save(conn, ctx, &mut lesson.row, "lesson.update", json!({}))?;
    }
    Ok(lesson)
}

/// For what no review comes before: of a lesson that members see it takes, and this gives, the right to publish.
fn require_at_once(conn: &mut DbConnection, ctx: &Ctx, row: &LessonRow) -> AppResult<Right> {
    let right = if row.published_number.is_some() {
        Right::PublishLessons
    } else {
        Right::WriteLessons
    };
    organizations::require(conn, ctx, row.organization_id, right)?;
    Ok(right)
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// Asks for a review. The words stand still until it is decided.
pub fn submit_lesson(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<FullLesson> {
    let mut lesson = held_lesson(conn, ctx, id, Right::WriteLessons)?;
    if status_of(&lesson.row) != Status::Draft {
        return Err(Code::NotADraft.into());
    }
    let is_complete = match kind_of(&lesson.row) {
        Kind::Article => !lesson.row.body.is_empty(),
        // It was ready when it was given, and stays for as long as it is used.
        Kind::Video | Kind::Audio => lesson.row.media_id.is_some(),
    };
    if !is_complete {
        return Err(Code::LessonIncomplete.into());
    }
    lesson.row.submitted_at = Some(ctx.now);
    lesson.row.submitted_by = Some(ctx.actor.account);
    turn(
        conn,
        ctx,
        &mut lesson.row,
        Status::InReview,
        "lesson.submit",
        json!({}),
    )?;
    Ok(lesson)
}

/// Gives it back to be mended, with the reviewer's words.
pub fn return_lesson(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    words: String,
) -> AppResult<FullLesson> {
    let mut lesson = reviewed_lesson(conn, ctx, id, Some(words))?;
    turn(
        conn,
        ctx,
        &mut lesson.row,
        Status::Draft,
        "lesson.return",
        json!({}),
    )?;
    Ok(lesson)
}

/// Makes the working copy the next version, which its audience sees from now on.
pub fn publish_lesson(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    words: Option<String>,
) -> AppResult<FullLesson> {
    let mut lesson = reviewed_lesson(conn, ctx, id, words)?;
    if !lesson.audience_elsewhere.is_empty() {
        return Err(AppError::forbidden());
    }
    let audience = lesson.audience.clone().unwrap_or_default();
    let (tenant, ids) = (lesson.row.tenant_id, audience.organization_ids.as_slice());
    organizations::require_of_tree(conn, ctx, tenant, ids, ids, Right::PublishLessons)?;
    let number = lesson.row.published_number.unwrap_or(0) + 1;
    let mut article = article::render(&lesson.row.body);
    let files = lesson.files.clone().unwrap_or_default();
    let played_ms = files.publish(conn, &lesson.row, number)?;
    if kind_of(&lesson.row) != Kind::Article {
        // What accompanies a film is not what is studied.
        article.sections.clear();
    }
    let published = VersionRow {
        lesson_id: id,
        number,
        tenant_id: lesson.row.tenant_id,
        title: lesson.row.title.clone(),
        summary: lesson.row.summary.clone(),
        body: lesson.row.body.clone(),
        body_html: article.html,
        transcript: lesson.row.transcript.clone(),
        media_id: lesson.row.media_id,
        duration_ms: played_ms.unwrap_or_else(|| {
            article
                .sections
                .iter()
                .map(|section| section.ms.cast_signed())
                .sum()
        }),
        sections: Json(json!(article.sections)),
        threshold_permille: lesson.row.threshold_permille,
        speed_percent: lesson.row.speed_percent,
        published_at: ctx.now,
        published_by: Some(ctx.actor.account),
    };
    store::insert_version(conn, &published)?;
    search::index(conn, &published)?;
    lesson.row.published_number = Some(number);
    credit_author(conn, ctx, &lesson.row)?;
    let detail = json!({ "number": number });
    turn(
        conn,
        ctx,
        &mut lesson.row,
        Status::Published,
        "lesson.publish",
        detail,
    )?;
    lesson.attached = files::attached(conn, id, number, published.media_id)?;
    lesson.published = Some(published);
    Ok(lesson)
}

/// Puts it away: nobody is shown it any more, and what was studied stays on record.
pub fn archive_lesson(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    reason: &str,
) -> AppResult<FullLesson> {
    // Of an archived organization too: members may be shown it still.
    let seen = store::find_lesson(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require_ever(conn, ctx, seen.organization_id, Right::PublishLessons)
        .or_as_seen(|| view_lesson(conn, ctx, id))?;
    let mut lesson = hold(conn, ctx, id)?;
    search::forget(conn, id)?;
    lesson.row.archived_at = Some(ctx.now);
    let detail = json!({ "reason": reason });
    turn(
        conn,
        ctx,
        &mut lesson.row,
        Status::Archived,
        "lesson.archive",
        detail,
    )?;
    Ok(lesson)
}

fn reviewed_lesson(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: LessonId,
    words: Option<String>,
) -> AppResult<FullLesson> {
    let mut lesson = held_lesson(conn, ctx, id, Right::PublishLessons)?;
    if status_of(&lesson.row) != Status::InReview {
        return Err(Code::LessonNotInReview.into());
    }
    lesson.row.reviewed_at = Some(ctx.now);
    lesson.row.reviewed_by = Some(ctx.actor.account);
    lesson.row.review_note = words;
    Ok(lesson)
}

/// Whoever wrote a micro-lecture has given it, once, when it is published for the first time.
fn credit_author(conn: &mut DbConnection, ctx: &Ctx, row: &LessonRow) -> AppResult<()> {
    let Some(author) = row.created_by.map(MemberId::from) else {
        return Ok(());
    };
    // A system admin is nobody's member, and who has left earns nothing.
    let is_here = |person: &MemberBrief| person.deactivated_at.is_none();
    if !members::briefs(conn, &[author])?
        .get(&author)
        .is_some_and(is_here)
    {
        return Ok(());
    }
    let deed = Deed::of(Rule::LectureGiven, author, row.id, ctx.now);
    points::award(conn, &ctx.ids, ctx.now, &[deed])
}

fn turn(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut LessonRow,
    status: Status,
    action: &str,
    detail: Value,
) -> AppResult<()> {
    row.status = status.as_str().to_owned();
    save(conn, ctx, row, action, detail)
}

fn save(
    conn: &mut DbConnection,
    ctx: &Ctx,
    row: &mut LessonRow,
    action: &str,
    detail: Value,
) -> AppResult<()> {
    row.updated_at = ctx.now;
    store::update_lesson(conn, row)?;
    note(conn, ctx, action, row, detail)
}

fn note(conn: &mut DbConnection, ctx: &Ctx, action: &str, row: &LessonRow, detail: Value) -> AppResult<()> {
    let entry = Entry::of(action, row.id.0, row.tenant_id, row.organization_id, detail);
    audit::record(conn, ctx, entry)
}

fn status_of(row: &LessonRow) -> Status {
    Status::parse(&row.status).unwrap_or(Status::Draft)
}

fn kind_of(row: &LessonRow) -> Kind {
    Kind::parse(&row.kind).unwrap_or(Kind::Article)
}

/// Locked until the transaction ends, with its parts; 409 once it is archived.
fn held_lesson(conn: &mut DbConnection, ctx: &Ctx, id: LessonId, right: Right) -> AppResult<FullLesson> {
    let seen = store::find_lesson(conn, id)?.ok_or_else(AppError::not_found)?;
    organizations::require(conn, ctx, seen.organization_id, right)
        .or_as_seen(|| view_lesson(conn, ctx, id))?;
    hold(conn, ctx, id)
}

fn hold(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<FullLesson> {
    let row = store::lock_lesson(conn, id)?.ok_or_else(AppError::not_found)?;
    if row.archived_at.is_some() {
        return Err(Code::LessonArchived.into());
    }
    with_parts(conn, ctx, row, true)
}

/// Of a lesson that whoever asks may write, locked until the transaction ends; 409 while it is reviewed, and once it is
/// archived. What hangs on it holds at once, so of a lesson that members see it takes the right to publish.
pub fn hold_to_write(conn: &mut DbConnection, ctx: &Ctx, id: LessonId) -> AppResult<LessonPlace> {
    let row = held_lesson(conn, ctx, id, Right::WriteLessons)?.row;
    if !status_of(&row).is_editable() {
        return Err(Code::LessonInReview.into());
    }
    require_at_once(conn, ctx, &row)?;
    Ok(LessonPlace {
        tenant: row.tenant_id,
        organization: row.organization_id,
        is_writer: true,
    })
}
