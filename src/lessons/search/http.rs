//! `/lessons/search`.

use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::service::{self, Field, Hit, Passage, Search};
use super::snippet::Piece;
use crate::app::App;
use crate::auth::SignedIn;
use crate::lessons::LessonId;
use crate::lessons::rules::Kind;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{List, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

/// Before `/lessons/{id}`, which would take the word for an id.
pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(search_lessons);
}

/// A part of the text as it was written.
#[derive(Serialize, utoipa::ToSchema)]
struct PieceView {
    #[schema(example = "黨史")]
    text: String,
    /// Was it asked for?
    hit: bool,
}

impl From<Piece> for PieceView {
    fn from(piece: Piece) -> Self {
        Self {
            text: piece.text,
            hit: piece.hit,
        }
    }
}

/// At most 80 characters around the first hit in a field.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = SearchPassageView)]
struct PassageView {
    field: Field,
    /// How many characters of the field stand before the passage.
    at: usize,
    pieces: Vec<PieceView>,
}

impl From<Passage> for PassageView {
    fn from(passage: Passage) -> Self {
        Self {
            field: passage.field,
            at: passage.at,
            pieces: passage.pieces.into_iter().map(PieceView::from).collect(),
        }
    }
}

/// A published lesson that was found.
#[derive(Serialize, utoipa::ToSchema)]
struct LessonHitView {
    lesson_id: LessonId,
    organization_id: OrganizationId,
    kind: Kind,
    /// The whole title in pieces.
    title: Vec<PieceView>,
    /// Of summary, body and transcript those in which something was found; none when it is the title alone.
    passages: Vec<PassageView>,
    /// Seconds it plays; of an article the least that reading all of it takes.
    duration_s: f64,
    published_at: Instant,
}

impl From<Hit> for LessonHitView {
    fn from(hit: Hit) -> Self {
        Self {
            lesson_id: hit.row.id,
            organization_id: hit.row.organization_id,
            kind: Kind::parse(&hit.row.kind).unwrap_or(Kind::Article),
            title: hit.title.into_iter().map(PieceView::from).collect(),
            passages: hit.passages.into_iter().map(PassageView::from).collect(),
            duration_s: f64::from(hit.version.duration_ms) / 1_000.0,
            published_at: hit.version.published_at,
        }
    }
}

const MAX_WORDS: usize = 10;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SearchQuery {
    /// Up to 100 characters, 10 words between spaces; all of them must be found, each as it stands.
    q: String,
    kind: Option<Kind>,
    /// Only what is published for me.
    mine: Option<bool>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for SearchQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.line("q", &mut self.q, 1, 100);
        if self.q.split_whitespace().count() > MAX_WORDS {
            problems.add("q", "too_many", format!("has more than {MAX_WORDS} words"));
        }
    }
}

/// Search the titles, summaries, articles and transcripts of what is published, as far as I may see it: the best first.
/// Traditional and Simplified Chinese find each other, a single character is enough, other words are found whole; case,
/// width and accents make no difference. A hit may move to another page when lessons are published in between.
#[utoipa::path(tag = "lessons", params(SearchQuery), responses((status = 200, body = List<LessonHitView>)))]
#[get("/lessons/search")]
async fn search_lessons(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<SearchQuery>,
) -> AppResult<Tagged<List<LessonHitView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let cursor = Page::<(u64, LessonId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    // As bits: a number with a point does not come back from JSON to the last digit.
    let after = cursor.after.map(|(score, id)| (f64::from_bits(score), id));
    let asked = Search {
        text: query.q,
        mine: query.mine.unwrap_or(false),
        kind: query.kind,
        page: Page {
            limit: cursor.limit,
            after,
            count: cursor.count,
        },
    };
    let found = app
        .db
        .read(move |conn| service::search_lessons(conn, &ctx, &asked))
        .await?;
    let key = |hit: &Hit| (hit.row.score.to_bits(), hit.row.id);
    Ok(Tagged(cursor.list(found, key, LessonHitView::from)))
}
