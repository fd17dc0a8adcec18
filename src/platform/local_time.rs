//! Days are those of an organization's own time zone, whose days have 23, 24 or 25 hours.

use chrono::{NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

use super::db::Instant;

/// A stored zone. It was checked when it was set; one that a later zone table has dropped is read as UTC.
pub fn zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The day on which an instant falls there.
pub fn local_date(at: Instant, zone: Tz) -> NaiveDate {
    at.utc().with_timezone(&zone).date_naive()
}

/// The first instant after this day there.
pub fn end_of_day(date: NaiveDate, zone: Tz) -> Instant {
    at_minute(date.succ_opt().unwrap_or(date), 0, zone)
}

/// When the wall clock there shows this minute of the day, the first time; where the clocks leave it out, as soon after it
/// as they show a full hour more.
pub fn at_minute(date: NaiveDate, minute: u32, zone: Tz) -> Instant {
    let wall = date.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute.into());
    let mut hours = (0..24).map(|hour| wall + TimeDelta::hours(hour));
    let first = hours.find_map(|at| zone.from_local_datetime(&at).earliest());
    Instant::from(first.map_or_else(|| wall.and_utc(), |at| at.to_utc()))
}

/// The minute of the day that the wall clock shows there.
pub fn minute_of_day(at: Instant, zone: Tz) -> u32 {
    at.utc().with_timezone(&zone).num_seconds_from_midnight() / 60
}

/// A minute of the day as people write it, 22:00.
pub fn parse_minute(text: &str) -> Option<u32> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    (text.len() == 5).then_some(time.num_seconds_from_midnight() / 60)
}

pub fn write_minute(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Days, Offset};
    use proptest::prelude::*;

    const HOUR: i64 = 3_600;

    proptest! {
        /// The same by plain arithmetic: seconds of the wall clock, cut into days.
        #[test]
        fn a_date_is_the_wall_clock_cut_into_days(
            second in 0i64..4_000_000_000,
            name in prop::sample::select(vec![
                "Asia/Shanghai", "Asia/Urumqi", "Asia/Kathmandu", "Europe/Berlin", "America/St_Johns",
                "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC",
            ]),
        ) {
            let (at, zone) = (Instant::from_micros(second * 1_000_000), zone(name));
            let ahead = zone.offset_from_utc_datetime(&at.utc().naive_utc()).fix().local_minus_utc();
            let days = (second + i64::from(ahead)).div_euclid(24 * HOUR);
            let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + Days::new(days.try_into().unwrap());
            prop_assert_eq!(local_date(at, zone), date);
            let end = end_of_day(date, zone);
            prop_assert!(end > at && end.minus(at).num_seconds() <= 49 * HOUR);
            prop_assert!(local_date(end, zone) > date);
            prop_assert_eq!(local_date(end.plus_s(-1), zone), date);
        }
    }

    #[test]
    fn a_day_has_23_24_or_25_hours_and_no_hour_belongs_to_two() {
        let berlin = zone("Europe/Berlin");
        let hours_of = |date: NaiveDate| {
            let noon = date.and_hms_opt(12, 0, 0).unwrap().and_utc().timestamp();
            let hours = (-30..30).map(|hour| Instant::from_micros((noon + hour * HOUR) * 1_000_000));
            hours.filter(|at| local_date(*at, berlin) == date).count()
        };
        let day = |month, day| hours_of(NaiveDate::from_ymd_opt(2026, month, day).unwrap());
        assert_eq!((day(3, 29), day(7, 1), day(10, 25)), (23, 24, 25));
    }

    #[test]
    fn minutes_of_the_day_go_both_ways() {
        assert!((0..1_440).all(|minute| parse_minute(&write_minute(minute)) == Some(minute)));
        for wrong in ["7:00", "24:00", "07:60", "0700", ""] {
            assert_eq!(parse_minute(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_hour_that_the_clocks_leave_out_is_the_next_one() {
        let berlin = zone("Europe/Berlin");
        let spring = NaiveDate::from_ymd_opt(2026, 3, 29).unwrap();
        assert_eq!(at_minute(spring, 150, berlin).to_string(), "2026-03-29T01:30:00Z");
        let autumn = NaiveDate::from_ymd_opt(2026, 10, 25).unwrap();
        assert_eq!(at_minute(autumn, 150, berlin).to_string(), "2026-10-25T00:30:00Z");
        assert_eq!(
            minute_of_day("2026-10-25T00:30:00Z".parse().unwrap(), berlin),
            150
        );
    }

    #[test]
    fn an_unknown_zone_is_utc() {
        assert_eq!(zone("Mars/Olympus"), Tz::UTC);
    }
}
