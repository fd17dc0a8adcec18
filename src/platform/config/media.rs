//! Files: where they lie, how many there may be, and how long their addresses hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, within, wrong};

#[derive(Debug, Clone)]
pub struct MediaConfig {
    pub folder: PathBuf,
    pub quota_bytes: i64,
    pub file_bytes: i64,
    pub max_duration_ms: i32,
    pub upload_s: i64,
    pub idle: Duration,
    pub url_s: i64,
    /// Begins and ends with a slash.
    pub x_accel_prefix: Option<String>,
    pub bucket: Option<BucketConfig>,
}

/// Where files lie that are complete, when that is not the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    pub name: String,
    /// Without slashes around it; may be empty.
    pub prefix: String,
    /// Amazon's own when it is left out.
    pub endpoint: Option<String>,
    pub region: Option<String>,
}

impl BucketConfig {
    /// `s3://bucket/prefix`.
    fn parse(url: &str, endpoint: String, region: String) -> Option<Self> {
        let (name, prefix) = match url.strip_prefix("s3://")?.split_once('/') {
            Some((name, prefix)) => (name, prefix.trim_matches('/')),
            None => (url.strip_prefix("s3://")?, ""),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        let is_address =
            endpoint.is_empty() || endpoint.starts_with("https://") || endpoint.starts_with("http://");
        let fits =
            !name.is_empty() && name.chars().all(is_plain) && prefix.chars().all(is_plain) && is_address;
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        fits.then(|| Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: given(endpoint),
            region: given(region),
        })
    }
}

impl MediaConfig {
    /// How long an address can hold: it ends on a quarter of its time.
    pub fn longest_url_s(&self) -> i64 {
        self.url_s + self.url_s / 4
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMedia {
    folder: String,
    store: String,
    s3_endpoint: String,
    s3_region: String,
    quota_bytes: i64,
    file_bytes: i64,
    max_duration_s: i32,
    upload_h: i64,
    idle_s: u64,
    url_s: i64,
    x_accel_prefix: String,
}

impl RawMedia {
    pub(super) fn validate(self, data: &Path) -> Result<MediaConfig, ConfigError> {
        const MAX_BYTES: i64 = 1 << 50;
        within("media.quota_bytes", self.quota_bytes, 0..=MAX_BYTES, "bytes")?;
        within("media.file_bytes", self.file_bytes, 0..=MAX_BYTES, "bytes")?;
        within("media.max_duration_s", self.max_duration_s, 1..=86_400, "seconds")?;
        within("media.upload_h", self.upload_h, 1..=720, "hours")?;
        within("media.idle_s", self.idle_s, 1..=600, "seconds")?;
        within("media.url_s", self.url_s, 60..=86_400, "seconds")?;
        let prefix = Some(self.x_accel_prefix).filter(|prefix| !prefix.is_empty());
        let is_path = |prefix: &String| {
            prefix.starts_with('/') && prefix.ends_with('/') && prefix.bytes().all(|b| b.is_ascii_graphic())
        };
        if let Some(prefix) = prefix.as_ref().filter(|prefix| !is_path(prefix)) {
            let allowed = "a path of an nginx location that begins and ends with /, like /_media/, or empty";
            return Err(wrong("media.x_accel_prefix", prefix, allowed));
        }
        let bucket = match self.store.as_str() {
            "" => None,
            url => {
                let bucket = BucketConfig::parse(url, self.s3_endpoint, self.s3_region);
                let allowed = "s3://bucket/prefix with media.s3_endpoint as http:// or https://, or empty for the folder";
                Some(bucket.ok_or_else(|| wrong("media.store", url, allowed))?)
            }
        };
        if let Some(prefix) = prefix.as_ref().filter(|_| bucket.is_some()) {
            return Err(wrong(
                "media.x_accel_prefix",
                prefix,
                "empty, for nginx has no files where media.store is a bucket",
            ));
        }
        Ok(MediaConfig {
            bucket,
            folder: match self.folder.as_str() {
                "" => data.join("media"),
                folder => PathBuf::from(folder),
            },
            quota_bytes: self.quota_bytes,
            file_bytes: self.file_bytes,
            max_duration_ms: self.max_duration_s * 1_000,
            upload_s: self.upload_h * 3_600,
            idle: Duration::from_secs(self.idle_s),
            url_s: self.url_s,
            x_accel_prefix: prefix,
        })
    }
}
