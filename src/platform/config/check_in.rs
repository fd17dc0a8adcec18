//! Check-in: what events inherit when no organization says otherwise, codes and their limits, and the lane.

use serde::Deserialize;

use super::{ConfigError, within, wrong};

const DAY_S: i32 = 86_400;

#[derive(Debug, Clone)]
pub struct CheckInConfig {
    pub code_window_s: i32,
    pub opens_before_s: i32,
    pub late_after_s: i32,
    pub closes_after_s: i32,
    pub proof_s: i64,
    pub personal_code_s: i64,
    pub offline_max_age_s: i64,
    pub typed_guesses_per_member: u32,
    pub typed_guesses_per_event: u32,
    pub proofs_per_address: u32,
    pub lane_queue: usize,
    pub lane_batch: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCheckIn {
    code_window_s: i32,
    opens_before_s: i32,
    late_after_s: i32,
    closes_after_s: i32,
    proof_s: i64,
    personal_code_s: i64,
    offline_max_age_h: i64,
    typed_guesses_per_member: u32,
    typed_guesses_per_event: u32,
    proofs_per_address: u32,
    lane_queue: usize,
    lane_batch: usize,
}

impl RawCheckIn {
    pub(super) fn validate(self) -> Result<CheckInConfig, ConfigError> {
        self.validate_windows()?;
        self.validate_limits()?;
        Ok(CheckInConfig {
            code_window_s: self.code_window_s,
            opens_before_s: self.opens_before_s,
            late_after_s: self.late_after_s,
            closes_after_s: self.closes_after_s,
            proof_s: self.proof_s,
            personal_code_s: self.personal_code_s,
            offline_max_age_s: self.offline_max_age_h * 3_600,
            typed_guesses_per_member: self.typed_guesses_per_member,
            typed_guesses_per_event: self.typed_guesses_per_event,
            proofs_per_address: self.proofs_per_address,
            lane_queue: self.lane_queue,
            lane_batch: self.lane_batch,
        })
    }

    fn validate_windows(&self) -> Result<(), ConfigError> {
        within("check_in.code_window_s", self.code_window_s, 5..=120, "seconds")?;
        within(
            "check_in.opens_before_s",
            self.opens_before_s,
            0..=DAY_S,
            "seconds",
        )?;
        within("check_in.late_after_s", self.late_after_s, 0..=DAY_S, "seconds")?;
        within(
            "check_in.closes_after_s",
            self.closes_after_s,
            60..=7 * DAY_S,
            "seconds",
        )?;
        if self.late_after_s > self.closes_after_s {
            let allowed = "at most check_in.closes_after_s";
            return Err(wrong("check_in.late_after_s", self.late_after_s, allowed));
        }
        within("check_in.proof_s", self.proof_s, 60..=3_600, "seconds")?;
        within(
            "check_in.personal_code_s",
            self.personal_code_s,
            10..=300,
            "seconds",
        )?;
        within(
            "check_in.offline_max_age_h",
            self.offline_max_age_h,
            1..=720,
            "hours",
        )?;
        Ok(())
    }

    fn validate_limits(&self) -> Result<(), ConfigError> {
        let (by_member, by_event) = (self.typed_guesses_per_member, self.typed_guesses_per_event);
        within("check_in.typed_guesses_per_member", by_member, 1..=100, "")?;
        within("check_in.typed_guesses_per_event", by_event, 1..=100_000, "")?;
        within(
            "check_in.proofs_per_address",
            self.proofs_per_address,
            100..=10_000_000,
            "",
        )?;
        within("check_in.lane_queue", self.lane_queue, 16..=1_000_000, "")?;
        within(
            "check_in.lane_batch",
            self.lane_batch,
            0..=4_096,
            "(0: a transaction each)",
        )?;
        Ok(())
    }
}
