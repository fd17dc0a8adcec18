//! Volunteering (志願服務): service hours that an organiser confirms from how long people stayed, yearly totals, and a
//! statement to print. How long somebody stayed is attendance's; nothing is credited without a person's word.

mod commands;
mod export;
mod http;
mod rules;
mod service;
mod statement;
mod store;

pub use http::configure;
pub use service::{annul_with_check_in, annul_with_event};

crate::id_types! {
    ServiceHoursId,
}
