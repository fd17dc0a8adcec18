//! What strangers' bytes meet first, each with what must hold of it whatever they are. `fuzz/` feeds it under libFuzzer, and
//! tests/api/fuzz.rs with the same corpus and chance changes of it.

#![allow(clippy::unwrap_used, reason = "only builds for tests have this")]

use std::path::Path;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::attendance::{code_in, read_code, read_personal, read_proof, show_code};
use crate::auth::{AccountId, Actor, SessionId, Tokens};
use crate::events::EventId;
use crate::lessons::{is_too_deep, plain, render};
use crate::media::check_subtitles;
use crate::members::read_roster;
use crate::platform::config::Config;
use crate::platform::db::Instant;
use crate::platform::http::cursor_of;
use crate::platform::keys::Keys;
use crate::platform::page::Page;

/// Ends with a panic where something does not hold.
pub type Target = fn(&[u8]);

pub const TARGETS: [(&str, Target); 6] = [
    ("codes", codes),
    ("cursors", cursors),
    ("tokens", tokens),
    ("rosters", rosters),
    ("subtitles", subtitles),
    ("articles", articles),
];

/// By name, for `fuzz/`.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some((_, target)) = TARGETS.iter().find(|(other, _)| *other == name) {
        target(bytes);
    }
}

/// Keys that are the same each time, with a code and a token of theirs.
struct Genuine {
    keys: Keys,
    tokens: Tokens,
    code: String,
    token: String,
    now: Instant,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let mut config = Config::for_testing(Path::new("unused"));
    config.auth.secret_key = Some("the same each time, and long enough".repeat(2));
    let keys = Keys::load(&config).unwrap();
    let tokens = Tokens::new(&config.auth, &keys);
    let now = Instant::from_micros(1_800_000_000_000_000);
    let actor = Actor {
        account: AccountId(Uuid::from_u128(1)),
        session: SessionId(Uuid::from_u128(2)),
        tenant: None,
        is_system_admin: false,
    };
    Genuine {
        code: show_code(&keys.current, EventId(Uuid::from_u128(3)), None, 15, now).code,
        token: tokens.make(&actor, now).unwrap(),
        keys,
        tokens,
        now,
    }
});

/// The input as it stands, and as a change of something genuine: what differs from it is `true` in the answer.
fn variants(genuine: &str, bytes: &[u8]) -> [(String, bool); 2] {
    let mut near = genuine.as_bytes().to_vec();
    for (byte, change) in near.iter_mut().zip(bytes) {
        *byte ^= change;
    }
    near.extend(bytes.iter().skip(genuine.len()));
    [bytes.to_vec(), near].map(|bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_forged = text != genuine;
        (text, is_forged)
    })
}

/// Nothing is read but what was made, in the one spelling that it was made in.
fn codes(bytes: &[u8]) {
    let genuine = &*GENUINE;
    for (text, is_forged) in variants(&genuine.code, bytes) {
        let code = code_in(&text);
        let is_read = read_code(&genuine.keys, code).is_some();
        assert!(
            !is_read || !is_forged || code == genuine.code,
            "a forged code: {text:?}"
        );
        assert!(is_forged || is_read, "the genuine code is not read");
        assert!(
            read_proof(&genuine.keys, code).is_none(),
            "a code is no proof: {text:?}"
        );
        assert!(
            read_personal(&genuine.keys, code).is_none(),
            "nor a personal code: {text:?}"
        );
    }
}

fn tokens(bytes: &[u8]) {
    let genuine = &*GENUINE;
    for (text, is_forged) in variants(&genuine.token, bytes) {
        let is_taken = genuine.tokens.check(&text, genuine.now).is_some();
        assert_eq!(is_taken, !is_forged, "{text:?}");
    }
}

/// A cursor that is taken asks for the page that one of ours would ask for.
fn cursors(bytes: &[u8]) {
    type Key = (Option<String>, i64, Uuid);
    let texts = [
        String::from_utf8_lossy(bytes).into_owned(),
        URL_SAFE_NO_PAD.encode(bytes),
    ];
    for text in texts {
        let Ok(page) = Page::<Key>::from_query(None, Some(&text), None) else {
            continue;
        };
        let ours = cursor_of(&page.after);
        let again = Page::<Key>::from_query(None, ours.as_deref(), None);
        assert_eq!(again.ok().map(|page| page.after), Some(page.after), "{text:?}");
    }
}

fn rosters(bytes: &[u8]) {
    // That it ends, within its bounds, is all that holds of any file.
    let _ = read_roster(bytes);
}

fn subtitles(bytes: &[u8]) {
    if let Some(cues) = check_subtitles(bytes) {
        assert!(bytes.windows(3).filter(|three| *three == b"-->").count() >= cues);
        assert!(bytes.starts_with(b"WEBVTT") || bytes.starts_with(b"\xEF\xBB\xBFWEBVTT"));
    }
}

/// Only these tags, with only these attributes, and links that lead nowhere else than they may.
fn articles(bytes: &[u8]) {
    let markdown = String::from_utf8_lossy(bytes);
    let _ = plain(&markdown);
    if is_too_deep(&markdown) {
        return;
    }
    for tag in render(&markdown).html.split('<').skip(1) {
        let (inside, _) = tag.split_once('>').unwrap_or((tag, ""));
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let is_known = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'/')
            && !["script", "style", "iframe", "object", "img", "svg"].contains(&name);
        assert!(is_known, "<{inside}> of {markdown:?}");
        for (name, value) in attributes_of(attributes) {
            let is_harmless = match name {
                "href" => ["http:", "https:", "mailto:", "tel:"]
                    .iter()
                    .any(|scheme| value.to_ascii_lowercase().starts_with(scheme)),
                other => ["title", "lang", "rel", "start", "id"].contains(&other),
            };
            assert!(is_harmless, "{name}={value} of {markdown:?}");
        }
    }
}

fn attributes_of(mut text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let (value, rest) = rest.split_once('"').unwrap_or((rest, ""));
        found.push((name.trim(), value));
        text = rest;
    }
    found
}
