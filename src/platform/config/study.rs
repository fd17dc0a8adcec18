//! Study: the lane of progress reports.

use serde::Deserialize;

use super::{ConfigError, within};

#[derive(Debug, Clone)]
pub struct StudyConfig {
    pub lane_queue: usize,
    pub lane_batch: usize,
    pub lane_threads: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStudy {
    lane_queue: usize,
    lane_batch: usize,
    lane_threads: usize,
}

impl RawStudy {
    pub(super) fn validate(self) -> Result<StudyConfig, ConfigError> {
        within("study.lane_queue", self.lane_queue, 16..=1_000_000, "")?;
        let each = "(0: a transaction each)";
        within("study.lane_batch", self.lane_batch, 0..=4_096, each)?;
        within("study.lane_threads", self.lane_threads, 1..=64, "")?;
        Ok(StudyConfig {
            lane_threads: self.lane_threads,
            lane_queue: self.lane_queue,
            lane_batch: self.lane_batch,
        })
    }
}
