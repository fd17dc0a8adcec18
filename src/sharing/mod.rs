//! Sharing (成果交流): what people who took part in an event took away from it (心得體會), with pictures if they like, seen
//! by the event, the branch or the tree; and the materials of an event for those who take part. Nobody is asked for a
//! reflection, and none of it is counted: no number of reflections or likes is shown, ranked or read by another slice.
//!
//! `reflections` writes and moderates, `lists` says who sees what, `materials` is the other half.

mod commands;
mod http;
mod lists;
mod materials;
mod reflections;
mod rules;
mod store;

pub use http::configure;
pub use reflections::{took_part_after_all, withdraw_all};

use crate::media::MediaId;
use crate::platform::db::DbConnection;
use crate::platform::error::AppResult;

crate::id_types! {
    ReflectionId,
    MaterialId,
}

/// For files: is this one among the materials of an event?
pub fn uses_file(conn: &mut DbConnection, file: MediaId) -> AppResult<bool> {
    Ok(store::is_material(conn, file)?)
}
