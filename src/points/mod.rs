//! Points (積分): an append-only journal of what was given and taken back, under dated rules of a tree; what it adds up to; and
//! awards by two people's word. Slices ask for points in the transaction of what was done; nothing here knows why it was.

mod awards;
mod changes;
mod commands;
mod http;
mod journal;
mod rules;
mod schemes;
mod service;
mod store;

pub use awards::take_along;
pub use changes::{mend_change_numbers, next_change_no, settled_change_no};
pub use http::{PointTotalsView, configure};
pub use journal::{Deed, award, reverse, reverse_all_at};
pub use rules::{BEGINNING, Rule, first_of_month, first_of_quarter, first_of_week, first_of_year};
pub use service::{Totals, my_totals};

crate::id_types! {
    PointEntryId,
    PointAwardId,
}
