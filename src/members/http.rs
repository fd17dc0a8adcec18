//! `/me` and `/members`.

use actix_web::http::header::IF_MATCH;
use actix_web::{HttpRequest, HttpResponse, Responder, get, patch, post, web};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa_actix_web::service_config::ServiceConfig;

use super::commands::{CreateMember, DeactivateMember, TransferMember, UpdateMe, UpdateMember};
use super::export::members_sheet;
use super::rules::Standing;
use super::service::{self, ListMembers, Transfer};
use super::store::{FullMemberRow, MemberRow};
use super::{MemberId, TransferId, activation, import};
use crate::app::App;
use crate::auth::{self, AccountId, SignedIn};
use crate::organizations::{Access, OrganizationId, Role, ids_of_path};
use crate::platform::db::{DbConnection, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{
    Answer, IdPath, Json, LIST_OR_SHEET, List, Once, PageQuery, Query, Tagged, Wanted, if_match, language,
    sheet_response, wanted,
};
use crate::platform::page::Page;
use crate::platform::text::{Check, Problems};

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(find_me)
        .service(update_me)
        .service(list_members)
        .service(create_member);
    // Fixed paths before `/members/{id}`.
    import::configure(cfg);
    activation::configure(cfg);
    cfg.service(find_member)
        .service(update_member)
        .service(transfer_member)
        .service(list_transfers)
        .service(deactivate_member)
        .service(reactivate_member);
}

/// A member as the secretaries of their line of administration, and the member, see them.
#[derive(Serialize, utoipa::ToSchema)]
struct MemberView {
    id: MemberId,
    #[schema(example = "張三")]
    name: String,
    organization_id: OrganizationId,
    organization_name: String,
    #[schema(example = "13800000001")]
    phone: Option<String>,
    account_name: Option<String>,
    employee_no: Option<String>,
    standing: Standing,
    standing_since: NaiveDate,
    joined_on: Option<NaiveDate>,
    /// Has set a password, so can sign in.
    activated: bool,
    deactivated_at: Option<Instant>,
    deactivate_reason: Option<String>,
    version: i32,
    created_at: Instant,
    updated_at: Instant,
}

impl TryFrom<FullMemberRow> for MemberView {
    type Error = crate::platform::error::AppError;

    fn try_from(row: FullMemberRow) -> AppResult<Self> {
        let member = row.member;
        Ok(Self {
            id: member.id,
            name: member.name,
            organization_id: member.organization_id,
            organization_name: row.organization_name,
            phone: row.phone,
            account_name: row.account_name,
            employee_no: member.employee_no,
            standing: service::standing_of(&member.standing)?,
            standing_since: member.standing_since,
            joined_on: member.joined_on,
            activated: row.has_password,
            deactivated_at: member.deactivated_at,
            deactivate_reason: member.deactivate_reason,
            version: member.version,
            created_at: member.created_at,
            updated_at: member.updated_at,
        })
    }
}

/// The written row as it is shown, read in the same transaction.
fn answer(conn: &mut DbConnection, row: &MemberRow) -> AppResult<Answer> {
    let view = MemberView::try_from(service::full_member(conn, row.id)?)?;
    Ok(Answer::ok(&view)?.version(row.version))
}

/// Who I am: my account, my membership, and my roles.
#[derive(Serialize, utoipa::ToSchema)]
struct MeView {
    account_id: AccountId,
    account_name: Option<String>,
    phone: Option<String>,
    is_system_admin: bool,
    /// Null for the system admin.
    member: Option<MemberView>,
    roles: Vec<MyRoleView>,
}

/// A role of mine; it holds for the organization and everything below it.
#[derive(Serialize, utoipa::ToSchema)]
struct MyRoleView {
    organization_id: OrganizationId,
    role: Role,
}

fn me(conn: &mut DbConnection, ctx: &crate::app::Ctx) -> AppResult<Answer> {
    let account = auth::find_account(conn, ctx.actor.account)?;
    let member = match ctx.actor.is_system_admin {
        true => None,
        false => Some(MemberView::try_from(service::full_member(
            conn,
            ctx.actor.member()?,
        )?)?),
    };
    let version = member.as_ref().map_or(1, |member| member.version);
    let roles = Access::load(conn, ctx)?
        .roles()
        .filter_map(|(path, role)| {
            ids_of_path(path).pop().map(|id| MyRoleView {
                organization_id: OrganizationId(id),
                role,
            })
        })
        .collect();
    let view = MeView {
        account_id: ctx.actor.account,
        account_name: account.account_name,
        phone: account.phone,
        is_system_admin: ctx.actor.is_system_admin,
        member,
        roles,
    };
    Ok(Answer::ok(&view)?.version(version))
}

/// Find out who I am.
#[utoipa::path(tag = "members", responses((status = 200, body = MeView)))]
#[get("/me")]
async fn find_me(app: web::Data<App>, who: SignedIn) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    app.db.read(move |conn| me(conn, &ctx)).await
}

/// Change my own phone number or account name. `If-Match` is honoured when it is sent. A few numbers an hour, because
/// `phone_taken` tells that another member has it.
#[utoipa::path(tag = "members", request_body = UpdateMe, responses((status = 200, body = MeView), (status = 409, description = "phone_taken, account_name_taken"), (status = 412, description = "version_mismatch"), (status = 429, description = "rate_limited: too many numbers tried")))]
#[patch("/me")]
async fn update_me(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    body: Json<UpdateMe>,
) -> AppResult<Answer> {
    if matches!(body.0.phone, Some(Some(_))) {
        auth::count_phone_change(&app, &who.0).await?;
    }
    let ctx = app.ctx(who.0);
    let version = if request.headers().contains_key(IF_MATCH) {
        if_match(&request)?
    } else {
        None
    };
    app.db
        .write(move |conn| {
            service::update_me(conn, &ctx, version, &body.0)?;
            me(conn, &ctx)
        })
        .await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MemberQuery {
    /// Members of this organization or one below it; without it, of all that I administer.
    organization_id: Option<OrganizationId>,
    standing: Option<Standing>,
    /// Part of a name, phone number or employee number.
    q: Option<String>,
    /// Deactivated members too.
    include_inactive: Option<bool>,
    /// Items a page, 1 to 200 (default 50); without effect on CSV and XLSX, which hold the whole list.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for MemberQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_line("q", &mut self.q, 100);
    }
}

/// List members in order of name. With `Accept: text/csv` or the XLSX media type the whole list comes as a file.
#[utoipa::path(tag = "members", params(MemberQuery), responses((status = 200, content((List<MemberView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/members")]
async fn list_members(
    app: web::Data<App>,
    who: SignedIn,
    request: HttpRequest,
    query: Query<MemberQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<(String, MemberId)>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListMembers {
        organization: query.organization_id,
        standing: query.standing,
        q: query.q,
        include_inactive: query.include_inactive.unwrap_or(false),
        page: page.clone(),
    };
    if let Wanted::Sheet(format) = wanted {
        let language = language(&request);
        let bytes = app
            .db
            .read_export(move |conn| {
                members_sheet(format, language, service::all_members(conn, &ctx, asked)?)
            })
            .await?;
        return Ok(sheet_response(format, "members", bytes));
    }
    let rows = app
        .db
        .read(move |conn| service::list_members(conn, &ctx, &asked))
        .await?;
    let list = page.list(
        rows,
        |row| (row.member.name.clone(), row.member.id),
        MemberView::try_from,
    );
    Ok(Tagged(list.transpose()?).respond_to(&request))
}

/// Create a member, with an account that has no password until an activation code is used.
#[utoipa::path(tag = "members", request_body = CreateMember, responses((status = 201, body = MemberView), (status = 409, description = "phone_taken, employee_no_taken, account_name_taken")))]
#[post("/members")]
async fn create_member(app: web::Data<App>, who: SignedIn, once: Once<CreateMember>) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = service::create_member(conn, ctx, &body)?;
        let view = MemberView::try_from(service::full_member(conn, row.id)?)?;
        Ok(Answer::created(&view)?
            .version(row.version)
            .at(format!("/api/v1/members/{}", row.id)))
    })
    .await
}

/// Find one member that I administer, or myself.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), responses((status = 200, body = MemberView)))]
#[get("/members/{id}")]
async fn find_member(app: web::Data<App>, who: SignedIn, id: IdPath<MemberId>) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let row = app
        .db
        .read(move |conn| service::view_member(conn, &ctx, id.0))
        .await?;
    let version = row.member.version;
    Ok(Answer::ok(&MemberView::try_from(row)?)?.version(version))
}

/// Change a member. Another standing begins a new entry of the member's history. Needs `If-Match`.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), request_body = UpdateMember, responses((status = 200, body = MemberView), (status = 409, description = "phone_taken, employee_no_taken, account_name_taken"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[patch("/members/{id}")]
async fn update_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    request: HttpRequest,
    body: Json<UpdateMember>,
) -> AppResult<Answer> {
    let (ctx, version) = (app.ctx(who.0), if_match(&request)?);
    app.db
        .write(move |conn| {
            let row = service::update_member(conn, &ctx, id.0, version, &body.0)?;
            answer(conn, &row)
        })
        .await
}

/// A move from one organization to another.
#[derive(Serialize, utoipa::ToSchema)]
struct TransferView {
    id: TransferId,
    member_id: MemberId,
    /// Null where I do not see it; my own I see all.
    from_organization_id: Option<OrganizationId>,
    /// Likewise.
    to_organization_id: Option<OrganizationId>,
    reason: String,
    transferred_at: Instant,
    transferred_by: Option<AccountId>,
}

impl From<Transfer> for TransferView {
    fn from(transfer: Transfer) -> Self {
        let row = transfer.row;
        Self {
            id: row.id,
            member_id: row.member_id,
            from_organization_id: transfer.from,
            to_organization_id: transfer.to,
            reason: row.reason,
            transferred_at: row.transferred_at,
            transferred_by: row.transferred_by,
        }
    }
}

/// Transfer a member to another organization of the tree. Rosters that are open stay as they are.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), request_body = TransferMember, responses((status = 201, body = TransferView), (status = 409, description = "already_there, member_inactive")))]
#[post("/members/{id}/transfers")]
async fn transfer_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    once: Once<TransferMember>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let (_, transfer) = service::transfer_member(conn, ctx, id.0, &body)?;
        Answer::created(&TransferView::from(Transfer::from(transfer)))
    })
    .await
}

/// List the transfers of a member, the latest first.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path), PageQuery), responses((status = 200, body = List<TransferView>)))]
#[get("/members/{id}/transfers")]
async fn list_transfers(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<TransferView>>> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let page = query.page::<(Instant, TransferId)>()?;
    let asked = page.clone();
    let rows = app
        .db
        .read(move |conn| service::list_transfers(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        rows,
        |one: &Transfer| (one.row.transferred_at, one.row.id),
        TransferView::from,
    )))
}

/// Deactivate a member: no sign-in within a second, and on no roster from now on. The last admin of a whole tree stays.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), request_body = DeactivateMember, responses((status = 200, body = MemberView), (status = 409, description = "member_inactive, last_admin")))]
#[post("/members/{id}/deactivate")]
async fn deactivate_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    once: Once<DeactivateMember>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let done = app
        .write_once(who.0, key, move |conn, ctx| {
            let row = service::deactivate_member(conn, ctx, id.0, &body.reason)?;
            answer(conn, &row)
        })
        .await?;
    auth::note_changes(&app);
    Ok(done)
}

/// Take a deactivation back.
#[utoipa::path(tag = "members", params(("id" = MemberId, Path)), responses((status = 200, body = MemberView), (status = 409, description = "member_erased")))]
#[post("/members/{id}/reactivate")]
async fn reactivate_member(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let done = app
        .write_once(who.0, once.key, move |conn, ctx| {
            let row = service::reactivate_member(conn, ctx, id.0)?;
            answer(conn, &row)
        })
        .await?;
    auth::note_changes(&app);
    Ok(done)
}
