//! `/organizations/{id}/budgets`, `/events/{id}/budget`, `/expenses` and what they add up to.

mod budgets;
mod expenses;
mod totals;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    cfg.service(budgets::list_budgets)
        .service(budgets::find_budget)
        .service(budgets::update_budget)
        .service(budgets::find_event_budget)
        .service(budgets::update_event_budget)
        .service(expenses::list_event_expenses)
        .service(expenses::create_expense)
        .service(expenses::list_organization_expenses)
        .service(expenses::find_expense)
        .service(expenses::approve_expense)
        .service(expenses::reject_expense)
        .service(expenses::withdraw_expense)
        .service(expenses::annul_expense)
        .service(totals::find_cost_totals)
        .service(totals::list_cost_totals);
}
