//! How much a member can have studied: nobody plays more than an hour's worth of wall-clock time in an hour, on however
//! many devices and lessons. What does not fit is looked at by a person; what fits is credited whatever order it comes in.
//!
//! For each minute of the last weeks it is kept how much of it is used up: the bound holds to the minute. A claim of new milliseconds at the
//! lesson's allowed speed needs `new / speed` of wall-clock time between the beginning and the end of its span, and takes
//! it from the latest of it that is free.

use std::collections::BTreeMap;

use super::varint::{put, take_as};

/// Wall-clock time in milliseconds since 1970.
pub type Wall = i64;

const SLOT_MS: i64 = 60_000;

/// What a member has used of each slot, in milliseconds, by the slot's number since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StudyClock(BTreeMap<i64, u32>);

impl StudyClock {
    /// Uses `need_ms` of the time from `from` to `to`, all of it or none, and none of what is to come after `now`. Tells
    /// whether it was free.
    pub fn spend(&mut self, from: Wall, to: Wall, now: Wall, need_ms: u64) -> bool {
        let mut taken = Vec::new();
        let mut open = need_ms;
        let mut end = to.min(now);
        while open > 0 && end > from {
            let slot = (end - 1).div_euclid(SLOT_MS);
            let slot_begin = slot * SLOT_MS;
            let begin = from.max(slot_begin);
            // Of a slot that is only touched, only the part that is touched; of one that is not over, what has passed.
            let passed = (now - slot_begin).min(SLOT_MS);
            let used = i64::from(self.0.get(&slot).copied().unwrap_or(0));
            let free = (end - begin).min(passed - used).max(0);
            let take = u32::try_from(free.cast_unsigned().min(open)).unwrap_or(0);
            if take > 0 {
                taken.push((slot, take));
                open -= u64::from(take);
            }
            end = begin;
        }
        if open > 0 {
            return false;
        }
        for (slot, ms) in taken {
            *self.0.entry(slot).or_default() += ms;
        }
        true
    }

    /// What lies before `wall` can be claimed no more.
    pub fn forget_before(&mut self, wall: Wall) {
        let first = wall.div_euclid(SLOT_MS);
        if self.0.first_key_value().is_some_and(|(slot, _)| *slot < first) {
            self.0 = self.0.split_off(&first);
        }
    }

    /// For the database: for each slot in use the distance from the one before, and what is used of it.
    pub fn encode(&self) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::with_capacity(self.0.len() * 5), 0);
        for (slot, ms) in &self.0 {
            put(&mut bytes, (slot - at).cast_unsigned());
            put(&mut bytes, u64::from(*ms));
            at = *slot;
        }
        bytes
    }

    /// None for what `encode` never writes.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let (mut slots, mut at) = (BTreeMap::new(), 0i64);
        while !bytes.is_empty() {
            at = at.checked_add(take_as(&mut bytes)?)?;
            slots.insert(at, take_as(&mut bytes)?);
        }
        Some(Self(slots))
    }

    #[cfg(test)]
    pub fn used_ms(&self) -> u64 {
        self.0.values().map(|ms| u64::from(*ms)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    proptest! {
        #[test]
        fn never_more_than_the_time_that_has_passed(
            claims in prop::collection::vec((0i64..HOUR, 0i64..HOUR, 0i64..HOUR, 0u64..4_000_000), 0..60)
        ) {
            let (mut clock, mut credited) = (StudyClock::default(), 0);
            let (mut low, mut high) = (HOUR, 0);
            for (a, b, now, need) in claims {
                let (from, to) = (a.min(b), a.max(b).min(now));
                if clock.spend(from, a.max(b), now, need) {
                    credited += need;
                    if need > 0 {
                        prop_assert!(need <= from.abs_diff(to));
                        low = low.min(from);
                        high = high.max(now);
                    }
                }
            }
            prop_assert_eq!(clock.used_ms(), credited);
            prop_assert!(clock.0.values().all(|ms| (1..=SLOT_MS).contains(&i64::from(*ms))));
            // To the slot at the beginning; nothing beyond what has passed.
            let passed = high - low.div_euclid(SLOT_MS) * SLOT_MS;
            prop_assert!(credited == 0 || credited <= passed.cast_unsigned());
        }

        #[test]
        fn an_honest_backlog_fits_in_any_order(
            pieces in prop::collection::vec((1i64..900_000, 0i64..900_000), 1..60), seed in any::<u64>()
        ) {
            // Played for `play`, paused for `pause`, on one device: each report claims the time since the one before.
            let (mut at, mut reports) = (0i64, Vec::new());
            for (play, pause) in pieces {
                let before = at;
                at += play + pause;
                reports.push((before, at, play.cast_unsigned()));
            }
            reports.sort_by_key(|(from, ..)| from.wrapping_mul((seed >> 1).cast_signed() | 1));
            let mut clock = StudyClock::default();
            for (from, to, need) in reports {
                prop_assert!(clock.spend(from, to, at, need), "{from} to {to} needs {need}");
            }
        }

        #[test]
        fn what_was_written_is_read_back(
            claims in prop::collection::vec((0i64..HOUR * 500_000, 0u64..4_000_000), 0..60)
        ) {
            let mut clock = StudyClock::default();
            for (to, need) in claims {
                clock.spend(to - HOUR, to, to, need);
            }
            prop_assert_eq!(StudyClock::decode(&clock.encode()), Some(clock));
        }
    }

    #[test]
    fn eight_hours_on_a_plane_are_credited_whole_and_an_hour_in_a_second_is_not() {
        let landed = 8 * HOUR;
        let mut clock = StudyClock::default();
        assert!(clock.spend(0, landed, landed, landed.cast_unsigned()));
        assert!(!clock.spend(0, landed, landed, 1), "the same time twice");
        let next = landed + 1_000;
        assert!(!clock.spend(landed, next, next, 1_800_000));
        assert!(clock.spend(landed, next, next, 1_000), "nothing of it was spent");
        assert!(
            !clock.spend(landed, next + 60_000, next, 1_000),
            "of what is to come"
        );
        clock.forget_before(landed);
        assert_eq!(clock.used_ms(), 1_000);
    }
}
