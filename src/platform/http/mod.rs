//! What every handler leans on: extractors, answers, the problem documents, and the request's frame.

mod accept;
mod address;
mod answer;
mod body;
mod error_pages;
mod events;
mod fenced;
mod frame;
mod idempotency;
mod known;
mod live;
mod objects;
mod page;
mod pages;
mod pieces;
mod problem;
mod query;

pub use accept::{LIST_OR_SHEET, Wanted, file_response, sheet_response, wanted};
pub use address::client_address;
pub use answer::{Answer, Rendered, Tagged, has_tag, if_match};
pub use body::{BodyLimits, Json, RawItem, read_limited, require_plain};
pub use error_pages::configure_error_pages;
pub use events::event_stream;
pub use frame::{Frame, RequestId, current_request_id, frame, language};
pub use idempotency::{Key, Once, OnceBytes, sweep_keys};
pub use known::{KnownPaths, OfSlice, answer_head, know_path, nothing_here, was_head};
pub use live::{Watcher, live_stream};
pub use page::{List, PageQuery, cursor_of};
pub use pages::{page_asset, strict_page};
pub use problem::{Listener, Problem, problem_response};
pub use query::{IdPath, Query, path_id};
