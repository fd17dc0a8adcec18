//! What is true without a database: names, phone numbers, the password policy, activation codes, refresh tokens and
//! what becomes of one that is presented. No diesel, no actix, no clock.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::SessionId;
use crate::platform::db::Instant;
use crate::platform::keys::Keys;
use crate::platform::short_code;

/// Longer passwords are refused rather than cut.
pub const PASSWORD_MAX_BYTES: usize = 256;
/// How long a lost answer to a refresh can be asked for again.
pub const REPEAT_WITHIN_S: i64 = 30;

/// How an account name is stored and looked up.
pub fn normalise_account_name(text: &str) -> String {
    text.trim().nfc().collect::<String>().to_lowercase()
}

/// 2 to 64 letters, digits, `.`, `_`, `-`, `@`; not something that looks like a phone number.
pub fn is_account_name(name: &str) -> bool {
    let length = name.chars().count();
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    (2..=64).contains(&length)
        && name.chars().all(allowed)
        && !(length >= 7 && name.chars().all(|c| c.is_ascii_digit() || c == '-'))
}

/// A phone number as it is stored: digits with `+` in front when international; Chinese mobile numbers bare.
/// `+86 138-0013-8000`, `0086 13800138000` and `13800138000` are one number. None when it is no phone number.
pub fn normalise_phone(text: &str) -> Option<String> {
    let bare: String = text
        .nfkc()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '\u{2013}'))
        .collect();
    let (international, digits) = match bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")) {
        Some(rest) => (true, rest),
        None => (false, bare.as_str()),
    };
    if !(5..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match digits
        .strip_prefix("86")
        .filter(|rest| rest.len() == 11 && rest.starts_with('1'))
    {
        Some(mobile) => Some(mobile.to_owned()),
        None if international => Some(format!("+{digits}")),
        None => Some(digits.to_owned()),
    }
}

/// Passwords are compared in NFC; nothing else of them is changed.
pub fn normalise_password(password: &str) -> String {
    password.nfc().collect()
}

/// Short words that many passwords begin with, and long ones that many passwords are. Each begins and ends with a letter
/// or has nothing else than letters and digits in it.
const COMMON: &str = "password passwort passw0rd p@ssword p@ssw0rd pass word admin administrator root toor guest user \
    test testing demo default changeme change letmein welcome login master secret hello qwerty qwertyuiop qwerty123 \
    qwertyuiopasdfgh qwertyuiopasdfghjkl asdfgh asdfghjkl zxcvbn zxcvbnm 1qaz2wsx 1qaz2wsx3edc 1qaz2wsx3edc4rfv \
    1q2w3e 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qazwsx qazwsxedc qazwsxedcrfv zaq12wsx \
    iloveyou princess dragon monkey football baseball sunshine shadow superman batman trustno1 whatever freedom \
    starwars michael jennifer jordan hunter charlie computer internet samsung pokemon google facebook apple \
    abc abcd abc123 abcdef a1b2c3 a1b2c3d4 a1b2c3d4e5f6 aa123456 a123456 a123456789 woaini woaini1314 wojiushiwo \
    5201314 1314520 5201314520 7758521 147258369 147258 159357 741852963 789456123 123456789 1234567890 123123 \
    112233 121212 123321 654321 987654321 666666 888888 000000 111111 zhongguo beijing shanghai china tiananmen \
    dangyuan dangzhibu zhibu zhibu123 dangjian gongchandang nihao mima mimamima correcthorsebatterystaple \
    passwordpassword iloveyouiloveyou letmeinletmein adminadmin qwertyqwerty welcomewelcome";

#[derive(Debug, PartialEq, Eq)]
pub enum Weakness {
    TooShort,
    Common,
    ContainsAccount,
}

/// Is this password good enough to be set? `names` are the account's name and phone number.
pub fn password_weakness(password: &str, min_length: usize, names: &[&str]) -> Option<Weakness> {
    if password.chars().count() < min_length {
        return Some(Weakness::TooShort);
    }
    let lower = password.to_lowercase();
    let bare: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    let contains = |name: &&str| name.chars().count() >= 4 && lower.contains(&name.to_lowercase());
    if names.iter().any(contains) {
        return Some(Weakness::ContainsAccount);
    }
    let stem = lower.trim_matches(|c: char| !c.is_alphabetic());
    let is_common = |text: &str| text.is_empty() || COMMON.split_whitespace().any(|word| word == text);
    if is_common(&bare) || is_common(stem) || is_repeated(&bare) || is_run(&bare) {
        return Some(Weakness::Common);
    }
    None
}

/// One to four characters over and over.
fn is_repeated(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (1..=4).any(|period| {
        letters
            .iter()
            .zip(letters.iter().skip(period))
            .all(|(a, b)| a == b)
    })
}

/// `abcdefgh…`, or backwards. Digits alone are common however they follow.
fn is_run(text: &str) -> bool {
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    let follows = |a: u32, b: u32| b == a + 1;
    let mut pairs = letters.iter().zip(letters.iter().skip(1));
    pairs.clone().all(|(a, b)| follows(*a, *b)) || pairs.all(|(a, b)| follows(*b, *a))
}

/// How many hashes an attempt under this name tries even if fewer accounts have it: mostly 1, for one name in eight 2,
/// for one in sixty-four 3, and so on; always the same for one name. So two hashes are no proof of two accounts, and
/// nobody pays for the most there could be. `tag` is keyed: nobody can reckon it.
pub fn least_hashes(tag: &[u8; 32], most: usize) -> usize {
    let number = tag
        .last_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let more = usize::try_from(number.leading_zeros() / 3).unwrap_or_default();
    most.min(1 + more)
}

const CODE_LENGTH: usize = 12;

/// An activation code of 60 bits, e.g. `K7QF-9XM2-P4TD`, from as many random bytes as it has characters.
pub fn activation_code(random: [u8; CODE_LENGTH]) -> String {
    short_code::make(random)
}

/// A typed code as it was made, without hyphens.
pub fn normalise_activation_code(typed: &str) -> Option<String> {
    short_code::normalise::<CODE_LENGTH>(typed)
}

/// What a refresh token says. Nothing of it is stored: it is derived from the session and a server key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub session: SessionId,
    pub generation: i32,
}

impl RefreshToken {
    pub fn encode(self, keys: &Keys) -> String {
        let (session, generation) = (self.session.0.as_bytes(), self.generation.to_be_bytes());
        let tag = keys.current.refresh_token.tag(&[session, &generation]);
        let bytes: Vec<u8> = session
            .iter()
            .chain(&generation)
            .chain(tag.iter().take(16))
            .copied()
            .collect();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// None for whatever was not made with one of our keys.
    pub fn decode(text: &str, keys: &Keys) -> Option<Self> {
        if text.len() != 48 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, tag) = rest.split_first_chunk::<4>()?;
        let is_ours = tag.len() == 16
            && keys
                .all()
                .any(|set| set.refresh_token.verify(&[session, generation], tag));
        let token = Self {
            session: SessionId(Uuid::from_bytes(*session)),
            generation: i32::from_be_bytes(*generation),
        };
        is_ours.then_some(token)
    }
}

/// The part of a session that decides over a refresh.
#[derive(Debug, Clone)]
pub struct SessionState {
    pub generation: i32,
    pub rotated_at: Instant,
    pub device_id: Option<String>,
    pub expires_at: Instant,
    pub is_revoked: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The current token: the next generation begins.
    Advance,
    /// The token before, from the same device, its successor unused: the answer was lost, so it is given again.
    Repeat,
    /// Somebody else has it: the family ends.
    Reuse,
    /// The session has ended before.
    Ended,
}

/// RELIABILITY.md P11. A client that never names its device is taken for one device.
pub fn decide_rotation(
    session: &SessionState,
    generation: i32,
    device_id: Option<&str>,
    now: Instant,
) -> Rotation {
    if session.is_revoked || session.expires_at <= now {
        return Rotation::Ended;
    }
    let same_device = session.device_id.as_deref() == device_id;
    let other_device = !same_device && session.device_id.is_some() && device_id.is_some();
    let in_time = now <= session.rotated_at.plus_s(REPEAT_WITHIN_S);
    if generation == session.generation && !other_device {
        Rotation::Advance
    } else if generation.checked_add(1) == Some(session.generation) && same_device && in_time {
        Rotation::Repeat
    } else {
        Rotation::Reuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::Config;
    use proptest::prelude::*;

    fn keys(secret: &str) -> Keys {
        let mut config = Config::for_testing(std::path::Path::new("/nowhere"));
        config.auth.secret_key = Some(secret.repeat(8));
        Keys::load(&config).unwrap()
    }

    #[test]
    fn phones_are_one_number_however_typed() {
        for typed in [
            "13800138000",
            "+86 138-0013-8000",
            "0086 138 0013 8000",
            "86 13800138000",
            "１３８００１３８０００",
        ] {
            assert_eq!(normalise_phone(typed).as_deref(), Some("13800138000"), "{typed}");
        }
        assert_eq!(normalise_phone("+852 6123 4567").as_deref(), Some("+85261234567"));
        // No mobile numbers of China's: too short, or not beginning with 1.
        for (typed, kept) in [
            ("+86 10 1234 5678", "+861012345678"),
            ("+86 21 1234 56789", "+8621123456789"),
        ] {
            assert_eq!(normalise_phone(typed).as_deref(), Some(kept));
        }
        assert_eq!(normalise_phone("demo-admin"), None);
        assert_eq!(normalise_phone("1234"), None);
        assert!(is_account_name("demo-member-001") && is_account_name("王小明") && is_account_name("1024"));
        assert!(!is_account_name("13800138000") && !is_account_name("a") && !is_account_name("a b"));
    }

    #[test]
    fn weak_passwords_have_a_reason() {
        let weak = |password: &str| password_weakness(password, 12, &["wang.xm", "13800138000"]);
        assert_eq!(weak("short"), Some(Weakness::TooShort));
        assert_eq!(weak("黨支部黨支部黨支部黨支"), Some(Weakness::TooShort));
        for common in [
            "password12345",
            "123456789012",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "Passw0rd!!!!!",
            "!!!!!!!!!!!!",
            "1qaz2wsx3edc",
            "abcdefghijklm",
            "mlkjihgfedcba",
            "890123456789",
        ] {
            assert_eq!(weak(common), Some(Weakness::Common), "{common}");
        }
        assert_eq!(weak("my Wang.XM secret"), Some(Weakness::ContainsAccount));
        assert_eq!(weak("x13800138000xyz"), Some(Weakness::ContainsAccount));
        assert_eq!(weak("three old tractors sing"), None);
        assert_eq!(weak("延安的窯洞冬暖夏涼真不錯"), None);
    }

    #[test]
    fn a_code_survives_being_typed_by_a_person() {
        let code = activation_code([0, 1, 2, 3, 4, 5, 6, 7, 30, 31, 32, 33]);
        assert_eq!(code, "0123-4567-YZ01");
        assert_eq!(
            normalise_activation_code(" oi23 4567-yzol ").as_deref(),
            Some("01234567YZ01")
        );
        assert_eq!(normalise_activation_code("0123-4567-YZ0U"), None);
        assert_eq!(normalise_activation_code("0123-4567-YZ0"), None);
    }

    #[test]
    fn rotation_follows_the_promise() {
        let at = Instant::from_micros(1_000_000_000_000);
        let session = SessionState {
            generation: 5,
            rotated_at: at,
            device_id: Some("phone".into()),
            expires_at: at.plus_s(1_000),
            is_revoked: false,
        };
        let decide =
            |generation, device, later| decide_rotation(&session, generation, device, at.plus_s(later));
        assert_eq!(decide(5, Some("phone"), 1), Rotation::Advance);
        assert_eq!(decide(5, None, 900), Rotation::Advance);
        assert_eq!(decide(5, Some("other"), 1), Rotation::Reuse);
        assert_eq!(decide(4, Some("phone"), 30), Rotation::Repeat);
        assert_eq!(decide(4, Some("phone"), 31), Rotation::Reuse);
        assert_eq!(decide(4, Some("other"), 1), Rotation::Reuse);
        assert_eq!(decide(4, None, 1), Rotation::Reuse);
        assert_eq!(decide(3, Some("phone"), 1), Rotation::Reuse);
        assert_eq!(decide(6, Some("phone"), 1), Rotation::Reuse);
        assert_eq!(decide(5, Some("phone"), 1_000), Rotation::Ended);
        let revoked = SessionState {
            is_revoked: true,
            ..session.clone()
        };
        assert_eq!(decide_rotation(&revoked, 5, Some("phone"), at), Rotation::Ended);
    }

    #[test]
    fn some_names_take_longer_than_they_must() {
        let with = |number: u64| {
            let mut tag = [255; 32];
            tag[24..].copy_from_slice(&number.to_be_bytes());
            least_hashes(&tag, 8)
        };
        assert_eq!([with(u64::MAX), with(u64::MAX >> 2)], [1, 1]);
        assert_eq!([with(u64::MAX >> 3), with(u64::MAX >> 6), with(0)], [2, 3, 8]);
    }

    proptest! {
        #[test]
        fn refresh_tokens_come_back_and_one_changed_character_ruins_them(n: u128, generation in 0..i32::MAX, at in 0..48_usize) {
            let (ours, others) = (keys("ours"), keys("others"));
            let token = RefreshToken { session: SessionId(Uuid::from_u128(n)), generation };
            let text = token.encode(&ours);
            prop_assert_eq!(RefreshToken::decode(&text, &ours), Some(token));
            prop_assert_eq!(RefreshToken::decode(&text, &others), None);
            let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut forged = text.clone();
            forged.replace_range(at..=at, other);
            prop_assert_eq!(RefreshToken::decode(&forged, &ours), None);
        }

        #[test]
        fn every_code_is_read_back(random: [u8; 12]) {
            let code = activation_code(random);
            prop_assert_eq!(normalise_activation_code(&code.to_lowercase()), Some(code.replace('-', "")));
        }
    }
}
