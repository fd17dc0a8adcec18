//! What a phone reports as it plays, and what it reads back.

use actix_web::{get, put, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::view::{ProgressView, Range, RecordedView, ranges};
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::lessons::LessonId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, List, PageQuery, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};
use crate::study::desk::Report;
use crate::study::played::{Played, Span};
use crate::study::rules::{Claim, Doubt};
use crate::study::service::{self, Seen};
use crate::study::store::ReviewRow;

const MAX_RANGES: usize = 1_000;
const MAX_SECTIONS: usize = 200;
/// Twelve hours and more: beyond every lesson.
const MAX_S: f64 = 100_000.0;

/// What was played since the last report, or all of it: what is credited already is harmless.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"session_id": "6a2f41a3-c54c-4ce8-b2d2-0324e1c32e22", "played": [[0.0, 15.2], [30.0, 61.5]], "position": 61.5, "occurred_at": "2026-11-24T01:35:00Z"}))]
pub struct RecordProgress {
    /// A UUID made on the phone for each sitting. A report with nothing played, sent when the player opens, begins it.
    pub session_id: Uuid,
    /// Ranges in seconds, at most 1,000; in the order they were played or any other. Not of articles.
    #[serde(default)]
    #[schema(value_type = Vec<[f64; 2]>)]
    played: Vec<Range>,
    /// Of an article: the sections that were seen, counted from 0.
    #[serde(default)]
    sections: Vec<u32>,
    /// Where to resume, in seconds; in an article the number of a section.
    position: Option<f64>,
    /// By the phone's clock: when this was reported, or kept to be reported.
    occurred_at: Instant,
    /// When the sitting began, by the phone's clock, at most 24 hours before; else it began with its first report, a minute
    /// being let pass before it.
    started_at: Option<Instant>,
    /// Which published version was played; the one that members are shown when left out.
    version: Option<i32>,
}

impl Check for RecordProgress {
    fn check(&mut self, problems: &mut Problems) {
        if self.played.len() > MAX_RANGES {
            problems.add("/played", "too_many", format!("has more than {MAX_RANGES} items"));
            return;
        }
        for (n, [from, to]) in self.played.iter().enumerate() {
            problems.range(&format!("/played/{n}/0"), from, 0.0, MAX_S);
            problems.range(&format!("/played/{n}/1"), to, 0.0, MAX_S);
            if from > to {
                problems.add(format!("/played/{n}"), "wrong_order", "ends before it begins");
            }
        }
        if self.sections.len() > MAX_SECTIONS {
            problems.add(
                "/sections",
                "too_many",
                format!("has more than {MAX_SECTIONS} items"),
            );
        }
        problems.optional_range("/position", &self.position, 0.0, MAX_S);
    }
}

impl RecordProgress {
    pub fn report(self, actor: &Actor, lesson: LessonId) -> AppResult<Report> {
        let span = |[from, to]: &Range| Span {
            from: millis(*from),
            to: millis(*to),
        };
        Ok(Report {
            member: actor.member()?,
            tenant: actor.tenant.ok_or_else(AppError::forbidden)?,
            lesson,
            number: self.version,
            claim: Claim {
                session: self.session_id,
                started_at: self.started_at.map(Instant::millis),
                occurred_at: self.occurred_at.millis(),
                played: Played::of(self.played.iter().map(span)),
                position_ms: self.position.map(millis),
            },
            sections: self.sections,
        })
    }
}

/// Checked before: neither negative nor beyond every lesson.
fn millis(seconds: f64) -> u32 {
    (seconds * 1_000.0).round() as u32
}

/// Tell what was played. The union of all that is told is kept, so that replays, reordering and several phones are
/// harmless; seeking adds nothing. It is credited as far as the time since the sitting began allows at the lesson's speed,
/// all lessons and phones of a member together; what does not fit waits for a secretary, and is told in `rejected`. Who was
/// transferred, or whose lesson was archived, within the fourteen days that a backlog may wait, may still tell what was
/// played before; a quiz of it can no more be begun.
#[utoipa::path(tag = "study", params(("id" = LessonId, Path)), request_body = RecordProgress, responses((status = 200, body = RecordedView), (status = 403, description = "forbidden: an account without a member")))]
#[put("/lessons/{id}/progress")]
pub async fn update_progress(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    body: Json<RecordProgress>,
) -> AppResult<Answer> {
    let report = body.0.report(&who.0, id.0)?;
    let recorded = app.study.submit(report).await?;
    Answer::ok(&RecordedView::from(recorded))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ProgressQuery {
    /// A published version; without it the one I completed, else the one that members are shown.
    version: Option<i32>,
}

impl Check for ProgressQuery {}

/// Something that I claimed and that was not credited at once.
#[derive(Serialize, utoipa::ToSchema)]
struct MyReviewView {
    #[schema(value_type = Vec<[f64; 2]>)]
    ranges: Vec<Range>,
    code: Doubt,
    /// `pending` or `refused`.
    status: String,
    /// Of a refused one: why.
    note: Option<String>,
}

/// How I stand with a lesson, with all that was played.
#[derive(Serialize, utoipa::ToSchema)]
struct WholeProgressView {
    #[serde(flatten)]
    progress: ProgressView,
    #[schema(value_type = Vec<[f64; 2]>)]
    played: Vec<Range>,
    /// What is not credited, and why.
    reviews: Vec<MyReviewView>,
}

impl From<Seen> for WholeProgressView {
    fn from(seen: Seen) -> Self {
        let review = |(row, played): (ReviewRow, Played)| MyReviewView {
            ranges: ranges(&played),
            code: Doubt::parse(&row.doubt).unwrap_or(Doubt::TooFast),
            status: row.status,
            note: row.note,
        };
        Self {
            played: ranges(&seen.standing.progress.played),
            progress: ProgressView::of(&seen.version, seen.standing),
            reviews: seen.reviews.into_iter().map(review).collect(),
        }
    }
}

/// Find how I stand with a lesson: what was played, where to resume, and whether it is completed.
#[utoipa::path(tag = "study", params(("id" = LessonId, Path), ProgressQuery), responses((status = 200, body = WholeProgressView), (status = 403, description = "forbidden: an account without a member")))]
#[get("/lessons/{id}/progress")]
pub async fn find_progress(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<LessonId>,
    query: Query<ProgressQuery>,
) -> AppResult<Tagged<WholeProgressView>> {
    let ctx = app.ctx(who.0);
    let seen = app
        .db
        .read_fresh(move |conn| service::view_progress(conn, &ctx, id.0, query.0.version))
        .await?;
    Ok(Tagged(seen.into()))
}

/// List the lessons that I have begun, the latest first.
#[utoipa::path(tag = "study", params(PageQuery), responses((status = 200, body = List<ProgressView>), (status = 403, description = "forbidden: an account without a member")))]
#[get("/progress")]
pub async fn list_progress(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<ProgressView>>> {
    let (ctx, page): (_, Page<(Instant, LessonId, i32)>) = (app.ctx(who.0), query.0.page()?);
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| service::list_mine(conn, &ctx, &asked))
        .await?;
    let key = |(version, standing): &(_, crate::study::desk::Standing)| key_of(version, standing);
    Ok(Tagged(page.list(found, key, |(version, standing)| {
        ProgressView::of(&version, standing)
    })))
}

fn key_of(
    version: &crate::lessons::CourseVersion,
    standing: &crate::study::desk::Standing,
) -> (Instant, LessonId, i32) {
    let started_at = standing.started_at.unwrap_or(Instant::from_micros(0));
    (started_at, version.lesson, version.number)
}
