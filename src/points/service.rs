//! Why somebody has the points they have: their journal, what it adds up to, and how far today's rules still go.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::PointEntryId;
use super::rules::{self, ByDay, Rule, Scheme, Subject};
use super::schemes::RuleBook;
use super::store::{self, EntryRow};
use crate::app::Ctx;
use crate::events::{self, EventId};
use crate::lessons::{self, LessonId};
use crate::members::{self, MemberId, Standing};
use crate::organizations::{self, Right};
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::local_time;
use crate::platform::page::{Found, Page};
use crate::study_plans::{self, StudyPlanId};

/// What somebody has in the periods of today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub today: i64,
    pub week: i64,
    pub month: i64,
    pub quarter: i64,
    pub year: i64,
    pub all: i64,
}

/// A rule as it is for somebody today.
#[derive(Debug, Clone)]
pub struct RuleToday {
    pub rule: Rule,
    pub scheme: Scheme,
    pub earned_today: i64,
}

/// A member's points.
#[derive(Debug, Clone)]
pub struct Points {
    pub member: MemberId,
    /// In the tree's zone.
    pub today: NaiveDate,
    pub totals: Totals,
    pub rules: Vec<RuleToday>,
    /// With the title of what it was for.
    pub journal: Found<(EntryRow, Option<String>)>,
}

/// One's own, or those of a member whom the actor may view.
pub fn member_points(
    conn: &mut DbConnection,
    ctx: &Ctx,
    member: MemberId,
    page: &Page<(NaiveDate, PointEntryId)>,
) -> AppResult<Points> {
    let person = members::require_member(conn, ctx, member, Right::View)?;
    let root = organizations::find_organization(conn, person.tenant_id)?;
    let zone = organizations::tree_zone(root.time_zone.as_deref());
    let today = local_time::local_date(ctx.now, zone);
    let book = RuleBook::load(conn, [root.id].into_iter())?;
    let standing = Standing::parse(&person.standing).map_or(0, Standing::bit);
    let mut earned: HashMap<Rule, ByDay> = HashMap::new();
    for row in store::list_earned(conn, &[member], today)? {
        if let Some(rule) = Rule::parse(&row.rule) {
            earned.entry(rule).or_default().add(row.day, row.points);
        }
    }
    let rules = Rule::SET.into_iter().filter_map(|rule| {
        let scheme = book.scheme(root.id, rule, today);
        let earned = earned.get(&rule).map(|given| given.earned(today).day);
        (scheme.amount > 0 && scheme.standings & standing != 0).then_some(RuleToday {
            rule,
            scheme,
            earned_today: earned.unwrap_or_default(),
        })
    });
    let entries = store::list_entries(conn, member, page)?;
    Ok(Points {
        member,
        today,
        totals: totals(conn, member, today)?,
        rules: rules.collect(),
        journal: with_titles(conn, entries)?,
    })
}

/// One's own totals in the periods of today, and when that day ends.
pub fn my_totals(conn: &mut DbConnection, ctx: &Ctx) -> AppResult<(Totals, Instant)> {
    let member = ctx.actor.member()?;
    let tenant = ctx.actor.tenant.ok_or_else(AppError::not_found)?;
    let root = organizations::find_organization(conn, tenant)?;
    let zone = organizations::tree_zone(root.time_zone.as_deref());
    let today = local_time::local_date(ctx.now, zone);
    Ok((totals(conn, member, today)?, local_time::end_of_day(today, zone)))
}

/// What a member has in the periods of this day. No permission asked.
fn totals(conn: &mut DbConnection, member: MemberId, today: NaiveDate) -> AppResult<Totals> {
    let (week, month) = (rules::first_of_week(today), rules::first_of_month(today));
    let (quarter, year) = (rules::first_of_quarter(today), rules::first_of_year(today));
    let since = [("day", week), ("month", quarter), ("year", rules::BEGINNING)];
    let mut totals = Totals::default();
    for row in store::list_totals(conn, member, &since)? {
        let (points, starts_on) = (row.points, row.starts_on);
        match row.span.as_str() {
            "day" => {
                totals.week += if rules::first_of_week(starts_on) == week {
                    points
                } else {
                    0
                };
                totals.today += if starts_on == today { points } else { 0 };
            }
            "month" => {
                let is_of_quarter = rules::first_of_quarter(starts_on) == quarter;
                totals.quarter += if is_of_quarter { points } else { 0 };
                totals.month += if starts_on == month { points } else { 0 };
            }
            _ => {
                totals.all += points;
                totals.year += if starts_on == year { points } else { 0 };
            }
        }
    }
    Ok(totals)
}

/// Each entry with the title of its event, lesson or plan, or with the words of an award: a query for each kind.
fn with_titles(
    conn: &mut DbConnection,
    found: Found<EntryRow>,
) -> AppResult<Found<(EntryRow, Option<String>)>> {
    let mut wanted: BTreeMap<Subject, Vec<AnyId>> = BTreeMap::new();
    let subject_of = |row: &EntryRow| Rule::parse(&row.rule).map(Rule::subject);
    for row in &found.rows {
        let subject = subject_of(row).ok_or_else(|| AppError::internal("an unknown rule"))?;
        wanted.entry(subject).or_default().push(row.subject_id);
    }
    let mut titles: HashMap<AnyId, String> = HashMap::new();
    for (subject, ids) in wanted {
        titles.extend(titles_of(conn, subject, &ids)?);
    }
    let titled = |row: EntryRow| {
        let title = titles.get(&row.subject_id).cloned();
        (row, title)
    };
    Ok(Found {
        rows: found.rows.into_iter().map(titled).collect(),
        count: found.count,
    })
}

fn titles_of(conn: &mut DbConnection, subject: Subject, ids: &[AnyId]) -> AppResult<Vec<(AnyId, String)>> {
    Ok(match subject {
        Subject::Event => {
            let ids: Vec<EventId> = ids.iter().map(|id| EventId(id.0)).collect();
            let briefs = events::briefs(conn, &ids)?;
            briefs
                .into_iter()
                .map(|(id, event)| (AnyId(id.0), event.title))
                .collect()
        }
        Subject::Lesson => {
            let lessons = lessons::titles(conn, ids.iter().map(|id| LessonId(id.0)))?;
            lessons
                .into_iter()
                .map(|(id, title)| (AnyId(id.0), title))
                .collect()
        }
        Subject::Plan => {
            let ids: Vec<StudyPlanId> = ids.iter().map(|id| StudyPlanId(id.0)).collect();
            let plans = study_plans::titles(conn, &ids)?;
            plans
                .into_iter()
                .map(|(id, title)| (AnyId(id.0), title))
                .collect()
        }
        Subject::Award => {
            let awards = store::list_awards_by_id(conn, ids.iter().map(|id| id.0))?;
            awards
                .into_iter()
                .map(|row| (AnyId(row.id.0), row.reason))
                .collect()
        }
    })
}
