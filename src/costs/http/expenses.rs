//! What was spent: submitting it, deciding on it, and lists of it.

use actix_web::{HttpRequest, HttpResponse, Responder, get, post, web};
use serde::Deserialize;

use super::view::ExpenseView;
use crate::app::App;
use crate::auth::{Actor, SignedIn};
use crate::costs::ExpenseId;
use crate::costs::commands::{CreateExpense, ExpenseReason};
use crate::costs::export::expense_sheet;
use crate::costs::lists::{self, ListExpenses, Listed};
use crate::costs::rules::{CostCategory, ExpenseStatus, YEARS};
use crate::costs::{expenses, store::ExpenseRow};
use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::DbConnection;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{
    Answer, IdPath, Key, LIST_OR_SHEET, List, Once, Query, Tagged, Wanted, language, sheet_response, wanted,
};
use crate::platform::page::{Found, Page};
use crate::platform::text::{Check, Problems};

#[derive(Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExpenseQuery {
    /// Spent on a day of this year.
    year: Option<i32>,
    status: Option<ExpenseStatus>,
    category: Option<CostCategory>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for ExpenseQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_range("year", &self.year, *YEARS.start(), *YEARS.end());
    }
}

/// As many expenses as a file holds.
const MOST_IN_FILE: usize = 100_000;

/// A list, or the same as a file, from whatever finds it.
async fn list_or_sheet<F>(
    app: &App,
    request: &HttpRequest,
    query: ExpenseQuery,
    find: F,
) -> AppResult<HttpResponse>
where
    F: FnOnce(&mut DbConnection, &ListExpenses) -> AppResult<Found<Listed>> + Send + 'static,
{
    let wanted = wanted(request, &LIST_OR_SHEET)?;
    let page = Page::<ExpenseId>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let asked = ListExpenses {
        year: query.year,
        status: query.status,
        category: query.category,
        page: match wanted {
            Wanted::Sheet(_) => Page::first(MOST_IN_FILE),
            _ => page.clone(),
        },
    };
    let Wanted::Sheet(format) = wanted else {
        let found = app.db.read(move |conn| find(conn, &asked)).await?;
        let list = page.list(found, |listed: &Listed| listed.row.id, ExpenseView::from);
        return Ok(Tagged(list).respond_to(request));
    };
    let found = app.db.read_export(move |conn| find(conn, &asked)).await?;
    let language = language(request);
    let bytes = web::block(move || expense_sheet(format, language, found.rows)).await;
    let bytes = bytes.map_err(|_| AppError::unavailable())??;
    Ok(sheet_response(format, "expenses", bytes))
}

/// List what was spent on an event, the newest first, as who manages or inspects it. With `Accept: text/csv` or the XLSX
/// media type the whole list comes as a file.
#[utoipa::path(tag = "costs", params(("id" = EventId, Path), ExpenseQuery), responses((status = 200, content((List<ExpenseView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/events/{id}/expenses")]
pub async fn list_event_expenses(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    query: Query<ExpenseQuery>,
) -> AppResult<HttpResponse> {
    let ctx = app.ctx(who.0);
    let find = move |conn: &mut _, asked: &_| lists::list_of_event(conn, &ctx, id.0, asked);
    list_or_sheet(&app, &request, query.0, find).await
}

/// List what an organization and all below it have spent, the newest first, as who administers or inspects it. With
/// `Accept: text/csv` or the XLSX media type the whole list comes as a file.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), ExpenseQuery), responses((status = 200, content((List<ExpenseView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/organizations/{id}/expenses")]
pub async fn list_organization_expenses(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    query: Query<ExpenseQuery>,
) -> AppResult<HttpResponse> {
    let ctx = app.ctx(who.0);
    let find = move |conn: &mut _, asked: &_| lists::list_of_organization(conn, &ctx, id.0, asked);
    list_or_sheet(&app, &request, query.0, find).await
}

/// Submit something that was spent on an event I manage. It cannot be changed any more: withdraw it and submit another. Its
/// receipt is a file that was uploaded for the event's organization with `purpose` `receipt`.
#[utoipa::path(tag = "costs", params(("id" = EventId, Path)), request_body = CreateExpense, responses((status = 201, body = ExpenseView), (status = 409, description = "other_currency: the year's is `currency`; media_not_ready")))]
#[post("/events/{id}/expenses")]
pub async fn create_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    once: Once<CreateExpense>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    app.write_once(who.0, key, move |conn, ctx| {
        let row = expenses::submit_expense(conn, ctx, id.0, body.clone())?;
        // What is kept for a repeat holds no address of the receipt.
        let view = ExpenseView::from(lists::with_name(conn, row)?);
        Ok(Answer::created(&view)?.at(format!("/api/v1/expenses/{}", view.id)))
    })
    .await
}

/// Find one expense, with its receipt's address, as who manages or inspects the event.
#[utoipa::path(tag = "costs", params(("id" = ExpenseId, Path)), responses((status = 200, body = ExpenseView)))]
#[get("/expenses/{id}")]
pub async fn find_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ExpenseId>,
) -> AppResult<Tagged<ExpenseView>> {
    let (ctx, actor) = (app.ctx(who.0.clone()), who.0);
    let (listed, receipt) = app
        .db
        .read(move |conn| lists::view_expense(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(
        ExpenseView::from(listed).with_receipt(receipt, &app, &actor),
    ))
}

async fn change<F>(app: &App, actor: Actor, key: Key, work: F) -> AppResult<Answer>
where
    F: Fn(&mut DbConnection, &crate::app::Ctx) -> AppResult<ExpenseRow> + Send + 'static,
{
    app.write_once(actor, key, move |conn, ctx| {
        let row = work(conn, ctx)?;
        Answer::ok(&ExpenseView::from(lists::with_name(conn, row)?))
    })
    .await
}

/// Approve an expense, as the treasurer or an admin of the event's organization. Nobody approves what they have submitted.
#[utoipa::path(tag = "costs", params(("id" = ExpenseId, Path)), responses((status = 200, body = ExpenseView), (status = 403, description = "forbidden, own_expense"), (status = 409, description = "expense_decided: `state` says how it stands")))]
#[post("/expenses/{id}/approve")]
pub async fn approve_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ExpenseId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let work = move |conn: &mut _, ctx: &_| expenses::approve_expense(conn, ctx, id.0);
    change(&app, who.0, once.key, work).await
}

/// Reject an expense, with a reason, as the treasurer or an admin of the event's organization.
#[utoipa::path(tag = "costs", params(("id" = ExpenseId, Path)), request_body = ExpenseReason, responses((status = 200, body = ExpenseView), (status = 403, description = "forbidden, own_expense"), (status = 409, description = "expense_decided: `state` says how it stands")))]
#[post("/expenses/{id}/reject")]
pub async fn reject_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ExpenseId>,
    once: Once<ExpenseReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let work = move |conn: &mut _, ctx: &_| expenses::reject_expense(conn, ctx, id.0, &body.reason);
    change(&app, who.0, key, work).await
}

/// Take back an expense that I have submitted, while nobody has decided on it.
#[utoipa::path(tag = "costs", params(("id" = ExpenseId, Path)), responses((status = 200, body = ExpenseView), (status = 409, description = "expense_decided: `state` says how it stands")))]
#[post("/expenses/{id}/withdraw")]
pub async fn withdraw_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ExpenseId>,
    once: Once<()>,
) -> AppResult<Answer> {
    let work = move |conn: &mut _, ctx: &_| expenses::withdraw_expense(conn, ctx, id.0);
    change(&app, who.0, once.key, work).await
}

/// Annul an approved expense, with a reason, as the treasurer or an admin: it counts no more and stays on record.
#[utoipa::path(tag = "costs", params(("id" = ExpenseId, Path)), request_body = ExpenseReason, responses((status = 200, body = ExpenseView), (status = 403, description = "forbidden, own_expense"), (status = 409, description = "expense_not_approved: `state` says how it stands")))]
#[post("/expenses/{id}/annul")]
pub async fn annul_expense(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<ExpenseId>,
    once: Once<ExpenseReason>,
) -> AppResult<Answer> {
    let Once { body, key } = once;
    let work = move |conn: &mut _, ctx: &_| expenses::annul_expense(conn, ctx, id.0, &body.reason);
    change(&app, who.0, key, work).await
}
