//! What a scanned code is worth to slices that check in others than members.

use super::codes::{self, Age, ReadCode};
use crate::events::EventId;
use crate::platform::db::Instant;
use crate::platform::error::{AppResult, Code};
use crate::platform::keys::Keys;

/// The event of a code that is good now; 422 for what is none, 410 for one of an earlier window.
pub fn event_of_code(keys: &Keys, scanned: &str, now: Instant) -> AppResult<EventId> {
    fresh_code(keys, scanned, now).map(|code| code.event)
}

/// The facts of such a code.
pub(super) fn fresh_code(keys: &Keys, scanned: &str, now: Instant) -> AppResult<ReadCode> {
    let code = codes::read(keys, codes::code_in(scanned)).ok_or(Code::InvalidCode)?;
    match code.age(now) {
        Age::Fresh => Ok(code),
        Age::NotYet => Err(Code::InvalidCode.into()),
        Age::Expired => Err(Code::ExpiredCode.into()),
    }
}

/// The event of a proof that this device was given less than `proof_s` ago.
pub fn event_of_proof(
    keys: &Keys,
    proof: &str,
    device_id: &str,
    now: Instant,
    proof_s: i64,
) -> AppResult<EventId> {
    let proof = codes::read_proof(keys, proof)
        .filter(|proof| proof.device == codes::device_of(device_id) && proof.at <= now.plus_s(1))
        .ok_or(Code::InvalidCode)?;
    if now >= proof.at.plus_s(proof_s) {
        return Err(Code::ExpiredCode.into());
    }
    Ok(proof.event)
}
