//! The texts of single roster cells that have no newtype of their own. Pure functions.

use chrono::{Datelike, NaiveDate};
use unicode_normalization::UnicodeNormalization;

use super::columns::plain;
use crate::members::rules::{self, Standing};

const ORGANIZATION_MAX_CHARS: usize = 100;

const STANDINGS: [(Standing, &[&str]); 4] = [
    (Standing::Full, &["正式黨員", "正式党员", "正式", "full"]),
    (
        Standing::Probationary,
        &["預備黨員", "预备党员", "預備", "预备", "probationary"],
    ),
    (
        Standing::Activist,
        &["入黨積極分子", "入党积极分子", "積極分子", "积极分子", "activist"],
    ),
    (
        Standing::Guest,
        &["服務對象", "服务对象", "群眾", "群众", "guest"],
    ),
];

pub(super) fn parse_standing(text: &str) -> Option<Standing> {
    let label = plain(text);
    STANDINGS
        .iter()
        .find(|(_, words)| words.contains(&label.as_str()))
        .map(|(standing, _)| *standing)
}

pub(super) fn parse_organization(text: &str) -> Option<String> {
    let bad = text.chars().any(rules::is_control) || text.chars().nth(ORGANIZATION_MAX_CHARS).is_some();
    (!bad).then(|| text.to_owned())
}

/// `2026-07-01`, `2026/7/1`, `2026.7.1`, `2026年7月1日`, `20260701`, with or without a time of day. A month without a day
/// is refused: the system does not make one up.
pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    let text: String = text.nfkc().collect();
    let day = if text.contains(':') {
        text.split(['T', ' ']).next()?
    } else {
        &text
    };
    let day: String = day.chars().filter(|c| !c.is_whitespace()).collect();
    let day = day.strip_suffix(['日', '號', '号']).unwrap_or(&day);
    let parts: Vec<&str> = if day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) {
        vec![day.get(..4)?, day.get(4..6)?, day.get(6..)?]
    } else {
        day.split(['-', '/', '.', '年', '月']).collect()
    };
    let [year, month, day] = parts.as_slice() else {
        return None;
    };
    let digits = |text: &str, most: usize| -> Option<u32> {
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { text.parse().ok() } else { None }
    };
    let year = i32::try_from(digits(year, 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(month, 2)?, digits(day, 2)?)?;
    (1900..2200).contains(&date.year()).then_some(date)
}
