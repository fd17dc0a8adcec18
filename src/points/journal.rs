//! The journal: `award` and `reverse` write entries, and what they add up to, in the transaction of their cause. Both take
//! a batch, and may be asked again for the same: a source gives a member its points once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;

use super::rules::{self, ByDay, Rule};
use super::schemes::RuleBook;
use super::store::{self, EntryRow, TotalRow};
use crate::members::{self, HeldMember, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{AnyId, DbConnection, Instant};
use crate::platform::error::{AppError, AppResult};
use crate::platform::ids::Ids;
use crate::platform::local_time;

/// Something that was done, for which a rule may give points.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    pub member: MemberId,
    pub rule: Rule,
    /// The record of it: a check-in, lesson, plan, confirmed hours, reflection or award.
    pub source: AnyId,
    /// What the member knows it by: the event, lesson or plan.
    pub subject: AnyId,
    /// Of what is given by time.
    pub minutes: i32,
    /// It counts for this day, in the tree's zone.
    pub occurred_at: Instant,
    /// Was the record made in this transaction, so that nothing can have been given for it?
    pub is_new: bool,
}

impl Deed {
    /// Once for an event, lesson, plan or award, which is its record too; it may have been asked for before.
    pub fn of(rule: Rule, member: MemberId, subject: impl Into<uuid::Uuid>, occurred_at: Instant) -> Self {
        let subject = AnyId(subject.into());
        Self {
            member,
            rule,
            source: subject,
            subject,
            minutes: 0,
            occurred_at,
            is_new: false,
        }
    }
}

type Key = (MemberId, AnyId, Rule);

/// Gives the points of a batch, in its order, each limited by what is earned before it. What is given already is not given
/// again. The members are held, so that limits hold across whatever else they earn at the moment.
pub fn award(conn: &mut DbConnection, ids: &Ids, now: Instant, deeds: &[Deed]) -> AppResult<()> {
    if deeds.is_empty() {
        return Ok(());
    }
    let people = hold(conn, deeds.iter().map(|deed| deed.member))?;
    let book = RuleBook::load(conn, people.values().map(|person| person.tenant_id))?;
    let known = deeds.iter().filter(|deed| !deed.is_new);
    let mut last = Last::load(conn, known.map(|deed| (deed.member, deed.source)))?;
    let mut judged = Vec::with_capacity(deeds.len());
    for deed in deeds {
        let Some(person) = people.get(&deed.member) else {
            return Err(AppError::internal("points for nobody"));
        };
        let day = local_time::local_date(deed.occurred_at, person.zone());
        judged.push((deed, person, day, book.scheme(person.tenant_id, deed.rule, day)));
    }
    let asked = judged
        .iter()
        .map(|(deed, _, day, scheme)| (deed.member, rules::earned_since(scheme, *day)));
    let mut earnings = Earnings::load(conn, asked)?;
    let mut rows = Vec::with_capacity(deeds.len());
    for (deed, person, day, scheme) in judged {
        let key = (deed.member, deed.source, deed.rule);
        let Some(turn) = last.next_award(key) else {
            continue;
        };
        let given = earnings.of(deed.member, deed.rule);
        let standing = person.standing_bit();
        let (points, limited_by) = rules::grant(&scheme, deed.minutes, standing, given.earned(day));
        given.add(day, points);
        let mut row = new_row(ids, now, person, deed);
        (row.turn, row.points) = (turn, points);
        row.limited_by = limited_by.map(|limit| limit.as_str().to_owned());
        last.remember(key, &row);
        rows.push(row);
    }
    write(conn, rows)
}

/// Gives points that two people have agreed on, as many as they say.
pub fn award_by_hand(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    member: MemberId,
    award: AnyId,
    points: i32,
) -> AppResult<()> {
    let people = hold(conn, [member].into_iter())?;
    let person = people.get(&member).ok_or_else(AppError::not_found)?;
    let key = (member, award, Rule::ManualAward);
    let Some(turn) = Last::load(conn, [(member, award)].into_iter())?.next_award(key) else {
        return Ok(());
    };
    let deed = Deed::of(Rule::ManualAward, member, award.0, now);
    let mut row = new_row(ids, now, person, &deed);
    (row.turn, row.points) = (turn, points);
    write(conn, vec![row])
}

/// Takes back what these sources have given these members, for the days for which it was given. What was not given, or is
/// taken back already, stays as it is.
pub fn reverse(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    undone: &[(MemberId, AnyId)],
) -> AppResult<()> {
    if undone.is_empty() {
        return Ok(());
    }
    hold(conn, undone.iter().map(|(member, _)| *member))?;
    let last = Last::load(conn, undone.iter().copied())?;
    let given = last.0.into_values().filter(is_award);
    let rows = given.map(|row| EntryRow {
        turn: row.turn + 1,
        id: ids.make(),
        points: -row.points,
        recorded_at: now,
        ..row
    });
    write(conn, rows.collect())
}

/// The first entry of a deed, as yet without points.
fn new_row(ids: &Ids, now: Instant, person: &HeldMember, deed: &Deed) -> EntryRow {
    EntryRow {
        member_id: deed.member,
        source_id: deed.source,
        rule: deed.rule.as_str().to_owned(),
        turn: 0,
        id: ids.make(),
        tenant_id: person.tenant_id,
        organization_id: person.organization_id,
        subject_id: deed.subject,
        standing: person.standing_bit(),
        minutes: deed.minutes,
        points: 0,
        limited_by: None,
        day: local_time::local_date(deed.occurred_at, person.zone()),
        occurred_at: deed.occurred_at,
        recorded_at: now,
        change_no: 0,
    }
}

/// Takes back all that these members were given at one event, lesson or plan.
pub fn reverse_all_at(
    conn: &mut DbConnection,
    ids: &Ids,
    now: Instant,
    members: &[MemberId],
    subject: AnyId,
) -> AppResult<()> {
    let mut undone: Vec<(MemberId, AnyId)> = Vec::new();
    for some in members.chunks(AT_ONCE) {
        undone.extend(store::list_sources_at(conn, some, subject)?);
    }
    reverse(conn, ids, now, &undone)
}

/// Members whose entries are looked up at a time.
const AT_ONCE: usize = 2_000;

fn hold(
    conn: &mut DbConnection,
    members: impl Iterator<Item = MemberId>,
) -> AppResult<HashMap<MemberId, HeldMember>> {
    let ids: BTreeSet<MemberId> = members.collect();
    let ids: Vec<MemberId> = ids.into_iter().collect();
    let people = members::hold_members(conn, &ids)?;
    Ok(people.into_iter().map(|person| (person.id, person)).collect())
}

fn is_award(row: &EntryRow) -> bool {
    row.turn % 2 == 0
}

/// The last entry of each source and rule.
struct Last(BTreeMap<Key, EntryRow>);

impl Last {
    fn load(conn: &mut DbConnection, sources: impl Iterator<Item = (MemberId, AnyId)>) -> AppResult<Self> {
        let sources: BTreeSet<_> = sources.collect();
        let sources: Vec<_> = sources.into_iter().collect();
        let mut last = Self(BTreeMap::new());
        for row in store::list_of_sources(conn, &sources)? {
            let rule = Rule::parse(&row.rule).ok_or_else(|| AppError::internal("an unknown rule"))?;
            let key = (row.member_id, row.source_id, rule);
            if last.0.get(&key).is_none_or(|known| known.turn < row.turn) {
                last.0.insert(key, row);
            }
        }
        Ok(last)
    }

    /// The turn of an award now; none while one stands.
    fn next_award(&self, key: Key) -> Option<i32> {
        match self.0.get(&key) {
            None => Some(0),
            Some(row) if is_award(row) => None,
            Some(row) => Some(row.turn + 1),
        }
    }

    fn remember(&mut self, key: Key, row: &EntryRow) {
        self.0.insert(key, row.clone());
    }
}

/// What rules have given members.
#[derive(Default)]
struct Earnings(HashMap<(MemberId, Rule), ByDay>);

impl Earnings {
    /// Of those members whose rules have a limit, from the first day on that counts for one.
    fn load(
        conn: &mut DbConnection,
        asked: impl Iterator<Item = (MemberId, Option<NaiveDate>)>,
    ) -> AppResult<Self> {
        let asked: Vec<_> = asked
            .filter_map(|(member, since)| Some((member, since?)))
            .collect();
        let mut earnings = Self::default();
        if let Some(first) = asked.iter().map(|(_, since)| *since).min() {
            let members: BTreeSet<MemberId> = asked.iter().map(|(member, _)| *member).collect();
            let members: Vec<_> = members.into_iter().collect();
            for row in store::list_earned(conn, &members, first)? {
                if let Some(rule) = Rule::parse(&row.rule) {
                    earnings.of(row.member_id, rule).add(row.day, row.points);
                }
            }
        }
        Ok(earnings)
    }

    fn of(&mut self, member: MemberId, rule: Rule) -> &mut ByDay {
        self.0.entry((member, rule)).or_default()
    }
}

/// Writes entries and adds them to the totals of their day, month and year.
fn write(conn: &mut DbConnection, mut rows: Vec<EntryRow>) -> AppResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // The unique key stands behind the members' locks.
    store::insert_entries(conn, &mut rows).map_err(AppError::overtaken)?;
    let mut totals: BTreeMap<(MemberId, &'static str, NaiveDate), (OrganizationId, i64, Instant)> =
        BTreeMap::new();
    for row in rows.iter().filter(|row| row.points != 0) {
        for (span, starts_on) in spans_of(row.day) {
            let total =
                totals
                    .entry((row.member_id, span, starts_on))
                    .or_insert((row.tenant_id, 0, row.recorded_at));
            total.1 += i64::from(row.points);
        }
    }
    let totals: Vec<TotalRow> = totals
        .into_iter()
        .map(
            |((member_id, span, starts_on), (tenant_id, points, reached_at))| TotalRow {
                member_id,
                span: span.to_owned(),
                starts_on,
                tenant_id,
                points,
                reached_at,
            },
        )
        .collect();
    store::add_to_totals(conn, &totals)?;
    Ok(())
}

/// The spans for which totals are kept: a day's own, its month and its year.
fn spans_of(day: NaiveDate) -> [(&'static str, NaiveDate); 3] {
    [
        ("day", day),
        ("month", rules::first_of_month(day)),
        ("year", rules::first_of_year(day)),
    ]
}
