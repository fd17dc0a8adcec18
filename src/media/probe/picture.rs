//! The size of a picture, read from its header. Nothing is decoded.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
    WebP,
}

impl Format {
    /// By the first bytes.
    pub fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"\x89PNG\r\n\x1A\n") {
            Some(Self::Png)
        } else if head.starts_with(b"\xFF\xD8\xFF") {
            Some(Self::Jpeg)
        } else if head.starts_with(b"RIFF") && bytes(head, 8) == Some(*b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
        }
    }
}

/// Width and height, neither of them 0. None when the header does not hold them.
pub fn size(format: Format, head: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = match format {
        Format::Png => png(head),
        Format::Jpeg => jpeg(head),
        Format::WebP => webp(head),
    }?;
    (width > 0 && height > 0).then_some((width, height))
}

fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn png(head: &[u8]) -> Option<(u32, u32)> {
    (bytes(head, 12)? == *b"IHDR").then_some(())?;
    Some((
        u32::from_be_bytes(bytes(head, 16)?),
        u32::from_be_bytes(bytes(head, 20)?),
    ))
}

fn jpeg(head: &[u8]) -> Option<(u32, u32)> {
    let is_frame = |kind| matches!(kind, 0xC0..=0xCF) && !matches!(kind, 0xC4 | 0xC8 | 0xCC);
    // The picture may begin, or end, without a frame header.
    let (at, kind) = segment(head, |kind| is_frame(kind) || matches!(kind, 0xD9 | 0xDA))?;
    is_frame(kind).then_some(())?;
    let [height, width] = [bytes(head, at + 5)?, bytes(head, at + 7)?].map(u16::from_be_bytes);
    Some((width.into(), height.into()))
}

/// Where the first segment of the wanted kind begins, from segment to segment.
fn segment(head: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<(usize, u8)> {
    let mut at = 2;
    loop {
        let [mark, kind] = bytes(head, at)?;
        if mark != 0xFF {
            return None;
        }
        match kind {
            // Filling bytes.
            0xFF => at += 1,
            _ if is_wanted(kind) => return Some((at, kind)),
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes(bytes(head, at + 2)?)),
        }
    }
}

/// Does the end of the picture stand behind its beginning? One that was cut off decodes to grey.
pub fn is_whole_jpeg(file: &[u8]) -> bool {
    let scan = segment(file, |kind| matches!(kind, 0xD9 | 0xDA));
    let rest = scan.and_then(|(at, _)| file.get(at..));
    rest.is_some_and(|rest| rest.windows(2).any(|pair| pair == [0xFF, 0xD9]))
}

fn webp(head: &[u8]) -> Option<(u32, u32)> {
    let three = |at| {
        let [a, b, c] = bytes(head, at)?;
        Some(u32::from_le_bytes([a, b, c, 0]))
    };
    match &bytes::<4>(head, 12)? {
        b"VP8 " => {
            (bytes(head, 23)? == [0x9D, 0x01, 0x2A]).then_some(())?;
            let [width, height] = [bytes(head, 26)?, bytes(head, 28)?].map(u16::from_le_bytes);
            Some((u32::from(width & 0x3FFF), u32::from(height & 0x3FFF)))
        }
        b"VP8L" => {
            (bytes(head, 20)? == [0x2F]).then_some(())?;
            let bits = u32::from_le_bytes(bytes(head, 21)?);
            Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8X" => Some((three(24)? + 1, three(27)? + 1)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_from_each_kind_of_header() {
        let png = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x02\x80\0\0\x01\xE0";
        assert_eq!(size(Format::Png, png), Some((640, 480)));
        let jpeg = b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xFF\xC2\0\x11\x08\x01\xE0\x02\x80";
        assert_eq!(size(Format::Jpeg, jpeg), Some((640, 480)));
        assert_eq!(size(Format::Jpeg, b"\xFF\xD8\xFF\xDA\0\x04ab"), None);
        assert!(is_whole_jpeg(
            b"\xFF\xD8\xFF\xDA\0\x02ab\xFF\xD9 and what a phone appends"
        ));
        // The end of the preview in its camera's note is none.
        assert!(!is_whole_jpeg(b"\xFF\xD8\xFF\xE1\0\x04\xFF\xD9\xFF\xDA\0\x02ab"));
        let webp =
            |kind: &str, rest: &[u8]| [b"RIFF\0\0\0\0WEBP", kind.as_bytes(), b"\0\0\0\0", rest].concat();
        let lossy = webp("VP8 ", b"\0\0\0\x9D\x01\x2A\x80\x02\xE0\x01");
        assert_eq!(size(Format::WebP, &lossy), Some((640, 480)));
        let bits = (639u32 | 479 << 14).to_le_bytes();
        let lossless = webp("VP8L", &[b"\x2F".as_slice(), &bits].concat());
        assert_eq!(size(Format::WebP, &lossless), Some((640, 480)));
        let extended = webp("VP8X", b"\0\0\0\0\x7F\x02\0\xDF\x01\0");
        assert_eq!(size(Format::WebP, &extended), Some((640, 480)));
        assert_eq!(
            size(
                Format::Png,
                b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\0\0\0\x01\xE0"
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn no_header_ends_anything_but_the_reading(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            for (format, head) in [
                (Format::Png, b"\x89PNG\r\n\x1A\n".as_slice()),
                (Format::Jpeg, b"\xFF\xD8"),
                (Format::WebP, b"RIFF\0\0\0\0WEBP"),
            ] {
                let _ = size(format, &[head, &rest].concat());
            }
        }
    }
}
