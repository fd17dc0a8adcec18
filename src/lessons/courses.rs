//! Published versions for those who study them, many at once: one query whatever their number.

use std::collections::{HashMap, HashSet};

use super::LessonId;
use super::rules::Kind;
use super::store::{self, AudienceRow, CourseRow};
use crate::members::{self, MemberId};
use crate::organizations::OrganizationId;
use crate::platform::db::{DbConnection, Instant, UuidList};
use crate::platform::error::AppResult;

/// A published version, as far as studying goes.
#[derive(Debug, Clone)]
pub struct CourseVersion {
    pub lesson: LessonId,
    pub number: i32,
    pub tenant: OrganizationId,
    pub kind: Kind,
    pub title: String,
    /// Of an article the least that reading it takes.
    pub duration_ms: u32,
    /// Of an article: the least reading time of each section.
    pub sections_ms: Vec<u32>,
    pub threshold_permille: u32,
    pub speed_percent: u32,
    /// The one that members are shown.
    pub is_current: bool,
    pub published_at: Instant,
}

impl From<CourseRow> for CourseVersion {
    fn from(row: CourseRow) -> Self {
        let positive = |number: i32| u32::try_from(number).unwrap_or(0);
        Self {
            is_current: row.published_number == Some(row.number),
            kind: Kind::parse(&row.kind).unwrap_or(Kind::Article),
            sections_ms: row.sections().iter().map(|section| section.ms).collect(),
            published_at: row.published_at,
            lesson: row.lesson_id,
            number: row.number,
            tenant: row.tenant_id,
            title: row.title,
            duration_ms: positive(row.duration_ms),
            threshold_permille: positive(row.threshold_permille),
            speed_percent: positive(row.speed_percent),
        }
    }
}

/// All published versions of these lessons. No permission asked: for services that decide on their own.
pub fn versions_of(
    conn: &mut DbConnection,
    lessons: impl IntoIterator<Item = LessonId>,
) -> AppResult<Vec<CourseVersion>> {
    let rows = store::list_courses(conn, lessons.into_iter().collect())?;
    Ok(rows.into_iter().map(CourseVersion::from).collect())
}

/// Nobody completes it until the transaction ends. No permission asked.
pub fn hold_versions(conn: &mut DbConnection, lesson: LessonId) -> AppResult<()> {
    Ok(store::lock_versions(conn, lesson)?)
}

/// What these lessons are called: as members are shown them, or were last. No permission asked.
pub fn titles(
    conn: &mut DbConnection,
    lessons: impl IntoIterator<Item = LessonId>,
) -> AppResult<HashMap<LessonId, String>> {
    let mut versions = versions_of(conn, lessons)?;
    versions.sort_by_key(|version| (version.is_current, version.number));
    let titles = versions
        .into_iter()
        .map(|version| (version.lesson, version.title));
    Ok(titles.collect())
}

/// Whom lessons are for that are published and not put away.
pub struct Audiences(HashMap<LessonId, Vec<AudienceRow>>);

/// One query, whatever their number. No permission asked.
pub fn audiences(
    conn: &mut DbConnection,
    lessons: impl IntoIterator<Item = LessonId>,
) -> AppResult<Audiences> {
    let rows = store::list_audiences(conn, lessons.into_iter().collect())?;
    Ok(Audiences(by_lesson(rows)))
}

impl Audiences {
    /// Is it for all members of such standings below the organization at the end of this line?
    pub fn covers(&self, lesson: LessonId, line: &[uuid::Uuid], standings: i32) -> bool {
        let rows = self.0.get(&lesson).map(Vec::as_slice).unwrap_or_default();
        rows.iter().any(|row| {
            line.contains(&row.organization_id.0) && row.audience_standings & standings == standings
        })
    }
}

/// Which of these lessons are published for which of these members: what an archived one is not any more.
pub fn admitted(
    conn: &mut DbConnection,
    asked: &[(MemberId, LessonId)],
) -> AppResult<HashSet<(MemberId, LessonId)>> {
    if asked.is_empty() {
        return Ok(HashSet::new());
    }
    let people = members::briefs(conn, &members_of(asked))?;
    let audiences = by_lesson(store::list_audiences(conn, lessons_of(asked))?);
    let is_for = |(member, lesson): &(MemberId, LessonId)| {
        let (Some(person), Some(audience)) = (people.get(member), audiences.get(lesson)) else {
            return false;
        };
        let (line, standing) = (person.line(), person.standing_bit());
        audience.iter().any(|row| row.takes(&line, standing))
    };
    Ok(asked.iter().copied().filter(is_for).collect())
}

/// Until when these lessons were for these members, if they are no more: since then the lesson was archived, or the member
/// was transferred. Whom it was for before its audience was changed, former standings, and where an organization stood before
/// it was moved are not asked.
pub fn admitted_until(
    conn: &mut DbConnection,
    asked: &[(MemberId, LessonId)],
    since: Instant,
) -> AppResult<HashMap<(MemberId, LessonId), Instant>> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let mut audiences = store::list_audiences_ever(conn, lessons_of(asked))?;
    audiences.retain(|row| row.archived_at.is_none_or(|at| at >= since));
    let audiences = by_lesson(audiences);
    let people = members::briefs(conn, &members_of(asked))?;
    let left = members::former_places(conn, &members_of(asked), since)?;
    let until = |(member, lesson): &(MemberId, LessonId)| {
        let (person, audience) = (people.get(member)?, audiences.get(lesson)?);
        let former = left.iter().filter(|place| place.member_id == *member);
        let places = former.map(|place| (place.line(), Some(place.until)));
        let latest = |(line, left): (Vec<uuid::Uuid>, Option<Instant>)| {
            let rows = audience
                .iter()
                .filter(|row| row.takes(&line, person.standing_bit()));
            rows.filter_map(|row| [left, row.archived_at].into_iter().flatten().min())
                .max()
        };
        places.chain([(person.line(), None)]).filter_map(latest).max()
    };
    let ended = asked.iter().filter_map(|pair| Some((*pair, until(pair)?)));
    Ok(ended.collect())
}

fn members_of(asked: &[(MemberId, LessonId)]) -> Vec<MemberId> {
    asked.iter().map(|(member, _)| *member).collect()
}

fn lessons_of(asked: &[(MemberId, LessonId)]) -> UuidList {
    asked.iter().map(|(_, lesson)| *lesson).collect()
}

fn by_lesson(rows: Vec<AudienceRow>) -> HashMap<LessonId, Vec<AudienceRow>> {
    let mut audiences: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        audiences.entry(row.lesson_id).or_default().push(row);
    }
    audiences
}

impl AudienceRow {
    /// Is it for members of this standing at the end of this line?
    fn takes(&self, line: &[uuid::Uuid], standing: i32) -> bool {
        self.audience_standings & standing != 0 && line.contains(&self.organization_id.0)
    }
}
