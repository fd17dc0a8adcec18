//! Points by two people's word.

use actix_web::{get, post, web};
use serde::{Deserialize, Serialize};

use crate::app::{App, Ctx};
use crate::auth::{AccountId, Actor, SignedIn};
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{Answer, IdPath, Key, List, Once, Query, Tagged};
use crate::platform::page::Page;
use crate::platform::text::Check;
use crate::points::PointAwardId;
use crate::points::awards::{self, FullAward};
use crate::points::commands::{AwardReason, ProposePoints};
use crate::points::rules::AwardStatus;

/// Points that somebody proposes for a member.
#[derive(Serialize, utoipa::ToSchema)]
struct PointAwardView {
    id: PointAwardId,
    member_id: MemberId,
    name: Option<String>,
    /// The member's when it was proposed.
    organization_id: OrganizationId,
    points: i32,
    reason: String,
    status: AwardStatus,
    proposed_at: Instant,
    proposed_by: AccountId,
    decided_at: Option<Instant>,
    decided_by: Option<AccountId>,
    /// Why it was rejected.
    note: Option<String>,
    annulled_at: Option<Instant>,
    annul_reason: Option<String>,
}

impl From<FullAward> for PointAwardView {
    fn from((row, person): FullAward) -> Self {
        Self {
            id: row.id,
            member_id: row.member_id,
            name: person.map(|person| person.name),
            organization_id: row.organization_id,
            points: row.points,
            status: row.status(),
            reason: row.reason,
            proposed_at: row.proposed_at,
            proposed_by: row.proposed_by,
            decided_at: row.decided_at,
            decided_by: row.decided_by,
            note: row.note,
            annulled_at: row.annulled_at,
            annul_reason: row.annul_reason,
        }
    }
}

/// Propose points for a member, with a reason, as who manages the member. Another person approves. Nobody proposes for themselves.
#[utoipa::path(tag = "points", params(("id" = MemberId, Path)), request_body = ProposePoints, responses((status = 201, body = PointAwardView), (status = 403, description = "forbidden, own_award"), (status = 409, description = "member_inactive")))]
#[post("/members/{id}/point-awards")]
pub async fn propose_points(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    once: Once<ProposePoints>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        Answer::created(&PointAwardView::from(awards::propose(conn, ctx, id.0, &body)?))
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AwardQuery {
    status: Option<AwardStatus>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for AwardQuery {}

/// List what was proposed for the people of an organization and all below it, the newest first, as who views them.
#[utoipa::path(tag = "points", params(("id" = OrganizationId, Path), AwardQuery), responses((status = 200, body = List<PointAwardView>)))]
#[get("/organizations/{id}/point-awards")]
pub async fn list_point_awards(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<AwardQuery>,
) -> AppResult<Tagged<List<PointAwardView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = Page::<PointAwardId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = page.clone();
    let read = move |conn: &mut _| awards::list_awards(conn, &ctx, id.0, query.status, &asked);
    let found = app.db.read(read).await?;
    Ok(Tagged(page.list(
        found,
        |(row, _): &FullAward| row.id,
        PointAwardView::from,
    )))
}

async fn change<F>(app: &App, actor: Actor, key: Key, work: F) -> AppResult<Answer>
where
    F: Fn(&mut DbConnection, &Ctx) -> AppResult<FullAward> + Send + 'static,
{
    let work = move |conn: &mut DbConnection, ctx: &Ctx| Answer::ok(&PointAwardView::from(work(conn, ctx)?));
    app.write_once(actor, key, work).await
}

/// Approve an award, as somebody else than who proposed it: the points count from now.
#[utoipa::path(tag = "points", params(("id" = PointAwardId, Path)), responses((status = 200, body = PointAwardView), (status = 403, description = "forbidden, own_award"), (status = 409, description = "award_decided: `state` says how it stands; member_inactive")))]
#[post("/point-awards/{id}/approve")]
pub async fn approve_point_award(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<PointAwardId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let work = move |conn: &mut _, ctx: &_| awards::approve(conn, ctx, id.0);
    change(&app, who.0, once.key, work).await
}

/// Reject an award, with a reason, as somebody else than who proposed it.
#[utoipa::path(tag = "points", params(("id" = PointAwardId, Path)), request_body = AwardReason, responses((status = 200, body = PointAwardView), (status = 403, description = "forbidden, own_award"), (status = 409, description = "award_decided: `state` says how it stands")))]
#[post("/point-awards/{id}/reject")]
pub async fn reject_point_award(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<PointAwardId>,
    once: Once<AwardReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let work = move |conn: &mut _, ctx: &_| awards::reject(conn, ctx, id.0, &body.reason);
    change(&app, who.0, key, work).await
}

/// Take back an award that I have proposed, while nobody has decided on it.
#[utoipa::path(tag = "points", params(("id" = PointAwardId, Path)), responses((status = 200, body = PointAwardView), (status = 409, description = "award_decided: `state` says how it stands")))]
#[post("/point-awards/{id}/withdraw")]
pub async fn withdraw_point_award(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<PointAwardId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let work = move |conn: &mut _, ctx: &_| awards::withdraw(conn, ctx, id.0);
    change(&app, who.0, once.key, work).await
}

/// Annul an approved award, with a reason: its points are taken back, and it stays on record.
#[utoipa::path(tag = "points", params(("id" = PointAwardId, Path)), request_body = AwardReason, responses((status = 200, body = PointAwardView), (status = 409, description = "award_not_approved: `state` says how it stands")))]
#[post("/point-awards/{id}/annul")]
pub async fn annul_point_award(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<PointAwardId>,
    once: Once<AwardReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let work = move |conn: &mut _, ctx: &_| awards::annul(conn, ctx, id.0, &body.reason);
    change(&app, who.0, key, work).await
}
