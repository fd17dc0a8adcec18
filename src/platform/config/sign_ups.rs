//! Sign-ups: their lane.

use serde::Deserialize;

use super::{ConfigError, within};

#[derive(Debug, Clone)]
pub struct SignUpConfig {
    pub lane_queue: usize,
    pub lane_batch: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignUps {
    lane_queue: usize,
    lane_batch: usize,
}

impl RawSignUps {
    pub(super) fn validate(self) -> Result<SignUpConfig, ConfigError> {
        within("sign_ups.lane_queue", self.lane_queue, 16..=1_000_000, "")?;
        let each = "(0: a transaction each)";
        within("sign_ups.lane_batch", self.lane_batch, 0..=4_096, each)?;
        Ok(SignUpConfig {
            lane_queue: self.lane_queue,
            lane_batch: self.lane_batch,
        })
    }
}
