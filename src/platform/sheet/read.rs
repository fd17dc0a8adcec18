//! Uploaded bytes to rows of text. What a file is, is told by its first bytes, never by its name or its content type;
//! every bound of `SheetLimits` on rows and cells is enforced in `Grid`.

use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::package::Package;
use super::{SheetError, SheetLimits, SheetRow, csv, xlsx};

/// Reads the first visible sheet that has content of an XLSX workbook, or a CSV text in UTF-8 or GB18030 separated by
/// commas, semicolons or tabs. Whole numbers come without decimals, dates in ISO form, formulas as the value that was
/// saved with them; a cell merged over several rows counts for each of them.
pub fn read_sheet(bytes: &[u8], limits: &SheetLimits) -> Result<Vec<SheetRow>, SheetError> {
    if bytes.len() > limits.max_file {
        return Err(SheetError::TooLarge {
            limit: limits.max_file as u64,
        });
    }
    let mut grid = Grid::new(limits);
    match kind_of(bytes) {
        Kind::Zip => xlsx::read(Package::open(bytes, limits)?, &mut grid)?,
        Kind::CompoundFile if is_encrypted_workbook(bytes) => return Err(SheetError::Encrypted),
        Kind::CompoundFile => return Err(SheetError::OldExcelFormat),
        Kind::Other => return Err(SheetError::NotASpreadsheet),
        Kind::Text => csv::read(bytes, &mut grid)?,
    }
    grid.into_rows()
}

enum Kind {
    Zip,
    CompoundFile,
    Text,
    Other,
}

fn kind_of(bytes: &[u8]) -> Kind {
    const OTHERS: [&[u8]; 8] = [
        b"%PDF",
        b"\x89PNG",
        b"\xFF\xD8\xFF",
        b"GIF8",
        b"Rar!",
        b"7z\xBC\xAF",
        b"\x1F\x8B",
        b"{\\rtf",
    ];
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Kind::Zip;
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Kind::CompoundFile;
    }
    // Web pages and XML that other systems export under the name .xls.
    let text = bytes
        .strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(bytes)
        .trim_ascii_start();
    if OTHERS.iter().any(|magic| bytes.starts_with(magic)) || text.starts_with(b"<") {
        return Kind::Other;
    }
    Kind::Text
}

/// A workbook with a password is a compound file, like an old .xls, with a stream of this name inside.
fn is_encrypted_workbook(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bytes.windows(name.len()).any(|window| window == name)
}

/// The rows read so far: the one place where the bounds on rows, columns and text are enforced.
pub(super) struct Grid<'l> {
    pub limits: &'l SheetLimits,
    rows: BTreeMap<u32, Vec<String>>,
    text: usize,
}

impl<'l> Grid<'l> {
    fn new(limits: &'l SheetLimits) -> Self {
        Self {
            limits,
            rows: BTreeMap::new(),
            text: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `row` is 1-based, `column` 0-based. Blank cells leave no trace.
    pub fn put(&mut self, row: u32, column: u32, raw: &str) -> Result<(), SheetError> {
        let trimmed = trim(raw);
        if trimmed.is_empty() {
            return Ok(());
        }
        let index = column as usize;
        if index >= self.limits.max_columns {
            return Err(SheetError::TooManyColumns {
                limit: self.limits.max_columns,
            });
        }
        let text: String = if is_nfc(trimmed) {
            trimmed.to_owned()
        } else {
            trimmed.nfc().collect()
        };
        let limit = self.limits.max_cell_chars;
        if text.chars().nth(limit).is_some() {
            return Err(SheetError::CellTooLong {
                row,
                column: column.saturating_add(1),
                limit,
            });
        }
        self.text = self.text.saturating_add(text.len());
        if self.text > self.limits.max_text {
            return Err(SheetError::TooLarge {
                limit: self.limits.max_text as u64,
            });
        }
        if self.rows.len() >= self.limits.max_rows && !self.rows.contains_key(&row) {
            return Err(SheetError::TooManyRows {
                limit: self.limits.max_rows,
            });
        }
        let cells = self.rows.entry(row).or_default();
        if cells.len() <= index {
            cells.resize(index + 1, String::new());
        }
        if let Some(cell) = cells.get_mut(index) {
            *cell = text;
        }
        Ok(())
    }

    /// Gives the value of a cell that is merged over the rows `first` to `last` to each of these rows that has other
    /// content. Returns how many rows were looked at.
    pub fn fill_down(&mut self, column: u32, first: u32, last: u32) -> Result<usize, SheetError> {
        let index = column as usize;
        let Some(text) = self
            .rows
            .get(&first)
            .and_then(|cells| cells.get(index))
            .filter(|text| !text.is_empty())
        else {
            return Ok(1);
        };
        let text = text.clone();
        if last <= first {
            return Ok(1);
        }
        let below: Vec<u32> = self.rows.range(first + 1..=last).map(|(row, _)| *row).collect();
        for row in &below {
            self.put(*row, column, &text)?;
        }
        Ok(below.len() + 1)
    }

    fn into_rows(self) -> Result<Vec<SheetRow>, SheetError> {
        if self.rows.is_empty() {
            return Err(SheetError::Empty);
        }
        Ok(self
            .rows
            .into_iter()
            .map(|(number, cells)| SheetRow { number, cells })
            .collect())
    }
}

/// White space, control characters and the invisible marks that come along when text is copied from a chat or an
/// address book (zero-width spaces, writing direction marks, byte order marks) are no content at a cell's edges.
pub(super) fn trim(raw: &str) -> &str {
    raw.trim_matches(|c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    })
}
