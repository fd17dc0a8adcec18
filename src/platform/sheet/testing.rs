//! Workbooks for tests, put together part by part: the honest writer would not write what the tests need.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{SheetError, SheetLimits, SheetRow, read_sheet};

pub const RELATIONS: &str = r#"<Relationships>
<Relationship Id="r1" Type="http://x/relationships/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="r2" Type="http://x/relationships/worksheet" Target="/xl/worksheets/sheet2.xml"/>
<Relationship Id="r3" Type="http://x/relationships/sharedStrings" Target="sharedStrings.xml"/>
<Relationship Id="r4" Type="http://x/relationships/styles" Target="./styles.xml"/></Relationships>"#;

/// Parts of a workbook; `sheet` is what stands inside the worksheet element.
pub struct Parts {
    pub workbook: String,
    pub strings: String,
    pub styles: String,
    pub sheet: String,
    pub sheet2: String,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            workbook: r#"<sheets><sheet name="A" sheetId="1" r:id="r1"/><sheet name="B" sheetId="2" r:id="r2"/></sheets>"#
                .to_owned(),
            strings: String::new(),
            styles: String::new(),
            sheet: "<sheetData/>".to_owned(),
            sheet2: "<sheetData/>".to_owned(),
        }
    }
}

impl Parts {
    pub fn sheet(inner: impl Into<String>) -> Self {
        Self {
            sheet: inner.into(),
            ..Self::default()
        }
    }

    pub fn pack(&self) -> Vec<u8> {
        let wrap = |name: &str, inner: &str| {
            format!(r#"<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>"#)
        };
        archive(&[
            ("[Content_Types].xml", "<Types/>"),
            ("xl/workbook.xml", &wrap("workbook", &self.workbook)),
            ("xl/_rels/workbook.xml.rels", RELATIONS),
            ("xl/sharedStrings.xml", &wrap("sst", &self.strings)),
            ("xl/styles.xml", &wrap("styleSheet", &self.styles)),
            ("xl/worksheets/sheet1.xml", &wrap("worksheet", &self.sheet)),
            ("xl/worksheets/sheet2.xml", &wrap("worksheet", &self.sheet2)),
        ])
    }

    pub fn read(&self) -> Result<Vec<SheetRow>, SheetError> {
        read_sheet(&self.pack(), &SheetLimits::default())
    }
}

pub fn archive<T: AsRef<[u8]>>(entries: &[(&str, T)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_ref()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Rows as (number, cells), easier to compare.
pub fn rows(result: Result<Vec<SheetRow>, SheetError>) -> Vec<(u32, Vec<String>)> {
    result
        .unwrap()
        .into_iter()
        .map(|row| (row.number, row.cells))
        .collect()
}

/// The only cell of the only row.
pub fn only_cell(result: Result<Vec<SheetRow>, SheetError>) -> String {
    let rows = rows(result);
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].1.last().unwrap().clone()
}

pub fn code<T: std::fmt::Debug>(result: Result<T, SheetError>) -> &'static str {
    result.unwrap_err().code()
}

pub fn text(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}
