//! What waits for a secretary: claims that do not fit the clock.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};

use super::view::{Range, ranges};
use crate::app::App;
use crate::auth::{AccountId, SignedIn};
use crate::lessons::LessonId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, List, Once, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};
use crate::study::StudyReviewId;
use crate::study::rules::Doubt;
use crate::study::service::{self, Decision, FullReview, ListReviews};

/// Where a review stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReviewStatus {
    /// Waits for a person.
    Pending,
    /// Credited after all: its session turned out to be long enough, or the rest was played.
    Settled,
    Accepted,
    Refused,
}

impl ReviewStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Settled => "settled",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }

    fn parse(text: &str) -> Self {
        [Self::Settled, Self::Accepted, Self::Refused]
            .into_iter()
            .find(|status| status.as_str() == text)
            .unwrap_or(Self::Pending)
    }
}

/// What a member claims to have played and the clock does not allow.
#[derive(Serialize, utoipa::ToSchema)]
struct StudyReviewView {
    id: StudyReviewId,
    organization_id: OrganizationId,
    member_id: MemberId,
    member_name: String,
    lesson_id: LessonId,
    version: i32,
    lesson_title: String,
    session_id: AnyId,
    code: Doubt,
    /// In seconds of the lesson; of an article on the line of its sections' reading times.
    #[schema(value_type = Vec<[f64; 2]>)]
    ranges: Vec<Range>,
    claimed_s: f64,
    /// The phone's claim.
    occurred_at: Instant,
    /// The server's clock.
    received_at: Instant,
    status: ReviewStatus,
    decided_at: Option<Instant>,
    decided_by: Option<AccountId>,
    note: Option<String>,
}

impl From<FullReview> for StudyReviewView {
    fn from(review: FullReview) -> Self {
        let row = review.row;
        Self {
            id: row.id,
            organization_id: row.organization_id,
            member_id: row.member_id,
            member_name: review.member.map(|member| member.name).unwrap_or_default(),
            lesson_id: row.lesson_id,
            version: row.number,
            lesson_title: review.title,
            session_id: row.session_id,
            code: Doubt::parse(&row.doubt).unwrap_or(Doubt::TooFast),
            ranges: ranges(&review.played),
            claimed_s: f64::from(row.claimed_ms) / 1_000.0,
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            status: ReviewStatus::parse(&row.status),
            decided_at: row.decided_at,
            decided_by: row.decided_by,
            note: row.note,
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StudyReviewQuery {
    /// Members of this organization or one below it, as they were when it was claimed.
    organization_id: Option<OrganizationId>,
    status: Option<ReviewStatus>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for StudyReviewQuery {}

/// List what members claim to have studied and the clock does not allow, the newest first: of people whom I may view.
#[utoipa::path(tag = "study", params(StudyReviewQuery), responses((status = 200, body = List<StudyReviewView>), (status = 403, description = "forbidden")))]
#[get("/study-reviews")]
pub async fn list_study_reviews(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<StudyReviewQuery>,
) -> AppResult<Tagged<List<StudyReviewView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<StudyReviewId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListReviews {
        organization: query.organization_id,
        status: query.status.map(ReviewStatus::as_str),
        page: page.clone(),
    };
    let found = app
        .db
        .read(move |conn| service::list_reviews(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(page.list(
        found,
        |review| review.row.id,
        StudyReviewView::from,
    )))
}

/// Let it count: what was claimed is credited, and completes the lesson when that is enough.
#[utoipa::path(tag = "study", params(("id" = StudyReviewId, Path)), responses((status = 200, body = StudyReviewView), (status = 403, description = "forbidden: it is my own, or I may not decide there"), (status = 409, description = "review_already_decided")))]
#[post("/study-reviews/{id}/accept")]
pub async fn accept_study_review(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyReviewId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        let review = service::decide_review(conn, ctx, id.0, &Decision::Accept)?;
        Answer::ok(&StudyReviewView::from(review))
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "當天全程在開會"}))]
struct RefuseStudyReview {
    /// What the member is told.
    reason: String,
}

impl Check for RefuseStudyReview {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("/reason", &mut self.reason, 1, 500);
    }
}

/// Do not let it count. It stays on record, and the member sees why; the lesson can still be studied.
#[utoipa::path(tag = "study", params(("id" = StudyReviewId, Path)), request_body = RefuseStudyReview, responses((status = 200, body = StudyReviewView), (status = 403, description = "forbidden: it is my own, or I may not decide there"), (status = 409, description = "review_already_decided")))]
#[post("/study-reviews/{id}/refuse")]
pub async fn refuse_study_review(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<StudyReviewId>,
    once: Once<RefuseStudyReview>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let decision = Decision::Refuse(body.reason.clone());
        let review = service::decide_review(conn, ctx, id.0, &decision)?;
        Answer::ok(&StudyReviewView::from(review))
    })
    .await
}
