//! When hours may be confirmed, and how many. No database, no clock.
//!
//! - What is proposed is what the event's points tell, from the first check-in to the check-out.
//! - Another number needs a reason. Who has not checked out has no hours until the event is over; then a person may say
//!   how long it was, and why.
//! - A year is that of the day on which the service began, in the time zone of the event.

use chrono::{Datelike, NaiveDate};
use chrono_tz::Tz;

use crate::platform::db::Instant;
use crate::platform::local_time::local_date;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    NotCheckedOut,
    NeedsReason,
}

/// The minutes to confirm. `proposed` is none without a check-out.
pub fn decide(
    proposed: Option<i32>,
    is_over: bool,
    said: Option<i32>,
    has_reason: bool,
) -> Result<i32, Refusal> {
    match (proposed, said) {
        (Some(proposed), None) => Ok(proposed),
        (Some(proposed), Some(said)) if proposed == said => Ok(said),
        (Some(_), Some(said)) if has_reason => Ok(said),
        (Some(_), Some(_)) => Err(Refusal::NeedsReason),
        (None, Some(said)) if is_over && has_reason => Ok(said),
        (None, Some(_)) if is_over => Err(Refusal::NeedsReason),
        (None, _) => Err(Refusal::NotCheckedOut),
    }
}

/// The day and the year that service counts for.
pub fn counts_for(began_at: Instant, zone: Tz) -> (NaiveDate, i32) {
    let day = local_date(began_at, zone);
    (day, day.year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::local_time::zone;
    use proptest::prelude::*;

    #[test]
    fn another_number_needs_a_reason_and_nothing_is_confirmed_before_the_check_out() {
        assert_eq!(decide(Some(60), false, None, false), Ok(60));
        assert_eq!(decide(Some(60), false, Some(60), false), Ok(60));
        assert_eq!(
            decide(Some(60), false, Some(90), false),
            Err(Refusal::NeedsReason)
        );
        assert_eq!(decide(Some(60), false, Some(90), true), Ok(90));
        assert_eq!(decide(None, false, Some(90), true), Err(Refusal::NotCheckedOut));
        assert_eq!(decide(None, true, None, true), Err(Refusal::NotCheckedOut));
        assert_eq!(decide(None, true, Some(90), false), Err(Refusal::NeedsReason));
        assert_eq!(decide(None, true, Some(90), true), Ok(90));
    }

    #[test]
    fn the_year_turns_at_midnight_there() {
        let shanghai = zone("Asia/Shanghai");
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(counts_for(at("2026-12-31T15:59:59Z"), shanghai).1, 2026);
        let (day, year) = counts_for(at("2026-12-31T16:00:00Z"), shanghai);
        assert_eq!((day.to_string(), year), ("2027-01-01".to_owned(), 2027));
    }

    proptest! {
        /// Whatever was said: without a reason nothing but the proposal is confirmed.
        #[test]
        fn without_a_reason_only_the_proposal(proposed in prop::option::of(0i32..2_000), over: bool, said in prop::option::of(0i32..2_000)) {
            if let Ok(minutes) = decide(proposed, over, said, false) {
                prop_assert_eq!(Some(minutes), proposed);
            }
        }
    }
}
