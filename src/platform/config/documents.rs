//! Documents to print: the font.

use serde::Deserialize;

use super::ConfigError;

#[derive(Debug, Clone)]
pub struct DocumentConfig {
    /// A file with Chinese signs, `#2` behind it for the third face of a collection; none: the first usual one found.
    pub font: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDocuments {
    font: String,
}

impl RawDocuments {
    // Whether it is there is `doctor`'s to say: nothing but printing needs it.
    pub(super) fn validate(self) -> Result<DocumentConfig, ConfigError> {
        Ok(DocumentConfig {
            font: Some(self.font).filter(|font| !font.is_empty()),
        })
    }
}
