//! How people sign up for an event.

use actix_web::{HttpRequest, get, put, web};
use serde::Serialize;

use crate::app::App;
use crate::auth::SignedIn;
use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Json, List, PageQuery, Query, Tagged, if_match};
use crate::sign_ups::commands::WriteSignUpPolicy;
use crate::sign_ups::draw;
use crate::sign_ups::lists::{self, FullPolicy};
use crate::sign_ups::policy::store::{QuotaRow, SessionRow};
use crate::sign_ups::policy::write_policy;
use crate::sign_ups::rules::{Question, Room};
use crate::sign_ups::store::SignUpRow;
use crate::sign_ups::{SignUpId, SignUpSessionId};

/// Places of a session.
#[derive(Serialize, utoipa::ToSchema)]
struct SignUpSessionView {
    id: SignUpSessionId,
    /// Empty for an event without sessions.
    name: String,
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
    /// Null: no limit.
    capacity: Option<i32>,
    /// Confirmed or offered.
    taken: i32,
    /// Null without a limit. A quota may be full all the same.
    free: Option<i32>,
    waiting: i32,
}

impl From<SessionRow> for SignUpSessionView {
    fn from(row: SessionRow) -> Self {
        let room = Room {
            capacity: row.capacity,
            taken: row.taken,
        };
        Self {
            id: row.id,
            name: row.name,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            capacity: row.capacity,
            taken: row.taken,
            free: row.capacity.map(|_| room.free()),
            waiting: row.waiting,
        }
    }
}

/// Places for the people of an organization and all below it.
#[derive(Serialize, utoipa::ToSchema)]
struct QuotaView {
    organization_id: OrganizationId,
    organization_name: String,
    places: i32,
    taken: i32,
}

impl From<(QuotaRow, String)> for QuotaView {
    fn from((row, organization_name): (QuotaRow, String)) -> Self {
        Self {
            organization_id: row.organization_id,
            organization_name,
            places: row.places,
            taken: row.taken,
        }
    }
}

/// A draw that anybody can check: `seed`, once it is told, has the SHA-256 `commitment`, and entries stand in the order of
/// SHA-256(bytes of the seed, then the 16 bytes of the entry's id).
#[derive(Serialize, utoipa::ToSchema)]
struct DrawView {
    at: Instant,
    /// In hexadecimal, from before the first entry on.
    commitment: String,
    drawn_at: Option<Instant>,
    /// In hexadecimal; null until the draw is held.
    seed: Option<String>,
}

impl DrawView {
    fn of(policy: &FullPolicy) -> Option<Self> {
        let seed = policy.row.draw_seed.as_ref()?;
        Some(Self {
            at: policy.terms.draw_at()?,
            commitment: draw::commitment(seed)?,
            drawn_at: policy.row.drawn_at,
            seed: policy.row.drawn_at.map(|_| seed.clone()),
        })
    }
}

/// How people sign up for an event, and how many have.
#[derive(Serialize, utoipa::ToSchema)]
struct SignUpPolicyView {
    event_id: EventId,
    /// In their order; one without a name where the event has none.
    sessions: Vec<SignUpSessionView>,
    quotas: Vec<QuotaView>,
    /// Null: as soon as the event is published.
    opens_at: Option<Instant>,
    closes_at: Instant,
    /// Until then members give their place back by themselves.
    cancel_until: Instant,
    /// How long a place that became free is kept for the first in line; null: they have it at once.
    offer_s: Option<i32>,
    /// Null: as many as like.
    waiting_limit: Option<i32>,
    questions: Vec<Question>,
    /// Null: first come, first served.
    draw: Option<DrawView>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
}

impl From<FullPolicy> for SignUpPolicyView {
    fn from(policy: FullPolicy) -> Self {
        let draw = DrawView::of(&policy);
        let row = policy.row;
        Self {
            event_id: row.event_id,
            sessions: policy.sessions.into_iter().map(SignUpSessionView::from).collect(),
            quotas: policy.quotas.into_iter().map(QuotaView::from).collect(),
            opens_at: row.opens_at,
            closes_at: policy.terms.closes_at(),
            cancel_until: policy.terms.cancel_until(),
            offer_s: row.offer_s,
            waiting_limit: row.waiting_limit,
            questions: policy.questions,
            draw,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Find how people sign up for an event, with the places taken and those waiting now.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path)), responses((status = 200, body = SignUpPolicyView), (status = 409, description = "no_sign_up")))]
#[get("/events/{id}/sign-up-policy")]
pub async fn find_sign_up_policy(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let policy = app
        .db
        .read(move |conn| lists::view_policy(conn, &ctx, id.0))
        .await?;
    let version = policy.row.version;
    Ok(Answer::ok(&SignUpPolicyView::from(policy))?.version(version))
}

/// An entry of a draw.
#[derive(Serialize, utoipa::ToSchema)]
struct DrawEntryView {
    /// From 1.
    rank: i32,
    sign_up_id: SignUpId,
    session_id: SignUpSessionId,
    /// The organization whose quota it counts for.
    quota_organization_id: Option<OrganizationId>,
}

impl From<SignUpRow> for DrawEntryView {
    fn from(row: SignUpRow) -> Self {
        Self {
            rank: row.draw_rank.unwrap_or_default(),
            sign_up_id: row.id,
            session_id: row.session_id,
            quota_organization_id: row.quota_id,
        }
    }
}

/// List the entries of a draw that was held, in its order: with the policy's `draw` anybody can check it. Empty before.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path), PageQuery), responses((status = 200, body = List<DrawEntryView>)))]
#[get("/events/{id}/draw-entries")]
pub async fn list_draw_entries(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<DrawEntryView>>> {
    let ctx = app.ctx(who.0);
    let page = query.0.page::<i32>()?;
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| lists::list_drawn(conn, &ctx, id.0, &asked))
        .await?;
    let rank = |row: &SignUpRow| row.draw_rank.unwrap_or_default();
    Ok(Tagged(page.list(found, rank, DrawEntryView::from)))
}

/// Write how people sign up for an event, whole. The first time it makes a draft an event with `admission: sign_up`: who is
/// expected may then sign up, and only who has a place is on the roster. Places may be changed at any time until the roster
/// is frozen, never below what is taken; new ones go to the first in line at once. Quotas' organizations and questions are
/// fixed once somebody has signed up. Needs `If-Match`: `"0"` where there is no policy yet.
#[utoipa::path(tag = "sign-ups", params(("id" = EventId, Path)), request_body = WriteSignUpPolicy, responses((status = 200, body = SignUpPolicyView), (status = 201, body = SignUpPolicyView), (status = 409, description = "sign_up_needs_draft, capacity_below_taken, session_in_use, sign_ups_begun, roster_frozen, event_over"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/events/{id}/sign-up-policy")]
pub async fn update_sign_up_policy(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    body: Json<WriteSignUpPolicy>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    let (policy, is_new) = app
        .db
        .write(move |conn| write_policy(conn, &ctx, id.0, version, &body.0))
        .await?;
    let version = policy.row.version;
    let view = SignUpPolicyView::from(policy);
    let answer = if is_new {
        Answer::created(&view)?.at(format!("/api/v1/events/{}/sign-up-policy", view.event_id))
    } else {
        Answer::ok(&view)?
    };
    Ok(answer.version(version))
}
