//! Rows to CSV or XLSX bytes, in memory. The same rows give the same bytes, so an ETag over them is stable.
//! Neutralising formulas happens here and nowhere else.

use std::borrow::Cow;

use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Cell, SheetError, SheetFormat, is_marked_in_csv, looks_like_formula, parts_in_csv};

/// Excel's own bounds of a worksheet and a cell.
const XLSX_MAX_ROWS: usize = 1_048_576;
const XLSX_MAX_COLUMNS: usize = 16_384;
const XLSX_MAX_TEXT: usize = 32_767;
/// Excel keeps 15 digits of a number; a longer integer goes out as text.
const XLSX_EXACT: u64 = 999_999_999_999_999;

/// Column widths in characters; rows looked at to choose them.
const WIDTH: std::ops::RangeInclusive<usize> = 8..=48;
const WIDTH_ROWS: usize = 500;

/// Writes a table with one header row. `title` becomes the name of the XLSX sheet (any text will do) and is not used
/// in a CSV. Rows may be shorter or longer than the headers.
///
/// Text that a spreadsheet program could take for a formula is made harmless: in a CSV by a leading `'`, which is all
/// that format has; in XLSX it is stored as text with Excel's quote-prefix style, which is what typing `'` does: the
/// reader sees the text itself, and it stays text when edited.
pub fn write_sheet<'a>(
    format: SheetFormat,
    title: &str,
    headers: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
) -> Result<Vec<u8>, SheetError> {
    match format {
        SheetFormat::Csv => write_csv(headers, rows),
        SheetFormat::Xlsx => write_xlsx(title, headers, rows),
    }
}

fn write_csv<'a>(
    headers: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
) -> Result<Vec<u8>, SheetError> {
    // Excel on Windows takes a CSV without the mark for the local code page.
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .flexible(true)
        .from_writer(b"\xEF\xBB\xBF".to_vec());
    let failed = |error: ::csv::Error| SheetError::WriteFailed(error.to_string());
    let end_of_row = None::<&[u8]>;
    for header in headers {
        writer.write_field(csv_text(header).as_bytes()).map_err(failed)?;
    }
    writer.write_record(end_of_row).map_err(failed)?;
    for row in rows {
        for cell in &row {
            writer.write_field(csv_cell(cell).as_bytes()).map_err(failed)?;
        }
        writer.write_record(end_of_row).map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| SheetError::WriteFailed(error.to_string()))
}

fn csv_cell<'c>(cell: &'c Cell<'_>) -> Cow<'c, str> {
    match cell {
        Cell::Text(text) => csv_text(text),
        Cell::Number(number) if number.is_finite() => Cow::Owned(number.to_string()),
        Cell::Integer(number) => Cow::Owned(number.to_string()),
        Cell::Hundredths(number) => Cow::Owned(two_places(*number)),
        Cell::DateTime(at) => Cow::Owned(at.format("%Y-%m-%d %H:%M:%S").to_string()),
        Cell::Date(on) => Cow::Owned(on.format("%Y-%m-%d").to_string()),
        Cell::Number(_) | Cell::Empty => Cow::Borrowed(""),
    }
}

fn two_places(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    let size = hundredths.unsigned_abs();
    format!("{sign}{}.{:02}", size / 100, size % 100)
}

fn csv_text(text: &str) -> Cow<'_, str> {
    let text = without_controls(text);
    if !parts_in_csv(&text).any(is_marked_in_csv) {
        return text;
    }
    let mut marked = String::with_capacity(text.len() + 4);
    for part in parts_in_csv(&text) {
        marked.extend(is_marked_in_csv(part).then_some('\''));
        marked.push_str(part);
    }
    Cow::Owned(marked)
}

/// Control characters mean nothing in a table, and most are not allowed in XML at all.
fn without_controls(text: &str) -> Cow<'_, str> {
    let unwanted = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}')
    };
    if text.contains(unwanted) {
        Cow::Owned(text.replace(unwanted, ""))
    } else {
        Cow::Borrowed(text)
    }
}

struct Styles {
    header: Format,
    text: Format,
    two_places: Format,
    date: Format,
    date_time: Format,
}

fn write_xlsx<'a>(
    title: &str,
    headers: &[&str],
    rows: impl IntoIterator<Item = Vec<Cell<'a>>>,
) -> Result<Vec<u8>, SheetError> {
    let styles = Styles {
        header: Format::new().set_bold(),
        text: Format::new().set_quote_prefix(),
        two_places: Format::new().set_num_format("0.00"),
        date: Format::new().set_num_format("yyyy-mm-dd"),
        date_time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
    };
    let mut workbook = Workbook::new();
    // The writer would put the present time in, and the same rows would never give the same bytes.
    let created = ExcelDateTime::from_ymd(2000, 1, 1).map_err(xlsx_failed)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    let sheet = workbook.add_worksheet();
    sheet.set_name(sheet_name(title)).map_err(xlsx_failed)?;
    sheet.set_freeze_panes(1, 0).map_err(xlsx_failed)?;

    let mut widths: Vec<usize> = Vec::new();
    for (column, header) in headers.iter().enumerate() {
        let header = xlsx_text(header);
        note_width(&mut widths, column, &header);
        // A header is written by us, but its words may come from data (names of forms, of branches).
        let plain = styles.header.clone();
        let style = if looks_like_formula(&header) {
            plain.set_quote_prefix()
        } else {
            plain
        };
        sheet
            .write_string_with_format(0, column_number(column)?, header, &style)
            .map_err(xlsx_failed)?;
    }
    for (index, row) in rows.into_iter().enumerate() {
        let number = index + 1;
        if number >= XLSX_MAX_ROWS {
            return Err(SheetError::TooManyRows {
                limit: XLSX_MAX_ROWS - 1,
            });
        }
        let row_number = u32::try_from(number).map_err(|_| SheetError::TooManyRows {
            limit: XLSX_MAX_ROWS - 1,
        })?;
        for (column, cell) in row.into_iter().enumerate() {
            if number < WIDTH_ROWS {
                note_width(&mut widths, column, &csv_cell(&cell));
            }
            write_xlsx_cell(sheet, row_number, column_number(column)?, cell, &styles).map_err(xlsx_failed)?;
        }
    }
    for (column, width) in widths.into_iter().enumerate() {
        let width = u32::try_from(width).unwrap_or(u32::MAX);
        sheet
            .set_column_width(column_number(column)?, width)
            .map_err(xlsx_failed)?;
    }
    workbook.save_to_buffer().map_err(xlsx_failed)
}

fn write_xlsx_cell(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: Cell<'_>,
    styles: &Styles,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Text(text) => {
            let text = xlsx_text(&text);
            if looks_like_formula(&text) {
                sheet.write_string_with_format(row, column, text, &styles.text)?;
            } else if !text.is_empty() {
                sheet.write_string(row, column, text)?;
            }
        }
        Cell::Number(number) if number.is_finite() => {
            sheet.write_number(row, column, number)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "15 digits fit")]
        Cell::Integer(number) if number.unsigned_abs() <= XLSX_EXACT => {
            sheet.write_number(row, column, number as f64)?;
        }
        Cell::Integer(number) => {
            sheet.write_string_with_format(row, column, number.to_string(), &styles.text)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "15 digits fit")]
        Cell::Hundredths(number) if number.unsigned_abs() <= XLSX_EXACT => {
            sheet.write_number_with_format(row, column, number as f64 / 100.0, &styles.two_places)?;
        }
        Cell::Hundredths(number) => {
            sheet.write_string_with_format(row, column, two_places(number), &styles.text)?;
        }
        Cell::DateTime(at) if in_excel_calendar(at.date()) => {
            sheet.write_datetime_with_format(row, column, at, &styles.date_time)?;
        }
        Cell::Date(on) if in_excel_calendar(on) => {
            sheet.write_datetime_with_format(row, column, on, &styles.date)?;
        }
        cell @ (Cell::DateTime(_) | Cell::Date(_)) => {
            sheet.write_string(row, column, csv_cell(&cell).into_owned())?;
        }
        Cell::Number(_) | Cell::Empty => {}
    }
    Ok(())
}

/// Excel's days begin in 1900, and it believes in a 29th of February of that year.
fn in_excel_calendar(on: NaiveDate) -> bool {
    (1901..=9999).contains(&on.year())
}

fn column_number(column: usize) -> Result<u16, SheetError> {
    let limit = XLSX_MAX_COLUMNS;
    if column >= limit {
        return Err(SheetError::TooManyColumns { limit });
    }
    u16::try_from(column).map_err(|_| SheetError::TooManyColumns { limit })
}

fn xlsx_failed(error: XlsxError) -> SheetError {
    SheetError::WriteFailed(error.to_string())
}

/// Text within what one cell can hold, cut with an ellipsis: an export must not fail for one long note.
fn xlsx_text(text: &str) -> String {
    let text = without_controls(text);
    if text.encode_utf16().count() <= XLSX_MAX_TEXT {
        return text.into_owned();
    }
    let mut cut = first_units(&text, XLSX_MAX_TEXT - 1).to_owned();
    cut.push('…');
    cut
}

/// The longest beginning that is at most `max` UTF-16 units, Excel's measure of length.
fn first_units(text: &str, max: usize) -> &str {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > max {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// Any title as a sheet name Excel accepts: at most 31 units, none of `[]:*?/\`, no `'` at either end, not reserved.
fn sheet_name(title: &str) -> String {
    let text = without_controls(title);
    let text: String = text
        .chars()
        .map(|c| if "[]:*?/\\\t\r\n".contains(c) { ' ' } else { c })
        .collect();
    let edges = |c: char| c.is_whitespace() || c == '\'';
    let name = first_units(text.trim_matches(edges), 31).trim_end_matches(edges);
    if name.is_empty() || name.eq_ignore_ascii_case("history") {
        "Sheet1".to_owned()
    } else {
        name.to_owned()
    }
}

/// A Chinese character is as wide as two letters.
fn note_width(widths: &mut Vec<usize>, column: usize, text: &str) {
    let longest_line = text.lines().map(|line| {
        line.chars()
            .map(|c| if c < '\u{1100}' { 1 } else { 2 })
            .sum::<usize>()
    });
    let width = (longest_line.max().unwrap_or(0) + 2).clamp(*WIDTH.start(), *WIDTH.end());
    if widths.len() <= column {
        widths.resize(column + 1, *WIDTH.start());
    }
    if let Some(known) = widths.get_mut(column) {
        *known = width.max(*known);
    }
}

#[cfg(test)]
mod tests;
