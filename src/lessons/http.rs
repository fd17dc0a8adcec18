//! `/lessons`.

use actix_web::{HttpRequest, get, patch, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::LessonId;
use super::article::Section;
use super::commands::{Audience, CreateLesson, UpdateLesson};
use super::files::{Attached, FileRole, Subtitles};
use super::lists::{self, FullLesson, ListLessons};
use super::rules::{Kind, Status};
use super::service;
use super::store::VersionRow;
use crate::app::App;
use crate::auth::{AccountId, SignedIn};
use crate::media::{self, MediaId};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, if_match};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(list_lessons)
        .service(create_lesson)
        .service(find_lesson)
        .service(find_offline_lesson)
        .service(update_lesson)
        .service(submit_lesson)
        .service(return_lesson)
        .service(publish_lesson)
        .service(archive_lesson)
        .service(list_lesson_versions);
}

/// A part of an article, from one heading to the next.
#[derive(Serialize, utoipa::ToSchema)]
struct SectionView {
    /// Empty for what stands above the first heading.
    title: String,
    /// The least time that reading it takes.
    duration_s: f64,
}

impl From<Section> for SectionView {
    fn from(section: Section) -> Self {
        Self {
            title: section.title,
            duration_s: f64::from(section.ms) / 1_000.0,
        }
    }
}

/// A file of a lesson.
#[derive(Serialize, utoipa::ToSchema)]
struct LessonFileView {
    media_id: MediaId,
    role: FileRole,
    /// Of subtitles.
    #[schema(example = "zh-Hant")]
    language: Option<String>,
    name: String,
    #[schema(example = "video/mp4")]
    content_type: Option<String>,
    size_bytes: i64,
    /// In hexadecimal.
    sha256: Option<String>,
    /// Of what is played.
    duration_s: Option<f64>,
    /// Where I read it for some hours without a token, in parts if I like; only where one lesson is read.
    url: Option<String>,
}

impl From<Attached> for LessonFileView {
    fn from(attached: Attached) -> Self {
        let file = attached.file;
        Self {
            media_id: file.id,
            role: attached.role,
            language: attached.language,
            content_type: file.content_type.clone(),
            size_bytes: file.size_bytes,
            sha256: file.sha256_hex(),
            duration_s: file.duration_ms.map(|ms| f64::from(ms) / 1_000.0),
            name: file.name,
            url: None,
        }
    }
}

/// What was published under this number; it never changes.
#[derive(Serialize, utoipa::ToSchema)]
struct LessonVersionView {
    number: i32,
    #[schema(example = "五分鐘微黨課")]
    title: String,
    summary: String,
    /// Clean HTML, without scripts, styles and pictures; section 0 is `<section id="section-0">`. Only of one lesson, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transcript: Option<String>,
    /// Seconds it plays; of an article the least that reading all of it takes.
    duration_s: f64,
    /// Of an article, in order; empty for what is played. Only of one lesson.
    #[serde(skip_serializing_if = "Option::is_none")]
    sections: Option<Vec<SectionView>>,
    /// What is played, the poster, subtitles and attachments, as `role` says. Only of one lesson.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<LessonFileView>>,
    /// How much must be covered, in thousandths.
    threshold_permille: i32,
    /// How fast it may be played, in hundredths of wall-clock time.
    speed_percent: i32,
    published_at: Instant,
}

impl LessonVersionView {
    fn brief(row: VersionRow) -> Self {
        Self {
            body_html: None,
            transcript: None,
            sections: None,
            ..Self::whole(row)
        }
    }

    fn whole(row: VersionRow) -> Self {
        let sections = row.sections();
        Self {
            number: row.number,
            title: row.title,
            summary: row.summary,
            body_html: Some(row.body_html),
            transcript: Some(row.transcript),
            duration_s: f64::from(row.duration_ms) / 1_000.0,
            files: None,
            sections: Some(sections.into_iter().map(SectionView::from).collect()),
            threshold_permille: row.threshold_permille,
            speed_percent: row.speed_percent,
            published_at: row.published_at,
        }
    }
}

/// What its lecturer edits, and its reviewer reads.
#[derive(Serialize, utoipa::ToSchema)]
struct WorkingCopyView {
    title: String,
    summary: String,
    /// Of an article: Markdown.
    body: String,
    transcript: String,
    threshold_permille: i32,
    speed_percent: i32,
    /// Of its organizations those that I see, perhaps none.
    audience: Audience,
    media_id: Option<MediaId>,
    poster_id: Option<MediaId>,
    subtitles: Vec<Subtitles>,
    attachments: Vec<MediaId>,
    submitted_at: Option<Instant>,
    submitted_by: Option<AccountId>,
    reviewed_at: Option<Instant>,
    reviewed_by: Option<AccountId>,
    review_note: Option<String>,
}

/// A lesson: what members see of it, and for those who write there the working copy.
#[derive(Serialize, utoipa::ToSchema)]
struct LessonView {
    id: LessonId,
    organization_id: OrganizationId,
    kind: Kind,
    /// As it is published; for those who write or inspect there, of the working copy.
    #[schema(example = "五分鐘微黨課")]
    title: String,
    /// Likewise.
    status: Status,
    tags: Vec<String>,
    /// Null until it is published for the first time.
    published: Option<LessonVersionView>,
    /// Only of one lesson, and for those who write or inspect there.
    #[serde(skip_serializing_if = "Option::is_none")]
    working_copy: Option<WorkingCopyView>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
}

impl LessonView {
    fn of(lesson: FullLesson, version: impl FnOnce(VersionRow) -> LessonVersionView) -> Self {
        let row = lesson.row;
        let (title, status) = match &lesson.published {
            Some(published) if !lesson.written => (published.title.clone(), Status::Published),
            _ => (
                row.title.clone(),
                Status::parse(&row.status).unwrap_or(Status::Draft),
            ),
        };
        let files = lesson.files.unwrap_or_default();
        let working_copy = lesson.audience.map(|audience| WorkingCopyView {
            title: row.title,
            summary: row.summary,
            body: row.body,
            transcript: row.transcript,
            threshold_permille: row.threshold_permille,
            speed_percent: row.speed_percent,
            audience,
            media_id: files.media,
            poster_id: files.poster,
            subtitles: files.subtitles,
            attachments: files.attachments,
            submitted_at: row.submitted_at,
            submitted_by: row.submitted_by,
            reviewed_at: row.reviewed_at,
            reviewed_by: row.reviewed_by,
            review_note: row.review_note,
        });
        Self {
            id: row.id,
            organization_id: row.organization_id,
            kind: Kind::parse(&row.kind).unwrap_or(Kind::Article),
            title,
            status,
            tags: lesson.tags,
            published: lesson.published.map(version),
            working_copy,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// With its files. Their addresses are given to whoever reads the lesson, see `find_lesson`: the answer to a write is
/// kept for a repeat, and keeps no secret.
fn whole(mut lesson: FullLesson) -> LessonView {
    let attached = std::mem::take(&mut lesson.attached);
    let files = attached.into_iter().map(LessonFileView::from).collect();
    LessonView::of(lesson, |row| LessonVersionView {
        files: Some(files),
        ..LessonVersionView::whole(row)
    })
}

fn answer(lesson: FullLesson) -> AppResult<Answer> {
    let version = lesson.row.version;
    Ok(Answer::ok(&whole(lesson))?.version(version))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LessonQuery {
    /// Lessons of this organization or one below it.
    organization_id: Option<OrganizationId>,
    kind: Option<Kind>,
    /// Of the working copy; without it all but the archived.
    status: Option<Status>,
    tag: Option<String>,
    /// Only what is published for me.
    mine: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for LessonQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("tag", &mut self.tag, 30);
    }
}

/// List lessons, the newest first: those I write or inspect, and those that are published for me.
#[utoipa::path(tag = "lessons", params(LessonQuery), responses((status = 200, body = List<LessonView>)))]
#[get("/lessons")]
async fn list_lessons(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<LessonQuery>,
) -> AppResult<Tagged<List<LessonView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<LessonId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListLessons {
        organization: query.organization_id,
        kind: query.kind,
        status: query.status,
        tag: query.tag,
        mine: query.mine.unwrap_or(false),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| lists::list_lessons(conn, &ctx, &asked))
        .await?;
    let view = |lesson| LessonView::of(lesson, LessonVersionView::brief);
    Ok(Tagged(page.list(found, |lesson| lesson.row.id, view)))
}

/// Create a lesson as a draft.
#[utoipa::path(tag = "lessons", request_body = CreateLesson, responses((status = 201, body = LessonView), (status = 409, description = "media_not_ready")))]
#[post("/lessons")]
async fn create_lesson(app: web::Data<App>, who: SignedIn, once: Once<CreateLesson>) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let lesson = service::create_lesson(conn, ctx, body.clone())?;
        let (id, version) = (lesson.row.id, lesson.row.version);
        let answer = Answer::created(&whole(lesson))?;
        Ok(answer.version(version).at(format!("/api/v1/lessons/{id}")))
    })
    .await
}

/// Find one lesson that I write or inspect, or that is published for me.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), responses((status = 200, body = LessonView)))]
#[get("/lessons/{id}")]
async fn find_lesson(app: web::Data<App>, who: SignedIn, id: IdPath<LessonId>) -> AppResult<Answer> {
    let (ctx, actor) = (app.ctx(who.0.clone()), who.0);
    let lesson = app
        .db
        .read(move |conn| lists::view_lesson(conn, &ctx, id.0))
        .await?;
    let version = lesson.row.version;
    let mut view = whole(lesson);
    for file in view
        .published
        .iter_mut()
        .flat_map(|published| published.files.iter_mut().flatten())
    {
        file.url = Some(media::url_of(&app, &actor, file.media_id));
    }
    Ok(Answer::ok(&view)?.version(version))
}

/// All that a phone takes along to study a lesson without a connection: the words, and the files with where they
/// are read, how long they are, and what they hash to.
#[derive(Serialize, utoipa::ToSchema)]
struct OfflineView {
    lesson_id: LessonId,
    kind: Kind,
    tags: Vec<String>,
    /// What was published last; progress is told for its `number`.
    version: LessonVersionView,
    /// Of all files together.
    size_bytes: i64,
}

/// Find what a phone takes along of a lesson that is published for me, or that I write or inspect. What it has already is
/// known by its `sha256`; `If-None-Match` tells whether anything has changed, or the addresses are new.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), responses((status = 200, body = OfflineView)))]
#[get("/lessons/{id}/offline")]
async fn find_offline_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
) -> AppResult<Tagged<OfflineView>> {
    let (ctx, actor) = (app.ctx(who.0.clone()), who.0);
    let lesson = app
        .db
        .read(move |conn| lists::view_lesson(conn, &ctx, id.0))
        .await?;
    let mut view = whole(lesson);
    let mut version = view.published.take().ok_or_else(AppError::not_found)?;
    let files = version.files.iter_mut().flatten();
    let size_bytes = files
        .map(|file| {
            file.url = Some(media::url_of(&app, &actor, file.media_id));
            file.size_bytes
        })
        .sum();
    Ok(Tagged(OfflineView {
        lesson_id: view.id,
        kind: view.kind,
        tags: view.tags,
        version,
        size_bytes,
    }))
}

/// Change the working copy. What is published stays as members see it until the next version is published; tags, and whom
/// it is for, change at once, so of a published lesson they take the right to publish lessons. Whom it is for is changed by
/// those who see all of that. Needs `If-Match`.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), request_body = UpdateLesson, responses((status = 200, body = LessonView), (status = 409, description = "lesson_in_review, lesson_archived, media_not_ready"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/lessons/{id}")]
async fn update_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    request: HttpRequest,
    body: Json<UpdateLesson>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    answer(
        app.db
            .write(move |conn| service::update_lesson(conn, &ctx, id.0, version, body.0.clone()))
            .await?,
    )
}

/// Ask for a review: the words stand still until it is decided.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), responses((status = 200, body = LessonView), (status = 409, description = "not_a_draft, lesson_incomplete, lesson_archived")))]
#[post("/lessons/{id}/submit")]
async fn submit_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        answer(service::submit_lesson(conn, ctx, id.0)?)
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "第三段請補出處"}))]
struct ReturnLesson {
    note: String,
}

impl Check for ReturnLesson {
    fn check(&mut self, problems: &mut Problems) {
        problems.paragraph("/note", &mut self.note, 1, 1_000);
    }
}

/// Give a lesson back to be mended, with words for its lecturer.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), request_body = ReturnLesson, responses((status = 200, body = LessonView), (status = 409, description = "lesson_not_in_review, lesson_archived")))]
#[post("/lessons/{id}/return")]
async fn return_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    once: Once<ReturnLesson>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::return_lesson(conn, ctx, id.0, body.note.clone())?)
    })
    .await
}

#[derive(Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "同意發布"}))]
struct PublishLesson {
    note: Option<String>,
}

impl Check for PublishLesson {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("/note", &mut self.note, 1_000);
    }
}

/// Publish what was reviewed as the next version: its audience sees it from now on.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), request_body = PublishLesson, responses((status = 200, body = LessonView), (status = 409, description = "lesson_not_in_review, lesson_archived")))]
#[post("/lessons/{id}/publish")]
async fn publish_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    once: Once<PublishLesson>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::publish_lesson(conn, ctx, id.0, body.note.clone())?)
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "內容已過時"}))]
struct ArchiveLesson {
    reason: String,
}

impl Check for ArchiveLesson {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Put a lesson away: nobody is shown it any more. What was studied stays on record.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path)), request_body = ArchiveLesson, responses((status = 200, body = LessonView), (status = 409, description = "lesson_archived")))]
#[post("/lessons/{id}/archive")]
async fn archive_lesson(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    once: Once<ArchiveLesson>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        answer(service::archive_lesson(conn, ctx, id.0, &body.reason)?)
    })
    .await
}

/// List all versions that were ever published, the newest first.
#[utoipa::path(tag = "lessons", params(("id" = LessonId, Path), PageQuery), responses((status = 200, body = List<LessonVersionView>)))]
#[get("/lessons/{id}/versions")]
async fn list_lesson_versions(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<LessonVersionView>>> {
    let (ctx, page) = (app.ctx(who.0), query.0.page::<i32>()?);
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| lists::list_versions(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        found,
        |row| row.number,
        LessonVersionView::whole,
    )))
}
