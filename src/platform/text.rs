//! Checking what came in: text is made NFC and freed of surrounding space, control characters are refused, in one line
//! of text the invisible ones too, and all problems of a body are collected with their JSON pointers.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::platform::error::{AppError, AppResult, FieldError};

/// A request body that can look itself over. The default finds nothing wrong.
pub trait Check {
    fn check(&mut self, _problems: &mut Problems) {}
}

impl Check for () {}

#[derive(Debug, Default)]
pub struct Problems(Vec<FieldError>);

impl Problems {
    pub fn add(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            code,
            message: message.into(),
        });
    }

    /// The problems of a part, under its pointer.
    pub fn within(&mut self, part: &str, check: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        check(&mut inner);
        for mut problem in inner.0 {
            problem.field.insert_str(0, part);
            self.0.push(problem);
        }
    }

    /// Text of `min` to `max` characters on one line.
    pub fn line(&mut self, field: &str, text: &mut String, min: usize, max: usize) {
        self.text(field, text, min, max, false);
    }

    /// Text of `min` to `max` characters that may have line breaks.
    pub fn paragraph(&mut self, field: &str, text: &mut String, min: usize, max: usize) {
        self.text(field, text, min, max, true);
    }

    fn text(&mut self, field: &str, text: &mut String, min: usize, max: usize, lines: bool) {
        *text = clean(text);
        let length = text.chars().count();
        if text
            .chars()
            .any(|c| c.is_control() && !(lines && matches!(c, '\n' | '\t')))
        {
            self.add(field, "control_character", "control characters are not allowed");
        } else if !lines && has_invisible(text) {
            self.add(
                field,
                "invisible_character",
                "invisible characters are not allowed",
            );
        } else if length < min {
            let (code, message) = if length == 0 {
                ("required", "must not be empty")
            } else {
                ("too_short", "is too short")
            };
            self.add(field, code, format!("{message}; at least {min} characters"));
        } else if length > max {
            self.add(field, "too_long", format!("is longer than {max} characters"));
        }
    }

    /// An optional line: empty text counts as none.
    pub fn optional_line(&mut self, field: &str, text: &mut Option<String>, max: usize) {
        if let Some(inner) = text {
            self.line(field, inner, 0, max);
            if inner.is_empty() {
                *text = None;
            }
        }
    }

    pub fn range<T: PartialOrd + std::fmt::Display>(&mut self, field: &str, value: &T, min: T, max: T) {
        if *value < min {
            self.add(field, "too_small", format!("is smaller than {min}"));
        } else if *value > max {
            self.add(field, "too_large", format!("is larger than {max}"));
        }
    }

    pub fn optional_range<T: PartialOrd + std::fmt::Display>(
        &mut self,
        field: &str,
        value: &Option<T>,
        min: T,
        max: T,
    ) {
        if let Some(value) = value {
            self.range(field, value, min, max);
        }
    }

    /// Ok when nothing is wrong, else 422 with everything that is.
    pub fn into_result(self) -> AppResult<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(AppError::invalid(self.0))
        }
    }
}

/// Marks without a width of their own, those that turn the direction of writing, separators of lines, and letters that are
/// only a gap: with them one name can be made to look like another, or like none.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFC}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E001F}')
}

/// Chooses how the sign before it looks (a form of an emoji or of a Chinese sign, a flag of a region); nothing by itself.
fn varies_the_one_before(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

/// One invisible mark has a use in a title: the joiner that makes one emoji of several.
fn has_invisible(text: &str) -> bool {
    let is_symbol =
        |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !c.is_alphanumeric() && !is_invisible(c));
    let joins = |at: usize, c: char| {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        c == '\u{200D}' && is_symbol(before.chars().next_back()) && is_symbol(rest.chars().nth(1))
    };
    let stands_alone = |at: usize, c: char| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        varies_the_one_before(c) && before.is_none_or(|c| c.is_whitespace() || is_invisible(c))
    };
    text.char_indices()
        .any(|(at, c)| is_invisible(c) && !joins(at, c) || stands_alone(at, c))
}

/// NFC, line ends as `\n`, no surrounding white space.
pub fn clean(text: &str) -> String {
    let trimmed = text.trim();
    let nfc = if is_nfc(trimmed) {
        trimmed.to_owned()
    } else {
        trimmed.nfc().collect()
    };
    if nfc.contains('\r') {
        nfc.replace("\r\n", "\n")
    } else {
        nfc
    }
}

/// Three-state field of a merge patch: absent, null, a value. Use with `#[serde(default, with = "patch")]`.
pub type Patch<T> = Option<Option<T>>;

pub mod patch {
    use serde::{Deserialize, Deserializer};

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(d).map(Some)
    }
}

/// A field of a merge patch that may be left out and cannot be null. Use with `#[serde(default, with = "present")]`.
pub mod present {
    use serde::{Deserialize, Deserializer};

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
        T::deserialize(d).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(check: impl FnOnce(&mut Problems)) -> Vec<&'static str> {
        let mut problems = Problems::default();
        check(&mut problems);
        problems.0.iter().map(|p| p.code).collect()
    }

    #[test]
    fn what_varies_a_sign_stands_behind_one() {
        for good in [
            "❤\u{FE0F}",
            "葛\u{E0100}",
            "👁\u{FE0F}\u{200D}🗨\u{FE0F}",
            "🏴\u{E0067}\u{E0062}\u{E007F}",
        ] {
            assert!(
                codes(|p| p.line("/x", &mut good.into(), 1, 9)).is_empty(),
                "{good}"
            );
        }
        for bad in ["\u{FE0F}", "甲 \u{E0100}", "\u{E0067}"] {
            assert_eq!(
                codes(|p| p.line("/x", &mut bad.into(), 1, 9)),
                ["invisible_character"]
            );
        }
    }

    #[test]
    fn text_is_normalised_and_bounded() {
        let mut decomposed = " e\u{301} ".to_owned();
        assert!(codes(|p| p.line("/x", &mut decomposed, 1, 1)).is_empty());
        assert_eq!(decomposed, "\u{e9}");
        assert_eq!(
            codes(|p| p.line("/x", &mut "\u{0}".into(), 1, 9)),
            ["control_character"]
        );
        assert_eq!(
            codes(|p| p.line("/x", &mut "a\nb".into(), 1, 9)),
            ["control_character"]
        );
        assert!(codes(|p| p.paragraph("/x", &mut "a\r\nb".into(), 1, 3)).is_empty());
        for hidden in [
            '\u{200B}',
            '\u{200D}',
            '\u{200F}',
            '\u{202E}',
            '\u{2060}',
            '\u{2069}',
            '\u{FEFF}',
            '\u{3164}',
            '\u{115F}',
            '\u{2800}',
            '\u{AD}',
            '\u{34F}',
            '\u{180E}',
            '\u{FFFC}',
            '\u{E0001}',
        ] {
            for text in [
                format!("甲{hidden}乙"),
                format!("a {hidden}"),
                format!("{hidden}a"),
            ] {
                assert_eq!(
                    codes(|p| p.line("/x", &mut text.clone(), 1, 9)),
                    ["invisible_character"],
                    "{text:?}"
                );
            }
        }
        assert!(codes(|p| p.line("/x", &mut "家庭日👨‍👩‍👧❤️‍🔥".into(), 1, 30)).is_empty());
        assert_eq!(codes(|p| p.line("/x", &mut "  ".into(), 1, 9)), ["required"]);
        assert_eq!(codes(|p| p.line("/x", &mut "黨支部".into(), 1, 2)), ["too_long"]);
    }
}
