//! Budgets of years and of events.

use actix_web::{HttpRequest, get, put, web};
use serde::Serialize;

use crate::app::App;
use crate::auth::SignedIn;
use crate::costs::budgets::{self, Budget};
use crate::costs::commands::{BudgetLine, WriteBudget};
use crate::costs::rules::YEARS;
use crate::costs::store::BudgetTotalRow;
use crate::events::EventId;
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, List, PageQuery, Query, Tagged, if_match};

/// A year that has a budget.
#[derive(Serialize, utoipa::ToSchema)]
struct BudgetYearView {
    year: i32,
    #[schema(example = "CNY")]
    currency: String,
    total_cents: i64,
    version: i32,
    updated_at: Instant,
}

impl From<BudgetTotalRow> for BudgetYearView {
    fn from(found: BudgetTotalRow) -> Self {
        Self {
            year: found.budget.year,
            currency: found.budget.currency,
            total_cents: found.total_cents,
            version: found.budget.version,
            updated_at: found.budget.updated_at,
        }
    }
}

/// What an organization may spend in a year, on itself and everything below it.
#[derive(Serialize, utoipa::ToSchema)]
struct OrganizationBudgetView {
    organization_id: OrganizationId,
    year: i32,
    /// Of everything that the organization plans and spends in that year.
    #[schema(example = "CNY")]
    currency: String,
    lines: Vec<BudgetLine>,
    total_cents: i64,
    /// 0: nobody has written it yet.
    version: i32,
    updated_at: Option<Instant>,
}

/// What an event is planned to cost.
#[derive(Serialize, utoipa::ToSchema)]
struct EventBudgetView {
    event_id: EventId,
    #[schema(example = "CNY")]
    currency: String,
    lines: Vec<BudgetLine>,
    total_cents: i64,
    /// 0: nobody has written it yet.
    version: i32,
    updated_at: Option<Instant>,
}

fn organization_answer(organization_id: OrganizationId, year: i32, budget: Budget) -> AppResult<Answer> {
    let version = budget.version;
    let view = OrganizationBudgetView {
        organization_id,
        year,
        total_cents: budget.total_cents(),
        currency: budget.currency,
        lines: budget.lines,
        version,
        updated_at: budget.updated_at,
    };
    Ok(Answer::ok(&view)?.version(version))
}

fn event_answer(event_id: EventId, budget: Budget) -> AppResult<Answer> {
    let version = budget.version;
    let view = EventBudgetView {
        event_id,
        total_cents: budget.total_cents(),
        currency: budget.currency,
        lines: budget.lines,
        version,
        updated_at: budget.updated_at,
    };
    Ok(Answer::ok(&view)?.version(version))
}

/// A year as we write it; there is nothing at any other.
fn path_year(text: &str) -> AppResult<i32> {
    let year = text.parse().ok().filter(|year| YEARS.contains(year));
    year.filter(|_| text.len() == 4).ok_or_else(AppError::not_found)
}

/// List the years that an organization has a budget for, the newest first.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), PageQuery), responses((status = 200, body = List<BudgetYearView>)))]
#[get("/organizations/{id}/budgets")]
pub async fn list_budgets(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<List<BudgetYearView>>> {
    let ctx = app.ctx(who.0);
    let page = query.0.page::<i32>()?;
    let asked = page.clone();
    let found = app
        .db
        .read(move |conn| budgets::list_budgets(conn, &ctx, id.0, &asked))
        .await?;
    Ok(Tagged(page.list(
        found,
        |found| found.budget.year,
        BudgetYearView::from,
    )))
}

/// Find an organization's budget for a year. One that nobody has written is empty, with version 0.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), ("year" = i32, Path)), responses((status = 200, body = OrganizationBudgetView)))]
#[get("/organizations/{id}/budgets/{year}")]
pub async fn find_budget(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    path: web::Path<(String, String)>,
) -> AppResult<Answer> {
    let (ctx, organization, year) = (app.ctx(who.0), id.0, path_year(&path.1)?);
    let budget = app
        .db
        .read(move |conn| budgets::view_budget(conn, &ctx, organization, year))
        .await?;
    organization_answer(organization, year, budget)
}

/// Write an organization's budget for a year, whole, as its treasurer or admin. Its currency is the only one in which the
/// organization plans and spends in that year, so it stays once something is planned or spent. Needs `If-Match`: `"0"`
/// where there is none yet.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), ("year" = i32, Path)), request_body = WriteBudget, responses((status = 200, body = OrganizationBudgetView), (status = 409, description = "other_currency: `currency` is used already"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/organizations/{id}/budgets/{year}")]
pub async fn update_budget(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: Json<WriteBudget>,
) -> AppResult<Answer> {
    let (ctx, organization, year) = (app.ctx(who.0), id.0, path_year(&path.1)?);
    let version = if_match(&request)?;
    let written = app
        .db
        .write(move |conn| budgets::write_budget(conn, &ctx, organization, year, version, &body.0))
        .await?;
    organization_answer(organization, year, written)
}

/// Find what an event is planned to cost, as who manages or inspects it. A budget that nobody has written is empty, with
/// version 0.
#[utoipa::path(tag = "costs", params(("id" = EventId, Path)), responses((status = 200, body = EventBudgetView)))]
#[get("/events/{id}/budget")]
pub async fn find_event_budget(app: web::Data<App>, who: SignedIn, id: IdPath<EventId>) -> AppResult<Answer> {
    let (ctx, event) = (app.ctx(who.0), id.0);
    let budget = app
        .db
        .read(move |conn| budgets::view_event_budget(conn, &ctx, event))
        .await?;
    event_answer(event, budget)
}

/// Write what an event is planned to cost, whole, until it is over. Needs `If-Match`: `"0"` where there is none yet.
#[utoipa::path(tag = "costs", params(("id" = EventId, Path)), request_body = WriteBudget, responses((status = 200, body = EventBudgetView), (status = 409, description = "other_currency: the year's is `currency`; event_over"), (status = 412, description = "version_mismatch"), (status = 428, description = "version_required")))]
#[put("/events/{id}/budget")]
pub async fn update_event_budget(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<EventId>,
    request: HttpRequest,
    body: Json<WriteBudget>,
) -> AppResult<Answer> {
    let (ctx, event, version) = (app.ctx(who.0), id.0, if_match(&request)?);
    let written = app
        .db
        .write(move |conn| budgets::write_event_budget(conn, &ctx, event, version, &body.0))
        .await?;
    event_answer(event, written)
}
