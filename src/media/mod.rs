//! Files of lessons, receipts, events and reflections (媒體): uploads that go on after a lost connection (tus 1.0), what a file is by its own
//! bytes, and addresses that hold for a while. A file is written once and never changed; what uses it, the slices know.
//!
//! `uploads` receives bytes, `checks` looks at what is complete, `files` knows the folder, `probe` reads strangers'
//! files behind a fence, `tickets` makes addresses. `pictures` writes members' pictures anew.

mod bucket;
mod checks;
mod files;
mod http;
mod pictures;
mod probe;
mod rules;
mod service;
mod store;
mod tickets;
mod tus;
mod uploads;

use utoipa_actix_web::service_config::ServiceConfig;

pub use bucket::Bucket;
pub use checks::jobs;
pub use http::{at_the_edge, url_of};
pub use pictures::{PICTURE_BYTES, Picture, begin_picture, remove_picture, settle_picture};
#[cfg(feature = "failpoints")]
pub(crate) use probe::check_subtitles;
pub use rules::{MediaKind, MediaPurpose};
pub use service::{hold_files, list_files};
pub use store::FileRow;
pub use uploads::Media;

crate::id_types! {
    /// A file.
    MediaId,
}

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    http::configure(cfg);
}
