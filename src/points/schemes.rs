//! The rule book of a tree: what each rule gives from which day on. Rules are written for days to come, so that nobody's past
//! changes, and a recalculation that nothing is written by tells what a change would have made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use serde_json::json;

use super::commands::{SimulatePoints, WriteRule};
use super::rules::{self, ByDay, Rule, Scheme};
use super::store::{self, EntryRow, RuleRow};
use crate::app::Ctx;
use crate::audit::{self, Entry};
use crate::members::{self, MemberBrief, MemberId, Standing};
use crate::organizations::{self, OrganizationId, OrganizationRow, Right};
use crate::platform::db::{AnyId, DbConnection};
use crate::platform::error::{AppError, AppResult};

/// What some trees have set, in order of time.
pub struct RuleBook(HashMap<(OrganizationId, Rule), BTreeMap<NaiveDate, Scheme>>);

impl RuleBook {
    pub fn load(conn: &mut DbConnection, tenants: impl Iterator<Item = OrganizationId>) -> AppResult<Self> {
        let tenants: BTreeSet<_> = tenants.collect();
        let mut book = Self(HashMap::new());
        for row in store::list_rules(conn, tenants)? {
            if let Some(rule) = Rule::parse(&row.rule) {
                book.set(row.tenant_id, rule, row.from_day, scheme_of(&row));
            }
        }
        Ok(book)
    }

    fn set(&mut self, tenant: OrganizationId, rule: Rule, from: NaiveDate, scheme: Scheme) {
        self.0.entry((tenant, rule)).or_default().insert(from, scheme);
    }

    /// In force on this day.
    pub fn scheme(&self, tenant: OrganizationId, rule: Rule, day: NaiveDate) -> Scheme {
        self.begun(tenant, rule, day)
            .map_or_else(|| rule.default_scheme(), |(_, scheme)| *scheme)
    }

    fn begun(&self, tenant: OrganizationId, rule: Rule, day: NaiveDate) -> Option<(&NaiveDate, &Scheme)> {
        self.0.get(&(tenant, rule))?.range(..=day).next_back()
    }

    /// What is set for the days after this one.
    fn to_come(&self, tenant: OrganizationId, rule: Rule, day: NaiveDate) -> Vec<(NaiveDate, Scheme)> {
        let set = self.0.get(&(tenant, rule)).into_iter().flatten();
        set.filter(|(from, _)| **from > day)
            .map(|(from, scheme)| (*from, *scheme))
            .collect()
    }
}

fn scheme_of(row: &RuleRow) -> Scheme {
    Scheme {
        amount: row.amount,
        per_minutes: row.per_minutes,
        day_max: row.day_max,
        week_max: row.week_max,
        year_max: row.year_max,
        standings: row.standings,
    }
}

/// A rule as it is looked up.
#[derive(Debug, Clone)]
pub struct ListedRule {
    pub rule: Rule,
    pub scheme: Scheme,
    /// Since when it has been so; none: from the beginning.
    pub since: Option<NaiveDate>,
    /// What is to come.
    pub planned: Vec<(NaiveDate, Scheme)>,
}

/// The rules of an organization's tree, for whoever may know of it: they are everybody's to look up.
pub fn list_rules(conn: &mut DbConnection, ctx: &Ctx, id: OrganizationId) -> AppResult<Vec<ListedRule>> {
    let (root, today) = tree_of(conn, ctx, id)?;
    let book = RuleBook::load(conn, [root.id].into_iter())?;
    let listed = Rule::SET
        .into_iter()
        .map(|rule| listed(&book, root.id, rule, today));
    Ok(listed.collect())
}

fn listed(book: &RuleBook, tenant: OrganizationId, rule: Rule, today: NaiveDate) -> ListedRule {
    let begun = book.begun(tenant, rule, today);
    ListedRule {
        rule,
        scheme: begun.map_or_else(|| rule.default_scheme(), |(_, scheme)| *scheme),
        since: begun.map(|(from, _)| *from),
        planned: book.to_come(tenant, rule, today),
    }
}

/// The root of a visible organization's tree, and its day.
fn tree_of(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
) -> AppResult<(OrganizationRow, NaiveDate)> {
    let row = organizations::visible(conn, ctx, id)?;
    let root = organizations::find_organization(conn, row.tenant_id)?;
    let today = members::today(conn, ctx, &root)?;
    Ok((root, today))
}

/// Sets what a rule gives from a day to come, for the whole tree; written again for the same day it is replaced.
pub fn write_rule(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    rule: Rule,
    new: &WriteRule,
) -> AppResult<ListedRule> {
    let (root, today) = tree_of(conn, ctx, id)?;
    // Two who write at once take turns.
    organizations::require_locked(conn, ctx, root.id, Right::ManageOrganization)?;
    if new.from_day <= today {
        let message = format!("must be after {today}: what was earned is not changed");
        return Err(AppError::invalid_field("/from_day", "too_early", message));
    }
    if let Some((code, words)) = rule.unit_problem(new.scheme.per_minutes) {
        return Err(AppError::invalid_field("/scheme/per_minutes", code, words));
    }
    let scheme = Scheme::from(&new.scheme);
    let mut book = RuleBook::load(conn, [root.id].into_iter())?;
    let planned = book.to_come(root.id, rule, today);
    if !planned.contains(&(new.from_day, scheme)) {
        store::save_rule(conn, &rule_row(ctx, &root, rule, new.from_day, scheme))?;
        let detail = json!({
            "rule": rule, "from_day": new.from_day, "amount": scheme.amount, "per_minutes": scheme.per_minutes,
            "day_max": scheme.day_max, "week_max": scheme.week_max, "year_max": scheme.year_max,
            "standings": Standing::from_bits(scheme.standings),
        });
        let entry = Entry::of("point_rule.update", root.id.0, root.tenant_id, root.id, detail);
        audit::record(conn, ctx, entry)?;
    }
    book.set(root.id, rule, new.from_day, scheme);
    Ok(listed(&book, root.id, rule, today))
}

fn rule_row(ctx: &Ctx, root: &OrganizationRow, rule: Rule, from_day: NaiveDate, scheme: Scheme) -> RuleRow {
    RuleRow {
        tenant_id: root.id,
        rule: rule.as_str().to_owned(),
        from_day,
        amount: scheme.amount,
        per_minutes: scheme.per_minutes,
        day_max: scheme.day_max,
        week_max: scheme.week_max,
        year_max: scheme.year_max,
        standings: scheme.standings,
        set_at: ctx.now,
        set_by: ctx.actor.account,
    }
}

/// What other rules would have made of the past.
#[derive(Debug, Clone, Default)]
pub struct Simulation {
    pub members: i64,
    /// Whose sum would be another.
    pub changed: i64,
    /// By rule: how it was, and how it would have been.
    pub rules: BTreeMap<Rule, (i64, i64)>,
    /// The members whose sums would differ most, with both sums, the greatest difference first.
    pub most_changed: Vec<(MemberBrief, i64, i64)>,
}

/// Members whose entries are read at a time.
const AT_ONCE: usize = 200;
const MOST_CHANGED: usize = 20;

/// Reckons what the tree's members earned from one day to another once more, by rules that are not in force. Nothing is
/// written. What was taken back stays taken back, and standings are those of the time.
pub fn simulate(
    conn: &mut DbConnection,
    ctx: &Ctx,
    id: OrganizationId,
    asked: &SimulatePoints,
) -> AppResult<Simulation> {
    let top = organizations::require(conn, ctx, id, Right::ManageOrganization)?;
    let tries = asked.rules.iter();
    let tries: HashMap<Rule, Scheme> = tries.map(|one| (one.rule, Scheme::from(&one.scheme))).collect();
    let below = organizations::ids_ever_below(conn, &top)?;
    let mut found = Simulation::default();
    let mut changes: Vec<(MemberId, i64, i64)> = Vec::new();
    let mut after = None;
    loop {
        let some = members::list_ids(conn, &below, after, AT_ONCE)?;
        let Some(last) = some.last() else { break };
        after = Some(*last);
        let entries = store::list_between(conn, &some, asked.from_day, asked.to_day)?;
        let mut given = given_before(conn, &some, asked.from_day)?;
        for (member, was, would_be) in reckon(entries, &tries, &mut given, &mut found) {
            found.members += 1;
            found.changed += i64::from(was != would_be);
            changes.push((member, was, would_be));
        }
        changes.retain(|(_, was, would_be)| was != would_be);
        changes.sort_by_key(|(member, was, would_be)| (-(would_be - was).abs(), *member));
        changes.truncate(MOST_CHANGED);
    }
    let ids: Vec<MemberId> = changes.iter().map(|(member, ..)| *member).collect();
    let people = members::briefs(conn, &ids)?;
    let named = |(member, was, would_be)| Some((people.get(&member)?.clone(), was, would_be));
    found.most_changed = changes.into_iter().filter_map(named).collect();
    Ok(found)
}

/// What rules had given these members in the week and year of a day before it: it counts for the limits of both.
fn given_before(conn: &mut DbConnection, members: &[MemberId], day: NaiveDate) -> AppResult<Given> {
    let since = rules::first_of_week(day).min(rules::first_of_year(day));
    let mut given = Given::new();
    for row in store::list_earned(conn, members, since)? {
        if let Some(rule) = Rule::parse(&row.rule).filter(|_| row.day < day) {
            given
                .entry((row.member_id, rule))
                .or_default()
                .add(row.day, row.points);
        }
    }
    Ok(given)
}

type Given = HashMap<(MemberId, Rule), ByDay>;

/// Each member's sum as it was and as it would have been. Entries come member by member, in order of time. Rules that are not
/// tried are as they were; of one that is, what was taken back stays so.
fn reckon(
    entries: Vec<EntryRow>,
    tries: &HashMap<Rule, Scheme>,
    given: &mut Given,
    found: &mut Simulation,
) -> Vec<(MemberId, i64, i64)> {
    let reversed: HashSet<(MemberId, AnyId, String, i32)> = entries
        .iter()
        .filter(|row| row.turn % 2 == 1)
        .map(|row| (row.member_id, row.source_id, row.rule.clone(), row.turn - 1))
        .collect();
    let mut sums: BTreeMap<MemberId, (i64, i64)> = BTreeMap::new();
    for row in entries {
        let Some(rule) = Rule::parse(&row.rule) else {
            continue;
        };
        let stands = row.turn % 2 == 0
            && !reversed.contains(&(row.member_id, row.source_id, row.rule.clone(), row.turn));
        let points = match tries.get(&rule) {
            None => row.points,
            Some(_) if !stands => 0,
            Some(scheme) => {
                let given = given.entry((row.member_id, rule)).or_default();
                let earned = given.earned(row.day);
                let (points, _) = rules::grant(scheme, row.minutes, row.standing, earned);
                given.add(row.day, points);
                points
            }
        };
        for sum in [
            sums.entry(row.member_id).or_default(),
            found.rules.entry(rule).or_default(),
        ] {
            sum.0 += i64::from(row.points);
            sum.1 += i64::from(points);
        }
    }
    sums.into_iter()
        .map(|(member, (was, would_be))| (member, was, would_be))
        .collect()
}
