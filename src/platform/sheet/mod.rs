//! Tables as files: writing CSV and XLSX that no spreadsheet program will execute, and reading what people upload
//! within fixed bounds. Knows rows and cells, no word of the domain; no HTTP, no database.

mod csv;
mod package;
mod read;
#[cfg(test)]
mod testing;
mod write;
mod xlsx;

use std::borrow::Cow;

use ::chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

pub use self::read::read_sheet;
pub use self::write::write_sheet;

use crate::platform::db::Instant;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SheetFormat {
    Csv,
    Xlsx,
}

impl SheetFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// Without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// One cell to be written. Dates and times are what the reader shall see: convert to the tree's time zone first.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Integer(i64),
    /// A decimal number with two places, given in hundredths.
    Hundredths(i64),
    DateTime(NaiveDateTime),
    Date(NaiveDate),
    Empty,
}

impl Cell<'_> {
    /// As the clocks on the walls there show it.
    pub fn local(at: Instant, zone: Tz) -> Self {
        Self::DateTime(at.utc().with_timezone(&zone).naive_local())
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<NaiveDateTime> for Cell<'_> {
    fn from(at: NaiveDateTime) -> Self {
        Self::DateTime(at)
    }
}

impl From<NaiveDate> for Cell<'_> {
    fn from(on: NaiveDate) -> Self {
        Self::Date(on)
    }
}

/// `None` is an empty cell.
impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// What an upload may cost at most. Checked from the archive's directory before anything is unpacked, and again
/// against what really comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SheetLimits {
    /// Bytes of the file as sent.
    pub max_file: usize,
    /// Bytes of all entries of the archive together, once unpacked.
    pub max_unpacked: u64,
    /// Entries of the archive.
    pub max_entries: usize,
    /// Unpacked to packed size of any one entry.
    pub max_ratio: u64,
    /// Rows that have content.
    pub max_rows: usize,
    /// Position of the last column that has content.
    pub max_columns: usize,
    /// Characters of one cell.
    pub max_cell_chars: usize,
    /// Bytes of all cells together: in an XLSX one long text may be shared by a million cells.
    pub max_text: usize,
}

impl Default for SheetLimits {
    fn default() -> Self {
        Self {
            max_file: 8 << 20,
            max_unpacked: 64 << 20,
            max_entries: 200,
            max_ratio: 200,
            max_rows: 20_000,
            max_columns: 64,
            max_cell_chars: 2_000,
            max_text: 32 << 20,
        }
    }
}

/// A row that has content: trimmed NFC cells, empty text for an empty cell, nothing after the last cell with content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// 1-based, as a spreadsheet program shows it; blank rows are left out but counted.
    pub number: u32,
    pub cells: Vec<String>,
}

impl SheetRow {
    /// The text of a column (0-based), empty when the row does not reach that far.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    #[error("the table has no content")]
    Empty,
    #[error("this is neither an XLSX file nor a CSV text")]
    NotASpreadsheet,
    #[error("the old .xls format is not read: save the file as .xlsx")]
    OldExcelFormat,
    #[error("this archive is not an .xlsx workbook")]
    UnsupportedFormat,
    #[error("the workbook is protected by a password")]
    Encrypted,
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    #[error("the archive is built to do harm: {0}")]
    UnsafeArchive(&'static str),
    #[error("the text is neither UTF-8 nor GB18030")]
    BadEncoding,
    #[error("more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("more than {limit} rows")]
    TooManyRows { limit: usize },
    #[error("more than {limit} columns")]
    TooManyColumns { limit: usize },
    /// Row and column are 1-based.
    #[error("row {row}, column {column}: more than {limit} characters")]
    CellTooLong { row: u32, column: u32, limit: usize },
    /// Writing failed: a fault of ours, not of the caller's data.
    #[error("the table could not be written: {0}")]
    WriteFailed(String),
}

impl SheetError {
    /// A stable name for clients.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotASpreadsheet => "not_a_spreadsheet",
            Self::OldExcelFormat => "old_excel_format",
            Self::UnsupportedFormat => "unsupported_format",
            Self::Encrypted => "encrypted",
            Self::Damaged(_) => "damaged",
            Self::UnsafeArchive(_) => "unsafe_archive",
            Self::BadEncoding => "bad_encoding",
            Self::TooLarge { .. } => "too_large",
            Self::TooManyRows { .. } => "too_many_rows",
            Self::TooManyColumns { .. } => "too_many_columns",
            Self::CellTooLong { .. } => "cell_too_long",
            Self::WriteFailed(_) => "write_failed",
        }
    }
}

/// Would a spreadsheet program take this text for a formula? The full-width signs count too: East Asian versions of
/// Excel read them as the narrow ones. White space in front hides the sign from the eye, not from every program.
fn looks_like_formula(text: &str) -> bool {
    text.starts_with(['\t', '\r', '\n'])
        || text
            .trim_start()
            .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Where cells may begin in the eyes of a program that takes semicolons or tabs between them, as Excel does in many countries:
/// a quote in the middle of its line is text to it.
fn parts_in_csv(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([';', '\t'])
}

/// What a CSV gets a `'` put in front of: formulas, and those that have a `'` already, so that reading can take off
/// exactly what writing has put on.
fn is_marked_in_csv(part: &str) -> bool {
    looks_like_formula(part.trim_start_matches(['\'', '"']))
}
