//! `/organizations`: the tree, its settings, and roles.

use actix_web::{HttpRequest, delete, get, patch, post, web};
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::rules::{Kind, LeaderboardMode, Role};
use super::service::{self, CreateOrganization, Settings, UpdateOrganization};
use super::store::{OrganizationRow, RoleGrantRow};
use super::{OrganizationId, RoleGrantId, roles};
use crate::app::App;
use crate::auth::SignedIn;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, List, Once, PageQuery, Query, Tagged, if_match, path_id};
use crate::platform::text::Check;

pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(list_organizations)
        .service(create_organization)
        .service(find_organization)
        .service(update_organization)
        .service(archive_organization)
        .service(move_organization)
        .service(list_roles)
        .service(grant_role)
        .service(revoke_role);
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct OrganizationView {
    id: OrganizationId,
    parent_id: Option<OrganizationId>,
    kind: Kind,
    #[schema(example = "第一黨支部")]
    name: String,
    /// Distance from the root, which is 0.
    depth: usize,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
    /// The settings in force here, inherited ones included; only when one organization is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<SettingsView>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SettingsView {
    #[schema(example = "Asia/Shanghai")]
    time_zone: String,
    opens_before_s: i32,
    late_after_s: i32,
    closes_after_s: i32,
    code_window_s: i32,
    offline_allowed: bool,
    leaderboards: LeaderboardMode,
}

impl From<OrganizationRow> for OrganizationView {
    fn from(row: OrganizationRow) -> Self {
        Self {
            id: row.id,
            parent_id: row.parent_id,
            kind: Kind::parse(&row.kind).unwrap_or(Kind::Group),
            depth: row.path.matches('/').count().saturating_sub(2),
            name: row.name,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            settings: None,
        }
    }
}

impl From<Settings> for SettingsView {
    fn from(s: Settings) -> Self {
        Self {
            time_zone: s.time_zone,
            opens_before_s: s.opens_before_s,
            late_after_s: s.late_after_s,
            closes_after_s: s.closes_after_s,
            code_window_s: s.code_window_s,
            offline_allowed: s.offline_allowed,
            leaderboards: s.leaderboards,
        }
    }
}

fn full_view((row, settings): (OrganizationRow, Settings)) -> OrganizationView {
    OrganizationView {
        settings: Some(settings.into()),
        ..OrganizationView::from(row)
    }
}

/// List the organizations in my line of administration, parents before children.
#[utoipa::path(tag = "organizations", params(PageQuery), responses((status = 200, body = List<OrganizationView>)))]
#[get("/organizations")]
async fn list_organizations(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<OrganizationView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = query.page::<String>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read(move |conn| service::list_visible(conn, &ctx, &asked))
        .await?;
    Ok(Tagged(page.list(
        rows,
        |row| row.path.clone(),
        OrganizationView::from,
    )))
}

/// Create an organization below another one, or, as a system admin, a tenant's root.
#[utoipa::path(tag = "organizations", request_body = CreateOrganization, responses((status = 201, body = OrganizationView), (status = 409, description = "name_taken, tree_too_deep"), (status = 422, description = "kind_not_allowed_here, invalid_fields")))]
#[post("/organizations")]
async fn create_organization(
    app: web::Data<App>,
    who: SignedIn,
    once: Once<CreateOrganization>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = service::create_organization(conn, ctx, body.clone())?;
        let (id, version) = (row.id, row.version);
        let answer = Answer::created(&OrganizationView::from(row))?;
        Ok(answer.version(version).at(format!("/api/v1/organizations/{id}")))
    })
    .await
}

/// Find one organization, with the settings in force there.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path)), responses((status = 200, body = OrganizationView)))]
#[get("/organizations/{id}")]
async fn find_organization(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let found = app
        .db
        .read(move |conn| service::view_organization(conn, &ctx, id.0))
        .await?;
    let version = found.0.version;
    Ok(Answer::ok(&full_view(found))?.version(version))
}

/// Change the name or the settings of an organization; null takes a setting back. Needs `If-Match`.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path)), request_body = UpdateOrganization, responses((status = 200, body = OrganizationView), (status = 409, description = "name_taken"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/organizations/{id}")]
async fn update_organization(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    body: Json<UpdateOrganization>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    let row = app
        .db
        .write(move |conn| service::update_organization(conn, &ctx, id.0, version, body.0.clone()))
        .await?;
    let version = row.version;
    Ok(Answer::ok(&OrganizationView::from(row))?.version(version))
}

/// Put away an organization that has no members and nothing below it. Its past events stay readable to those above. Takes
/// the right over its parent.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path)), responses((status = 204), (status = 409, description = "organization_not_empty")))]
#[post("/organizations/{id}/archive")]
async fn archive_organization(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    once: Once<()>,
) -> AppResult<Answer> {
    app.write_once(who.0, once.key, move |conn, ctx| {
        service::archive_organization(conn, ctx, id.0)?;
        Ok(Answer::no_content())
    })
    .await
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"parent_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c"}))]
struct MoveOrganization {
    parent_id: OrganizationId,
}
impl Check for MoveOrganization {}

/// Move an organization, with everything below it, under another parent of the same tree. Takes the right over both
/// parents, the old and the new one. A tree has at most 16 levels.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path)), request_body = MoveOrganization, responses((status = 200, body = OrganizationView), (status = 409, description = "move_into_own_subtree, name_taken, tree_too_deep"), (status = 422, description = "kind_not_allowed_here")))]
#[post("/organizations/{id}/move")]
async fn move_organization(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    once: Once<MoveOrganization>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = service::move_organization(conn, ctx, id.0, body.parent_id)?;
        let version = row.version;
        Ok(Answer::ok(&OrganizationView::from(row))?.version(version))
    })
    .await
}

#[derive(Serialize, utoipa::ToSchema)]
struct RoleView {
    id: RoleGrantId,
    member_id: MemberId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    role: Role,
    granted_at: Instant,
}

fn role_view(row: RoleGrantRow, name: Option<String>) -> AppResult<RoleView> {
    let role = Role::parse(&row.role).ok_or_else(|| AppError::internal("a grant of an unknown role"))?;
    Ok(RoleView {
        id: row.id,
        member_id: row.member_id,
        name,
        role,
        granted_at: row.granted_at,
    })
}

/// List the roles granted on this organization itself, the oldest first.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path), PageQuery), responses((status = 200, body = List<RoleView>)))]
#[get("/organizations/{id}/roles")]
async fn list_roles(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<RoleView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = query.page::<(Instant, RoleGrantId)>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read(move |conn| roles::list_roles(conn, &ctx, id.0, &asked))
        .await?;
    let list = page.list(
        rows,
        |(row, _)| (row.granted_at, row.id),
        |(row, name)| role_view(row, Some(name)),
    );
    Ok(Tagged(list.transpose()?))
}

#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"member_id": "01a20be8-c3a0-73b6-8911-a9d308c2654c", "role": "secretary"}))]
struct GrantRole {
    member_id: MemberId,
    role: Role,
}
impl Check for GrantRole {}

/// Grant a role; it holds for this organization and everything below it. Granting it again changes nothing.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path)), request_body = GrantRole, responses((status = 201, body = RoleView), (status = 409, description = "member_inactive")))]
#[post("/organizations/{id}/roles")]
async fn grant_role(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    once: Once<GrantRole>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = roles::grant_role(conn, ctx, id.0, body.member_id, body.role)?;
        Answer::created(&role_view(row, None)?)
    })
    .await
}

/// Revoke a role. It ends with the next request of whoever had it. The last admin of a whole tree keeps theirs.
#[utoipa::path(tag = "organizations", params(("id" = OrganizationId, Path), ("grant_id" = RoleGrantId, Path)), responses((status = 204), (status = 409, description = "last_admin")))]
#[delete("/organizations/{id}/roles/{grant_id}")]
async fn revoke_role(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    path: web::Path<(String, String)>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let grant: RoleGrantId = path_id(&path.1)?;
    app.db
        .write(move |conn| roles::revoke_role(conn, &ctx, id.0, grant))
        .await?;
    Ok(Answer::no_content())
}
