//! What is indexed when, and what of it the actor finds.

use super::fold::Folded;
use super::query::Query;
use super::snippet::{self, Piece};
use super::store::{self, Document, HitRow, SearchFilter};
use crate::app::Ctx;
use crate::lessons::lists::sight;
use crate::lessons::rules::Kind;
use crate::lessons::store::{self as lessons, VersionRow};
use crate::lessons::{LessonId, article};
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;
use crate::platform::page::{Found, Page};

/// In the transaction that publishes this version.
pub fn index(conn: &mut DbConnection, version: &VersionRow) -> AppResult<()> {
    let document = Document {
        lesson: version.lesson_id,
        tenant: version.tenant_id,
        title: Folded::of(&version.title),
        summary: Folded::of(&version.summary),
        text: Folded::of(&format!(
            "{}\n{}",
            article::plain(&version.body),
            version.transcript
        )),
    };
    Ok(store::index(conn, &document)?)
}

/// Indexes anew what is published of the lessons after this one, a few at a time: tells the last of them, none at the end.
pub fn reindex(conn: &mut DbConnection, after: Option<LessonId>) -> AppResult<Option<LessonId>> {
    let versions = lessons::lock_published(conn, after, 200)?;
    for version in &versions {
        index(conn, version)?;
    }
    Ok(versions.last().map(|version| version.lesson_id))
}

/// In the transaction that archives it.
pub fn forget(conn: &mut DbConnection, lesson: LessonId) -> AppResult<()> {
    Ok(store::forget(conn, lesson)?)
}

/// Where a passage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Summary,
    Body,
    Transcript,
}

#[derive(Debug)]
pub struct Passage {
    pub field: Field,
    pub at: usize,
    pub pieces: Vec<Piece>,
}

/// A lesson that was found, with its marks.
#[derive(Debug)]
pub struct Hit {
    pub row: HitRow,
    pub version: VersionRow,
    pub title: Vec<Piece>,
    pub passages: Vec<Passage>,
}

#[derive(Debug, Clone)]
pub struct Search {
    pub text: String,
    pub mine: bool,
    pub kind: Option<Kind>,
    pub page: Page<(f64, LessonId)>,
}

/// The same lessons that `list_lessons` shows the actor, as far as they are published.
pub fn search_lessons(conn: &mut DbConnection, ctx: &Ctx, asked: &Search) -> AppResult<Found<Hit>> {
    let query = Query::of(&asked.text);
    if query.phrases.is_empty() {
        return Ok(Found {
            rows: Vec::new(),
            count: asked.page.count.then_some(0),
        });
    }
    let filter = SearchFilter {
        query,
        sight: sight(conn, ctx)?,
        mine: asked.mine,
        kind: asked.kind.map(Kind::as_str),
        page: asked.page.clone(),
    };
    let found = store::search(conn, &filter)?;
    let ids: Vec<LessonId> = found.rows.iter().map(|row| row.id).collect();
    let mut versions = lessons::list_published(conn, &ids)?;
    let shown = found.rows.into_iter().filter_map(|row| {
        let at = versions.iter().position(|version| version.lesson_id == row.id)?;
        Some(mark(row, versions.swap_remove(at), &filter.query))
    });
    Ok(Found {
        rows: shown.collect(),
        count: found.count,
    })
}

fn mark(row: HitRow, version: VersionRow, query: &Query) -> Hit {
    let title = snippet::marked(&version.title, &snippet::hits(&version.title, query));
    let body = article::plain(&version.body);
    let fields = [
        (Field::Summary, version.summary.as_str()),
        (Field::Body, &body),
        (Field::Transcript, &version.transcript),
    ];
    let passages = fields.into_iter().filter_map(|(field, text)| {
        let (at, pieces) = snippet::passage(text, &snippet::hits(text, query))?;
        Some(Passage { field, at, pieces })
    });
    Hit {
        title,
        passages: passages.collect(),
        row,
        version,
    }
}
