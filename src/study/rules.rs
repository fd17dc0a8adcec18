//! What of a report is credited: pure, so that any interleaving can be tried. No database.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::{StudyClock, Wall};
use super::played::{Played, Span};
use super::sessions::Sessions;

/// A phone's clock may be this far ahead of the server's.
const AHEAD_MS: i64 = 120_000;
/// How long a backlog may wait on a phone. Older claims are looked at by a person.
pub const BACKLOG_MS: i64 = BACKLOG_S * 1_000;
/// The same in seconds.
pub const BACKLOG_S: i64 = 14 * 24 * 3_600;
/// More pieces than anybody leaves behind who plays.
const MAX_PIECES: usize = 4_000;
/// A player may round the end of a lesson up.
const ROUNDED_MS: u32 = 1_500;

/// What studying a version of a lesson means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    pub duration_ms: u32,
    /// How much must be covered, in thousandths.
    pub threshold_permille: u32,
    /// How fast it may be played, in hundredths of wall-clock time. Articles: 100, for their length is the least that
    /// reading takes.
    pub speed_percent: u32,
}

impl Course {
    pub fn is_covered(&self, played: &Played) -> bool {
        played.total_ms() * 1_000 >= u64::from(self.duration_ms) * u64::from(self.threshold_permille)
    }

    /// Wall-clock time that playing `ms` takes at least.
    fn need_ms(&self, ms: u64) -> u64 {
        (ms * 100).div_ceil(u64::from(self.speed_percent.max(1)))
    }

    fn whole(&self) -> Played {
        Played::of([Span {
            from: 0,
            to: self.duration_ms,
        }])
    }
}

/// What one member has played of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    pub played: Played,
    pub sessions: Sessions,
    /// Where to resume, and when the phone was there.
    pub position_ms: u32,
    pub position_at: Option<Wall>,
    /// When the last of what is credited was played.
    pub credited_at: Option<Wall>,
}

/// What a phone says was played, at a time of its own clock.
#[derive(Debug, Clone)]
pub struct Claim {
    pub session: Uuid,
    pub started_at: Option<Wall>,
    pub occurred_at: Wall,
    pub played: Played,
    pub position_ms: Option<u32>,
}

/// Why something is not credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// More than the time since the session began allows, all of the member's lessons and devices together.
    TooFast,
    /// Played in the future, by the server's clock.
    ClockAhead,
    /// Played longer ago than a backlog may wait.
    TooOld,
    /// There is no such part of the lesson. Nobody needs to look at that.
    BeyondEnd,
    /// It would leave more pieces behind than anybody does who plays. Likewise.
    TooScattered,
    /// A person has refused it.
    Refused,
}

impl Doubt {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooFast => "too_fast",
            Self::ClockAhead => "clock_ahead",
            Self::TooOld => "too_old",
            Self::BeyondEnd => "beyond_end",
            Self::TooScattered => "too_scattered",
            Self::Refused => "refused",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::TooFast, Self::ClockAhead, Self::TooOld]
            .into_iter()
            .find(|doubt| doubt.as_str() == text)
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Credited now, for the first time.
    pub accepted: Played,
    /// Credited now of what had waited for a person: its session turned out to be long enough.
    pub settled: Played,
    /// Not credited; a person decides.
    pub doubtful: Option<(Doubt, Played)>,
    pub beyond_end: Played,
    pub too_scattered: Played,
}

/// What of this session is doubted already: it is not claimed again by repeating it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doubted {
    /// Was too fast: credited without a person when the session turns out to be long enough.
    pub waiting: Played,
    /// Waits for a person, or was refused by one.
    pub held: Played,
}

/// Credits what fits. Whatever is sent again, late, in another order or from several phones: the same is credited once.
pub fn credit(
    clock: &mut StudyClock,
    progress: &mut Progress,
    doubted: &Doubted,
    course: Course,
    claim: &Claim,
    now: Wall,
) -> Verdict {
    let beyond_end = claim.played.minus(&Played::of([Span {
        from: 0,
        to: course.duration_ms.saturating_add(ROUNDED_MS),
    }]));
    let mut verdict = Verdict {
        beyond_end,
        ..Verdict::default()
    };
    let within = claim.played.common(&course.whole());
    let known = progress.played.union(&doubted.waiting).union(&doubted.held);
    let mut new = within.minus(&known);
    if known.union(&new).spans().len() > MAX_PIECES {
        verdict.too_scattered = std::mem::take(&mut new);
    }
    clock.forget_before(now - BACKLOG_MS - super::sessions::LONGEST_MS);
    let doubt = if claim.occurred_at > now + AHEAD_MS {
        Some(Doubt::ClockAhead)
    } else if claim.occurred_at < now - BACKLOG_MS {
        Some(Doubt::TooOld)
    } else {
        None
    };
    if let Some(doubt) = doubt {
        verdict.doubtful = Some((doubt, new));
        return verdict;
    }
    let at = claim.occurred_at.min(now);
    let sitting = progress
        .sessions
        .report(claim.session, at, claim.started_at, !claim.played.is_empty());
    let (begin, last) = (sitting.session.begin, sitting.session.last);
    resume(progress, claim, at, course);
    let need = course.need_ms(new.total_ms());
    // As narrow as the reports tell; but what came late may have taken from there, so then anywhere in the sitting.
    if clock.spend(sitting.since, at, now, need) || clock.spend(begin, at, now, need) {
        progress.played = progress.played.union(&new);
        if !new.is_empty() {
            progress.credited_at = progress.credited_at.max(Some(at));
        }
        verdict.accepted = new;
    } else {
        verdict.doubtful = Some((Doubt::TooFast, new));
    }
    let waiting = doubted.waiting.minus(&progress.played);
    if !waiting.is_empty() && clock.spend(begin, last, now, course.need_ms(waiting.total_ms())) {
        progress.played = progress.played.union(&waiting);
        progress.credited_at = progress.credited_at.max(Some(last));
        verdict.settled = waiting;
    }
    verdict
}

/// The phone that was there last tells where to go on.
fn resume(progress: &mut Progress, claim: &Claim, at: Wall, course: Course) {
    if let Some(position) = claim.position_ms
        && progress.position_at.is_none_or(|before| before <= at)
    {
        progress.position_ms = position.min(course.duration_ms);
        progress.position_at = Some(at);
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
