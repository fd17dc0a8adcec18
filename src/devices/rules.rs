//! What a device is for, which events are its own, and when its use is written down. No database, no clock.

use serde::{Deserialize, Serialize};

use super::DeviceId;
use crate::auth::{AccountId, Actor, SessionId};
use crate::organizations::OrganizationId;
use crate::platform::db::Instant;
use crate::platform::error::{AppError, AppResult};

/// 40 bits, one use, ten minutes, and tries counted by address.
pub const CODE_LENGTH: usize = 8;
pub const CODE_S: i64 = 600;
/// base64url of 32 random bytes.
pub const TOKEN_LENGTH: usize = 43;

const SEEN_EVERY_S: i64 = 300;
/// An event is shown until so long after its end: a screen on a wall is no archive of names.
const SHOWN_AFTER_S: i64 = 86_400;

/// What a device may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// List the events whose check-in is open, and show their codes and who has come.
    Screen,
    /// Check members in by their personal codes.
    Scanner,
}

/// A device that has shown a live token.
#[derive(Debug, Clone, Copy)]
pub struct RoomDevice {
    pub id: DeviceId,
    pub tenant: OrganizationId,
    pub organization: OrganizationId,
    pub is_screen: bool,
    pub is_scanner: bool,
    pub last_seen_at: Option<Instant>,
}

impl RoomDevice {
    /// 403 unless it was made for this.
    pub fn require(&self, purpose: Purpose) -> AppResult<()> {
        let may = match purpose {
            Purpose::Screen => self.is_screen,
            Purpose::Scanner => self.is_scanner,
        };
        if may { Ok(()) } else { Err(AppError::forbidden()) }
    }

    /// As it stands in records. It is no member and has no role: as an actor alone it may do nothing.
    pub fn actor(self) -> Actor {
        Actor {
            account: AccountId(self.id.0),
            session: SessionId(uuid::Uuid::nil()),
            tenant: Some(self.tenant),
            is_system_admin: false,
        }
    }

    /// Coarse, so that a screen that asks every few seconds is not a write every few seconds.
    pub fn is_seen_anew(&self, now: Instant) -> bool {
        self.last_seen_at
            .is_none_or(|seen| now.minus(seen).num_seconds() >= SEEN_EVERY_S)
    }
}

/// Is an event of this state and end still one to show?
pub fn is_shown(status: &str, ends_at: Instant, check_in_closes_at: Instant, now: Instant) -> bool {
    status != "draft" && now < ends_at.max(check_in_closes_at).plus_s(SHOWN_AFTER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn device(is_screen: bool, last_seen_at: Option<Instant>) -> RoomDevice {
        let id = uuid::Uuid::from_u128(1);
        RoomDevice {
            id: DeviceId(id),
            tenant: OrganizationId(id),
            organization: OrganizationId(id),
            is_screen,
            is_scanner: !is_screen,
            last_seen_at,
        }
    }

    #[test]
    fn a_device_does_what_it_was_made_for() {
        assert!(device(true, None).require(Purpose::Screen).is_ok());
        assert!(device(true, None).require(Purpose::Scanner).is_err());
        assert!(device(false, None).require(Purpose::Screen).is_err());
        assert!(device(false, None).require(Purpose::Scanner).is_ok());
    }

    #[test]
    fn it_is_seen_every_five_minutes() {
        assert!(device(true, None).is_seen_anew(at(0)));
        assert!(!device(true, Some(at(0))).is_seen_anew(at(299)));
        assert!(device(true, Some(at(0))).is_seen_anew(at(300)));
    }

    #[test]
    fn an_event_is_shown_until_a_day_after_its_end_and_never_as_a_draft() {
        assert!(is_shown("published", at(10), at(20), at(86_419)));
        assert!(is_shown("closed", at(20), at(10), at(86_419)));
        assert!(!is_shown("published", at(10), at(20), at(86_420)));
        assert!(!is_shown("draft", at(10), at(20), at(0)));
    }
}
