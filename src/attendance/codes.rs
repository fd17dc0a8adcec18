//! Check-in codes, proofs and personal codes: made and read without a database. Each is its facts in bytes followed by
//! the first 12 bytes of an HMAC over them (96 bits: no use guessing), in base64url.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::CheckpointId;
use crate::events::EventId;
use crate::members::MemberId;
use crate::platform::db::Instant;
use crate::platform::keys::{KeySet, Keys, MacKey};

const TAG: usize = 12;
/// Replicas' clocks may differ by this much: a code from so far ahead is still read.
const SKEW_S: i64 = 2;

/// What the screen shows at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    pub code: String,
    pub typed_code: String,
    /// Until this code is refused.
    pub expires_in_ms: i64,
    /// Until the next code is shown.
    pub next_refresh_ms: i64,
}

/// The facts of a genuine code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadCode {
    pub event: EventId,
    /// None: the code of the event itself.
    pub checkpoint: Option<CheckpointId>,
    pub starts: Instant,
    pub window_s: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    Fresh,
    Expired,
    /// From the future: no server of ours has handed it out yet.
    NotYet,
}

fn window_start(now: Instant, window_s: i64) -> i64 {
    now.seconds().div_euclid(window_s) * window_s
}

/// The code of the current window, by the server's clock; never one of a later window. Each point of an event has its own.
pub fn show(
    keys: &KeySet,
    event: EventId,
    checkpoint: Option<CheckpointId>,
    window_s: i32,
    now: Instant,
) -> ShownCode {
    let window_s = i64::from(window_s.clamp(1, 255));
    let start = window_start(now, window_s);
    let end_ms = (start + window_s) * 1_000;
    let facts = code_facts(event, start, window_s);
    ShownCode {
        code: match checkpoint {
            None => seal(&keys.check_in_code, &facts),
            Some(point) => seal(&keys.check_in_code, &at_point::<POINT_CODE>(&facts, point)),
        },
        typed_code: typed(keys, event, checkpoint, start),
        expires_in_ms: end_ms + window_s * 1_000 - now.millis(),
        next_refresh_ms: end_ms - now.millis(),
    }
}

/// Facts of an event's code; those of a point's code are longer by its id, so that neither passes for the other.
const CODE: usize = 21;
const POINT_CODE: usize = CODE + 16;

fn code_facts(event: EventId, start: i64, window_s: i64) -> [u8; CODE] {
    let mut facts = [0; CODE];
    put(&mut facts, 0, event.0.as_bytes());
    put(
        &mut facts,
        16,
        &u32::try_from(start).unwrap_or(u32::MAX).to_be_bytes(),
    );
    put(&mut facts, 20, &[u8::try_from(window_s).unwrap_or(u8::MAX)]);
    facts
}

/// The facts with the point's id behind them.
fn at_point<const N: usize>(facts: &[u8], point: CheckpointId) -> [u8; N] {
    let mut longer = [0; N];
    put(&mut longer, 0, facts);
    put(&mut longer, facts.len(), point.0.as_bytes());
    longer
}

/// The code in what was scanned: the picture holds a whole address, to which a phone or a messenger may have added.
pub fn code_in(scanned: &str) -> &str {
    let last = scanned.trim().rsplit("/c/").next().unwrap_or(scanned);
    last.split(['?', '#', '/']).next().unwrap_or(last)
}

/// A genuine code's facts; `None` for anything else, whatever is wrong with it.
pub fn read(keys: &Keys, text: &str) -> Option<ReadCode> {
    let of = |facts: &[u8], checkpoint: Option<CheckpointId>| {
        Some(ReadCode {
            event: EventId(uuid_at(facts, 0)?),
            checkpoint,
            starts: instant_at(facts, 16)?,
            window_s: *facts.get(20)?,
        })
    };
    if let Some(facts) = open::<CODE>(keys, |set| &set.check_in_code, text) {
        return of(&facts, None);
    }
    let facts: [u8; POINT_CODE] = open(keys, |set| &set.check_in_code, text)?;
    of(&facts, Some(CheckpointId(uuid_at(&facts, CODE)?)))
}

impl ReadCode {
    /// Good in its own window and the one after.
    pub fn age(&self, now: Instant) -> Age {
        let age_ms = now.millis() - self.starts.millis();
        if age_ms < -SKEW_S * 1_000 {
            Age::NotYet
        } else if age_ms < i64::from(self.window_s) * 2_000 {
            Age::Fresh
        } else {
            Age::Expired
        }
    }
}

/// Six digits that rotate with the code.
fn typed(keys: &KeySet, event: EventId, checkpoint: Option<CheckpointId>, start: i64) -> String {
    let point = checkpoint.map(|point| point.0);
    let point: &[u8] = point.as_ref().map_or(&[], |id| id.as_bytes());
    let tag = keys
        .typed_code
        .tag(&[event.0.as_bytes(), point, &start.to_be_bytes()]);
    let number = tag
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{:06}", number % 1_000_000)
}

/// Is this the typed code, of an event or of one of its points, of the window of `at` or the one before? Compared in
/// constant time.
pub fn is_typed_code(
    keys: &Keys,
    event: EventId,
    checkpoint: Option<CheckpointId>,
    window_s: i32,
    at: Instant,
    text: &str,
) -> bool {
    use subtle::ConstantTimeEq;
    let window_s = i64::from(window_s.clamp(1, 255));
    let start = window_start(at, window_s);
    let mut good = subtle::Choice::from(0);
    for set in keys.all() {
        for start in [start, start - window_s] {
            good |= typed(set, event, checkpoint, start)
                .as_bytes()
                .ct_eq(text.as_bytes());
        }
    }
    bool::from(good)
}

/// A number for a typed code at a time, by which equal guesses are known.
pub fn guess_of(typed: &str, slot: i64) -> u64 {
    let digest = Sha256::new()
        .chain_update(slot.to_be_bytes())
        .chain_update(typed.as_bytes())
        .finalize();
    digest
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A device id as it is kept: a hash, enough to tell 'the same device again' and nothing else.
pub fn device_of(device_id: &str) -> Uuid {
    let digest = Sha256::digest(device_id.as_bytes());
    digest
        .first_chunk::<16>()
        .map_or(Uuid::nil(), |bytes| Uuid::from_bytes(*bytes))
}

/// That somebody with this device had a good code at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub event: EventId,
    /// None: the code was that of the event itself.
    pub checkpoint: Option<CheckpointId>,
    pub at: Instant,
    pub device: Uuid,
}

const PROOF: usize = 36;
const POINT_PROOF: usize = PROOF + 16;

pub fn make_proof(
    keys: &KeySet,
    event: EventId,
    checkpoint: Option<CheckpointId>,
    at: Instant,
    device_id: &str,
) -> String {
    let mut facts = [0; PROOF];
    put(&mut facts, 0, event.0.as_bytes());
    put(
        &mut facts,
        16,
        &u32::try_from(at.seconds()).unwrap_or(u32::MAX).to_be_bytes(),
    );
    put(&mut facts, 20, device_of(device_id).as_bytes());
    match checkpoint {
        None => seal(&keys.check_in_proof, &facts),
        Some(point) => seal(&keys.check_in_proof, &at_point::<POINT_PROOF>(&facts, point)),
    }
}

pub fn read_proof(keys: &Keys, text: &str) -> Option<Proof> {
    let of = |facts: &[u8], checkpoint: Option<CheckpointId>| {
        Some(Proof {
            event: EventId(uuid_at(facts, 0)?),
            checkpoint,
            at: instant_at(facts, 16)?,
            device: uuid_at(facts, 20)?,
        })
    };
    if let Some(facts) = open::<PROOF>(keys, |set| &set.check_in_proof, text) {
        return of(&facts, None);
    }
    let facts: [u8; POINT_PROOF] = open(keys, |set| &set.check_in_proof, text)?;
    of(&facts, Some(CheckpointId(uuid_at(&facts, PROOF)?)))
}

/// The code on a member's own phone, for an organiser to scan; it rotates like the one on the screen.
pub fn make_personal(keys: &KeySet, member: MemberId, window_s: i64, now: Instant) -> (String, i64) {
    let start = window_start(now, window_s);
    let mut facts = [0; 20];
    put(&mut facts, 0, member.0.as_bytes());
    put(
        &mut facts,
        16,
        &u32::try_from(start).unwrap_or(u32::MAX).to_be_bytes(),
    );
    (
        seal(&keys.personal_code, &facts),
        (start + window_s) * 1_000 - now.millis(),
    )
}

pub fn read_personal(keys: &Keys, text: &str) -> Option<(MemberId, Instant)> {
    let facts: [u8; 20] = open(keys, |set| &set.personal_code, text)?;
    Some((MemberId(uuid_at(&facts, 0)?), instant_at(&facts, 16)?))
}

fn put(facts: &mut [u8], from: usize, part: &[u8]) {
    for (target, byte) in facts.iter_mut().skip(from).zip(part) {
        *target = *byte;
    }
}

fn uuid_at(facts: &[u8], from: usize) -> Option<Uuid> {
    Uuid::from_slice(facts.get(from..from + 16)?).ok()
}

fn instant_at(facts: &[u8], from: usize) -> Option<Instant> {
    let bytes: [u8; 4] = facts.get(from..from + 4)?.try_into().ok()?;
    Some(Instant::from_micros(
        i64::from(u32::from_be_bytes(bytes)) * 1_000_000,
    ))
}

fn seal(key: &MacKey, facts: &[u8]) -> String {
    let tag = key.tag(&[facts]);
    let mut bytes = facts.to_vec();
    bytes.extend(tag.iter().take(TAG));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open<const N: usize>(keys: &Keys, key: impl Fn(&KeySet) -> &MacKey, text: &str) -> Option<[u8; N]> {
    // Longer text cannot be ours; do not decode it.
    if text.len() > 128 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (facts, tag) = bytes.split_at_checked(N)?;
    let genuine = tag.len() == TAG && keys.all().any(|set| key(set).verify(&[facts], tag));
    if genuine { facts.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::config::Config;
    use proptest::prelude::*;

    fn keys(secret: &str) -> Keys {
        let mut config = Config::for_testing(std::path::Path::new("/nowhere"));
        config.auth.secret_key = Some(secret.repeat(32));
        Keys::load(&config).unwrap()
    }

    fn event(n: u128) -> EventId {
        EventId(Uuid::from_u128(n))
    }

    fn point(n: u128) -> CheckpointId {
        CheckpointId(Uuid::from_u128(n))
    }

    fn at_ms(ms: i64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn a_code_is_found_in_whatever_was_scanned() {
        for scanned in [
            "abc-_1",
            " https://a.cn/c/abc-_1\n",
            "https://a.cn/c/abc-_1?from=wechat",
            "/c/abc-_1/#top",
        ] {
            assert_eq!(code_in(scanned), "abc-_1", "{scanned}");
        }
    }

    #[test]
    fn a_code_is_good_in_its_window_and_the_next_one_only() {
        let keys = keys("a");
        let now = at_ms(1_000_000_003_000);
        let shown = show(&keys.current, event(7), None, 10, now);
        let code = read(&keys, &shown.code).unwrap();
        assert_eq!(
            (
                code.event,
                code.starts,
                shown.next_refresh_ms,
                shown.expires_in_ms
            ),
            (event(7), at_ms(1_000_000_000_000), 7_000, 17_000)
        );
        assert_eq!(code.age(at_ms(1_000_000_000_000)), Age::Fresh);
        assert_eq!(code.age(at_ms(1_000_000_019_999)), Age::Fresh);
        assert_eq!(code.age(at_ms(1_000_000_020_000)), Age::Expired);
        // A replica whose clock is ahead by the most that is allowed shows it so early, and not a moment earlier.
        assert_eq!(code.age(at_ms(1_000_000_000_000 - SKEW_S * 1_000)), Age::Fresh);
        assert_eq!(
            code.age(at_ms(1_000_000_000_000 - SKEW_S * 1_000 - 1)),
            Age::NotYet
        );
    }

    #[test]
    fn typed_codes_live_as_long_and_belong_to_one_event() {
        let keys = keys("a");
        let shown = show(&keys.current, event(7), None, 10, at_ms(1_000_000_003_000));
        let good = |e, ms| is_typed_code(&keys, event(e), None, 10, at_ms(ms), &shown.typed_code);
        assert!(good(7, 1_000_000_000_000) && good(7, 1_000_000_019_999));
        assert!(!good(7, 1_000_000_020_000) && !good(7, 999_999_999_999));
        assert!(!good(8, 1_000_000_003_000));
    }

    #[test]
    fn a_personal_code_says_when_the_next_one_comes() {
        let keys = keys("a");
        let (code, refresh_ms) = make_personal(
            &keys.current,
            MemberId(Uuid::from_u128(1)),
            10,
            at_ms(1_000_000_003_000),
        );
        assert_eq!(refresh_ms, 7_000);
        let read = read_personal(&keys, &code);
        assert_eq!(
            read,
            Some((MemberId(Uuid::from_u128(1)), at_ms(1_000_000_000_000)))
        );
    }

    #[test]
    fn old_keys_still_read_and_foreign_keys_do_not() {
        let (old, new) = (keys("a"), keys("b"));
        let code = show(&old.current, event(1), None, 10, at_ms(5_000)).code;
        assert!(read(&new, &code).is_none());
        let rotated = Keys {
            current: new.current,
            old: vec![old.current],
        };
        assert!(read(&rotated, &code).is_some());
    }

    #[test]
    fn one_kind_of_code_never_passes_for_another() {
        let keys = keys("a");
        let proof = make_proof(&keys.current, event(1), None, at_ms(5_000), "d");
        let (personal, _) = make_personal(&keys.current, MemberId(Uuid::from_u128(1)), 30, at_ms(5_000));
        let code = show(&keys.current, event(1), None, 10, at_ms(5_000)).code;
        assert!(read(&keys, &proof).is_none() && read(&keys, &personal).is_none());
        assert!(read_proof(&keys, &code).is_none() && read_personal(&keys, &code).is_none());
        assert_eq!(read_proof(&keys, &proof).unwrap().device, device_of("d"));
    }

    #[test]
    fn a_points_code_is_that_of_no_other_point_and_not_the_events() {
        let keys = keys("a");
        let (now, points) = (at_ms(1_000_000_003_000), [point(1), point(2)]);
        let shown = points.map(|point| show(&keys.current, event(7), Some(point), 10, now));
        let own = show(&keys.current, event(7), None, 10, now);
        assert_ne!(shown[0].code, shown[1].code);
        for (shown, point) in shown.iter().zip(points) {
            assert_eq!(read(&keys, &shown.code).unwrap().checkpoint, Some(point));
            let typed_of =
                |checkpoint| is_typed_code(&keys, event(7), checkpoint, 10, now, &shown.typed_code);
            assert!(typed_of(Some(point)) && !typed_of(None));
        }
        assert_eq!(read(&keys, &own.code).unwrap().checkpoint, None);
        // What belongs to the point is cut off, or another id put in its place.
        let mut bytes = URL_SAFE_NO_PAD.decode(&shown[0].code).unwrap();
        bytes.drain(CODE..POINT_CODE);
        assert!(read(&keys, &URL_SAFE_NO_PAD.encode(&bytes)).is_none());
        bytes.splice(CODE..CODE, *points[1].0.as_bytes());
        assert!(read(&keys, &URL_SAFE_NO_PAD.encode(&bytes)).is_none());
        let proof = make_proof(&keys.current, event(7), Some(points[0]), now, "d");
        assert_eq!(read_proof(&keys, &proof).unwrap().checkpoint, Some(points[0]));
        assert!(read(&keys, &proof).is_none() && read_proof(&keys, &shown[0].code).is_none());
    }

    proptest! {
        #[test]
        fn every_code_reads_back_and_one_bit_off_never_does(e in any::<u128>(), s in 0i64..4_000_000_000_000, w in 5i32..120, bit in 0usize..264) {
            let keys = keys("a");
            let shown = show(&keys.current, event(e), None, w, at_ms(s));
            let code = read(&keys, &shown.code).unwrap();
            prop_assert_eq!(code.event, event(e));
            prop_assert_eq!(code.age(at_ms(s)), Age::Fresh);
            prop_assert!(shown.next_refresh_ms > 0 && shown.next_refresh_ms <= i64::from(w) * 1000);
            let mut bytes = URL_SAFE_NO_PAD.decode(&shown.code).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read(&keys, &URL_SAFE_NO_PAD.encode(bytes)).is_none());
        }

        #[test]
        fn the_next_window_shows_another_code(e in any::<u128>(), s in 0i64..4_000_000_000_000, w in 5i32..120) {
            let keys = keys("a");
            let (now, later) = (show(&keys.current, event(e), None, w, at_ms(s)), show(&keys.current, event(e), None, w, at_ms(s + i64::from(w) * 1000)));
            prop_assert_ne!(now.code, later.code);
        }
    }
}
