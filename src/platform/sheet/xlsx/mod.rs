//! The parts of an XLSX workbook to rows. Our own reader over quick-xml, because calamine trusts what a file says of
//! itself: it reserves memory by a declared count, clones each style, lays out the full rectangle between two far-apart
//! cells (one kilobyte of upload ends the process). Here memory grows only with what has been read, never more.

mod values;
mod xml;

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};

use self::values::{
    cell_position, is_built_in_date, is_date_format, merged_rows, number_text, unescape_ooxml,
};
use self::xml::{CellText, Xml, append, attribute};
use super::package::Package;
use super::read::Grid;
use super::{SheetError, SheetLimits};

const MAX_ROW: u32 = 1_048_576;
const MAX_COLUMN: u32 = 16_384;
/// How many sheets are looked through for one with content.
const MAX_SHEETS: usize = 100;

const MALFORMED: SheetError = SheetError::Damaged("a part is malformed");

pub(super) fn read(mut package: Package<'_>, grid: &mut Grid<'_>) -> Result<(), SheetError> {
    let book = Workbook::read(&mut package, grid.limits)?;
    for sheet in &book.sheets {
        let Some(text) = package.part(sheet)? else {
            continue;
        };
        read_sheet(&text, &book, grid)?;
        if !grid.is_empty() {
            break;
        }
    }
    Ok(())
}

/// What the cells of all sheets refer to.
struct Workbook {
    /// Names of the parts of the visible worksheets, in order.
    sheets: Vec<String>,
    strings: Vec<String>,
    /// By the number that a cell's `s` gives: is its format one for dates or times?
    date_styles: Vec<bool>,
    /// Days count from 1904, as old Macs had it.
    from_1904: bool,
}

impl Workbook {
    fn read(package: &mut Package<'_>, limits: &SheetLimits) -> Result<Self, SheetError> {
        let relations = Relations::read(&package.part("xl/_rels/workbook.xml.rels")?.ok_or(MALFORMED)?)?;
        let mut book = Self {
            sheets: Vec::new(),
            strings: Vec::new(),
            date_styles: Vec::new(),
            from_1904: false,
        };
        book.read_workbook(&package.part("xl/workbook.xml")?.ok_or(MALFORMED)?, &relations)?;
        if let Some(path) = &relations.strings
            && let Some(text) = package.part(path)?
        {
            book.strings = read_strings(&text, limits)?;
        }
        if let Some(path) = &relations.styles
            && let Some(text) = package.part(path)?
        {
            book.date_styles = read_styles(&text)?;
        }
        Ok(book)
    }

    fn read_workbook(&mut self, text: &str, relations: &Relations) -> Result<(), SheetError> {
        let mut xml = Xml::new(text);
        while let Some(event) = xml.next()? {
            let Event::Start(element) = event else { continue };
            match element.local_name().as_ref() {
                "workbookPr" => {
                    // Absent in the extension element of the same local name: no `else`.
                    if let Some(value) = attribute(&element, "date1904")? {
                        self.from_1904 = matches!(&*value, "1" | "true");
                    }
                }
                "sheet" if attribute(&element, "state")?.is_none_or(|state| state == "visible") => {
                    let id = attribute(&element, "id")?.ok_or(MALFORMED)?;
                    if let Some(path) = relations.sheets.get(&*id)
                        && self.sheets.len() < MAX_SHEETS
                        && !self.sheets.contains(path)
                    {
                        self.sheets.push(path.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Relations {
    sheets: HashMap<String, String>,
    strings: Option<String>,
    styles: Option<String>,
}

impl Relations {
    fn read(text: &str) -> Result<Self, SheetError> {
        let mut relations = Self::default();
        let mut xml = Xml::new(text);
        while let Some(event) = xml.next()? {
            let Event::Start(element) = event else { continue };
            if element.local_name().as_ref() != "Relationship" {
                continue;
            }
            let (Some(id), Some(kind), Some(target)) = (
                attribute(&element, "Id")?,
                attribute(&element, "Type")?,
                attribute(&element, "Target")?,
            ) else {
                continue;
            };
            let path = part_name(&target);
            match kind.rsplit('/').next() {
                Some("worksheet") => {
                    relations.sheets.insert(id.into_owned(), path);
                }
                Some("sharedStrings") => relations.strings = Some(path),
                Some("styles") => relations.styles = Some(path),
                _ => {}
            }
        }
        Ok(relations)
    }
}

/// A relation's target, which is relative to `xl/` unless it starts with a slash, as the name of a part.
fn part_name(target: &str) -> String {
    let mut steps = if target.starts_with('/') {
        Vec::new()
    } else {
        vec!["xl"]
    };
    for step in target.split(['/', '\\']) {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn read_strings(text: &str, limits: &SheetLimits) -> Result<Vec<String>, SheetError> {
    let mut strings = Vec::new();
    let mut current = CellText::default();
    let mut xml = Xml::new(text);
    while let Some(event) = xml.next()? {
        match &event {
            Event::Start(element) if element.local_name().as_ref() == "si" => current.clear(),
            Event::End(element) if element.local_name().as_ref() == "si" => {
                if strings.len() >= limits.max_rows.saturating_mul(limits.max_columns) {
                    return Err(SheetError::TooManyRows {
                        limit: limits.max_rows,
                    });
                }
                strings.push(current.take());
            }
            event => current.take_in(event)?,
        }
    }
    Ok(strings)
}

fn read_styles(text: &str) -> Result<Vec<bool>, SheetError> {
    let mut custom: HashMap<u32, bool> = HashMap::new();
    let mut styles = Vec::new();
    let mut in_cell_formats = false;
    let mut xml = Xml::new(text);
    while let Some(event) = xml.next()? {
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                "numFmt" => {
                    let id = attribute(&element, "numFmtId")?.and_then(|id| id.parse().ok());
                    if let (Some(id), Some(code)) = (id, attribute(&element, "formatCode")?) {
                        custom.insert(id, is_date_format(&code));
                    }
                }
                "cellXfs" => in_cell_formats = true,
                "xf" if in_cell_formats => {
                    let id = attribute(&element, "numFmtId")?
                        .and_then(|id| id.parse().ok())
                        .unwrap_or(0);
                    styles.push(custom.get(&id).copied().unwrap_or_else(|| is_built_in_date(id)));
                }
                _ => {}
            },
            Event::End(element) if element.local_name().as_ref() == "cellXfs" => in_cell_formats = false,
            _ => {}
        }
    }
    Ok(styles)
}

fn read_sheet(text: &str, book: &Workbook, grid: &mut Grid<'_>) -> Result<(), SheetError> {
    let mut cursor = Cursor::default();
    let mut merged = Vec::new();
    let mut ended = false;
    let mut xml = Xml::new(text);
    while let Some(event) = xml.next()? {
        match &event {
            Event::Start(element) => match element.local_name().as_ref() {
                "row" => cursor.start_row(element)?,
                "c" => cursor.start_cell(element)?,
                "v" => cursor.in_value = true,
                "mergeCell" => merged.extend(attribute(element, "ref")?.as_deref().and_then(merged_rows)),
                _ => cursor.inline.take_in(&event)?,
            },
            Event::End(element) => match element.local_name().as_ref() {
                "v" => cursor.in_value = false,
                "c" => cursor.end_cell(book, grid)?,
                "sheetData" => ended = true,
                _ => cursor.inline.take_in(&event)?,
            },
            event if cursor.in_value => append(&mut cursor.value, event)?,
            event => cursor.inline.take_in(event)?,
        }
    }
    if !ended {
        return Err(MALFORMED);
    }
    let limits = grid.limits;
    let mut looked_at: usize = 0;
    for (column, first, last) in merged {
        looked_at = looked_at.saturating_add(grid.fill_down(column, first, last)?);
        if looked_at > limits.max_rows.saturating_mul(limits.max_columns) {
            return Err(SheetError::UnsafeArchive("too many merged cells"));
        }
    }
    Ok(())
}

/// Where the reading of a sheet stands. Rows are 1-based, columns 0-based; rows and cells may leave out their names,
/// then each follows the one before.
#[derive(Default)]
struct Cursor {
    row: u32,
    column: u32,
    next_column: u32,
    kind: Option<String>,
    style: usize,
    in_value: bool,
    value: String,
    inline: CellText,
}

impl Cursor {
    fn start_row(&mut self, element: &BytesStart<'_>) -> Result<(), SheetError> {
        self.row = match attribute(element, "r")? {
            Some(number) => number.parse().map_err(|_| MALFORMED)?,
            None => self.row.saturating_add(1),
        };
        self.next_column = 0;
        if (1..=MAX_ROW).contains(&self.row) {
            Ok(())
        } else {
            Err(MALFORMED)
        }
    }

    fn start_cell(&mut self, element: &BytesStart<'_>) -> Result<(), SheetError> {
        self.column = match attribute(element, "r")? {
            Some(reference) => {
                let (column, row) = cell_position(&reference).ok_or(MALFORMED)?;
                self.row = row;
                column
            }
            None => self.next_column,
        };
        if self.row == 0 {
            return Err(MALFORMED);
        }
        self.next_column = self.column.saturating_add(1);
        self.kind = attribute(element, "t")?.map(Cow::into_owned);
        self.style = attribute(element, "s")?
            .and_then(|style| style.parse().ok())
            .unwrap_or(0);
        self.in_value = false;
        self.value.clear();
        self.inline.clear();
        Ok(())
    }

    fn end_cell(&mut self, book: &Workbook, grid: &mut Grid<'_>) -> Result<(), SheetError> {
        let value = self.value.trim();
        let text: Cow<'_, str> = match self.kind.as_deref() {
            Some("s" | "b") if value.is_empty() => return Ok(()),
            Some("s") => {
                let string = value
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| book.strings.get(index));
                Cow::Borrowed(
                    string
                        .ok_or(SheetError::Damaged("a cell points to no text"))?
                        .as_str(),
                )
            }
            Some("inlineStr") => Cow::Owned(self.inline.take()),
            Some("b") => Cow::Borrowed(if matches!(value, "1" | "true") {
                "TRUE"
            } else {
                "FALSE"
            }),
            Some("d") => Cow::Borrowed(value.trim_end_matches("T00:00:00")),
            Some("n") | None => {
                let is_date = book.date_styles.get(self.style).copied().unwrap_or(false);
                number_text(value, is_date, book.from_1904)
            }
            // "str", a formula's text, and "e", an error such as #N/A: as they stand.
            Some(_) => unescape_ooxml(&self.value),
        };
        grid.put(self.row, self.column, &text)
    }
}

#[cfg(test)]
mod tests;
