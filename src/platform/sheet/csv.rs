//! Separated text to rows: encoding, separator and the row numbers that a spreadsheet program would show.

use std::borrow::Cow;

use ::csv::{ReaderBuilder, StringRecord};
use encoding_rs::GB18030;

use super::read::Grid;
use super::{SheetError, is_marked_in_csv, parts_in_csv};

/// Ends the text on its way into the parser: when it does not come out as the last record, a quote was left open and
/// swallowed the rest of the rows. A control character, which no cell keeps.
const END: &str = "\u{1}";

const SEPARATORS: [u8; 3] = *b",;\t";

pub(super) fn read(bytes: &[u8], grid: &mut Grid<'_>) -> Result<(), SheetError> {
    let text = decode(bytes)?;
    let mut text = if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text.into_owned()
    };
    let separator = sniff_separator(&text);
    // The parser keeps a place for each field of a record, however many there are.
    let fields = text.bytes().filter(|byte| *byte == separator).count();
    if fields / 2 > grid.limits.max_rows.saturating_mul(grid.limits.max_columns) {
        return Err(SheetError::TooManyColumns {
            limit: grid.limits.max_columns,
        });
    }
    text.push('\n');
    text.push_str(END);

    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut next_row: u32 = 1;
    while reader
        .read_record(&mut record)
        .map_err(|_| SheetError::Damaged("the text does not parse"))?
    {
        if record.len() == 1 && record.get(0) == Some(END) {
            return Ok(());
        }
        let row = next_row.saturating_add(blank_lines_before(&text, &record));
        next_row = row.saturating_add(1);
        for (column, cell) in record.iter().enumerate() {
            let cell = unmarked(cell);
            grid.put(row, u32::try_from(column).unwrap_or(u32::MAX), &cell)?;
        }
    }
    Err(SheetError::Damaged("a quotation mark is not closed"))
}

/// Our own exports put `'` before what looks like a formula: reading takes it off again.
fn unmarked(cell: &str) -> Cow<'_, str> {
    let rest_of = |part| str::strip_prefix(part, '\'').filter(|rest| is_marked_in_csv(rest));
    if parts_in_csv(cell).all(|part| rest_of(part).is_none()) {
        return Cow::Borrowed(cell);
    }
    parts_in_csv(cell)
        .map(|part| rest_of(part).unwrap_or(part))
        .collect()
}

/// The parser passes over blank lines without a word, but they are rows in a spreadsheet program. Line numbers would
/// not do either: a quoted cell may have several lines.
fn blank_lines_before(text: &str, record: &StringRecord) -> u32 {
    let start = record.position().map_or(0, |position| {
        usize::try_from(position.byte()).unwrap_or(usize::MAX)
    });
    let rest = text.get(start..).unwrap_or_default();
    u32::try_from(rest.bytes().take_while(|b| *b == b'\n').count()).unwrap_or(u32::MAX)
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, SheetError> {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(SheetError::BadEncoding); // UTF-16, Excel's 'Unicode text'
    }
    if bytes.contains(&0) {
        return Err(SheetError::NotASpreadsheet);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    // GB18030 text of any length is hardly ever valid UTF-8; nearly everything is valid GB18030. So UTF-8 goes first.
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => GB18030
            .decode_without_bom_handling_and_without_replacement(bytes)
            .ok_or(SheetError::BadEncoding),
    }
}

/// The most frequent separator outside quotes on the first line that has any: titles have none, and further down the
/// texts in the cells have their own commas and semicolons. A comma when there is none at all.
fn sniff_separator(text: &str) -> u8 {
    let mut quoted = false;
    for line in text.lines() {
        let mut counts = SEPARATORS.map(|separator| (separator, 0_usize));
        for byte in line.bytes() {
            quoted ^= byte == b'"';
            if let Some((_, count)) = counts
                .iter_mut()
                .find(|(separator, _)| !quoted && *separator == byte)
            {
                *count += 1;
            }
        }
        let mut best = (b',', 0);
        for counted in counts {
            if counted.1 > best.1 {
                best = counted;
            }
        }
        if best.1 > 0 {
            return best.0;
        }
    }
    b','
}

#[cfg(test)]
mod tests {
    use crate::platform::sheet::testing::{code, rows, text};
    use crate::platform::sheet::{SheetLimits, read_sheet};

    type Rows = Vec<(u32, Vec<String>)>;

    fn read(bytes: impl AsRef<[u8]>) -> Rows {
        rows(read_sheet(bytes.as_ref(), &SheetLimits::default()))
    }

    fn refuse(bytes: impl AsRef<[u8]>) -> &'static str {
        code(read_sheet(bytes.as_ref(), &SheetLimits::default()))
    }

    #[test]
    fn encodings_are_told_apart() {
        let expected = vec![(1, text(&["姓名", "手机"])), (2, text(&["张三", "13812345678"]))];
        let table = "姓名,手机\r\n张三,13812345678\r\n";
        assert_eq!(read(table), expected);
        assert_eq!(read(format!("\u{FEFF}{table}")), expected);
        let (gb, _, lossy) = encoding_rs::GB18030.encode(table);
        assert!(!lossy && std::str::from_utf8(&gb).is_err());
        assert_eq!(read(&gb), expected);
    }

    #[test]
    fn gb18030_has_traditional_and_rare_characters() {
        let (gb, _, _) = encoding_rs::GB18030.encode("姓名,所在支部\n𠮷野,機關黨支部\n");
        assert_eq!(read(&gb)[1], (2, text(&["𠮷野", "機關黨支部"])));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(refuse([0x61, 0xFF, 0xFF, 0x0A]), "bad_encoding");
        let utf16: Vec<u8> = "\u{FEFF}姓名\t手机"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(refuse(utf16), "bad_encoding");
        assert_eq!(refuse([0x61, 0x00, 0x62]), "not_a_spreadsheet");
        assert_eq!(refuse(b"%PDF-1.7\n"), "not_a_spreadsheet");
        assert_eq!(refuse(b"\x89PNG\r\n\x1a\n"), "not_a_spreadsheet");
        assert_eq!(refuse("\u{FEFF} <html><table><tr><td>姓名"), "not_a_spreadsheet");
        assert_eq!(refuse(b""), "empty");
        assert_eq!(refuse("\u{FEFF}"), "empty");
        assert_eq!(refuse(" ,\t, \n\n,,\n"), "empty");
    }

    #[test]
    fn the_separator_is_found() {
        for separator in [",", ";", "\t"] {
            let table = format!(
                "黨員名冊 2026\n\n\"姓,;\t;,\n名\"{separator}手機\n\"王, 五; 六\"{separator}1 / 2 \n"
            );
            assert_eq!(
                read(table)[2],
                (4, text(&["王, 五; 六", "1 / 2"])),
                "{separator:?}"
            );
        }
        assert_eq!(read("姓名\n王五\n"), [(1, text(&["姓名"])), (2, text(&["王五"]))]);
    }

    #[test]
    fn row_numbers_are_those_of_a_spreadsheet_program() {
        let table = "\n\na,b\n\n\"two\nlines\n\nand more\",x\n,,\ny\n\n\nz";
        let expected = [(3, "a"), (5, "two\nlines\n\nand more"), (7, "y"), (10, "z")];
        for table in [
            table.to_owned(),
            table.replace('\n', "\r\n"),
            table.replace('\n', "\r"),
        ] {
            let found: Vec<_> = read(table)
                .into_iter()
                .map(|(row, cells)| (row, cells[0].clone()))
                .collect();
            assert_eq!(found, expected.map(|(row, cell)| (row, cell.to_owned())));
        }
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_rest_unseen() {
        assert_eq!(refuse("姓名,手機\n\"張三,1\n李四,2\n"), "damaged");
        assert_eq!(refuse("\""), "damaged");
        assert_eq!(read("a\"b,c\n"), [(1, text(&["a\"b", "c"]))]);
        assert_eq!(read("\"a \"\"b\"\"\"\n"), [(1, text(&["a \"b\""]))]);
    }

    #[test]
    fn cells_are_trimmed_and_composed() {
        let table = "\u{3000}張三\u{A0}\u{200B},\u{202D}13812345678\u{202C},e\u{301},a b\n";
        assert_eq!(
            read(table),
            [(1, text(&["張三", "13812345678", "\u{e9}", "a b"]))]
        );
    }

    #[test]
    fn blank_cells_at_the_end_are_left_out_and_those_between_kept() {
        assert_eq!(read("a,,b,,\n"), [(1, text(&["a", "", "b"]))]);
    }

    #[test]
    fn bounds_hold() {
        let limits = SheetLimits {
            max_file: 100,
            max_rows: 2,
            max_columns: 3,
            max_cell_chars: 4,
            max_text: 20,
            ..SheetLimits::default()
        };
        let refuse = |table: &str| code(read_sheet(table.as_bytes(), &limits));
        assert!(read_sheet("黨員名冊,b,c\n\n\nd\n".as_bytes(), &limits).is_ok());
        assert_eq!(refuse(&"a".repeat(101)), "too_large");
        assert_eq!(refuse("a\nb\nc\n"), "too_many_rows");
        assert_eq!(refuse("a,,,d\n"), "too_many_columns");
        assert_eq!(refuse(&",".repeat(14)), "too_many_columns");
        assert_eq!(refuse(&",".repeat(12)), "empty");
        assert_eq!(refuse("a,黨員名冊五\n"), "cell_too_long");
        assert_eq!(refuse("黨員名冊,黨員名冊\n"), "too_large");
        let error = read_sheet("a\n\nb,12345\n".as_bytes(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "row 3, column 2: more than 4 characters");
    }
}
