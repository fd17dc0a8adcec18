//! Which boards there are: of whom, by what, in which time. No database, no clock.

use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::organizations::{LeaderboardMode, OrganizationId};
use crate::platform::boards::BoardKey;
use crate::points::{BEGINNING, first_of_month, first_of_quarter, first_of_week, first_of_year};

/// How long a ranking counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = LeaderboardSpan)]
pub enum Span {
    Day,
    /// Monday to Sunday.
    Week,
    Month,
    Quarter,
    Year,
    All,
}

impl Span {
    /// Those that end one day.
    pub const ENDING: [Self; 5] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::All => "all",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ENDING
            .into_iter()
            .chain([Self::All])
            .find(|span| span.as_str() == text)
    }
}

/// A day, week, month, quarter or year of a tree's calendar, or all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    pub span: Span,
    pub starts_on: NaiveDate,
}

impl Period {
    /// The one in which a day lies.
    pub fn of(span: Span, day: NaiveDate) -> Self {
        let starts_on = match span {
            Span::Day => day,
            Span::Week => first_of_week(day),
            Span::Month => first_of_month(day),
            Span::Quarter => first_of_quarter(day),
            Span::Year => first_of_year(day),
            Span::All => BEGINNING,
        };
        Self { span, starts_on }
    }

    /// The first day after it; none: it never ends.
    pub fn ends_before(self) -> Option<NaiveDate> {
        let months = |months| self.starts_on.checked_add_months(Months::new(months));
        match self.span {
            Span::Day => self.starts_on.checked_add_days(Days::new(1)),
            Span::Week => self.starts_on.checked_add_days(Days::new(7)),
            Span::Month => months(1),
            Span::Quarter => months(3),
            Span::Year => months(12),
            Span::All => None,
        }
    }

    /// The one after it.
    pub fn next(self) -> Option<Self> {
        Some(Self::of(self.span, self.ends_before()?))
    }

    /// Which totals make it up: their span, and the first and last of the days on which they begin.
    pub fn totals(self) -> (&'static str, NaiveDate, NaiveDate) {
        let last = self.ends_before().and_then(|end| end.pred_opt());
        let last = last.unwrap_or(NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(NaiveDate::MAX));
        match self.span {
            Span::Day | Span::Week => ("day", self.starts_on, last),
            Span::Month | Span::Quarter => ("month", self.starts_on, last),
            Span::Year | Span::All => ("year", self.starts_on, last),
        }
    }
}

/// Who is ranked, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Members, by their points.
    Members,
    /// Branches, by the points of their members together.
    BranchTotals,
    /// Branches, by thousandths of points for each of their members, rounded down.
    BranchAverages,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::BranchTotals => "totals",
            Self::BranchAverages => "averages",
        }
    }

    /// Is it shown where leaderboards are so?
    pub fn is_shown(self, mode: LeaderboardMode) -> bool {
        match mode {
            LeaderboardMode::Off | LeaderboardMode::OwnRank => false,
            LeaderboardMode::BranchesOnly => self != Self::Members,
            LeaderboardMode::Open => true,
        }
    }
}

/// One ranking: of an organization and all below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Board {
    pub tenant: OrganizationId,
    pub top: OrganizationId,
    pub unit: Unit,
    pub period: Period,
    /// From kept standings, which change no more.
    pub is_final: bool,
}

impl Board {
    pub fn name(&self) -> String {
        let kind = if self.is_final { "final" } else { "live" };
        format!(
            "{kind}:{}:{}:{}:{}",
            self.top,
            self.unit.as_str(),
            self.period.span.as_str(),
            self.period.starts_on
        )
    }

    /// Of this database, as it is now: see `store::origin`.
    pub fn key(&self, origin: &str) -> BoardKey {
        BoardKey::new(format!("{origin}:{}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn spans_have_one_word_each() {
        for span in Span::ENDING.into_iter().chain([Span::All]) {
            assert_eq!(Span::parse(span.as_str()), Some(span));
        }
        assert_eq!(Span::parse("Day"), None);
    }

    #[test]
    fn a_period_is_made_of_whole_totals() {
        let totals = |span, day| Period::of(span, date(day)).totals();
        assert_eq!(
            totals(Span::Week, "2027-01-01"),
            ("day", date("2026-12-28"), date("2027-01-03"))
        );
        assert_eq!(
            totals(Span::Quarter, "2026-11-27"),
            ("month", date("2026-10-01"), date("2026-12-31"))
        );
        assert_eq!(
            totals(Span::Year, "2024-02-29"),
            ("year", date("2024-01-01"), date("2024-12-31"))
        );
        assert_eq!(totals(Span::All, "2024-02-29").0, "year");
    }

    proptest! {
        /// Periods of a span follow one another without a gap, and each day lies in the one that is found for it.
        #[test]
        fn periods_cover_the_calendar(day in 0i64..40_000, n in 0usize..5) {
            let day = date("1990-01-01") + Days::new(day.try_into().unwrap());
            let period = Period::of(Span::ENDING[n], day);
            let end = period.ends_before().unwrap();
            prop_assert!(period.starts_on <= day && day < end);
            prop_assert_eq!(Period::of(period.span, period.starts_on), period);
            prop_assert_eq!(period.next().unwrap().starts_on, end);
            prop_assert_eq!(Period::of(period.span, end.pred_opt().unwrap()), period);
        }
    }

    #[test]
    fn modes_show_what_they_say() {
        use LeaderboardMode::{BranchesOnly, Off, Open, OwnRank};
        let shown =
            |mode| [Unit::Members, Unit::BranchTotals, Unit::BranchAverages].map(|unit| unit.is_shown(mode));
        assert_eq!(shown(Off), [false; 3]);
        assert_eq!(shown(OwnRank), [false; 3]);
        assert_eq!(shown(BranchesOnly), [false, true, true]);
        assert_eq!(shown(Open), [true; 3]);
    }
}
