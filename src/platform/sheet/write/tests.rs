//! What is written is what a spreadsheet reads.

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
fn hundredths_are_decimal_numbers_with_two_places() {
    let cells = [0, 5, -5, 120, 123_456, -10_000_000_001].map(Cell::Hundredths);
    assert_eq!(csv(cells.to_vec()), "0.00,0.05,-0.05,1.20,1234.56,-100000000.01");
    let bytes = write(SheetFormat::Xlsx, cells.to_vec());
    let read = rows(read_sheet(&bytes, &SheetLimits::default()));
    assert_eq!(
        read[1].1,
        text(&["0", "0.05", "-0.05", "1.2", "1234.56", "-100000000.01"])
    );
    assert!(part(&bytes, "xl/styles.xml").contains("formatCode=\"0.00\""));
    assert_eq!(csv(vec![Cell::Hundredths(i64::MIN)]), "-92233720368547758.08");
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
            let record = record.unwrap();
            let found = record.get(0).unwrap();
            assert!(found.starts_with('\''), "{found}");
            assert!(
                parts_in_csv(found).all(|part| !looks_like_formula(part)),
                "{found}"
            );
        }
    }
    for good in ["a=b", "甲", "'a", "1-2", "", "a@b.cn"] {
        assert_eq!(csv_text(good), good);
    }
    assert_eq!(csv_text("'=1"), "''=1");
}

/// To a program that takes semicolons or tabs between cells a quote in the middle of its line is text.
#[test]
fn formulas_are_harmless_whatever_separates_cells() {
    for evil in ["病假;=1+1", "病假\t=1+1;", "a;\"=1", "a; -1+2", "a;'=1", "a;@x"] {
        let bytes = write(SheetFormat::Csv, vec![Cell::Integer(5), Cell::from(evil)]);
        for separator in [b';', b'\t'] {
            let mut reader = ::csv::ReaderBuilder::new()
                .delimiter(separator)
                .flexible(true)
                .from_reader(&bytes[3..]);
            for record in reader.records() {
                let record = record.unwrap();
                assert!(record.iter().all(|cell| !looks_like_formula(cell)), "{record:?}");
            }
        }
        let read = rows(read_sheet(&bytes, &SheetLimits::default()));
        assert_eq!(read[1].1[1], evil, "and it is read as it was");
    }
    for good in ["甲;乙", "a;b=c", "9:00;10:00"] {
        assert_eq!(csv_text(good), good);
    }
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
            let parts = parts_in_csv(record.get(0).unwrap());
            prop_assert!(parts.into_iter().all(|part| !looks_like_formula(part)), "{:?}", record);
        }
    }
}
