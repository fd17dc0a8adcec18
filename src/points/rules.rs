//! What a deed is worth: rules, what they give, and their limits. No database, no clock.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use serde::{Deserialize, Serialize};

/// What points are given for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = PointRule)]
pub enum Rule {
    /// 準時簽到.
    CheckInOnTime,
    CheckInLate,
    /// 補課: a lesson that answers an absence.
    MakeUp,
    /// By the lesson's minutes, never by how long somebody was online.
    LessonCompleted,
    /// Of a lesson's quiz, the first time.
    QuizPassed,
    /// All lessons of a study plan in time.
    PlanFinished,
    /// Beside what the check-in gives.
    ThemeDayAttended,
    /// By confirmed minutes.
    VolunteerHour,
    /// While it is shown to others.
    ReflectionShared,
    /// To whose micro-lecture was published, the first time.
    LectureGiven,
    /// By two people's word. No rule of a tree's.
    ManualAward,
}

impl Rule {
    /// Those that a tree may set.
    pub const SET: [Self; 10] = [
        Self::CheckInOnTime,
        Self::CheckInLate,
        Self::MakeUp,
        Self::LessonCompleted,
        Self::QuizPassed,
        Self::PlanFinished,
        Self::ThemeDayAttended,
        Self::VolunteerHour,
        Self::ReflectionShared,
        Self::LectureGiven,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckInOnTime => "check_in_on_time",
            Self::CheckInLate => "check_in_late",
            Self::MakeUp => "make_up",
            Self::LessonCompleted => "lesson_completed",
            Self::QuizPassed => "quiz_passed",
            Self::PlanFinished => "plan_finished",
            Self::ThemeDayAttended => "theme_day_attended",
            Self::VolunteerHour => "volunteer_hour",
            Self::ReflectionShared => "reflection_shared",
            Self::LectureGiven => "lecture_given",
            Self::ManualAward => "manual_award",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::SET
            .into_iter()
            .chain([Self::ManualAward])
            .find(|rule| rule.as_str() == text)
    }

    /// Is it given by minutes, or once for the deed?
    pub fn is_by_time(self) -> bool {
        matches!(self, Self::LessonCompleted | Self::VolunteerHour)
    }

    /// What its points are told to be for.
    pub fn subject(self) -> Subject {
        match self {
            Self::CheckInOnTime
            | Self::CheckInLate
            | Self::MakeUp
            | Self::ThemeDayAttended
            | Self::VolunteerHour
            | Self::ReflectionShared => Subject::Event,
            Self::LessonCompleted | Self::QuizPassed | Self::LectureGiven => Subject::Lesson,
            Self::PlanFinished => Subject::Plan,
            Self::ManualAward => Subject::Award,
        }
    }

    /// What is wrong with an amount for so many minutes, or for none: a code, and words.
    pub fn unit_problem(self, per_minutes: Option<i32>) -> Option<(&'static str, &'static str)> {
        match (self.is_by_time(), per_minutes) {
            (true, None) => Some(("required", "this rule gives by minutes")),
            (false, Some(_)) => Some(("not_by_time", "this rule gives once for what was done")),
            _ => None,
        }
    }

    /// What it gives where nobody has set anything else.
    pub fn default_scheme(self) -> Scheme {
        let once = |amount, day_max| Scheme {
            amount,
            per_minutes: None,
            day_max,
            week_max: None,
            year_max: None,
            standings: MEMBERS,
        };
        match self {
            Self::CheckInOnTime => once(5, Some(10)),
            Self::CheckInLate => once(2, Some(10)),
            Self::MakeUp => once(2, None),
            Self::QuizPassed => once(3, Some(9)),
            Self::PlanFinished => once(10, None),
            Self::ThemeDayAttended => once(5, Some(5)),
            Self::LectureGiven => once(10, Some(20)),
            Self::ManualAward => once(1, None),
            Self::ReflectionShared => Scheme {
                week_max: Some(6),
                ..once(2, Some(2))
            },
            Self::LessonCompleted => Scheme {
                per_minutes: Some(1),
                ..once(1, Some(20))
            },
            Self::VolunteerHour => Scheme {
                per_minutes: Some(60),
                ..once(5, Some(40))
            },
        }
    }
}

/// What a member knows the source of points by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PointSubject)]
pub enum Subject {
    Event,
    Lesson,
    Plan,
    Award,
}

/// How an award by people's word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PointAwardStatus)]
pub enum AwardStatus {
    Proposed,
    Approved,
    Rejected,
    Withdrawn,
    Annulled,
}

impl AwardStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Annulled => "annulled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Proposed,
            Self::Approved,
            Self::Rejected,
            Self::Withdrawn,
            Self::Annulled,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
    }
}

/// Full and probationary members, and activists: bits of `Standing::bit`.
const MEMBERS: i32 = 1 | 2 | 4;

/// What a rule gives from a day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// 0: nothing.
    pub amount: i32,
    /// The amount is for so many minutes, and a part of it for a part of them, rounded down.
    pub per_minutes: Option<i32>,
    pub day_max: Option<i32>,
    /// Of a week from Monday to Sunday.
    pub week_max: Option<i32>,
    pub year_max: Option<i32>,
    /// Who it is for: bits of `Standing::bit`.
    pub standings: i32,
}

/// Why a deed gave fewer points than it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PointLimit)]
pub enum Limit {
    /// The rule is not for members of this standing.
    Standing,
    /// The rule gives nothing.
    Off,
    DayMax,
    WeekMax,
    YearMax,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standing => "standing",
            Self::Off => "off",
            Self::DayMax => "day_max",
            Self::WeekMax => "week_max",
            Self::YearMax => "year_max",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Standing,
            Self::Off,
            Self::DayMax,
            Self::WeekMax,
            Self::YearMax,
        ]
        .into_iter()
        .find(|limit| limit.as_str() == text)
    }
}

/// What a rule has given somebody already in the day, week and year of a deed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Earned {
    pub day: i64,
    pub week: i64,
    pub year: i64,
}

/// What a rule has given somebody, by day.
#[derive(Debug, Clone, Default)]
pub struct ByDay(BTreeMap<NaiveDate, i64>);

impl ByDay {
    pub fn add(&mut self, day: NaiveDate, points: i32) {
        *self.0.entry(day).or_default() += i64::from(points);
    }

    /// In the whole day, week and year of `day`, later days of them too: a phone that comes back reports in no order.
    pub fn earned(&self, day: NaiveDate) -> Earned {
        let sum = |first: NaiveDate, days: u64| {
            let end = first.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX);
            self.0.range(first..end).map(|(_, points)| points).sum()
        };
        let year = first_of_year(day);
        let days = if year.leap_year() { 366 } else { 365 };
        Earned {
            day: sum(day, 1),
            week: sum(first_of_week(day), 7),
            year: sum(year, days),
        }
    }
}

/// The points of one deed, and why they are fewer than it is worth.
pub fn grant(scheme: &Scheme, minutes: i32, standing: i32, earned: Earned) -> (i32, Option<Limit>) {
    if scheme.standings & standing == 0 {
        return (0, Some(Limit::Standing));
    }
    if scheme.amount == 0 {
        return (0, Some(Limit::Off));
    }
    let amount = i64::from(scheme.amount);
    let worth = scheme.per_minutes.map_or(amount, |per| {
        amount * i64::from(minutes.max(0)) / i64::from(per.max(1))
    });
    let limits = [
        (scheme.day_max, earned.day, Limit::DayMax),
        (scheme.week_max, earned.week, Limit::WeekMax),
        (scheme.year_max, earned.year, Limit::YearMax),
    ];
    let (mut granted, mut limited_by) = (worth, None);
    for (max, earned, limit) in limits {
        let Some(max) = max else { continue };
        let room = (i64::from(max) - earned).max(0);
        if room < granted {
            (granted, limited_by) = (room, Some(limit));
        }
    }
    (i32::try_from(granted).unwrap_or(i32::MAX), limited_by)
}

/// From when on earlier points of the rule must be known to judge a deed of this day; none where it has no limit.
pub fn earned_since(scheme: &Scheme, day: NaiveDate) -> Option<NaiveDate> {
    let day_start = scheme.day_max.map(|_| day);
    let week_start = scheme.week_max.map(|_| first_of_week(day));
    let year_start = scheme.year_max.map(|_| first_of_year(day));
    [day_start, week_start, year_start].into_iter().flatten().min()
}

/// Before any points: PostgreSQL knows no such day as the first of chrono's.
pub const BEGINNING: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// The Monday.
pub fn first_of_week(day: NaiveDate) -> NaiveDate {
    let since_monday = u64::from(day.weekday().num_days_from_monday());
    day.checked_sub_days(Days::new(since_monday)).unwrap_or(day)
}

pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

pub fn first_of_quarter(day: NaiveDate) -> NaiveDate {
    let month = day.month0() / 3 * 3;
    first_of_month(day).with_month0(month).unwrap_or(day)
}

pub fn first_of_year(day: NaiveDate) -> NaiveDate {
    first_of_month(day).with_month0(0).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn scheme() -> Scheme {
        Rule::CheckInOnTime.default_scheme()
    }

    #[test]
    fn rules_have_one_word_each_and_sensible_defaults() {
        for rule in Rule::SET {
            assert_eq!(Rule::parse(rule.as_str()), Some(rule));
            let scheme = rule.default_scheme();
            assert!(scheme.amount > 0);
            assert_eq!(scheme.per_minutes.is_some(), rule.is_by_time());
            assert!(scheme.day_max.is_none_or(|max| max >= scheme.amount));
        }
        assert_eq!(Rule::ReflectionShared.default_scheme().week_max, Some(6));
        assert_eq!(Rule::parse("manual_award"), Some(Rule::ManualAward));
        assert_eq!(Rule::parse("Manual"), None);
    }

    #[test]
    fn what_gives_by_time_needs_minutes_and_nothing_else_takes_them() {
        for rule in Rule::SET {
            let problem = |minutes| rule.unit_problem(minutes).map(|(code, _)| code);
            let (without, with) = match rule.is_by_time() {
                true => (Some("required"), None),
                false => (None, Some("not_by_time")),
            };
            assert_eq!((problem(None), problem(Some(1))), (without, with), "{rule:?}");
        }
    }

    #[test]
    fn earlier_points_count_from_the_first_day_of_the_longest_limit() {
        let since = |day_max, week_max, year_max| {
            let limits = Scheme {
                day_max,
                week_max,
                year_max,
                ..scheme()
            };
            // A Thursday.
            earned_since(&limits, date("2026-03-12"))
        };
        assert_eq!(since(None, None, None), None);
        assert_eq!(since(Some(1), None, None), Some(date("2026-03-12")));
        assert_eq!(since(Some(1), Some(1), None), Some(date("2026-03-09")));
        assert_eq!(since(None, Some(1), Some(1)), Some(date("2026-01-01")));
    }

    #[test]
    fn a_limit_cuts_the_last_award_to_what_is_left() {
        let earned = |day| Earned {
            day,
            week: day,
            year: day,
        };
        assert_eq!(grant(&scheme(), 0, 1, earned(0)), (5, None));
        assert_eq!(grant(&scheme(), 0, 1, earned(5)), (5, None));
        assert_eq!(grant(&scheme(), 0, 1, earned(7)), (3, Some(Limit::DayMax)));
        assert_eq!(grant(&scheme(), 0, 1, earned(10)), (0, Some(Limit::DayMax)));
        // More than the limit, because it was higher yesterday: nothing is taken back.
        assert_eq!(grant(&scheme(), 0, 1, earned(12)), (0, Some(Limit::DayMax)));
    }

    #[test]
    fn the_narrowest_limit_is_named() {
        let scheme = Scheme {
            day_max: Some(4),
            week_max: Some(9),
            year_max: Some(100),
            ..scheme()
        };
        let earned = |day, week, year| Earned { day, week, year };
        assert_eq!(grant(&scheme, 0, 1, earned(0, 0, 0)), (4, Some(Limit::DayMax)));
        assert_eq!(grant(&scheme, 0, 1, earned(0, 8, 8)), (1, Some(Limit::WeekMax)));
        assert_eq!(grant(&scheme, 0, 1, earned(0, 8, 100)), (0, Some(Limit::YearMax)));
    }

    #[test]
    fn who_it_is_not_for_and_what_gives_nothing() {
        let none = Earned::default();
        assert_eq!(grant(&scheme(), 0, 8, none), (0, Some(Limit::Standing)));
        let off = Scheme {
            amount: 0,
            ..scheme()
        };
        assert_eq!(grant(&off, 0, 1, none), (0, Some(Limit::Off)));
    }

    #[test]
    fn a_part_of_an_hour_gives_a_part() {
        let hours = Rule::VolunteerHour.default_scheme();
        let points = |minutes| grant(&hours, minutes, 1, Earned::default()).0;
        assert_eq!([0, 11, 12, 60, 90, 125].map(points), [0, 0, 1, 5, 7, 10]);
    }

    #[test]
    fn earlier_and_later_days_of_the_week_and_year_count_whatever_the_order() {
        let mut given = ByDay::default();
        for (day, points) in [
            ("2026-12-31", 1),
            ("2027-01-01", 2),
            ("2026-12-28", 4),
            ("2026-12-27", 8),
            ("2027-01-04", 16),
            ("2026-12-31", -1),
        ] {
            given.add(date(day), points);
        }
        let earned = |day, week, year| Earned { day, week, year };
        assert_eq!(given.earned(date("2026-12-31")), earned(0, 6, 12));
        assert_eq!(given.earned(date("2027-01-01")), earned(2, 6, 18));
        assert_eq!(ByDay::default().earned(date("2024-02-29")), Earned::default());
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let sunday = date("2026-11-29");
        assert_eq!(first_of_week(sunday), date("2026-11-23"));
        assert_eq!(first_of_week(date("2026-11-23")), date("2026-11-23"));
        assert_eq!(first_of_week(date("2027-01-01")), date("2026-12-28"));
        assert_eq!(first_of_month(date("2024-02-29")), date("2024-02-01"));
        assert_eq!(first_of_quarter(date("2026-12-31")), date("2026-10-01"));
        assert_eq!(first_of_quarter(date("2026-03-31")), date("2026-01-01"));
        assert_eq!(first_of_year(date("2026-12-31")), date("2026-01-01"));
    }

    proptest! {
        /// However deeds come, what a rule has given in a day never passes its limit, and is the limit once their worth is.
        #[test]
        fn a_day_is_never_worth_more_than_its_limit(
            amount in 1i32..50, max in 0i32..200, deeds in 0usize..30,
        ) {
            let scheme = Scheme { amount, day_max: Some(max), ..scheme() };
            let mut earned = 0i64;
            for _ in 0..deeds {
                let (points, _) = grant(&scheme, 0, 1, Earned { day: earned, week: earned, year: earned });
                prop_assert!(points >= 0);
                earned += i64::from(points);
            }
            let worth = i64::from(amount) * i64::try_from(deeds).unwrap();
            prop_assert_eq!(earned, worth.min(i64::from(max)));
        }
    }
}
