//! Documents to print: text and tables on A4 pages as PDF, in fonts of this machine that are embedded as far as they are
//! used. Knows lines and columns, no word of the domain; no HTTP, no database.

mod fonts;
mod layout;
mod write;

pub use self::fonts::{Fonts, USUAL_FONTS};
pub use self::layout::{Align, Column, Layout};

#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("no font with the needed signs: {0}")]
    Fonts(String),
    #[error("cannot write the document: {0}")]
    Write(String),
}
