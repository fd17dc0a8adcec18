//! Why somebody has the points they have.

use actix_web::{get, web};
use chrono::NaiveDate;
use serde::Serialize;

use crate::app::App;
use crate::auth::SignedIn;
use crate::members::MemberId;
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, Instant};
use crate::platform::error::AppResult;
use crate::platform::http::{IdPath, PageQuery, Query, Tagged};
use crate::points::PointEntryId;
use crate::points::rules::{Limit, Rule, Subject};
use crate::points::service::{self, Points, RuleToday, Totals};
use crate::points::store::EntryRow;

/// Sums of the periods in which today lies, in the tree's zone; a week begins on Monday.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PointTotalsView {
    today: i64,
    week: i64,
    month: i64,
    quarter: i64,
    year: i64,
    all: i64,
}

impl From<Totals> for PointTotalsView {
    fn from(totals: Totals) -> Self {
        Self {
            today: totals.today,
            week: totals.week,
            month: totals.month,
            quarter: totals.quarter,
            year: totals.year,
            all: totals.all,
        }
    }
}

/// A rule that is for this member, and how far it still goes today.
#[derive(Serialize, utoipa::ToSchema)]
struct RuleTodayView {
    rule: Rule,
    amount: i32,
    /// The amount is for so many minutes; null: once.
    per_minutes: Option<i32>,
    earned_today: i64,
    /// Null: no limit.
    day_max: Option<i32>,
    week_max: Option<i32>,
    year_max: Option<i32>,
}

impl From<RuleToday> for RuleTodayView {
    fn from(one: RuleToday) -> Self {
        Self {
            rule: one.rule,
            amount: one.scheme.amount,
            per_minutes: one.scheme.per_minutes,
            earned_today: one.earned_today,
            day_max: one.scheme.day_max,
            week_max: one.scheme.week_max,
            year_max: one.scheme.year_max,
        }
    }
}

/// What an entry does.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum PointEntryKind {
    Award,
    Reversal,
}

/// Points that were given, or taken back.
#[derive(Serialize, utoipa::ToSchema)]
struct PointEntryView {
    id: PointEntryId,
    kind: PointEntryKind,
    rule: Rule,
    /// Negative: taken back.
    points: i32,
    /// Why fewer than the rule gives; null: they are not.
    limited_by: Option<Limit>,
    /// What it was for: an event, lesson, plan or award.
    subject: Subject,
    subject_id: AnyId,
    /// Its title; of an award its reason.
    title: Option<String>,
    /// The record for which they were given.
    source_id: AnyId,
    /// The member's at the time.
    organization_id: OrganizationId,
    /// The day for which they count, in the tree's zone.
    day: NaiveDate,
    occurred_at: Instant,
    recorded_at: Instant,
}

impl From<(EntryRow, Option<String>)> for PointEntryView {
    fn from((row, title): (EntryRow, Option<String>)) -> Self {
        let rule = Rule::parse(&row.rule).unwrap_or(Rule::ManualAward);
        Self {
            id: row.id,
            kind: match row.turn % 2 {
                0 => PointEntryKind::Award,
                _ => PointEntryKind::Reversal,
            },
            rule,
            points: row.points,
            limited_by: row.limited_by.as_deref().and_then(Limit::parse),
            subject: rule.subject(),
            subject_id: row.subject_id,
            title,
            source_id: row.source_id,
            organization_id: row.organization_id,
            day: row.day,
            occurred_at: row.occurred_at,
            recorded_at: row.recorded_at,
        }
    }
}

/// A member's points and where they are from.
#[derive(Serialize, utoipa::ToSchema)]
struct MemberPointsView {
    member_id: MemberId,
    today: NaiveDate,
    totals: PointTotalsView,
    rules_today: Vec<RuleTodayView>,
    /// The newest day first.
    items: Vec<PointEntryView>,
    next_cursor: Option<String>,
    /// With `count=true`: how many entries there are on all pages together.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
}

/// List my points, entry by entry, each with what it was for; what they add up to in the periods of today; and how far today's
/// rules still go. A day is the tree's own. What is taken back (an annulled check-in, a reflection that was rejected) is an
/// entry too, for the day of what it takes back.
#[utoipa::path(tag = "points", params(PageQuery), responses((status = 200, body = MemberPointsView)))]
#[get("/me/points")]
pub async fn list_my_points(
    app: web::Data<App>,
    who: SignedIn,
    query: Query<PageQuery>,
) -> AppResult<Tagged<MemberPointsView>> {
    let member = who.0.member()?;
    points_of(&app, who, member, &query.0).await
}

/// List a member's points, as who views the member.
#[utoipa::path(tag = "points", params(("id" = MemberId, Path), PageQuery), responses((status = 200, body = MemberPointsView)))]
#[get("/members/{id}/points")]
pub async fn list_member_points(
    app: web::Data<App>,
    who: SignedIn,
    id: IdPath<MemberId>,
    query: Query<PageQuery>,
) -> AppResult<Tagged<MemberPointsView>> {
    points_of(&app, who, id.0, &query.0).await
}

async fn points_of(
    app: &App,
    who: SignedIn,
    member: MemberId,
    query: &PageQuery,
) -> AppResult<Tagged<MemberPointsView>> {
    let (ctx, page) = (app.ctx(who.0), query.page::<(NaiveDate, PointEntryId)>()?);
    let asked = page.clone();
    let read = move |conn: &mut _| service::member_points(conn, &ctx, member, &asked);
    let Points {
        member,
        today,
        totals,
        rules,
        journal,
    } = app.db.read(read).await?;
    let key = |(row, _): &(EntryRow, Option<String>)| (row.day, row.id);
    let list = page.list(journal, key, PointEntryView::from);
    Ok(Tagged(MemberPointsView {
        member_id: member,
        today,
        totals: totals.into(),
        rules_today: rules.into_iter().map(RuleTodayView::from).collect(),
        items: list.items,
        next_cursor: list.next_cursor,
        count: list.count,
    }))
}
