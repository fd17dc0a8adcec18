//! What a year adds up to.

use actix_web::{HttpRequest, HttpResponse, Responder, get, web};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::SignedIn;
use crate::costs::export::totals_sheet;
use crate::costs::rules::{CostCategory, CurrencySums, Sums, YEARS};
use crate::costs::totals::{self, OrganizationTotals, Totals};
use crate::organizations::OrganizationId;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{
    IdPath, LIST_OR_SHEET, List, Query, Tagged, Wanted, language, sheet_response, wanted,
};
use crate::platform::page::{Found, Page};
use crate::platform::text::{Check, Problems};

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CostTotalsQuery {
    /// The present one when left out.
    year: Option<i32>,
}

impl Check for CostTotalsQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_range("year", &self.year, *YEARS.start(), *YEARS.end());
    }
}

/// Sums of cents.
#[derive(Serialize, utoipa::ToSchema)]
struct CostSumsView {
    /// The organization's own budget, which is for it and everything below it.
    budget_cents: i64,
    /// The budgets of organizations below it: parts of its own.
    budget_below_cents: i64,
    /// What events that begin in the year, where the organization is, are planned to cost; cancelled ones nothing.
    planned_cents: i64,
    /// Spent, and waiting for the treasurer.
    submitted_cents: i64,
    approved_cents: i64,
    /// `budget_cents` less `approved_cents`; below zero when more was approved than there is.
    remaining_cents: i64,
}

impl From<Sums> for CostSumsView {
    fn from(sums: Sums) -> Self {
        Self {
            budget_cents: sums.budget,
            budget_below_cents: sums.budget_below,
            planned_cents: sums.planned,
            submitted_cents: sums.submitted,
            approved_cents: sums.approved,
            remaining_cents: sums.remaining(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct CategorySumsView {
    category: CostCategory,
    #[serde(flatten)]
    sums: CostSumsView,
}

/// A year in one currency.
#[derive(Serialize, utoipa::ToSchema)]
struct CurrencySumsView {
    #[schema(example = "CNY")]
    currency: String,
    #[serde(flatten)]
    sums: CostSumsView,
    /// Those that anything is planned for or was spent on.
    categories: Vec<CategorySumsView>,
}

impl From<(String, CurrencySums)> for CurrencySumsView {
    fn from((currency, sums): (String, CurrencySums)) -> Self {
        let categories = sums
            .by_category
            .into_iter()
            .map(|(category, sums)| CategorySumsView {
                category,
                sums: sums.into(),
            });
        Self {
            currency,
            sums: sums.all.into(),
            categories: categories.collect(),
        }
    }
}

/// A year of an organization and all below it.
#[derive(Serialize, utoipa::ToSchema)]
struct CostTotalsView {
    organization_id: OrganizationId,
    year: i32,
    /// The organization's own comes first; others are those of organizations below it.
    currencies: Vec<CurrencySumsView>,
}

impl From<(OrganizationId, Totals)> for CostTotalsView {
    fn from((organization_id, mut totals): (OrganizationId, Totals)) -> Self {
        let own = totals.by_currency.remove_entry(&totals.currency);
        let all = own.into_iter().chain(totals.by_currency);
        Self {
            organization_id,
            year: totals.year,
            currencies: all.map(CurrencySumsView::from).collect(),
        }
    }
}

/// Find what an organization and all below it have planned and spent in a year, by category, against its budget, as who
/// administers or inspects it. An expense is of the year of its own day, `spent_on`, wherever it was entered.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), CostTotalsQuery), responses((status = 200, body = CostTotalsView)))]
#[get("/organizations/{id}/cost-totals")]
pub async fn find_cost_totals(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    query: Query<CostTotalsQuery>,
) -> AppResult<Tagged<CostTotalsView>> {
    let (ctx, organization) = (app.ctx(who.0), id.0);
    let totals = app
        .db
        .read_long(move |conn| totals::view_totals(conn, &ctx, organization, query.0.year))
        .await?;
    Ok(Tagged((organization, totals).into()))
}

#[derive(Serialize, utoipa::ToSchema)]
struct SumsInCurrencyView {
    #[schema(example = "CNY")]
    currency: String,
    #[serde(flatten)]
    sums: CostSumsView,
}

/// A year of one organization, with all below it.
#[derive(Serialize, utoipa::ToSchema)]
struct OrganizationTotalsView {
    organization_id: OrganizationId,
    organization_name: String,
    parent_id: Option<OrganizationId>,
    /// Empty where there is no budget and nothing was planned or spent.
    currencies: Vec<SumsInCurrencyView>,
}

impl From<OrganizationTotals> for OrganizationTotalsView {
    fn from(totals: OrganizationTotals) -> Self {
        let view = |(currency, sums): (String, Sums)| SumsInCurrencyView {
            currency,
            sums: sums.into(),
        };
        Self {
            organization_id: totals.organization.id,
            organization_name: totals.organization.name,
            parent_id: totals.organization.parent_id,
            currencies: totals.by_currency.into_iter().map(view).collect(),
        }
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OrganizationTotalsQuery {
    /// The present one when left out.
    year: Option<i32>,
    /// Items a page, 1 to 200 (default 50).
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Tell how many there are on all pages together, as `count`.
    count: Option<bool>,
}

impl Check for OrganizationTotalsQuery {
    fn check(&mut self, problems: &mut Problems) {
        problems.optional_range("year", &self.year, *YEARS.start(), *YEARS.end());
    }
}

/// List the organization and each below it with what it has planned and spent in a year against its budget, parents before
/// children; in each everything below it is counted too. With `Accept: text/csv` or the XLSX media type the whole list
/// comes as a file.
#[utoipa::path(tag = "costs", params(("id" = OrganizationId, Path), OrganizationTotalsQuery), responses((status = 200, content((List<OrganizationTotalsView> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 406, description = "not_acceptable")))]
#[get("/organizations/{id}/cost-totals/organizations")]
pub async fn list_cost_totals(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    request: HttpRequest,
    query: Query<OrganizationTotalsQuery>,
) -> AppResult<HttpResponse> {
    let (ctx, query) = (app.ctx(who.0), query.0);
    let wanted = wanted(&request, &LIST_OR_SHEET)?;
    let page = Page::<String>::from_query(query.limit, query.cursor.as_deref(), query.count)?;
    let all = app
        .db
        .read_long(move |conn| totals::list_totals(conn, &ctx, id.0, query.year))
        .await?;
    if let Wanted::Sheet(format) = wanted {
        let language = language(&request);
        let bytes = web::block(move || totals_sheet(format, language, all)).await;
        let bytes = bytes.map_err(|_| AppError::unavailable())??;
        return Ok(sheet_response(format, "cost-totals", bytes));
    }
    let count = page.count.then(|| i64::try_from(all.len()).unwrap_or(i64::MAX));
    let is_later = |one: &OrganizationTotals| {
        page.after
            .as_ref()
            .is_none_or(|after| one.organization.path > *after)
    };
    let rows = all.into_iter().filter(is_later).take(page.limit + 1).collect();
    let path = |one: &OrganizationTotals| one.organization.path.clone();
    let list = page.list(Found { rows, count }, path, OrganizationTotalsView::from);
    Ok(Tagged(list).respond_to(&request))
}
