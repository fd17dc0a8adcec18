//! Reports that were kept while a phone was offline, uploaded together: an outcome for each, never all or nothing.

use actix_web::{post, web};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::progress::RecordProgress;
use super::view::RecordedView;
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::lessons::LessonId;
use crate::platform::error::{AppResult, FieldError};
use crate::platform::http::{Answer, Json, RawItem};
use crate::platform::text::{Check, Problems};
use crate::study::desk::Recorded;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"items": [{"lesson_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "progress": {"session_id": "6a2f41a3-c54c-4ce8-b2d2-0324e1c32e22", "played": [[0.0, 300.0]], "position": 300.0, "occurred_at": "2026-11-24T01:35:00Z", "started_at": "2026-11-24T01:30:00Z"}}]}))]
pub struct ProgressBatch {
    /// 1 to 100, in the order they happened.
    #[schema(value_type = Vec<ProgressItem>)]
    items: Vec<RawItem>,
}

impl Check for ProgressBatch {
    fn check(&mut self, problems: &mut Problems) {
        if self.items.is_empty() || self.items.len() > 100 {
            problems.add("/items", "wrong_count", "needs 1 to 100 items");
        }
    }
}

/// A report, and which lesson it is about.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgressItem {
    lesson_id: LessonId,
    progress: RecordProgress,
}

impl Check for ProgressItem {
    fn check(&mut self, problems: &mut Problems) {
        problems.within("/progress", |problems| self.progress.check(problems));
    }
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProgressItemOutcome)]
enum ItemOutcome {
    /// It credited something that was not credited before.
    Created,
    /// Nothing new in it.
    Duplicate,
    Rejected,
    /// Some of it waits for a person.
    Review,
}

/// In the order of the items that were sent.
#[derive(Serialize, utoipa::ToSchema)]
struct ProgressItemView {
    /// Null when the item held none that could be read.
    session_id: Option<Uuid>,
    outcome: ItemOutcome,
    /// Of a rejected item; `unavailable` and `overloaded` mean: send this one again later.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// With `invalid_fields`: what is wrong, with pointers into the item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<RecordedView>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ProgressBatchView {
    items: Vec<ProgressItemView>,
}

/// Upload progress that was kept offline. Each item has its own outcome. An honest backlog is credited whole: what was
/// played fits the time from its `started_at` to its `occurred_at`.
#[utoipa::path(tag = "study", request_body = ProgressBatch, responses((status = 200, body = ProgressBatchView)))]
#[post("/progress/batch")]
pub async fn record_progress_batch(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<ProgressBatch>,
) -> AppResult<Answer> {
    let items = body.0.items.iter().map(|item| submit_item(&app, &who.0, item));
    Answer::ok(&ProgressBatchView {
        items: join_all(items).await,
    })
}

/// What makes an item findable even when the rest of it is wrong.
#[derive(Deserialize)]
struct ItemId {
    progress: SessionId,
}

#[derive(Deserialize)]
struct SessionId {
    session_id: Uuid,
}

async fn submit_item(app: &App, actor: &Actor, item: &RawItem) -> ProgressItemView {
    let id = item.peek::<ItemId>().map(|item| item.progress.session_id);
    let outcome = match item.parse::<ProgressItem>() {
        Ok(ProgressItem { lesson_id, progress }) => submit(app, actor, lesson_id, progress).await,
        Err(error) => Err(error),
    };
    item_view(id, outcome)
}

async fn submit(app: &App, actor: &Actor, lesson: LessonId, progress: RecordProgress) -> AppResult<Recorded> {
    app.study.submit(progress.report(actor, lesson)?).await
}

fn item_view(session_id: Option<Uuid>, outcome: AppResult<Recorded>) -> ProgressItemView {
    let mut view = ProgressItemView {
        session_id,
        outcome: ItemOutcome::Rejected,
        code: None,
        errors: Vec::new(),
        progress: None,
    };
    match outcome {
        Ok(recorded) => {
            let in_review = recorded.rejected.iter().any(|rejected| rejected.in_review);
            view.outcome = match (in_review, recorded.is_new) {
                (true, _) => ItemOutcome::Review,
                (false, true) => ItemOutcome::Created,
                (false, false) => ItemOutcome::Duplicate,
            };
            view.progress = Some(recorded.into());
        }
        Err(error) => {
            view.code = Some(error.code().wire());
            view.errors = error.errors().to_vec();
        }
    }
    view
}
