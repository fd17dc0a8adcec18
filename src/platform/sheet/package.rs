//! The ZIP archive around an XLSX workbook, opened with distrust: the directory is checked before anything is unpacked,
//! only the parts asked for are unpacked, and what comes out is counted because a directory can lie.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::{SheetError, SheetLimits};

/// Entries smaller than this may be packed as tightly as they like.
const RATIO_FLOOR: u64 = 64 << 10;
const MAX_DEPTH: usize = 8;

pub(super) struct Package<'b> {
    archive: ZipArchive<Cursor<&'b [u8]>>,
    /// Normalised name to index.
    names: HashMap<String, usize>,
    max_unpacked: u64,
    /// Bytes that may still be unpacked, over all calls of `part`.
    budget: u64,
}

impl<'b> Package<'b> {
    pub fn open(bytes: &'b [u8], limits: &SheetLimits) -> Result<Self, SheetError> {
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(zip_error)?;
        let max_unpacked = limits.max_unpacked;
        let mut package = Self {
            archive,
            names: HashMap::new(),
            max_unpacked,
            budget: max_unpacked,
        };
        package.check_directory(limits)?;
        if !package.names.contains_key("xl/workbook.xml") {
            return Err(SheetError::UnsupportedFormat);
        }
        Ok(package)
    }

    fn check_directory(&mut self, limits: &SheetLimits) -> Result<(), SheetError> {
        if self.archive.len() > limits.max_entries {
            return Err(SheetError::UnsafeArchive("too many entries"));
        }
        let mut total: u64 = 0;
        for index in 0..self.archive.len() {
            let entry = self.archive.by_index_data(index).map_err(zip_error)?;
            if entry.encrypted() {
                return Err(SheetError::Encrypted);
            }
            let (packed, unpacked) = (entry.compressed_size(), entry.size());
            total = total.saturating_add(unpacked);
            if total > limits.max_unpacked {
                return Err(SheetError::TooLarge {
                    limit: limits.max_unpacked,
                });
            }
            if unpacked > RATIO_FLOOR && unpacked / packed.max(1) >= limits.max_ratio {
                return Err(SheetError::UnsafeArchive("packed too tightly"));
            }
            let name = entry.name().map_err(zip_error)?;
            let name = safe_name(&name).ok_or(SheetError::UnsafeArchive("a name that leads elsewhere"))?;
            if self.names.insert(name, index).is_some() {
                return Err(SheetError::UnsafeArchive("two entries of one name"));
            }
        }
        Ok(())
    }

    /// The text of a part; `None` when there is no such part.
    pub fn part(&mut self, name: &str) -> Result<Option<String>, SheetError> {
        let Some(index) = self.names.get(&name.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let entry = self.archive.by_index(*index).map_err(zip_error)?;
        let declared = entry.size();
        if declared > self.budget {
            return Err(SheetError::TooLarge {
                limit: self.max_unpacked,
            });
        }
        let mut bytes = unpack(entry, declared)?;
        self.budget = self.budget.saturating_sub(bytes.len() as u64);
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            bytes.drain(..3);
        }
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| SheetError::Damaged("a part is not UTF-8"))
    }
}

/// All of a part, which must not be more than the directory has declared: the checks above believed it. The zip crate
/// looks at this too, now; a bound this important does not depend on it.
fn unpack(part: impl Read, declared: u64) -> Result<Vec<u8>, SheetError> {
    let mut bytes = Vec::new();
    part.take(declared.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_| SheetError::Damaged("a part does not unpack"))?;
    if bytes.len() as u64 > declared {
        return Err(SheetError::UnsafeArchive("more inside than declared"));
    }
    Ok(bytes)
}

/// A name inside the archive as lower case with `/`; `None` when it is no plain relative path. Some programs write
/// `\`, and names in a package do not tell upper from lower case.
fn safe_name(raw: &str) -> Option<String> {
    let name = raw.replace('\\', "/").to_ascii_lowercase();
    let path = name.strip_suffix('/').unwrap_or(&name);
    let plain = !name.chars().any(|c| c.is_control() || c == ':')
        && path.split('/').count() <= MAX_DEPTH
        && path.split('/').all(|step| !matches!(step, "" | "." | ".."));
    plain.then_some(name)
}

fn zip_error(error: ZipError) -> SheetError {
    match error {
        ZipError::CompressionMethodNotSupported(_) => SheetError::Damaged("an unknown way of packing"),
        _ => SheetError::Damaged("the archive does not open"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::sheet::read_sheet;
    use crate::platform::sheet::testing::{Parts, archive, code, rows, text};

    fn refuse(bytes: &[u8]) -> &'static str {
        code(read_sheet(bytes, &SheetLimits::default()))
    }

    fn one_cell() -> Parts {
        Parts::sheet(r#"<sheetData><row r="1"><c r="A1"><v>42</v></c></row></sheetData>"#)
    }

    /// Text that packs about 10 to 1, as an honest sheet does.
    fn filler(bytes: usize) -> String {
        let mut state: u32 = 1;
        let mut filler = String::from("<!--");
        while filler.len() < bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            filler.push_str(&format!("{:04x}{}", state >> 16, "abcdefghijklmnopqrstuvwxyz"));
        }
        filler + "-->"
    }

    /// Writes to each header of the central directory (and of the entries, where `local` gives the place).
    fn patch(mut bytes: Vec<u8>, central: usize, local: Option<usize>, value: &[u8]) -> Vec<u8> {
        for (signature, at) in [(b"PK\x01\x02", Some(central)), (b"PK\x03\x04", local)] {
            let Some(at) = at else { continue };
            let starts: Vec<usize> = bytes
                .windows(4)
                .enumerate()
                .filter(|(_, w)| w == signature)
                .map(|(i, _)| i)
                .collect();
            for start in starts {
                bytes[start + at..start + at + value.len()].copy_from_slice(value);
            }
        }
        bytes
    }

    #[test]
    fn a_bomb_is_refused_before_unpacking() {
        let mut parts = one_cell();
        parts.sheet.push_str(&" ".repeat(40 << 20));
        let bytes = parts.pack();
        assert!(bytes.len() < 100_000);
        assert_eq!(refuse(&bytes), "unsafe_archive");
    }

    #[test]
    fn a_bomb_next_to_the_parts_that_are_read_is_refused_too() {
        let zeros = vec![0; 10 << 20];
        let workbook = b"<workbook/>".to_vec();
        let bytes = archive(&[("xl/workbook.xml", workbook), ("xl/media/image1.png", zeros)]);
        assert_eq!(refuse(&bytes), "unsafe_archive");
    }

    #[test]
    fn many_modest_entries_are_too_large_together() {
        let mut parts = one_cell();
        parts.sheet.push_str(&filler(700_000));
        parts.sheet2.push_str(&filler(700_000));
        let limits = SheetLimits {
            max_unpacked: 1 << 20,
            ..SheetLimits::default()
        };
        assert!(parts.read().is_ok());
        assert_eq!(code(read_sheet(&parts.pack(), &limits)), "too_large");
    }

    #[test]
    fn a_directory_that_lies_is_found_out() {
        let mut parts = one_cell();
        parts.sheet.push_str(&filler(200_000));
        // The size once unpacked, in the directory only and in the headers of the entries too.
        for local in [None, Some(22)] {
            let bytes = patch(parts.pack(), 24, local, &100_u32.to_le_bytes());
            assert!(matches!(refuse(&bytes), "unsafe_archive" | "damaged"));
        }
        assert_eq!(unpack([0_u8; 100].as_slice(), 100).unwrap().len(), 100);
        let error = unpack(std::io::repeat(0), 100).unwrap_err();
        assert_eq!(error.code(), "unsafe_archive");
    }

    #[test]
    fn the_same_part_is_not_unpacked_for_ever() {
        let parts = one_cell();
        let bytes = parts.pack();
        let mut package = Package::open(&bytes, &SheetLimits::default()).unwrap();
        package.budget = 3 * parts.sheet.len() as u64;
        let reads = (0..9)
            .take_while(|_| package.part("xl/worksheets/sheet1.xml").is_ok())
            .count();
        assert!((1..3).contains(&reads), "{reads}");
    }

    #[test]
    fn entries_are_counted() {
        let names: Vec<String> = (0..201).map(|i| format!("xl/media/{i}")).collect();
        let mut entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        entries.push(("xl/workbook.xml", "<workbook/>"));
        assert_eq!(refuse(&archive(&entries)), "unsafe_archive");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "../a",
            "xl/../../a",
            "/etc/passwd",
            "C:/a",
            "xl//a",
            "a\u{0}b",
            "..\\a",
            "1/2/3/4/5/6/7/8/9",
        ] {
            assert_eq!(safe_name(name), None, "{name:?}");
            let bytes = archive(&[("xl/workbook.xml", "<workbook/>"), (name, "x")]);
            assert_eq!(refuse(&bytes), "unsafe_archive", "{name:?}");
        }
        assert_eq!(safe_name("XL\\Workbook.xml").as_deref(), Some("xl/workbook.xml"));
        assert_eq!(safe_name("xl/").as_deref(), Some("xl/"));
        let twice = archive(&[
            ("xl/workbook.xml", "<workbook/>"),
            ("xl\\Workbook.XML", "<workbook/>"),
        ]);
        assert_eq!(refuse(&twice), "unsafe_archive");
    }

    #[test]
    fn other_archives_are_unsupported() {
        assert_eq!(
            refuse(&archive(&[("word/document.xml", "<w/>")])),
            "unsupported_format"
        );
        assert_eq!(
            refuse(&archive(&[("xl/workbook.bin", "x")])),
            "unsupported_format"
        );
        assert_eq!(refuse(&archive::<&str>(&[])), "unsupported_format");
    }

    #[test]
    fn protected_and_old_workbooks_are_named() {
        assert_eq!(
            refuse(&patch(one_cell().pack(), 8, Some(6), &[1, 0])),
            "encrypted"
        );
        let mut compound = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
        compound.resize(2_000, 0);
        assert_eq!(refuse(&compound), "old_excel_format");
        compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(refuse(&compound), "encrypted");
    }

    #[test]
    fn broken_archives_are_damaged() {
        let bytes = one_cell().pack();
        assert_eq!(refuse(b"PK\x03\x04"), "damaged");
        assert_eq!(refuse(&bytes[..bytes.len() / 2]), "damaged");
        // Another checksum than the content has.
        assert_eq!(refuse(&patch(bytes, 16, Some(14), &[1, 2, 3, 4])), "damaged");
    }

    #[test]
    fn names_with_backslashes_and_capitals_are_found() {
        let sheet = r#"<worksheet><sheetData><row><c t="str"><v>a</v></c></row></sheetData></worksheet>"#;
        let workbook = r#"<workbook><sheets><sheet name="A" r:id="r1"/></sheets></workbook>"#;
        let bytes = archive(&[
            ("XL\\Workbook.xml", workbook),
            (
                "xl\\_rels\\workbook.xml.rels",
                crate::platform::sheet::testing::RELATIONS,
            ),
            ("xl\\worksheets\\Sheet1.xml", sheet),
        ]);
        assert_eq!(
            rows(read_sheet(&bytes, &SheetLimits::default())),
            [(1, text(&["a"]))]
        );
    }

    #[test]
    fn a_file_full_of_directory_ends_is_refused_quickly() {
        let mut bytes = b"PK\x03\x04".to_vec();
        while bytes.len() < 1 << 20 {
            bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff");
        }
        let start = std::time::Instant::now();
        assert_eq!(refuse(&bytes), "damaged");
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn bytes_changed_at_random_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            keep in any::<prop::sample::Index>(),
            cut in prop::bool::weighted(0.2),
        ) {
            let mut bytes = one_cell().pack();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            let _ = read_sheet(&bytes, &SheetLimits::default());
        }

        #[test]
        fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_sheet(&bytes, &SheetLimits::default());
            let _ = read_sheet(&[b"PK\x03\x04".as_slice(), &bytes].concat(), &SheetLimits::default());
        }
    }
}
