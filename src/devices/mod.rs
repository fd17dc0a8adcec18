//! Devices of a room (會議室裝置): a projector page or a hand scanner that belongs to an organization, not to a person.
//! It enrols with a short code and gets a narrow token of its own, which ends when it is revoked.
//!
//! Its token goes as `Authorization: Device <token>`: a scheme of its own, so that neither kind of token is ever looked
//! at where the other is meant. An operation that takes devices takes a `Viewer` and asks `require_event`; all others
//! take `SignedIn`, for which a device is nobody.

mod extract;
mod http;
mod rules;
mod service;
mod store;

use utoipa_actix_web::service_config::ServiceConfig;

pub use extract::Viewer;
pub use rules::{Purpose, RoomDevice};
pub use service::require_event;

crate::id_types! {
    DeviceId,
}

pub fn configure(cfg: &mut ServiceConfig<'_>) {
    http::configure(cfg);
}
