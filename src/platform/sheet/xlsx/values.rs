//! What the values of cells mean: numbers, dates, positions. Pure functions.

use std::borrow::Cow;

use chrono::{Days, NaiveDate, NaiveTime};

use super::{MAX_COLUMN, MAX_ROW};

/// `AB12` as (27, 12): column from 0, row from 1.
pub(super) fn cell_position(reference: &str) -> Option<(u32, u32)> {
    let letters = reference.find(|c: char| !c.is_ascii_alphabetic())?;
    let (letters, digits) = reference.split_at_checked(letters)?;
    if letters.is_empty()
        || letters.len() > 3
        || digits.len() > 7
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let column = letters.bytes().fold(0, |sum, b| {
        sum * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1
    });
    let row = digits.parse().ok()?;
    ((1..=MAX_COLUMN).contains(&column) && (1..=MAX_ROW).contains(&row)).then(|| (column - 1, row))
}

/// `B2:B9` as (1, 2, 9): a merge within one column over several rows. Others, such as a title over all columns, say
/// nothing of the rows below.
pub(super) fn merged_rows(reference: &str) -> Option<(u32, u32, u32)> {
    let (from, to) = reference.split_once(':')?;
    let ((column, first), (last_column, last)) = (cell_position(from)?, cell_position(to)?);
    (column == last_column && first < last).then_some((column, first, last))
}

/// A number as a person would read it in the cell: a phone number typed as a number has no decimals and no exponent,
/// a sum shows the 15 digits that Excel keeps.
pub(super) fn number_text(value: &str, is_date: bool, from_1904: bool) -> Cow<'_, str> {
    let Some(number) = value.parse::<f64>().ok().filter(|number| number.is_finite()) else {
        return Cow::Borrowed(value);
    };
    if is_date && let Some(date) = serial_date(number, from_1904) {
        return Cow::Owned(date);
    }
    // Nearly always the digits in the file are already what is wanted.
    let plain = value.len() <= 15 && value.bytes().all(|b| b.is_ascii_digit());
    if plain && (value == "0" || !value.starts_with('0')) {
        return Cow::Borrowed(value);
    }
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    Cow::Owned(if rounded == 0.0 {
        "0".to_owned()
    } else {
        rounded.to_string()
    })
}

/// Days since 1900 (or 1904) with the time of day as fraction, as `2026-07-01`, `2026-07-01T09:30:00`, or `09:30:00`
/// when there are no days. `None` for what is no date: negative, after 9999, or the 29th of February 1900.
pub(super) fn serial_date(serial: f64, from_1904: bool) -> Option<String> {
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within the range just checked"
    )]
    let seconds = (serial * 86_400.0).round() as u64;
    let (days, seconds) = (seconds / 86_400, u32::try_from(seconds % 86_400).ok()?);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)?;
    if days == 0 && !from_1904 {
        return Some(time.to_string());
    }
    let epoch = match (from_1904, days) {
        (true, _) => NaiveDate::from_ymd_opt(1904, 1, 1)?,
        (false, ..60) => NaiveDate::from_ymd_opt(1899, 12, 31)?,
        (false, 60) => return None,
        (false, _) => NaiveDate::from_ymd_opt(1899, 12, 30)?,
    };
    let date = epoch.checked_add_days(Days::new(days))?;
    Some(if seconds == 0 {
        date.to_string()
    } else {
        format!("{date}T{time}")
    })
}

/// ECMA-376 part 1, 18.8.30: 14 to 22 and 45 to 47 everywhere, 27 to 36 and 50 to 58 in East Asian versions. 46 is a
/// duration, which is a number here.
pub(super) fn is_built_in_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45 | 47 | 50..=58)
}

/// A number format shows a date or a time when a letter of y, m, d, h, s stands in its first section outside quotes,
/// brackets and escapes. `[h]:mm` is a duration.
pub(super) fn is_date_format(code: &str) -> bool {
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            ';' => return false,
            '\\' | '_' | '*' => {
                chars.next();
            }
            '"' => {
                chars.by_ref().find(|c| *c == '"');
            }
            '[' => {
                let inner: String = chars.by_ref().take_while(|c| *c != ']').collect();
                if !inner.is_empty()
                    && inner
                        .chars()
                        .all(|c| matches!(c.to_ascii_lowercase(), 'h' | 'm' | 's'))
                {
                    return false;
                }
            }
            c if matches!(c.to_ascii_lowercase(), 'y' | 'm' | 'd' | 'h' | 's') => return true,
            _ => {}
        }
    }
    false
}

/// `_x000D_` is how a workbook writes a character that XML cannot hold.
pub(super) fn unescape_ooxml(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("_x") {
        plain.push_str(before);
        let code = after.get(..5).and_then(|code| code.strip_suffix('_'));
        let code = code.filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        let c = code
            .and_then(|code| u32::from_str_radix(code, 16).ok())
            .and_then(char::from_u32);
        match (c, after.get(5..)) {
            (Some(c), Some(after)) => {
                plain.push(c);
                rest = after;
            }
            _ => {
                plain.push_str("_x");
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_know_them() {
        for (raw, shown) in [
            ("13812345678", "13812345678"),
            ("13812345678.0", "13812345678"),
            ("1.3812345678E10", "13812345678"),
            ("1.3812345678e+10", "13812345678"),
            ("0", "0"),
            ("-0", "0"),
            ("007", "7"),
            ("-5", "-5"),
            ("36.599999999999994", "36.6"),
            ("0.30000000000000004", "0.3"),
            ("1e21", "1000000000000000000000"),
            ("110101199003074567", "110101199003075000"),
            ("nan", "nan"),
            ("inf", "inf"),
            ("", ""),
            ("text", "text"),
        ] {
            assert_eq!(number_text(raw, false, false), shown, "{raw:?}");
        }
    }

    #[test]
    fn dates_are_iso() {
        for (raw, from_1904, shown) in [
            ("46204", false, "2026-07-01"),
            ("46204.395833333336", false, "2026-07-01T09:30:00"),
            ("46204.9999999", false, "2026-07-02"),
            ("44742", true, "2026-07-01"),
            ("1", false, "1900-01-01"),
            ("59", false, "1900-02-28"),
            ("60", false, "60"),
            ("61", false, "1900-03-01"),
            ("0.5", false, "12:00:00"),
            ("0", true, "1904-01-01"),
            ("2958465", false, "9999-12-31"),
            ("2958466", false, "2958466"),
            ("-1", false, "-1"),
            ("1e300", false, &format!("1{}", "0".repeat(300))),
        ] {
            assert_eq!(number_text(raw, true, from_1904), shown, "{raw:?}");
        }
    }

    #[test]
    fn date_formats_are_recognised() {
        for code in [
            "yyyy-mm-dd",
            "YYYY/M/D",
            "yyyy\"年\"m\"月\"d\"日\";@",
            "[$-804]yyyy\\-mm\\-dd",
            "[$-404]e/m/d",
            "[Red]d",
            "h:mm AM/PM",
            "上午/下午h\"時\"mm\"分\"",
            "0.5*-d",
        ] {
            assert!(is_date_format(code), "{code}");
        }
        for code in [
            "General",
            "0",
            "0.00E+00",
            "@",
            "#,##0.00_);[Red](#,##0.00)",
            "\"days\"0",
            "0\"元\"",
            "0;yyyy",
            "[h]:mm:ss",
            "[mm]",
            "0\\d",
            "_d0*m",
            "[$-804]",
            "\"open",
            "[",
            "\\",
            "",
        ] {
            assert!(!is_date_format(code), "{code}");
        }
        assert!(is_built_in_date(14) && is_built_in_date(57));
        assert!(!is_built_in_date(0) && !is_built_in_date(46) && !is_built_in_date(49));
    }

    #[test]
    fn positions_are_read_within_a_sheet() {
        assert_eq!(cell_position("A1"), Some((0, 1)));
        assert_eq!(cell_position("ab12"), Some((27, 12)));
        assert_eq!(cell_position("XFD1048576"), Some((16_383, 1_048_576)));
        for bad in [
            "",
            "A",
            "1",
            "A0",
            "XFE1",
            "A1048577",
            "A99999999999",
            "ZZZZ1",
            "A1B",
            "A-1",
            "$A$1",
            "A１",
            "é1",
        ] {
            assert_eq!(cell_position(bad), None, "{bad:?}");
        }
        assert_eq!(merged_rows("B2:B9"), Some((1, 2, 9)));
        for other in ["B2", "B2:C9", "B2:B2", "B9:B2", "B:B"] {
            assert_eq!(merged_rows(other), None, "{other:?}");
        }
    }

    #[test]
    fn escapes_of_characters_are_undone() {
        assert_eq!(unescape_ooxml("a_x000D_b_x005F_x_xZZZZ_"), "a\rb_x_xZZZZ_");
        assert_eq!(unescape_ooxml("_xD800__x00"), "_xD800__x00");
        assert_eq!(unescape_ooxml("_x000黨"), "_x000黨");
        assert_eq!(unescape_ooxml("黨"), "黨");
    }
}
