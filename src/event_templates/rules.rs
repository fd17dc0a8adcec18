//! Recurrence (RFC 5545): on which days. No database, no clock.

use chrono::{DateTime, Days, NaiveDate, NaiveTime};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

use crate::platform::error::Language;

/// More days than anybody asks for at once.
const MOST: u16 = 1_000;

/// What somebody can do about a run that has made nothing.
pub fn advice(code: &str, field: Option<&str>, language: Language) -> &'static str {
    let (en, hans, hant) = match (code, field) {
        ("forbidden" | "not_found", None) => (
            "Whoever wrote this last manages the organization no more, or it is archived. Somebody who manages it writes the \
             template anew, or ends it.",
            "最后保存者已无权管理该组织，或该组织已撤销。请由有权限者重新保存模板，或停用模板。",
            "最後儲存者已無權管理該組織，或該組織已撤銷。請由有權限者重新儲存範本，或停用範本。",
        ),
        ("forbidden" | "not_found", Some(_)) => (
            "Whoever wrote this last may not call all whom this field names any more, or some of them are archived. Correct \
             it, or let somebody who may write the template anew.",
            "最后保存者已无权召集该字段所列的全部组织或人员，或其中有已撤销的组织。请修改，或由有权限者重新保存模板。",
            "最後儲存者已無權召集該欄位所列的全部組織或人員，或其中有已撤銷的組織。請修改，或由有權限者重新儲存範本。",
        ),
        ("invalid_fields", _) => (
            "This field does not fit the organization's settings any more. Correct it.",
            "该字段已与组织当前的设置不符，请修改。",
            "該欄位已與組織目前的設定不符，請修改。",
        ),
        _ => (
            "The last run has failed. The next one, within the hour, tries again.",
            "上次生成失败，一小时内会自动重试。",
            "上次產生失敗，一小時內會自動重試。",
        ),
    };
    match language {
        Language::En => en,
        Language::ZhHans => hans,
        Language::ZhHant => hant,
    }
}

/// What is wrong with a rule: a code, and words.
pub type Fault = (&'static str, String);

/// The days of a rule from its first on, as many as lie within `from..=until`, in order. The hour of the day is not the
/// rule's: days are the same whatever the clocks do.
pub fn days(
    rule: &str,
    starts_on: NaiveDate,
    from: NaiveDate,
    until: NaiveDate,
) -> Result<Vec<NaiveDate>, Fault> {
    let set = parse(rule, starts_on)?;
    let end = until.checked_add_days(Days::new(1)).unwrap_or(until);
    let found = set.after(midnight(from)).before(midnight(end)).all(MOST).dates;
    let mut days: Vec<NaiveDate> = found.iter().map(|at| at.date_naive()).collect();
    days.retain(|day| (from..=until).contains(day));
    days.dedup();
    Ok(days)
}

fn parse(rule: &str, starts_on: NaiveDate) -> Result<RRuleSet, Fault> {
    let fault = |error: rrule::RRuleError| ("malformed", error.to_string());
    let parsed: RRule<Unvalidated> = with_zone(rule).parse().map_err(fault)?;
    let is_by_days = matches!(
        parsed.get_freq(),
        Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly
    );
    let names_hours = !(parsed.get_by_hour().is_empty()
        && parsed.get_by_minute().is_empty()
        && parsed.get_by_second().is_empty());
    if !is_by_days || names_hours {
        let words = "is of days: FREQ is DAILY, WEEKLY, MONTHLY or YEARLY, and the hour is starts_at";
        return Err(("not_of_days", words.to_owned()));
    }
    parsed.build(midnight(starts_on)).map_err(fault)
}

/// A last day is one of days: it has no zone, and the crate takes what has none for this machine's.
fn with_zone(rule: &str) -> String {
    let part = |part: &str| match part.strip_prefix("UNTIL=") {
        Some(at) if at.ends_with('Z') => part.to_owned(),
        Some(at) if at.contains('T') => format!("{part}Z"),
        Some(_) => format!("{part}T000000Z"),
        None => part.to_owned(),
    };
    rule.split(';').map(part).collect::<Vec<_>>().join(";")
}

fn midnight(day: NaiveDate) -> DateTime<Tz> {
    day.and_time(NaiveTime::MIN).and_utc().with_timezone(&Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, Weekday};
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn told(rule: &str, from: &str, until: &str) -> Vec<String> {
        let found = days(rule, day("2026-11-20"), day(from), day(until)).unwrap();
        found.iter().map(NaiveDate::to_string).collect()
    }

    #[test]
    fn a_fixed_day_of_each_month() {
        assert_eq!(
            told("FREQ=MONTHLY;BYMONTHDAY=20", "2026-11-20", "2027-01-31"),
            ["2026-11-20", "2026-12-20", "2027-01-20"]
        );
        assert_eq!(
            told("FREQ=MONTHLY;BYDAY=1FR", "2026-11-20", "2027-02-28"),
            ["2026-12-04", "2027-01-01", "2027-02-05"]
        );
        assert_eq!(
            told("FREQ=MONTHLY;BYMONTHDAY=-1", "2027-02-01", "2027-02-28"),
            ["2027-02-28"]
        );
        assert_eq!(
            told("FREQ=WEEKLY;INTERVAL=2;COUNT=2", "2026-11-20", "2027-12-31"),
            ["2026-11-20", "2026-12-04"]
        );
        assert_eq!(
            told("FREQ=DAILY;UNTIL=20261121", "2026-11-20", "2026-12-31"),
            ["2026-11-20", "2026-11-21"]
        );
        assert!(told("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-11-20", "2031-11-20").is_empty());
    }

    #[test]
    fn a_rule_is_of_days() {
        let fault = |rule: &str| {
            days(rule, day("2026-11-20"), day("2026-11-20"), day("2026-12-20"))
                .unwrap_err()
                .0
        };
        assert_eq!(fault("FREQ=SECONDLY"), "not_of_days");
        assert_eq!(fault("FREQ=DAILY;BYHOUR=1,2"), "not_of_days");
        assert_eq!(fault("every friday"), "malformed");
        assert_eq!(fault(""), "malformed");
        assert_eq!(fault("FREQ=MONTHLY;BYMONTHDAY=32"), "malformed");
    }

    proptest! {
        /// The same by walking the calendar: each n-th such weekday of a month.
        #[test]
        fn the_nth_weekday_is_found_by_walking(nth in 1u8..=4, weekday in 0u8..7, ahead in 1u64..800) {
            let names = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
            let rule = format!("FREQ=MONTHLY;BYDAY={nth}{}", names[usize::from(weekday)]);
            let (from, until) = (day("2026-11-20"), day("2026-11-20") + Days::new(ahead));
            let wanted = Weekday::try_from(weekday).unwrap();
            let walked: Vec<NaiveDate> = from
                .iter_days()
                .take_while(|day| *day <= until)
                .filter(|day| day.weekday() == wanted && day.day0() / 7 == u32::from(nth) - 1)
                .collect();
            prop_assert_eq!(days(&rule, from, from, until).unwrap(), walked);
        }
    }
}
