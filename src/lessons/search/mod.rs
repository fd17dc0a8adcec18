//! Search in what is published: title, summary, the words of an article, the transcript. Chinese is found by pairs of
//! neighbouring characters, Traditional and Simplified as one; both databases index the same pieces.

mod fold;
pub mod http;
mod query;
mod service;
mod snippet;
mod store;

pub use service::{forget, index, reindex};
