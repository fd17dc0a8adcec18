//! Sign-ups as they are shown.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::events::EventId;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::sign_ups::lists::{History, Listed, PassedOver, Shown};
use crate::sign_ups::rules::Status;
use crate::sign_ups::service::SignedUp;
use crate::sign_ups::store::{SignUpRow, StepRow};
use crate::sign_ups::{SignUpId, SignUpSessionId};

/// A sign-up on record.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct SignUpView {
    pub id: SignUpId,
    event_id: EventId,
    session_id: SignUpSessionId,
    member_id: MemberId,
    status: Status,
    /// 1: the first in line for the session. Null for who does not wait.
    place_in_line: Option<i64>,
    /// By the keys of the policy's questions.
    #[schema(value_type = Object)]
    answers: Map<String, Value>,
    /// By the server's clock: who comes first is served first.
    received_at: Instant,
    confirmed_at: Option<Instant>,
    /// Until then a place is kept: accept or decline it.
    offer_ends_at: Option<Instant>,
    /// When it was cancelled, declined, or lapsed.
    ended_at: Option<Instant>,
    end_reason: Option<String>,
}

fn view(row: SignUpRow, status: Status, place_in_line: Option<i64>) -> SignUpView {
    let answers = match row.answers.0 {
        Value::Object(answers) => answers,
        _ => Map::new(),
    };
    SignUpView {
        id: row.id,
        event_id: row.event_id,
        session_id: row.session_id,
        member_id: row.member_id,
        status,
        place_in_line,
        answers,
        received_at: row.received_at,
        confirmed_at: row.confirmed_at,
        offer_ends_at: row.offer_ends_at.filter(|_| status == Status::Offered),
        ended_at: row
            .ended_at
            .or(row.offer_ends_at.filter(|_| status == Status::Expired)),
        end_reason: row.end_reason,
    }
}

impl SignUpView {
    pub fn of(done: SignedUp, now: Instant) -> Self {
        let status = done.row.status(now);
        view(done.row, status, done.place_in_line)
    }
}

impl From<Shown> for SignUpView {
    fn from(shown: Shown) -> Self {
        view(shown.row, shown.status, shown.place_in_line)
    }
}

/// A sign-up in an event's list.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ListedSignUpView {
    #[serde(flatten)]
    sign_up: SignUpView,
    name: String,
    /// Where they belonged when they signed up.
    organization_id: OrganizationId,
    organization_name: String,
    /// Order of arrival at the event.
    seq: i64,
}

impl From<Listed> for ListedSignUpView {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            organization_id: listed.row.organization_id,
            organization_name: listed.organization_name,
            seq: listed.row.seq,
            sign_up: view(listed.row, listed.status, listed.place_in_line),
        }
    }
}

/// What happened to a sign-up after it was made.
#[derive(Serialize, utoipa::ToSchema)]
struct SignUpStepView {
    /// promoted, offered, accepted, declined, expired, cancelled, moved.
    #[schema(example = "promoted")]
    step: String,
    at: Instant,
    reason: Option<String>,
}

impl From<StepRow> for SignUpStepView {
    fn from(row: StepRow) -> Self {
        Self {
            step: row.step,
            at: row.at,
            reason: row.reason,
        }
    }
}

/// Somebody further back in line got a place, because the quota of this organization was full.
#[derive(Serialize, utoipa::ToSchema)]
struct PassedOverView {
    at: Instant,
    quota_organization_id: OrganizationId,
}

impl From<PassedOver> for PassedOverView {
    fn from(passed: PassedOver) -> Self {
        Self {
            at: passed.at,
            quota_organization_id: passed.quota,
        }
    }
}

/// A sign-up with its history.
#[derive(Serialize, utoipa::ToSchema)]
pub struct WholeSignUpView {
    #[serde(flatten)]
    sign_up: SignUpView,
    /// Oldest first.
    steps: Vec<SignUpStepView>,
    passed_over: Vec<PassedOverView>,
}

impl From<(Shown, History)> for WholeSignUpView {
    fn from((shown, history): (Shown, History)) -> Self {
        Self {
            sign_up: shown.into(),
            steps: history.steps.into_iter().map(SignUpStepView::from).collect(),
            passed_over: history
                .passed_over
                .into_iter()
                .map(PassedOverView::from)
                .collect(),
        }
    }
}
