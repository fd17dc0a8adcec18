//! Rows to CSV or XLSX bytes, in memory. The same rows give the same bytes, so an ETag over them is stable.
//! Neutralising formulas happens here and nowhere else.

use std::borrow::Cow;

use ::csv::{QuoteStyle, Terminator, WriterBuilder};
use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Cell, SheetError, SheetFormat, is_marked_in_csv, looks_like_formula};

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
        Cell::DateTime(at) => Cow::Owned(at.format("%Y-%m-%d %H:%M:%S").to_string()),
        Cell::Date(on) => Cow::Owned(on.format("%Y-%m-%d").to_string()),
        Cell::Number(_) | Cell::Empty => Cow::Borrowed(""),
    }
}

fn csv_text(text: &str) -> Cow<'_, str> {
    let text = without_controls(text);
    if is_marked_in_csv(&text) {
        Cow::Owned(format!("'{text}"))
    } else {
        text
    }
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
mod tests {
    use std::io::Read;

    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::platform::sheet::testing::{rows, text};
    use crate::platform::sheet::{SheetLimits, read_sheet};

    const BOTH: [SheetFormat; 2] = [SheetFormat::Csv, SheetFormat::Xlsx];

    /// What a spreadsheet program could execute, and one of each kind that it could not.
    const DANGEROUS: [&str; 10] = [
        "=1+1",
        "=cmd|' /C calc'!A0",
        "+85291234567",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "＝1+1",
        "\u{3000}＠SUM(A1)",
    ];

    fn write(format: SheetFormat, cells: Vec<Cell<'_>>) -> Vec<u8> {
        write_sheet(format, "t", &["h"], [cells]).unwrap()
    }

    fn csv(cells: Vec<Cell<'_>>) -> String {
        let text = String::from_utf8(write(SheetFormat::Csv, cells)).unwrap();
        text.strip_prefix("\u{FEFF}h\r\n")
            .unwrap()
            .strip_suffix("\r\n")
            .unwrap()
            .to_owned()
    }

    fn part(bytes: &[u8], name: &str) -> String {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_csv_has_a_mark_and_windows_line_ends() {
        let table = [
            vec![Cell::from("甲,乙"), Cell::from("a\"b\nc")],
            vec![Cell::Integer(1)],
        ];
        let bytes = write_sheet(SheetFormat::Csv, "x", &["姓名", "備註"], table).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "\u{FEFF}姓名,備註\r\n\"甲,乙\",\"a\"\"b\nc\"\r\n1\r\n"
        );
    }

    #[test]
    fn each_kind_of_cell_has_its_form() {
        let on = NaiveDate::from_ymd_opt(2026, 7, 1).unwrap();
        let cells = vec![
            Cell::from("甲"),
            Cell::from(1.5),
            Cell::from(-7_i64),
            Cell::from(on.and_hms_opt(9, 30, 0).unwrap()),
            Cell::from(on),
            Cell::Empty,
            Cell::Number(f64::NAN),
            Cell::from(Some("z")),
        ];
        assert_eq!(csv(cells.clone()), "甲,1.5,-7,2026-07-01 09:30:00,2026-07-01,,,z");
        let read = rows(read_sheet(
            &write(SheetFormat::Xlsx, cells),
            &SheetLimits::default(),
        ));
        let expected = text(&[
            "甲",
            "1.5",
            "-7",
            "2026-07-01T09:30:00",
            "2026-07-01",
            "",
            "",
            "z",
        ]);
        assert_eq!(read[1].1, expected);
        assert_eq!(Cell::from(None::<i64>), Cell::Empty);
    }

    #[test]
    fn numbers_stay_numbers_even_below_zero() {
        assert_eq!(csv(vec![Cell::Integer(-5), Cell::Number(-0.5)]), "-5,-0.5");
    }

    #[test]
    fn what_excel_cannot_hold_becomes_text() {
        let early = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
        let cells = vec![
            Cell::Integer(i64::MIN),
            Cell::Date(early),
            Cell::Text("長".repeat(40_000).into()),
        ];
        let bytes = write(SheetFormat::Xlsx, cells);
        let limits = SheetLimits {
            max_cell_chars: 40_000,
            ..SheetLimits::default()
        };
        let read = rows(read_sheet(&bytes, &limits));
        assert_eq!(read[1].1[..2], text(&["-9223372036854775808", "1899-12-31"]));
        assert_eq!(read[1].1[2].chars().count(), 32_767);
        assert!(read[1].1[2].ends_with("長…"));
    }

    #[test]
    fn formulas_are_harmless_in_a_csv() {
        for evil in DANGEROUS {
            let bytes = write_sheet(SheetFormat::Csv, "t", &[evil], [vec![Cell::from(evil)]]).unwrap();
            let mut reader = ::csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(&bytes[3..]);
            for record in reader.records() {
                assert_eq!(record.unwrap().get(0).unwrap(), format!("'{evil}"));
            }
        }
        for good in ["a=b", "甲", "'a", "1-2", "", "a@b.cn"] {
            assert_eq!(csv_text(good), good);
        }
        assert_eq!(csv_text("'=1"), "''=1");
    }

    #[test]
    fn formulas_are_harmless_in_a_workbook() {
        let cells = DANGEROUS.map(Cell::from).to_vec();
        let bytes = write_sheet(SheetFormat::Xlsx, "t", &DANGEROUS, [cells]).unwrap();
        let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
        assert!(!sheet.contains("<f>") && !sheet.contains("<f "), "{sheet}");
        // Each cell is a shared text in a style whose quote prefix keeps it text when somebody edits it.
        let styles = part(&bytes, "xl/styles.xml");
        let formats = styles
            .split("<cellXfs")
            .nth(1)
            .unwrap()
            .split("</cellXfs>")
            .next()
            .unwrap();
        let quoting: Vec<bool> = formats
            .split("<xf ")
            .skip(1)
            .map(|xf| xf.contains("quotePrefix=\"1\""))
            .collect();
        let mut seen = 0;
        for cell in sheet.split("<c ").skip(1) {
            assert!(cell.contains("t=\"s\""), "{cell}");
            let style = cell.split("s=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(quoting[style.parse::<usize>().unwrap()], "{cell}");
            seen += 1;
        }
        assert_eq!(seen, 2 * DANGEROUS.len());
    }

    #[test]
    fn what_was_neutralised_reads_back_as_it_was() {
        for format in BOTH {
            let bytes = write(format, DANGEROUS.map(Cell::from).to_vec());
            let read = rows(read_sheet(&bytes, &SheetLimits::default()));
            assert_eq!(read[1].1, text(&DANGEROUS.map(str::trim)), "{format:?}");
        }
    }

    #[test]
    fn the_header_row_is_bold_and_frozen() {
        let bytes = write(SheetFormat::Xlsx, vec![Cell::from("甲")]);
        let sheet = part(&bytes, "xl/worksheets/sheet1.xml");
        assert!(
            sheet.contains(r#"<pane ySplit="1" topLeftCell="A2""#) && sheet.contains(r#"state="frozen""#),
            "{sheet}"
        );
        assert!(sheet.contains(r#"<c r="A1" s="1" t="s">"#), "{sheet}");
        assert!(part(&bytes, "xl/styles.xml").contains("<b/>"));
    }

    #[test]
    fn columns_are_as_wide_as_their_text() {
        let mut widths = Vec::new();
        note_width(&mut widths, 2, "機關第一黨支部");
        note_width(&mut widths, 2, "a");
        note_width(&mut widths, 0, &"a".repeat(500));
        assert_eq!(widths, [48, 8, 16]);
    }

    #[test]
    fn any_title_makes_a_sheet_name() {
        assert_eq!(sheet_name("第一支部/2026:名冊"), "第一支部 2026 名冊");
        assert_eq!(sheet_name("'a'"), "a");
        assert_eq!(sheet_name("[]:*?/\\"), "Sheet1");
        assert_eq!(sheet_name(""), "Sheet1");
        assert_eq!(sheet_name("History"), "Sheet1");
        assert_eq!(sheet_name(&"黨".repeat(50)).chars().count(), 31);
        assert_eq!(sheet_name(&"𠮷".repeat(50)).encode_utf16().count(), 30);
        assert_eq!(sheet_name(&format!("{}''''", "a".repeat(30))), "a".repeat(30));
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        let bytes = || write(SheetFormat::Xlsx, vec![Cell::from("甲"), Cell::Integer(1)]);
        assert_eq!(bytes(), bytes());
        assert!(part(&bytes(), "docProps/core.xml").contains("2000-01-01T00:00:00Z"));
    }

    #[test]
    fn two_hundred_rows_come_back() {
        let table =
            || (1..=200_i64).map(|i| vec![Cell::from(format!("成員{i}")), Cell::from(13_800_000_000 + i)]);
        for format in BOTH {
            let bytes = write_sheet(format, "名冊", &["姓名", "手機"], table()).unwrap();
            let read = rows(read_sheet(&bytes, &SheetLimits::default()));
            assert_eq!(read.len(), 201);
            assert_eq!(read[0], (1, text(&["姓名", "手機"])));
            assert_eq!(read[200], (201, text(&["成員200", "13800000200"])));
        }
    }

    #[test]
    fn a_table_without_rows_is_its_headers() {
        for format in BOTH {
            let bytes = write_sheet(format, "t", &["姓名"], []).unwrap();
            assert_eq!(
                rows(read_sheet(&bytes, &SheetLimits::default())),
                [(1, text(&["姓名"]))]
            );
        }
        assert!(
            BOTH.iter()
                .all(|format| write_sheet(*format, "", &[], []).is_ok())
        );
        assert_eq!(BOTH.map(SheetFormat::extension), ["csv", "xlsx"]);
        assert!(
            BOTH.map(SheetFormat::content_type)
                .iter()
                .all(|kind| kind.contains('/'))
        );
    }

    #[test]
    fn rows_beyond_a_worksheet_are_refused() {
        let columns = vec![Cell::Empty; 16_385];
        let result = write_sheet(SheetFormat::Xlsx, "t", &["h"], [columns]);
        assert_eq!(result, Err(SheetError::TooManyColumns { limit: 16_384 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Any text survives both formats, but for what reading takes away on purpose.
        #[test]
        fn any_text_comes_back(cells in prop::collection::vec(any::<String>(), 1..5), title in any::<String>()) {
            for format in BOTH {
                let row = cells.iter().map(|cell| Cell::from(cell.as_str())).chain([Cell::from("end")]).collect();
                let bytes = write_sheet(format, &title, &["h", "i"], [row]).unwrap();
                let read = rows(read_sheet(&bytes, &SheetLimits::default()));
                for (found, wanted) in read[1].1.iter().zip(&cells) {
                    let wanted = without_controls(wanted).replace("\r\n", "\n").replace('\r', "\n");
                    let wanted: String = crate::platform::sheet::read::trim(&wanted).nfc().collect();
                    prop_assert_eq!(found.replace("\r\n", "\n").replace('\r', "\n"), wanted, "{:?}", format);
                }
            }
        }

        #[test]
        fn no_text_is_a_formula_in_a_csv(text in "[ \t\r\n']{0,3}[=+@＝-]?.{0,9}") {
            let bytes = write(SheetFormat::Csv, vec![Cell::from(text.as_str())]);
            let mut reader = ::csv::Reader::from_reader(&bytes[3..]);
            for record in reader.records() {
                let record = record.unwrap();
                prop_assert!(!looks_like_formula(record.get(0).unwrap()), "{:?}", record);
            }
        }
    }
}
