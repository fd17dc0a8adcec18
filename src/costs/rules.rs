//! Categories, states, amounts and years of money, and how they add up. No database, no clock.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::NaiveDate;

crate::words! {
    /// What money is spent on. The words follow what party dues and the funds of party building may be used for
    /// (《關於中國共產黨黨費收繳、使用和管理的規定》 and the usual rules on training and meeting costs): teaching members,
    /// reading matter and equipment for it, commendation, and help for members in need, beside what a gathering costs.
    CostCategory {
        /// 場地租金
        Venue "venue",
        /// 交通
        Transport "transport",
        /// 住宿
        Lodging "lodging",
        /// 伙食
        Catering "catering",
        /// 資料、印刷、耗材
        Materials "materials",
        /// 報刊、圖書、音像
        Books "books",
        /// 黨員教育設備
        Equipment "equipment",
        /// 講課費
        LecturerFee "lecturer_fee",
        /// 培訓費: courses that others hold
        Training "training",
        /// 門票、講解: what a visit costs
        Admission "admission",
        /// 宣傳
        Publicity "publicity",
        /// 表彰
        Awards "awards",
        /// 慰問、補助困難黨員
        Assistance "assistance",
        /// 保險
        Insurance "insurance",
        Other "other",
    }
}

crate::words! {
    /// What became of an expense.
    ExpenseStatus {
        /// Waits for the treasurer.
        Submitted "submitted",
        Approved "approved",
        Rejected "rejected",
        /// Taken back by who submitted it, before anybody decided.
        Withdrawn "withdrawn",
        /// Approved first, and then found not to count.
        Annulled "annulled",
    }
}

/// A hundred million of a currency: nine hundred million such amounts still add up in 64 bits.
pub const MAX_CENTS: i64 = 10_000_000_000;

/// Of budgets and days.
pub const YEARS: RangeInclusive<i32> = 2000..=2199;

pub const DEFAULT_CURRENCY: &str = "CNY";

/// The currencies of ISO 4217 that have a hundredth: an amount in cents would be wrong in any other.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
     CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR \
     ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD \
     NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC \
     SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR ZMW ZWG";

pub fn is_currency(text: &str) -> bool {
    CURRENCIES.split_ascii_whitespace().any(|code| code == text)
}

/// The first day of a year, and that of the next one. Days have no time zone: an expense is of the year that its own day
/// says, wherever it was entered.
pub fn days_of(year: i32) -> (NaiveDate, NaiveDate) {
    let first = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default();
    (first(year), first(year + 1))
}

/// What a sum is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The organization's own budget for the year, which is for it and everything below it.
    Budget,
    /// The budgets of organizations below it: parts of its own.
    BudgetBelow,
    /// What events of the year are planned to cost.
    Planned,
    Submitted,
    Approved,
}

impl Kind {
    /// As queries name it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "budget" => Self::Budget,
            "planned" => Self::Planned,
            "submitted" => Self::Submitted,
            "approved" => Self::Approved,
            _ => return None,
        })
    }

    /// What it is to an organization further up.
    pub fn seen_from_above(self) -> Self {
        match self {
            Self::Budget => Self::BudgetBelow,
            same => same,
        }
    }
}

/// Sums of cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub budget: i64,
    pub budget_below: i64,
    pub planned: i64,
    pub submitted: i64,
    pub approved: i64,
}

impl Sums {
    /// Below zero when more was approved than there is.
    pub fn remaining(&self) -> i64 {
        self.budget - self.approved
    }

    pub fn add(&mut self, kind: Kind, cents: i64) {
        let sum = match kind {
            Kind::Budget => &mut self.budget,
            Kind::BudgetBelow => &mut self.budget_below,
            Kind::Planned => &mut self.planned,
            Kind::Submitted => &mut self.submitted,
            Kind::Approved => &mut self.approved,
        };
        *sum = sum.saturating_add(cents);
    }
}

/// A year in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CurrencySums {
    pub all: Sums,
    pub by_category: BTreeMap<CostCategory, Sums>,
}

impl CurrencySums {
    pub fn add(&mut self, category: CostCategory, kind: Kind, cents: i64) {
        self.all.add(kind, cents);
        self.by_category.entry(category).or_default().add(kind, cents);
    }
}

/// What each organization has with all below it, by currency, from what it has by itself: `line` names those from the
/// root down to an organization.
pub fn roll_up<Id: Copy + Ord>(
    own: impl IntoIterator<Item = (Id, String, Kind, i64)>,
    line: impl Fn(Id) -> Vec<Id>,
) -> BTreeMap<Id, BTreeMap<String, Sums>> {
    let mut sums: BTreeMap<Id, BTreeMap<String, Sums>> = BTreeMap::new();
    for (id, currency, kind, cents) in own {
        for above in line(id) {
            let seen = if above == id { kind } else { kind.seen_from_above() };
            let of_currency = sums
                .entry(above)
                .or_default()
                .entry(currency.clone())
                .or_default();
            of_currency.add(seen, cents);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 5] = [
        Kind::Budget,
        Kind::BudgetBelow,
        Kind::Planned,
        Kind::Submitted,
        Kind::Approved,
    ];

    #[test]
    fn names_come_back() {
        for category in CostCategory::ALL {
            assert_eq!(CostCategory::parse(category.as_str()), Some(*category));
        }
        for status in ExpenseStatus::ALL {
            assert_eq!(ExpenseStatus::parse(status.as_str()), Some(*status));
        }
        assert_eq!(CostCategory::parse("Venue"), None);
    }

    #[test]
    fn a_currency_is_one_with_hundredths() {
        assert!(is_currency(DEFAULT_CURRENCY) && is_currency("HKD"));
        for other in [
            "", "cny", "CN", "CNYX", "CNY HKD", "JPY", "KRW", "BHD", "XXX", "RMB",
        ] {
            assert!(!is_currency(other), "{other}");
        }
    }

    #[test]
    fn no_sum_of_amounts_wraps() {
        const { assert!(i64::MAX / MAX_CENTS > 900_000_000) };
        let mut sums = Sums::default();
        sums.add(Kind::Approved, i64::MAX);
        sums.add(Kind::Approved, MAX_CENTS);
        assert_eq!(sums.approved, i64::MAX);
    }

    proptest! {
        #[test]
        fn each_day_is_of_one_year(year in 2000i32..=2199, day in 0u64..366) {
            let (first, next) = days_of(year);
            let date = first + chrono::Days::new(day);
            prop_assert_eq!(date.year() == year, date < next);
            prop_assert!((365..=366).contains(&(next - first).num_days()));
        }

        #[test]
        fn the_whole_is_the_sum_of_its_categories(
            parts in proptest::collection::vec((0usize..15, 0usize..5, 1i64..=MAX_CENTS), 0..50),
        ) {
            let mut sums = CurrencySums::default();
            for (category, kind, cents) in &parts {
                sums.add(CostCategory::ALL[*category], KINDS[*kind], *cents);
            }
            let approved = |of: Option<CostCategory>| -> i64 {
                let counted = parts.iter().filter(|(category, kind, _)| {
                    KINDS[*kind] == Kind::Approved && of.is_none_or(|one| one == CostCategory::ALL[*category])
                });
                counted.map(|(.., cents)| cents).sum()
            };
            prop_assert_eq!(sums.all.approved, approved(None));
            let remaining: i64 = sums.by_category.values().map(Sums::remaining).sum();
            prop_assert_eq!(sums.all.remaining(), remaining);
            for (category, of) in &sums.by_category {
                prop_assert_eq!(of.approved, approved(Some(*category)));
            }
        }

        /// Numbers are a tree: a number's parent is its half, and 1 is the root.
        #[test]
        fn what_is_below_counts_above(
            parts in proptest::collection::vec((1u32..32, 0usize..4, 1i64..=MAX_CENTS), 0..50),
        ) {
            let kinds = [Kind::Budget, Kind::Planned, Kind::Submitted, Kind::Approved];
            let line = |id: u32| -> Vec<u32> {
                std::iter::successors(Some(id), |id| (*id > 1).then_some(id / 2)).collect()
            };
            let own = parts.iter().map(|(id, kind, cents)| (*id, "CNY".to_owned(), kinds[*kind], *cents));
            let sums = roll_up(own, line);
            let root = sums.get(&1).and_then(|of| of.get("CNY")).copied().unwrap_or_default();
            let all = |kind: Kind, counts: fn(u32) -> bool| -> i64 {
                let counted = parts.iter().filter(|(id, its, _)| kinds[*its] == kind && counts(*id));
                counted.map(|(.., cents)| cents).sum()
            };
            prop_assert_eq!(root.approved, all(Kind::Approved, |_| true));
            prop_assert_eq!(root.budget, all(Kind::Budget, |id| id == 1));
            prop_assert_eq!(root.budget_below, all(Kind::Budget, |id| id != 1));
            for leaf in 16..32 {
                let of = sums.get(&leaf).and_then(|of| of.get("CNY")).copied().unwrap_or_default();
                let mine = |kind: Kind| -> i64 {
                    let own = parts.iter().filter(|(id, its, _)| *id == leaf && kinds[*its] == kind);
                    own.map(|(.., cents)| cents).sum()
                };
                prop_assert_eq!((of.budget, of.budget_below), (mine(Kind::Budget), 0));
                prop_assert_eq!(of.planned, mine(Kind::Planned));
            }
        }
    }
}
