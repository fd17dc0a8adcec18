//! What a member's name, phone, employee number and standing are: newtypes that cannot be built wrong.
//! Pure: no database, no HTTP, no clock.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::platform::text::is_invisible;

/// Standing towards the organization. Sources: the party constitution, chapter 1 (full, probationary), and the rules on
/// developing members (activist); `Guest` is anybody else who is served by the organization.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Full,
    Probationary,
    Activist,
    Guest,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::Full, Self::Probationary, Self::Activist, Self::Guest];

    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Probationary => "probationary",
            Self::Activist => "activist",
            Self::Guest => "guest",
        }
    }

    /// The reverse of `as_str`; the many words of rosters are known to the import only.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == text)
    }

    /// Probationary members attend and speak, but have neither a vote nor the right to be elected.
    pub fn may_vote(self) -> bool {
        self == Self::Full
    }

    /// One bit each, so that a set of standings is one small integer.
    pub fn bit(self) -> i32 {
        match self {
            Self::Full => 1,
            Self::Probationary => 2,
            Self::Activist => 4,
            Self::Guest => 8,
        }
    }

    /// The set that `bits` stands for, in the order of `ALL`.
    pub fn from_bits(bits: i32) -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|standing| bits & standing.bit() != 0)
            .collect()
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person's name: NFC, 1 to 50 characters on one line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name is required")]
    Missing,
    #[error("a name has at most {} characters", MemberName::MAX_CHARS)]
    TooLong,
    #[error("a name has no control characters")]
    ControlCharacter,
}

impl NameError {
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "name_missing",
            Self::TooLong => "name_too_long",
            Self::ControlCharacter => "name_invalid",
        }
    }
}

impl MemberName {
    pub const MAX_CHARS: usize = 50;

    /// Rosters pad two-character names with a space to line them up with three-character ones (`張　三`): white space
    /// between two Chinese characters is dropped, elsewhere it becomes one plain space.
    pub fn parse(raw: &str) -> Result<Self, NameError> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(NameError::Missing);
        }
        if text.chars().any(is_control) {
            return Err(NameError::ControlCharacter);
        }
        let mut name = String::with_capacity(text.len());
        let mut gap = false;
        // NFC first: among the characters it replaces there are spaces.
        for c in text.nfc() {
            if c.is_whitespace() {
                gap = true;
                continue;
            }
            let between_han = is_han(c) && name.chars().next_back().is_some_and(is_han);
            if gap && !between_han {
                name.push(' ');
            }
            gap = false;
            name.push(c);
        }
        if name.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(NameError::TooLong);
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A telephone number as a key: 11 digits for a mobile phone of the mainland, `+` and 8 to 15 digits for others.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a mobile number of the mainland nor an international number with +")]
pub struct PhoneError;

impl PhoneError {
    pub fn code(self) -> &'static str {
        "phone_invalid"
    }
}

impl Phone {
    /// Takes what people type: spaces, dashes, full-width digits, `+86` or `0086` in front, and the invisible marks
    /// that an address book puts around a number. Fixed lines of the mainland are refused: nobody signs in with one.
    pub fn parse(raw: &str) -> Result<Self, PhoneError> {
        let text: String = raw
            .nfkc()
            .filter(|c| !c.is_whitespace() && !is_dash(*c) && !is_invisible(*c))
            .collect();
        // 00 is how + is dialled.
        let abroad = text.strip_prefix('+').or_else(|| text.strip_prefix("00"));
        let Some(number) = abroad else {
            return Self::mainland(&text);
        };
        if let Some(national) = number.strip_prefix("86") {
            return Self::mainland(national);
        }
        let e164 = (8..=15).contains(&number.len()) && is_digits(number) && !number.starts_with('0');
        if e164 {
            Ok(Self(format!("+{number}")))
        } else {
            Err(PhoneError)
        }
    }

    fn mainland(number: &str) -> Result<Self, PhoneError> {
        let mobile = number.len() == 11
            && is_digits(number)
            && number
                .strip_prefix('1')
                .is_some_and(|rest| rest.starts_with(['3', '4', '5', '6', '7', '8', '9']));
        if mobile {
            Ok(Self(number.to_owned()))
        } else {
            Err(PhoneError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs and for people who need to recognise but not to know it: `138****5678`.
    pub fn masked(&self) -> String {
        let tail = self.0.len().saturating_sub(4);
        format!(
            "{}****{}",
            self.0.get(..3).unwrap_or_default(),
            self.0.get(tail..).unwrap_or_default()
        )
    }
}

/// The number a member has at work: letters, digits and `- _ . / #`, at most 32 characters, in upper case so that what
/// is typed on a phone finds it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmployeeNo(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an employee number has 1 to {} letters, digits, - _ . / or #",
    EmployeeNo::MAX_CHARS
)]
pub struct EmployeeNoError;

impl EmployeeNoError {
    pub fn code(self) -> &'static str {
        "employee_no_invalid"
    }
}

impl EmployeeNo {
    pub const MAX_CHARS: usize = 32;

    pub fn parse(raw: &str) -> Result<Self, EmployeeNoError> {
        // Upper case of some letters is not NFKC again: normalise after it too, or parsing twice would differ.
        let text: String = raw.trim().nfkc().flat_map(char::to_uppercase).nfkc().collect();
        let allowed = |c: char| c.is_alphanumeric() || "-_./#".contains(c);
        // A lone dash or stroke is how people write 'none'.
        let says_something = text.chars().any(char::is_alphanumeric);
        let fits = text.chars().all(allowed) && text.chars().nth(Self::MAX_CHARS).is_none();
        if says_something && fits {
            Ok(Self(text))
        } else {
            Err(EmployeeNoError)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_type {
    ($name:ident) => {
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
text_type!(MemberName);
text_type!(Phone);
text_type!(EmployeeNo);

// Personal data must not reach a log by way of `{:?}`.
impl fmt::Debug for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberName({}*)", self.0.chars().next().unwrap_or_default())
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

impl fmt::Debug for EmployeeNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmployeeNo(*)")
    }
}

/// Characters that have no place in a name.
pub fn is_control(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phone(raw: &str) -> Option<String> {
        Phone::parse(raw).ok().map(String::from)
    }

    fn employee_no(raw: &str) -> Option<String> {
        EmployeeNo::parse(raw).ok().map(String::from)
    }

    fn name(raw: &str) -> Result<String, NameError> {
        MemberName::parse(raw).map(String::from)
    }

    #[test]
    fn standings_have_one_word_and_one_bit_each() {
        for standing in Standing::ALL {
            assert_eq!(Standing::parse(standing.as_str()), Some(standing));
            assert_eq!(standing.to_string(), standing.as_str());
        }
        assert_eq!(Standing::ALL.map(Standing::bit), [1, 2, 4, 8]);
        assert_eq!(Standing::ALL.map(Standing::may_vote), [true, false, false, false]);
        assert_eq!(Standing::parse("Full"), None);
        assert_eq!(Standing::parse(""), None);
    }

    #[test]
    fn mainland_mobiles_become_eleven_digits() {
        for raw in [
            "13812345678",
            " 138 1234 5678 ",
            "138-1234-5678",
            "138\u{2013}1234\u{2014}5678",
            "+8613812345678",
            "+86 138 1234 5678",
            "0086-13812345678",
            "１３８１２３４５６７８",
            "＋８６１３８１２３４５６７８",
            "\u{202D}13812345678\u{202C}",
            "\u{3000}138\u{A0}12345678",
        ] {
            assert_eq!(phone(raw).as_deref(), Some("13812345678"), "{raw:?}");
        }
    }

    #[test]
    fn other_countries_keep_their_plus() {
        assert_eq!(phone("+852 9123 4567").as_deref(), Some("+85291234567"));
        assert_eq!(phone("00852-9123-4567").as_deref(), Some("+85291234567"));
        assert_eq!(phone("+12345678").as_deref(), Some("+12345678"));
        assert_eq!(phone("+123456789012345").as_deref(), Some("+123456789012345"));
    }

    #[test]
    fn what_is_no_phone_is_refused() {
        for raw in [
            "",
            "12812345678",
            "1381234567",
            "138123456789",
            "010-65529988",
            "91234567",
            "8613812345678",
            "+1234567",
            "+1234567890123456",
            "+01234567890",
            "+86 10 6552 9988",
            "+86 1381234567",
            "++85291234567",
            "13812345678/13912345678",
            "1381234567x",
            "1.38E+10",
            "٠١٢٣٤٥٦٧٨٩٠",
            "#N/A",
        ] {
            assert_eq!(phone(raw), None, "{raw:?}");
        }
        assert_eq!(PhoneError.code(), "phone_invalid");
    }

    #[test]
    fn employee_numbers_are_upper_case_half_width() {
        assert_eq!(employee_no(" ab-0012 ").as_deref(), Some("AB-0012"));
        assert_eq!(employee_no("ＡＢ００１２").as_deref(), Some("AB0012"));
        assert_eq!(employee_no("機關_01/2#a.b").as_deref(), Some("機關_01/2#A.B"));
        assert_eq!(employee_no(&"9".repeat(32)).map(|n| n.len()), Some(32));
        for raw in [
            "",
            "  ",
            "a b",
            "a\u{0}",
            "a\nb",
            "=1",
            "a'b",
            "a,b",
            "-",
            "/",
            &"9".repeat(33),
        ] {
            assert_eq!(employee_no(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn names_lose_their_padding() {
        assert_eq!(name(" 張\u{3000}三 ").as_deref(), Ok("張三"));
        assert_eq!(name("张  三").as_deref(), Ok("张三"));
        assert_eq!(name("Anna  Maria\u{3000}Li").as_deref(), Ok("Anna Maria Li"));
        assert_eq!(name("王 Anna").as_deref(), Ok("王 Anna"));
        assert_eq!(name("买买提·吐尔逊").as_deref(), Ok("买买提·吐尔逊"));
        assert_eq!(name("Andre\u{301}").as_deref(), Ok("Andr\u{e9}"));
        assert_eq!(name("𠮷野").as_deref(), Ok("𠮷野"));
    }

    #[test]
    fn names_are_bounded_and_clean() {
        assert_eq!(name("  "), Err(NameError::Missing));
        assert_eq!(name(&"張".repeat(50)).map(|n| n.chars().count()), Ok(50));
        assert_eq!(name(&"張".repeat(51)), Err(NameError::TooLong));
        for raw in ["張\u{0}三", "張\n三", "張\t三", "\u{202E}三張", "張\u{2028}三"] {
            assert_eq!(name(raw), Err(NameError::ControlCharacter), "{raw:?}");
        }
        let codes = [
            NameError::Missing,
            NameError::TooLong,
            NameError::ControlCharacter,
        ]
        .map(NameError::code);
        assert_eq!(codes, ["name_missing", "name_too_long", "name_invalid"]);
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let shown = format!(
            "{:?} {:?} {:?}",
            MemberName::parse("張三丰").unwrap(),
            Phone::parse("13812345678").unwrap(),
            EmployeeNo::parse("A-17").unwrap()
        );
        assert_eq!(shown, "MemberName(張*) Phone(138****5678) EmployeeNo(*)");
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(raw in any::<String>()) {
            if let Ok(once) = MemberName::parse(&raw) {
                prop_assert_eq!(MemberName::parse(once.as_str()), Ok(once.clone()));
            }
            if let Ok(once) = EmployeeNo::parse(&raw) {
                prop_assert_eq!(EmployeeNo::parse(once.as_str()), Ok(once.clone()));
            }
            if let Ok(once) = Phone::parse(&raw) {
                prop_assert_eq!(Phone::parse(once.as_str()), Ok(once.clone()));
            }
        }

        #[test]
        fn a_mobile_number_is_found_however_it_is_spaced(
            number in "1[3-9][0-9]{9}",
            prefix in prop::sample::select(vec!["", "+86", "0086", "+86 ", "００８６"]),
            gaps in prop::collection::vec(prop::sample::select(vec!["", " ", "-", "\u{3000}", "–"]), 11),
        ) {
            let spaced: String = number.chars().zip(gaps).flat_map(|(c, gap)| [gap.to_owned(), c.to_string()]).collect();
            prop_assert_eq!(phone(&format!("{prefix}{spaced}")), Some(number));
        }

        #[test]
        fn international_numbers_round_trip(number in "[1-79][0-9]{7,14}") {
            prop_assert_eq!(phone(&format!("+{number}")), Some(format!("+{number}")));
        }

        #[test]
        fn names_and_numbers_within_their_alphabet_are_accepted(
            family in "[\u{4E00}-\u{9FFF}]{1,4}",
            number in "[A-Z0-9][A-Z0-9_./#-]{0,31}",
        ) {
            prop_assert_eq!(name(&family), Ok(family.clone()));
            prop_assert_eq!(employee_no(&number), Some(number));
        }
    }
}
