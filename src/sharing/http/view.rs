//! How a reflection and its pictures are shown.

use serde::Serialize;

use crate::app::App;
use crate::auth::Actor;
use crate::events::EventId;
use crate::media;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::Answer;
use crate::sharing::ReflectionId;
use crate::sharing::lists::Shown;
use crate::sharing::rules::{ReflectionStatus, Visibility};
use crate::sharing::store::PictureRow;

/// A picture, with an address at which it is read for some hours without a token. What a write answers has no address,
/// because that is kept for a repeat.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PictureView {
    /// Names it; stays when others are taken away.
    pub number: i32,
    width: i32,
    height: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl PictureView {
    pub fn of(row: &PictureRow) -> Self {
        Self {
            number: row.number,
            width: row.width,
            height: row.height,
            url: None,
        }
    }

    fn readable(row: &PictureRow, app: &App, actor: &Actor) -> Self {
        Self {
            url: Some(media::url_of(app, actor, row.media_id)),
            ..Self::of(row)
        }
    }
}

/// What somebody took away from an event.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ReflectionView {
    pub id: ReflectionId,
    event_id: EventId,
    event_title: String,
    author_id: MemberId,
    author_name: String,
    /// The author's branch when it was written.
    branch_id: OrganizationId,
    branch_name: String,
    text: String,
    visibility: Visibility,
    status: ReflectionStatus,
    /// Why it was rejected or hidden: for its author, and for who manages the event.
    reason: Option<String>,
    pictures: Vec<PictureView>,
    /// How many like it is told to nobody.
    liked_by_me: bool,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
    published_at: Option<Instant>,
}

impl From<Shown> for ReflectionView {
    fn from(shown: Shown) -> Self {
        let pictures = shown.pictures.iter().map(PictureView::of).collect();
        Self::with(shown, pictures)
    }
}

impl ReflectionView {
    /// For whoever may see it now, and so its pictures.
    pub fn readable(shown: Shown, app: &App, actor: &Actor) -> Self {
        let picture = |row: &PictureRow| PictureView::readable(row, app, actor);
        let pictures = shown.pictures.iter().map(picture).collect();
        Self::with(shown, pictures)
    }

    fn with(shown: Shown, pictures: Vec<PictureView>) -> Self {
        let row = shown.row;
        Self {
            id: row.id,
            event_id: row.event_id,
            event_title: shown.event_title,
            author_id: row.author_id,
            author_name: shown.author_name,
            branch_id: row.branch_id,
            branch_name: shown.branch_name,
            visibility: row.visibility(),
            status: row.status(),
            text: row.text,
            reason: row.reason,
            pictures,
            liked_by_me: shown.liked_by_me,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            published_at: row.published_at,
        }
    }
}

pub fn answer(shown: Shown) -> AppResult<Answer> {
    let version = shown.row.version;
    Ok(Answer::ok(&ReflectionView::from(shown))?.version(version))
}
