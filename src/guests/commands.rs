//! What clients may send about guests, and what is wrong with it before anybody looks into the database.

use serde::Deserialize;
use uuid::Uuid;

use crate::members::Phone;
use crate::platform::db::Instant;
use crate::platform::text::{Check, Problems};

const MAX_PLACES: i32 = 10_000;

/// A public address for an event: whoever has it can put themselves down, until its places are taken or it ends.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"places": 30, "expires_at": "2026-12-01T00:00:00Z"}))]
pub struct CreateGuestLink {
    /// 1 to 10,000.
    pub places: i32,
    /// Not after the event's end.
    pub expires_at: Instant,
}

impl Check for CreateGuestLink {
    fn check(&mut self, problems: &mut Problems) {
        problems.range("/places", &self.places, 1, MAX_PLACES);
    }
}

/// A guest whom an organiser puts down.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "王小明", "phone": "13812345678", "consent": true, "note": "社區代表"}))]
pub struct CreateGuest {
    pub name: String,
    /// By which they are known at the door.
    pub phone: String,
    /// They have agreed that name and phone are kept until some days after the event.
    pub consent: bool,
    #[serde(default)]
    pub note: String,
}

impl Check for CreateGuest {
    fn check(&mut self, problems: &mut Problems) {
        check_person(problems, &mut self.name, &mut self.phone, self.consent);
        problems.line("/note", &mut self.note, 0, 200);
    }
}

/// A guest who puts themselves down.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "王小明", "phone": "13812345678", "consent": true, "client_event_id": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22"}))]
pub struct CreateOwnGuest {
    pub name: String,
    pub phone: String,
    /// I agree that my name and phone are kept until some days after the event.
    pub consent: bool,
    /// A UUID made on the phone: the same id again gives the same answer.
    pub client_event_id: Uuid,
}

impl Check for CreateOwnGuest {
    fn check(&mut self, problems: &mut Problems) {
        check_person(problems, &mut self.name, &mut self.phone, self.consent);
    }
}

/// As it is compared: 13812345678, however it was typed.
fn phone_key(text: &str) -> Option<String> {
    Phone::parse(text).ok().map(|phone| phone.as_str().to_owned())
}

fn check_person(problems: &mut Problems, name: &mut String, phone: &mut String, consent: bool) {
    problems.line("/name", name, 1, 100);
    match phone_key(phone) {
        Some(key) => *phone = key,
        None => problems.add("/phone", "phone_invalid", "is no telephone number"),
    }
    if !consent {
        problems.add("/consent", "required", "without consent nothing is kept");
    }
}

/// One of `code`, or `proof` with the `device_id` it was made for; and one of `pass`, `phone`.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "AaIL6rDJdyOp8uqfk_h80msFGToKEgqUkB7-qFaVI8EA", "phone": "13812345678"}))]
pub struct CheckInGuest {
    /// What the screen shows, or the whole address in the QR picture.
    pub code: Option<String>,
    pub proof: Option<String>,
    pub device_id: Option<String>,
    /// Given to a guest who came by a public address.
    pub pass: Option<String>,
    /// Of a guest who was put down with it.
    pub phone: Option<String>,
}

impl Check for CheckInGuest {
    fn check(&mut self, problems: &mut Problems) {
        if self.code.is_some() == self.proof.is_some() || self.proof.is_some() != self.device_id.is_some() {
            problems.add(
                "/code",
                "one_of",
                "give exactly one of: code; proof with device_id",
            );
        }
        if self.pass.is_some() == self.phone.is_some() {
            problems.add("/pass", "one_of", "give exactly one of: pass; phone");
        }
        if let Some(phone) = &mut self.phone {
            match phone_key(phone) {
                Some(key) => *phone = key,
                None => problems.add("/phone", "phone_invalid", "is no telephone number"),
            }
        }
    }
}

/// The guest gives their place back, and what is held about them is erased.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"pass": "AZrkX0n0cZS2xQ1nTn0k3nH0cV2mJ3b9aQ7yqg1gkQk"}))]
pub struct CancelOwnGuest {
    pub pass: String,
}

impl Check for CancelOwnGuest {}
