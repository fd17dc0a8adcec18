//! Check-ins that were made offline, uploaded together: an outcome for each, never all or nothing.

use actix_web::{post, web};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check_ins::{CheckInView, CreateCheckIn, submit};
use crate::app::App;
use crate::attendance::service::{CheckedIn, Found};
use crate::auth::{Actor, SignedIn};
use crate::platform::error::{AppResult, Code, FieldError};
use crate::platform::http::{Answer, Json, RawItem};
use crate::platform::text::{Check, Problems};

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"items": [{"code": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA", "client_event_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22", "occurred_at": "2026-11-24T01:35:00Z"}]}))]
pub struct CheckInBatch {
    /// 1 to 100, in the order they happened.
    #[schema(value_type = Vec<CreateCheckIn>)]
    items: Vec<RawItem>,
}

impl Check for CheckInBatch {
    fn check(&mut self, problems: &mut Problems) {
        if self.items.is_empty() || self.items.len() > 100 {
            problems.add("/items", "wrong_count", "needs 1 to 100 items");
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum ItemOutcome {
    Created,
    Duplicate,
    Rejected,
    /// Recorded, and waits for a person.
    Review,
}

/// In the order of the items that were sent.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BatchItemView {
    /// Null when the item held none that could be read.
    client_event_id: Option<Uuid>,
    outcome: ItemOutcome,
    /// Of a rejected item; `unavailable`, `overloaded` and `rate_limited` mean: send this one again later.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// With `invalid_fields`: what is wrong, with pointers into the item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_in: Option<CheckInView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct BatchView {
    items: Vec<BatchItemView>,
}

/// Upload check-ins that were made offline. Each item has its own outcome; an old code becomes `review`.
#[utoipa::path(tag = "attendance", request_body = CheckInBatch, responses((status = 200, body = BatchView)))]
#[post("/check-ins/batch")]
pub async fn check_in_batch(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<CheckInBatch>,
) -> AppResult<Answer> {
    let items = body.0.items.iter().map(|item| submit_item(&app, &who.0, item));
    Answer::ok(&BatchView {
        items: join_all(items).await,
    })
}

/// What makes an item findable even when the rest of it is wrong.
#[derive(Deserialize)]
struct ItemId {
    client_event_id: Uuid,
}

async fn submit_item(app: &App, actor: &Actor, item: &RawItem) -> BatchItemView {
    let (id, outcome) = match item.parse::<CreateCheckIn>() {
        Ok(wish) => (Some(wish.client_event_id), submit(app, actor, wish, true).await),
        Err(error) => (item.peek::<ItemId>().map(|item| item.client_event_id), Err(error)),
    };
    item_view(id, outcome)
}

fn item_view(client_event_id: Option<Uuid>, outcome: AppResult<CheckedIn>) -> BatchItemView {
    let mut view = BatchItemView {
        client_event_id,
        outcome: ItemOutcome::Rejected,
        code: None,
        errors: Vec::new(),
        check_in: None,
    };
    match outcome {
        Ok(done) => {
            let record = CheckInView::from(&done.row);
            view.outcome = match (done.found, record.review) {
                (Found::New, true) => ItemOutcome::Review,
                (Found::New, false) => ItemOutcome::Created,
                (Found::Repeat, _) => ItemOutcome::Duplicate,
                (Found::Standing, _) => ItemOutcome::Rejected,
            };
            view.code = (done.found == Found::Standing).then_some(Code::AlreadyCheckedIn.wire());
            view.check_in = Some(record);
        }
        Err(error) => {
            view.code = Some(error.code().wire());
            view.errors = error.errors().to_vec();
        }
    }
    view
}
