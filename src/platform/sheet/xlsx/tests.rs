//! Workbooks honest and hostile.

use std::io::Cursor;

use calamine::{DataRef, Reader, Xlsx};
use chrono::NaiveDate;
use proptest::prelude::*;
use rust_xlsxwriter::{Format, Formula, Workbook as Writer};

use crate::platform::sheet::testing::{Parts, code, only_cell, rows, text};
use crate::platform::sheet::{SheetLimits, SheetRow, read_sheet};

fn rows_of(inner: &str) -> Vec<(u32, Vec<String>)> {
    rows(Parts::sheet(format!("<sheetData>{inner}</sheetData>")).read())
}

fn cell(inner: &str) -> String {
    only_cell(Parts::sheet(format!(r#"<sheetData><row r="1">{inner}</row></sheetData>"#)).read())
}

fn refuse(inner: &str) -> &'static str {
    code(Parts::sheet(inner).read())
}

#[test]
fn every_kind_of_cell_is_read() {
    assert_eq!(cell(r#"<c r="A1"><v>13812345678</v></c>"#), "13812345678");
    assert_eq!(
        cell(r#"<c r="A1" t="n"><v>1.3812345678E10</v></c>"#),
        "13812345678"
    );
    assert_eq!(cell(r#"<c r="A1" t="b"><v>1</v></c>"#), "TRUE");
    assert_eq!(
        cell(r##"<c r="A1" t="e"><f>1/0</f><v>#DIV/0!</v></c>"##),
        "#DIV/0!"
    );
    assert_eq!(
        cell(r#"<c r="A1" t="str"><f>A2&amp;"x"</f><v>甲 &lt;乙&gt; &#x4E19;_x000D_</v></c>"#),
        "甲 <乙> 丙"
    );
    assert_eq!(cell(r#"<c r="A1"><f>SUM(B1:B9)</f><v>12</v></c>"#), "12");
    assert_eq!(
        cell(r#"<c r="A1" t="inlineStr"><is><t xml:space="preserve"> 甲 </t></is></c>"#),
        "甲"
    );
    assert_eq!(
        cell(r#"<c r="A1" t="inlineStr"><is><t><![CDATA[a<b]]></t></is></c>"#),
        "a<b"
    );
    assert_eq!(
        cell(r#"<c r="A1" t="d"><v>2026-07-01T00:00:00</v></c>"#),
        "2026-07-01"
    );
}

#[test]
fn cells_without_a_value_leave_no_trace() {
    let inner = r#"<row r="1"><c r="A1"/><c r="B1" s="1"/><c r="C1"><f>X</f></c><c r="D1" t="s"><v></v></c>
        <c r="E1" t="b"/><c r="F1" t="inlineStr"><is/></c></row><row r="7"><c r="B7"><v>1</v></c><c r="CZ7" s="1"/></row>"#;
    assert_eq!(rows_of(inner), [(7, text(&["", "1"]))]);
    assert_eq!(refuse("<sheetData/>"), "empty");
}

#[test]
fn rows_and_cells_may_leave_out_their_names() {
    let inner =
        r#"<row><c><v>1</v></c><c><v>2</v></c></row><row/><row><c r="B3"><v>3</v></c><c><v>4</v></c></row>"#;
    assert_eq!(
        rows_of(inner),
        [(1, text(&["1", "2"])), (3, text(&["", "3", "4"]))]
    );
}

#[test]
fn prefixed_elements_are_the_same_elements() {
    let inner = r#"<x:sheetData><x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c></x:row></x:sheetData>"#;
    assert_eq!(rows(Parts::sheet(inner).read()), [(2, text(&["1"]))]);
}

#[test]
fn shared_texts_are_looked_up() {
    let parts = Parts {
        strings:
            r#"<si><t>甲</t></si><si><r><rPr><b/></rPr><t>乙</t></r><r><t xml:space="preserve"> 丙</t></r>
            <rPh sb="0" eb="1"><t>きのえ</t></rPh></si><si/><si><t>e&#x301;</t></si>"#
                .to_owned(),
        ..Parts::sheet(
            r#"<sheetData><row r="1"><c r="A1" t="s"><v>1</v></c><c r="B1" t="s"><v>0</v></c>
            <c r="C1" t="s"><v>2</v></c><c r="D1" t="s"><v> 3 </v></c></row></sheetData>"#,
        )
    };
    assert_eq!(rows(parts.read()), [(1, text(&["乙 丙", "甲", "", "\u{e9}"]))]);
    for index in ["4", "-1", "x"] {
        let sheet = format!(r#"<sheetData><row r="1"><c r="A1" t="s"><v>{index}</v></c></row></sheetData>"#);
        assert_eq!(
            code(
                Parts {
                    sheet,
                    ..Parts::default()
                }
                .read()
            ),
            "damaged"
        );
    }
}

#[test]
fn dates_follow_the_styles() {
    let mut parts = Parts {
        styles: r#"<numFmts><numFmt numFmtId="176" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/><numFmt numFmtId="177"
            formatCode="0.0"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf
            numFmtId="14"><alignment/></xf><xf numFmtId="176"/><xf numFmtId="177"/></cellXfs>"#
            .to_owned(),
        ..Parts::sheet(
            r#"<sheetData><row r="1"><c r="A1" s="0"><v>46204</v></c><c r="B1" s="1"><v>46204</v></c><c r="C1" s="2">
            <v>46204.5</v></c><c r="D1" s="3"><v>46204</v></c><c r="E1" s="9"><v>46204</v></c></row></sheetData>"#,
        )
    };
    let expected = text(&["46204", "2026-07-01", "2026-07-01T12:00:00", "46204", "46204"]);
    assert_eq!(rows(parts.read()), [(1, expected)]);
    parts.workbook.insert_str(0, r#"<workbookPr date1904="1"/>"#);
    parts
        .workbook
        .push_str(r#"<extLst><x15:workbookPr chartTrackingRefBase="1"/></extLst>"#);
    assert_eq!(rows(parts.read())[0].1[1], "2030-07-02");
}

#[test]
fn the_first_visible_sheet_with_content_is_read() {
    let sheet =
        |value: u8| format!(r#"<sheetData><row r="1"><c r="A1"><v>{value}</v></c></row></sheetData>"#);
    let mut parts = Parts {
        sheet: sheet(1),
        sheet2: sheet(2),
        ..Parts::default()
    };
    assert_eq!(only_cell(parts.read()), "1");
    parts.workbook =
        r#"<sheets><sheet name="A" state="hidden" r:id="r1"/><sheet name="B" r:id="r2"/></sheets>"#
            .to_owned();
    assert_eq!(only_cell(parts.read()), "2");
    parts = Parts {
        sheet2: sheet(2),
        ..Parts::default()
    };
    assert_eq!(only_cell(parts.read()), "2");
    parts.workbook = r#"<sheets><sheet name="X" r:id="r9"/></sheets>"#.to_owned();
    assert_eq!(code(parts.read()), "empty");
}

#[test]
fn a_cell_merged_over_rows_counts_for_each_of_them() {
    let sheet = r#"<sheetData><row r="1"><c r="A1" t="str"><v>title</v></c></row><row r="2"><c r="A2" t="str"><v>甲支部</v></c>
        <c r="B2"><v>1</v></c></row><row r="3"><c r="A3" s="1"/><c r="B3"><v>2</v></c></row><row r="5"><c r="B5"><v>3</v></c>
        </row><row r="6"><c r="B6"><v>4</v></c></row></sheetData><mergeCells count="2"><mergeCell ref="A1:B1"/>
        <mergeCell ref="A2:A5"/><mergeCell ref="C2:C6"/></mergeCells>"#;
    let expected = [
        (1, text(&["title"])),
        (2, text(&["甲支部", "1"])),
        (3, text(&["甲支部", "2"])),
        (5, text(&["甲支部", "3"])),
        (6, text(&["", "4"])),
    ];
    assert_eq!(rows(Parts::sheet(sheet).read()), expected);
}

#[test]
fn bounds_hold_within_a_sheet() {
    let limits = SheetLimits {
        max_rows: 2,
        max_columns: 2,
        max_cell_chars: 3,
        ..SheetLimits::default()
    };
    let refuse = |inner: &str| {
        let bytes = Parts::sheet(format!("<sheetData>{inner}</sheetData>")).pack();
        code(read_sheet(&bytes, &limits))
    };
    let row = |row: u32, column: char| format!(r#"<row r="{row}"><c r="{column}{row}"><v>1</v></c></row>"#);
    assert_eq!(
        refuse(&(row(1, 'A') + &row(2, 'A') + &row(9, 'A'))),
        "too_many_rows"
    );
    assert_eq!(refuse(&row(1, 'C')), "too_many_columns");
    assert_eq!(
        refuse(r#"<row r="1"><c r="A1" t="str"><v>abcd</v></c></row>"#),
        "cell_too_long"
    );
}

#[test]
fn positions_beyond_a_sheet_are_damage() {
    for bad in [
        r#"<sheetData><row r="0"><c><v>1</v></c></row></sheetData>"#,
        r#"<sheetData><row r="99999999999"><c><v>1</v></c></row></sheetData>"#,
        r#"<sheetData><row r="1"><c r="A99999999999"><v>1</v></c></row></sheetData>"#,
        r#"<sheetData><c><v>1</v></c></sheetData>"#,
    ] {
        assert_eq!(refuse(bad), "damaged", "{bad}");
    }
}

#[test]
fn broken_xml_is_damage() {
    for bad in [
        "",
        "<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>",
        "<sheetData></row></sheetData>",
        "<sheetData><row r=1/></sheetData>",
        "<sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>&nbsp;</v></c></row></sheetData>",
        "<sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>&#0;</v></c></row></sheetData>",
        "<sheetData/><",
    ] {
        assert_eq!(refuse(bad), "damaged", "{bad}");
    }
}

#[test]
fn elements_are_nested_to_a_bound() {
    let nested = |depth| {
        "<a>".repeat(depth) + &"</a>".repeat(depth) + r#"<sheetData><row><c><v>1</v></c></row></sheetData>"#
    };
    assert_eq!(only_cell(Parts::sheet(nested(90)).read()), "1");
    assert_eq!(refuse(&nested(110)), "damaged");
}

#[test]
fn document_types_and_their_entities_are_refused() {
    let evil = r#"<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sheetData><row r="1"><c r="A1" t="str"><v>&a;</v></c></row></sheetData>"#;
    assert_eq!(refuse(evil), "unsafe_archive");
}

#[test]
fn an_empty_rectangle_between_far_cells_costs_nothing() {
    let inner =
        r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="B1048576"><v>2</v></c></row>"#;
    assert_eq!(rows_of(inner), [(1, text(&["1"])), (1_048_576, text(&["", "2"]))]);
    let inner = r#"<row r="1"><c r="XFD1"><v>1</v></c></row>"#;
    assert_eq!(
        refuse(&format!(
            "<dimension ref=\"A1:XFD1048576\"/><sheetData>{inner}</sheetData>"
        )),
        "too_many_columns"
    );
}

#[test]
fn one_text_shared_by_many_cells_is_counted_each_time() {
    let text = "甲".repeat(2_000);
    let cells: String = (0..6_000)
        .map(|row| {
            format!(
                r#"<row><c t="s"><v>0</v></c><c t="s"><v>{}</v></c></row>"#,
                row % 2
            )
        })
        .collect();
    let parts = Parts {
        strings: format!("<si><t>{text}</t></si><si><t>{text}</t></si>"),
        ..Parts::sheet(format!("<sheetData>{cells}</sheetData>"))
    };
    assert_eq!(code(parts.read()), "too_large");
}

#[test]
fn declared_counts_are_not_believed() {
    let parts = Parts {
        strings: r#"<sst uniqueCount="9223372036854775807" count="4294967295"/><si><t>a</t></si>"#.to_owned(),
        ..Parts::sheet(r#"<sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData>"#)
    };
    assert_eq!(only_cell(parts.read()), "a");
}

#[test]
fn empty_shared_texts_are_bounded() {
    let strings: String = (0..300).map(|i| format!("<si><!--{i}--></si>")).collect();
    let bytes = Parts {
        strings,
        ..Parts::sheet("<sheetData/>")
    }
    .pack();
    let limits = SheetLimits {
        max_rows: 10,
        max_columns: 10,
        ..SheetLimits::default()
    };
    assert_eq!(code(read_sheet(&bytes, &limits)), "too_many_rows");
}

#[test]
fn endless_merges_are_refused() {
    let rows: String = (0..500).map(|_| r#"<row><c><v>1</v></c></row>"#).collect();
    let merges: String = (2..500)
        .map(|last| format!(r#"<mergeCell ref="A1:A{last}"/>"#))
        .collect();
    let bytes = Parts::sheet(format!(
        "<sheetData>{rows}</sheetData><mergeCells>{merges}</mergeCells>"
    ))
    .pack();
    let limits = SheetLimits {
        max_rows: 500,
        max_columns: 8,
        ..SheetLimits::default()
    };
    assert_eq!(code(read_sheet(&bytes, &limits)), "unsafe_archive");
}

/// A workbook as an honest program writes it, with what rosters have in them.
fn honest_workbook() -> Vec<u8> {
    let mut workbook = Writer::new();
    let date = Format::new().set_num_format("yyyy\"年\"m\"月\"d\"日\"");
    let sheet = workbook.add_worksheet();
    sheet
        .merge_range(0, 0, 0, 4, "黨員名冊", &Format::new().set_bold())
        .unwrap();
    for (column, header) in ["姓名", "手機", "入黨日期", "備註", "合計"].iter().enumerate() {
        sheet.write_string(1, column as u16, *header).unwrap();
    }
    for row in 2..202 {
        sheet.write_string(row, 0, format!("成員{row}")).unwrap();
        sheet
            .write_number(row, 1, 13_800_000_000.0 + f64::from(row))
            .unwrap();
        let joined = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap() + chrono::Days::new(u64::from(row) * 50);
        sheet.write_datetime_with_format(row, 2, joined, &date).unwrap();
        sheet
            .write_string(row, 3, format!("a & <b> \"c\"\n_x000D_ {row}"))
            .unwrap();
        sheet
            .write_formula(row, 4, Formula::new("=1/4").set_result(format!("{row}.25")))
            .unwrap();
    }
    sheet
        .write_formula(202, 0, Formula::new("=\"甲\"&\"乙\"").set_result("甲乙"))
        .unwrap();
    sheet.write_boolean(202, 1, true).unwrap();
    workbook.save_to_buffer().unwrap()
}

#[test]
fn an_honest_workbook_of_two_hundred_rows_is_read() {
    let rows = read_sheet(&honest_workbook(), &SheetLimits::default()).unwrap();
    assert_eq!(rows.len(), 203);
    assert_eq!(
        rows[0],
        SheetRow {
            number: 1,
            cells: text(&["黨員名冊"])
        }
    );
    assert_eq!(rows[2].number, 3);
    assert_eq!(
        rows[2].cells,
        text(&[
            "成員2",
            "13800000002",
            "1990-04-11",
            "a & <b> \"c\"\n_x000D_ 2",
            "2.25"
        ])
    );
    assert_eq!(
        rows[202],
        SheetRow {
            number: 203,
            cells: text(&["甲乙", "TRUE"])
        }
    );
}

/// calamine is not safe with hostile files, but reads honest ones well: a second opinion.
#[test]
fn calamine_agrees_on_an_honest_workbook() {
    let bytes = honest_workbook();
    let mut theirs: Xlsx<_> = Xlsx::new(Cursor::new(bytes.as_slice())).unwrap();
    let name = theirs.sheet_names()[0].clone();
    let mut cells = theirs.worksheet_cells_reader(&name).unwrap();
    let ours = read_sheet(&bytes, &SheetLimits::default()).unwrap();
    let mut compared = 0;
    while let Some(cell) = cells.next_cell().unwrap() {
        let (row, column) = cell.get_position();
        let expected = match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::Float(number) => number.to_string(),
            DataRef::String(text) => text.clone(),
            DataRef::SharedString(text) => (*text).to_owned(),
            DataRef::Bool(value) => value.to_string().to_uppercase(),
            DataRef::DateTime(at) => {
                let (year, month, day, ..) = at.to_ymd_hms_milli();
                format!("{year:04}-{month:02}-{day:02}")
            }
            other => panic!("{other:?}"),
        };
        let found = ours.iter().find(|ours| ours.number == row + 1).unwrap();
        assert_eq!(found.cell(column as usize), expected);
        compared += 1;
    }
    assert_eq!(compared, 1 + 5 + 200 * 5 + 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_in_any_part_never_panics(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "<sheetData>", "</sheetData>", "<row r=\"1\">", "<row>", "</row>", "<c r=\"A1\" t=\"s\">", "<c>", "</c>",
                "<v>", "</v>", "<is>", "</is>", "<t>", "</t>", "<si>", "</si>", "<rPh>", "1", "甲", "&amp;", "&", "<", ">",
                "<mergeCell ref=\"A1:A9\"/>", "<cellXfs>", "<xf numFmtId=\"14\"/>", "<sheet r:id=\"r1\"/>", "_x0041_", "_x",
                "<numFmt numFmtId=\"14\" formatCode=\"[\"/>", "]]>", "<![CDATA[", "<!--", "-->", "<?", "?>", "\"", "\u{0}",
            ]),
            0..24,
        ),
        part in 0..4_usize,
    ) {
        let text = pieces.concat();
        let mut parts = Parts::sheet(r#"<sheetData><row><c t="s"><v>0</v></c></row></sheetData>"#);
        match part {
            0 => parts.workbook = text,
            1 => parts.strings = text,
            2 => parts.styles = text,
            _ => parts.sheet = text,
        }
        let _ = parts.read();
    }
}
