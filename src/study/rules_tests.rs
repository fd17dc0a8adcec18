//! Tries of `credit`: single cases, and any interleaving.

use proptest::prelude::*;

use super::*;

const T: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn course() -> Course {
    Course {
        duration_ms: 600_000,
        threshold_permille: 900,
        speed_percent: 200,
    }
}

fn range(from: u32, to: u32) -> Played {
    Played::of([Span { from, to }])
}

/// One member with one lesson, as the store keeps them.
#[derive(Default, Clone, Debug, PartialEq)]
struct Desk {
    clock: StudyClock,
    progress: Progress,
    doubted: std::collections::BTreeMap<Uuid, Doubted>,
}

impl Desk {
    fn send(&mut self, claim: &Claim, now: Wall) -> Verdict {
        let doubted = self.doubted.entry(claim.session).or_default();
        let verdict = credit(&mut self.clock, &mut self.progress, doubted, course(), claim, now);
        if let Some((_, played)) = &verdict.doubtful {
            doubted.waiting = doubted.waiting.union(played);
        }
        doubted.waiting = doubted.waiting.minus(&self.progress.played);
        verdict
    }
}

fn claim(session: u128, at: i64, from: u32, to: u32) -> Claim {
    Claim {
        session: Uuid::from_u128(session),
        started_at: None,
        occurred_at: at,
        played: range(from, to),
        position_ms: Some(to),
    }
}

#[test]
fn a_phones_clock_may_be_two_minutes_ahead_and_its_report_two_weeks_old() {
    let doubt = |at: i64| {
        let verdict = Desk::default().send(&claim(1, at, 0, 1_000), T);
        verdict.doubtful.map(|(doubt, _)| doubt)
    };
    assert_ne!(doubt(T + AHEAD_MS), Some(Doubt::ClockAhead));
    assert_eq!(doubt(T + AHEAD_MS + 1), Some(Doubt::ClockAhead));
    assert_ne!(doubt(T - BACKLOG_MS), Some(Doubt::TooOld));
    assert_eq!(doubt(T - BACKLOG_MS - 1), Some(Doubt::TooOld));
}

#[test]
fn as_many_pieces_as_are_kept_and_not_one_more() {
    let pieces = |count: usize| {
        let spans = (0..4_000_u32 + 1).map(|n| Span {
            from: n * 100,
            to: n * 100 + 50,
        });
        Claim {
            started_at: Some(T - 10 * MINUTE),
            played: Played::of(spans.take(count)),
            ..claim(1, T, 0, 0)
        }
    };
    let fits = Desk::default().send(&pieces(MAX_PIECES), T);
    assert_eq!(fits.accepted.spans().len(), MAX_PIECES);
    let verdict = Desk::default().send(&pieces(MAX_PIECES + 1), T);
    assert_eq!(verdict.too_scattered.spans().len(), MAX_PIECES + 1);
    assert_eq!(verdict.accepted, Played::default());
}

#[test]
fn time_is_known_as_spent_for_as_long_as_it_can_be_claimed_and_no_longer() {
    // The whole lesson at double speed takes the five minutes before T.
    let whole = |at| Claim {
        started_at: Some(at - 5 * MINUTE),
        ..claim(1, at, 0, 600_000)
    };
    let mut first = Desk::default();
    assert_eq!(first.send(&whole(T), T).doubtful, None);
    // Another lesson for the same minutes, by a phone that was offline for nearly as long as is taken.
    let mut second = Desk {
        clock: first.clock.clone(),
        ..Desk::default()
    };
    let late = second.send(&whole(T), T + BACKLOG_MS - MINUTE);
    assert_eq!(late.doubtful.map(|(doubt, _)| doubt), Some(Doubt::TooFast));
    // When nothing of that time can come any more, it is as if it had never been.
    let (mut fresh, long_after) = (
        Desk::default(),
        T + 2 * (BACKLOG_MS + super::super::sessions::LONGEST_MS),
    );
    first.progress = Progress::default();
    first.send(&whole(long_after), long_after);
    fresh.send(&whole(long_after), long_after);
    assert_eq!(first.clock, fresh.clock);
}

#[test]
fn what_a_phone_reports_as_it_plays_is_credited() {
    let mut desk = Desk::default();
    for n in 0..20 {
        let at = T + i64::from(n) * 30_000;
        let verdict = desk.send(&claim(1, at, n * 30_000, (n + 1) * 30_000), at);
        assert_eq!(verdict.doubtful, None, "report {n}");
    }
    assert_eq!(desk.progress.played, range(0, 600_000));
    assert!(course().is_covered(&desk.progress.played));
    assert!(!course().is_covered(&range(0, 539_999)) && course().is_covered(&range(0, 540_000)));
}

#[test]
fn the_whole_lesson_in_a_second_waits_for_a_person_and_is_not_claimed_by_repeating() {
    let mut desk = Desk::default();
    let cheat = claim(1, T, 0, 600_000);
    let verdict = desk.send(&cheat, T);
    assert_eq!(verdict.doubtful, Some((Doubt::TooFast, range(0, 600_000))));
    let again = desk.send(&cheat, T);
    assert!(again.accepted.is_empty() && again.doubtful.is_none_or(|(_, new)| new.is_empty()));
    for n in 0..200 {
        // A session for each piece gains nothing: they share the wall clock.
        desk.send(&claim(10 + n, T, 0, 110_000), T);
    }
    assert!(desk.progress.played.total_ms() <= 120_000);
}

#[test]
fn a_session_that_turns_out_long_enough_settles_what_waited() {
    let mut desk = Desk::default();
    desk.send(&claim(1, T, 0, 300_000), T);
    assert!(desk.progress.played.is_empty());
    let later = desk.send(&claim(1, T + 3 * MINUTE, 300_000, 310_000), T + 3 * MINUTE);
    assert_eq!(
        (later.accepted, later.settled),
        (range(300_000, 310_000), range(0, 300_000))
    );
}

#[test]
fn clocks_that_are_wrong_are_looked_at_and_nothing_is_lost() {
    let mut desk = Desk::default();
    let ahead = desk.send(&claim(1, T + 10 * MINUTE, 0, 10_000), T);
    assert_eq!(ahead.doubtful, Some((Doubt::ClockAhead, range(0, 10_000))));
    let old = desk.send(&claim(2, T - BACKLOG_MS - 1, 0, 10_000), T);
    assert_eq!(old.doubtful, Some((Doubt::TooOld, range(0, 10_000))));
    let slightly = desk.send(&claim(3, T + MINUTE, 0, 10_000), T);
    assert_eq!(slightly.accepted, range(0, 10_000));
    let beyond = desk.send(&claim(3, T + MINUTE, 599_000, 700_000), T);
    assert_eq!(beyond.beyond_end, range(601_500, 700_000));
    assert_eq!(beyond.accepted, range(599_000, 600_000));
}

#[test]
fn the_phone_that_was_there_last_tells_where_to_resume() {
    let mut desk = Desk::default();
    desk.send(&claim(1, T, 0, 20_000), T + MINUTE);
    desk.send(&claim(2, T - 30_000, 0, 10_000), T + MINUTE);
    assert_eq!(desk.progress.position_ms, 20_000);
}

/// A phone that plays at `speed` percent and pauses; its reports as (time, from, to).
fn plays(session: u128, begin: i64, speed: u32, pieces: &[(u32, u32)]) -> Vec<Claim> {
    let (mut at, mut position) = (begin, 0u32);
    let mut claims = vec![Claim {
        played: Played::default(),
        ..claim(session, at, 0, 0)
    }];
    for (play_ms, pause_ms) in pieces {
        let end = (position + play_ms).min(600_000);
        at += i64::from((end - position) * 100 / speed + 1) + i64::from(*pause_ms);
        claims.push(claim(session, at, position, end));
        position = end;
    }
    claims
}

fn pieces() -> impl Strategy<Value = Vec<(u32, u32)>> {
    prop::collection::vec((1u32..90_000, 0u32..600_000), 1..12)
}

proptest! {
    /// Offline for hours, then uploaded in any order, with repeats: everything is credited.
    #[test]
    fn an_honest_backlog_is_credited_whole(
        pieces in pieces(), speed in 100u32..=200, order in prop::collection::vec(any::<u16>(), 40),
        waits in 0i64..8 * 3_600_000,
    ) {
        let claims = plays(1, T, speed, &pieces);
        let now = claims.last().unwrap().occurred_at + waits;
        let truth = claims.iter().fold(Played::default(), |all, claim| all.union(&claim.played));
        let mut desk = Desk::default();
        let mut shuffled: Vec<&Claim> = claims.iter().chain(&claims).collect();
        for (n, key) in order.iter().enumerate() {
            let (n, other) = (n % shuffled.len(), usize::from(*key) % shuffled.len());
            shuffled.swap(n, other);
        }
        for claim in shuffled {
            desk.send(claim, now);
        }
        prop_assert_eq!(desk.progress.played, truth);
        prop_assert!(desk.doubted.values().all(|doubted| doubted.waiting.is_empty()));
    }

    /// Whatever is claimed in whatever order, coverage never falls, and no more is credited than the time that passed allows.
    #[test]
    fn credit_never_exceeds_the_wall_clock(
        claims in prop::collection::vec(
            (0u128..4, -600_000i64..600_000, prop::option::of(-900_000i64..0), 0u32..700_000, 0u32..700_000, 0i64..600_000), 1..40
        )
    ) {
        let mut desk = Desk::default();
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for (session, offset, started, a, b, now) in claims {
            let mut sent = claim(session, T + offset, a.min(b), a.max(b));
            sent.started_at = started.map(|started| T + started);
            let before = desk.progress.played.clone();
            desk.send(&sent, T + now);
            prop_assert!(before.minus(&desk.progress.played).is_empty());
            high = high.max(T + now);
            low = low.min(T - 900_000).min(T + offset - MINUTE);
        }
        prop_assert_eq!(desk.progress.played.total_ms().div_ceil(2).saturating_sub(desk.clock.used_ms()), 0);
        prop_assert!(desk.clock.used_ms() <= (high - low).cast_unsigned() + 60_000);
    }
}
