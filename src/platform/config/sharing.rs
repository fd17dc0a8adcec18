//! Sharing: who sees a reflection first.

use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Clone)]
pub struct SharingConfig {
    /// Reflections wait until somebody who manages the event has read them.
    pub moderated: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSharing {
    moderated: bool,
}

impl RawSharing {
    pub(super) fn validate(self) -> Result<SharingConfig, ConfigError> {
        Ok(SharingConfig {
            moderated: self.moderated,
        })
    }
}
