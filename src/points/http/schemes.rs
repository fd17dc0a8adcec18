//! The rule book of a tree, and trying another.

use actix_web::{get, post, put, web};
use chrono::NaiveDate;
use serde::Serialize;

use crate::app::App;
use crate::auth::SignedIn;
use crate::members::{MemberId, Standing};
use crate::organizations::OrganizationId;
use crate::platform::error::{AppError, AppResult};
use crate::platform::http::{Answer, IdPath, Json, Tagged};
use crate::points::commands::{SimulatePoints, WriteRule};
use crate::points::rules::{Rule, Scheme};
use crate::points::schemes::{self, ListedRule, Simulation};

/// What a rule gives.
#[derive(Serialize, utoipa::ToSchema)]
struct SchemeView {
    /// 0: nothing.
    amount: i32,
    /// The amount is for so many minutes, and a part of it for a part of them, rounded down; null: once.
    per_minutes: Option<i32>,
    /// Null: no limit.
    day_max: Option<i32>,
    /// Of a week from Monday to Sunday.
    week_max: Option<i32>,
    year_max: Option<i32>,
    /// Who it is for.
    standings: Vec<Standing>,
}

impl From<Scheme> for SchemeView {
    fn from(scheme: Scheme) -> Self {
        Self {
            amount: scheme.amount,
            per_minutes: scheme.per_minutes,
            day_max: scheme.day_max,
            week_max: scheme.week_max,
            year_max: scheme.year_max,
            standings: Standing::from_bits(scheme.standings),
        }
    }
}

/// What it gives from a day on.
#[derive(Serialize, utoipa::ToSchema)]
struct PlannedSchemeView {
    from_day: NaiveDate,
    scheme: SchemeView,
}

/// A rule as it is today, and what is to come.
#[derive(Serialize, utoipa::ToSchema)]
struct PointRuleView {
    rule: Rule,
    scheme: SchemeView,
    /// Null: it is the default, and nobody has set it yet.
    since: Option<NaiveDate>,
    planned: Vec<PlannedSchemeView>,
}

impl From<ListedRule> for PointRuleView {
    fn from(listed: ListedRule) -> Self {
        let planned = listed.planned.into_iter();
        Self {
            rule: listed.rule,
            scheme: listed.scheme.into(),
            since: listed.since,
            planned: planned
                .map(|(from_day, scheme)| PlannedSchemeView {
                    from_day,
                    scheme: scheme.into(),
                })
                .collect(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
struct PointRulesView {
    items: Vec<PointRuleView>,
}

/// List the point rules of an organization's tree, for everybody who may know of it: what each gives today, and what is to come.
#[utoipa::path(tag = "points", params(("id" = OrganizationId, Path)), responses((status = 200, body = PointRulesView)))]
#[get("/organizations/{id}/point-rules")]
pub async fn list_point_rules(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
) -> AppResult<Tagged<PointRulesView>> {
    let ctx = app.ctx(who.0);
    let listed = app
        .db
        .read(move |conn| schemes::list_rules(conn, &ctx, id.0))
        .await?;
    Ok(Tagged(PointRulesView {
        items: listed.into_iter().map(PointRuleView::from).collect(),
    }))
}

/// Set what a rule gives from a day to come, for the whole tree, as an admin of its root. What was written for that day before
/// is replaced; what was earned never changes, so a day that has begun keeps its rules.
#[utoipa::path(tag = "points", params(("id" = OrganizationId, Path), ("rule" = Rule, Path)), request_body = WriteRule, responses((status = 200, body = PointRuleView)))]
#[put("/organizations/{id}/point-rules/{rule}")]
pub async fn update_point_rule(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    path: web::Path<(String, String)>,
    body: Json<WriteRule>,
) -> AppResult<Answer> {
    let ctx = app.ctx(who.0);
    let rule = Rule::parse(&path.1).filter(|rule| Rule::SET.contains(rule));
    let rule = rule.ok_or_else(AppError::not_found)?;
    let listed = app
        .db
        .write(move |conn| schemes::write_rule(conn, &ctx, id.0, rule, &body.0))
        .await?;
    Answer::ok(&PointRuleView::from(listed))
}

/// What a rule gave, and would have given.
#[derive(Serialize, utoipa::ToSchema)]
struct SimulatedRuleView {
    rule: Rule,
    points: i64,
    would_be: i64,
}

/// A member whose sum would be another.
#[derive(Serialize, utoipa::ToSchema)]
struct SimulatedMemberView {
    member_id: MemberId,
    name: String,
    points: i64,
    would_be: i64,
}

/// What other rules would have made of the past.
#[derive(Serialize, utoipa::ToSchema)]
struct SimulationView {
    /// Who earned anything in those days.
    members: i64,
    /// Whose sum would be another.
    changed: i64,
    rules: Vec<SimulatedRuleView>,
    /// At most twenty, the greatest difference first.
    most_changed: Vec<SimulatedMemberView>,
}

impl From<Simulation> for SimulationView {
    fn from(simulation: Simulation) -> Self {
        let rules = simulation.rules.into_iter();
        let most_changed = simulation.most_changed.into_iter();
        Self {
            members: simulation.members,
            changed: simulation.changed,
            rules: rules
                .map(|(rule, (points, would_be))| SimulatedRuleView {
                    rule,
                    points,
                    would_be,
                })
                .collect(),
            most_changed: most_changed
                .map(|(person, points, would_be)| SimulatedMemberView {
                    member_id: person.id,
                    name: person.name,
                    points,
                    would_be,
                })
                .collect(),
        }
    }
}

/// Reckon what an organization's people earned in some days once more by other rules, and tell the difference, as its admin.
/// Nothing is written.
#[utoipa::path(tag = "points", params(("id" = OrganizationId, Path)), request_body = SimulatePoints, responses((status = 200, body = SimulationView)))]
#[post("/organizations/{id}/point-rules/simulate")]
pub async fn simulate_points(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<OrganizationId>,
    body: Json<SimulatePoints>,
) -> AppResult<Tagged<SimulationView>> {
    let ctx = app.ctx(who.0);
    let simulate = move |conn: &mut _| schemes::simulate(conn, &ctx, id.0, &body.0);
    let simulation = app.db.read_export(simulate).await?;
    Ok(Tagged(simulation.into()))
}
