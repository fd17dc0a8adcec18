//! Stored bytes and numbers, and what they mean. What cannot be read is damaged: an error, and nothing is overwritten.

use super::clock::StudyClock;
use super::played::Played;
use super::rules::Progress;
use super::sessions::Sessions;
use super::store::{ClockRow, ProgressRow};
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};

pub fn read_clock(row: &ClockRow) -> AppResult<StudyClock> {
    StudyClock::decode(&row.slots).ok_or_else(|| AppError::internal("a study clock is damaged"))
}

pub fn read_played(bytes: &[u8]) -> AppResult<Played> {
    Played::decode(bytes).ok_or_else(|| AppError::internal("what was played is damaged"))
}

pub fn read_progress(row: &ProgressRow) -> AppResult<Progress> {
    let sessions = Sessions::decode(&row.sessions);
    Ok(Progress {
        played: read_played(&row.played)?,
        sessions: sessions.ok_or_else(|| AppError::internal("study sessions are damaged"))?,
        position_ms: u32::try_from(row.position_ms).unwrap_or(0),
        position_at: row.position_at.map(Instant::millis),
        credited_at: row.credited_at.map(Instant::millis),
    })
}

/// The wall clock of `clock`, as it is stored.
pub fn instant(wall: i64) -> Instant {
    Instant::from_micros(wall.saturating_mul(1_000))
}

pub fn millis(ms: u64) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
