//! Check-ins that were made offline, uploaded together: an outcome for each, never all or nothing.

use actix_web::{post, web};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::check_ins::{CheckInView, CreateCheckIn, standing_code, submit};
use crate::app::App;
use crate::attendance::desk::{CheckedIn, Found};
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
#[schema(as = CheckInItemOutcome)]
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

/// Upload check-ins that were made offline, the points that were passed included, in any order. Each item has its own
/// outcome; a check-in by an old code becomes `review`.
#[utoipa::path(tag = "attendance", request_body = CheckInBatch, responses((status = 200, body = BatchView)))]
#[post("/check-ins/batch")]
pub async fn check_in_batch(
    app: web::Data<App>,
    who: SignedIn,
    body: Json<CheckInBatch>,
) -> AppResult<Answer> {
    let sent = &body.0.items;
    let submit = |item| submit_item(&app, &who.0, item);
    let mut items = join_all(sent.iter().map(submit)).await;
    // A check-out may stand before the check-in that it needs: once all else is in, it is asked about again.
    let early: Vec<usize> = (0..)
        .zip(&items)
        .filter(|(_, view)| view.code == Some(Code::NotCheckedIn.wire()))
        .map(|(n, _)| n)
        .collect();
    let again = join_all(early.iter().filter_map(|n| sent.get(*n)).map(submit)).await;
    for (n, view) in early.into_iter().zip(again) {
        if let Some(item) = items.get_mut(n) {
            *item = view;
        }
    }
    Answer::ok(&BatchView { items })
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
            let record = CheckInView::from(&done);
            let waits = record.review && done.made_present();
            view.outcome = match (done.found, waits) {
                (Found::New, true) => ItemOutcome::Review,
                (Found::New, false) => ItemOutcome::Created,
                (Found::Repeat, _) => ItemOutcome::Duplicate,
                (Found::Standing, _) => ItemOutcome::Rejected,
            };
            view.code = (done.found == Found::Standing).then(|| standing_code(&done).wire());
            view.check_in = Some(record);
        }
        Err(error) => {
            view.code = Some(error.code().wire());
            view.errors = error.errors().to_vec();
        }
    }
    view
}
