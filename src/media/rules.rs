//! Kinds and states of a file, and what a Range header asks for. No database, no clock, no files.

crate::words! {
    /// What a file is, as its own bytes say.
    MediaKind {
        Video "video",
        Audio "audio",
        Image "image",
        /// WebVTT.
        Subtitle "subtitle",
        /// PDF.
        Document "document",
    }
}

crate::words! {
    /// What a file is uploaded for, and so who may see it.
    MediaPurpose {
        /// For who writes lessons there, and for who inspects them.
        Lesson "lesson",
        /// Of an expense: for who may see what the organization spends.
        Receipt "receipt",
        /// Of an event: for who may see its organization's people, and once it is put beside the event for who takes part.
        Material "material",
        /// A member's, with what they have written: shown with that and nowhere else. Not to be uploaded.
        Picture "picture",
    }
}

crate::words! {
    /// How far a file has come.
    MediaState {
        Uploading "uploading",
        /// All bytes are here, and are being looked at.
        Checking "checking",
        Ready "ready",
        /// All bytes were here and are of no use: `refusal` says why. They are gone.
        Refused "refused",
        /// The upload was not finished in time. Its bytes are gone.
        Expired "expired",
    }
}

crate::words! {
    /// Why a file is of no use.
    Refusal {
        /// Broken, cut off, or not what its first bytes say it is.
        Unreadable "media_unreadable",
        /// None of MP4, WebM, MP3, JPEG, PNG, WebP, WebVTT and PDF.
        TypeNotAllowed "media_type_not_allowed",
        /// Plays for longer than is allowed.
        TooLong "media_too_long",
        /// A picture with too many pixels; a picture, subtitles or a document of too many bytes.
        TooLarge "media_too_large",
    }
}

/// Of one receipt: a photograph, or some pages.
const RECEIPT_BYTES: i64 = 20 << 20;

impl MediaPurpose {
    /// May a file of this kind be one?
    pub fn takes(self, kind: MediaKind) -> bool {
        match self {
            Self::Lesson => true,
            Self::Receipt => matches!(kind, MediaKind::Image | MediaKind::Document),
            Self::Material => kind != MediaKind::Subtitle,
            Self::Picture => kind == MediaKind::Image,
        }
    }

    /// The largest file, where the installation allows `file_bytes` for any.
    pub fn most_bytes(self, file_bytes: i64) -> i64 {
        match self {
            Self::Lesson | Self::Material | Self::Picture => file_bytes,
            Self::Receipt => file_bytes.min(RECEIPT_BYTES),
        }
    }
}

impl MediaKind {
    /// Is it played, so that it has a duration?
    pub fn is_played(self) -> bool {
        matches!(self, Self::Video | Self::Audio)
    }
}

/// What a request wants of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Whole,
    /// The first and the last byte.
    Part(u64, u64),
    /// 416: nothing of it is there.
    Nothing,
}

/// What `Range` asks of a file of `size` bytes. A header that is not understood, or names several parts, is ignored,
/// as RFC 9110 lets a server do: the whole file is a right answer to it.
pub fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let asked = range.and_then(|header| header.trim().strip_prefix("bytes="));
    let Some((first, last)) = asked.and_then(|set| set.split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let digits = text.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // More digits than a number holds lie behind the end of any file.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match (
        first.trim().is_empty(),
        number(first),
        last.trim().is_empty(),
        number(last),
    ) {
        // The last bytes of it.
        (true, _, _, Some(0)) => Wanted::Nothing,
        (true, _, _, Some(_)) if size == 0 => Wanted::Nothing,
        (true, _, _, Some(tail)) => Wanted::Part(size.saturating_sub(tail), size - 1),
        (_, Some(first), true, _) if first < size => Wanted::Part(first, size - 1),
        (_, Some(_), true, _) => Wanted::Nothing,
        (_, Some(first), _, Some(last)) if first > last => Wanted::Whole,
        (_, Some(first), _, Some(last)) if first < size => Wanted::Part(first, last.min(size - 1)),
        (_, Some(_), _, Some(_)) => Wanted::Nothing,
        _ => Wanted::Whole,
    }
}

/// `If-Range` is kept by a strong tag that is ours; a date never is, for we give none.
pub fn range_holds(if_range: Option<&str>, etag: &str) -> bool {
    if_range.is_none_or(|tag| tag.trim() == etag)
}

/// `Content-Disposition` with a name that no header and no file system stumbles over. What a browser can show stays
/// in the page; documents are saved.
pub fn disposition(kind: MediaKind, name: &str) -> String {
    let how = match kind {
        MediaKind::Document => "attachment",
        _ => "inline",
    };
    let plain: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ' ' => c,
            _ => '_',
        })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_back() {
        for kind in MediaKind::ALL {
            assert_eq!(MediaKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
        for state in MediaState::ALL {
            assert_eq!(MediaState::parse(state.as_str()), Some(*state));
            assert_eq!(serde_json::json!(state), state.as_str());
        }
        for purpose in MediaPurpose::ALL {
            assert_eq!(MediaPurpose::parse(purpose.as_str()), Some(*purpose));
        }
        for refusal in Refusal::ALL {
            assert_eq!(serde_json::json!(refusal), refusal.as_str());
        }
        assert_eq!(MediaKind::parse("gone"), None);
    }

    #[test]
    fn a_receipt_is_a_picture_or_a_document() {
        let taken = MediaKind::ALL
            .iter()
            .filter(|kind| MediaPurpose::Receipt.takes(**kind));
        assert!(taken.eq([MediaKind::Image, MediaKind::Document].iter()));
        assert!(
            MediaPurpose::Material.takes(MediaKind::Video)
                && !MediaPurpose::Material.takes(MediaKind::Subtitle)
        );
        assert_eq!(MediaPurpose::Receipt.most_bytes(1 << 40), 20 << 20);
        assert_eq!(MediaPurpose::Receipt.most_bytes(1_000), 1_000);
        assert_eq!(MediaPurpose::Lesson.most_bytes(1 << 40), 1 << 40);
    }

    #[test]
    fn ranges_are_cut_to_the_file_or_ignored() {
        use Wanted::{Nothing, Part, Whole};
        for (header, answer) in [
            ("bytes=0-0", Part(0, 0)),
            ("bytes=0-", Part(0, 99)),
            ("bytes=99-", Part(99, 99)),
            ("bytes=100-", Nothing),
            ("bytes=10-5", Whole),
            ("bytes=90-200", Part(90, 99)),
            ("bytes=90-99999999999999999999999", Part(90, 99)),
            ("bytes=99999999999999999999999-", Nothing),
            ("bytes=-10", Part(90, 99)),
            ("bytes=-1000", Part(0, 99)),
            ("bytes=-0", Nothing),
            ("bytes=-", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0-1,3-4", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(wanted(Some(header), 100), answer, "{header}");
        }
        assert_eq!(wanted(None, 100), Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Nothing);
        assert!(range_holds(None, "\"a\"") && range_holds(Some("\"a\""), "\"a\""));
        for other in ["W/\"a\"", "\"b\"", "Tue, 24 Nov 2026 01:30:00 GMT"] {
            assert!(!range_holds(Some(other), "\"a\""), "{other}");
        }
    }

    #[test]
    fn a_name_breaks_no_header() {
        assert_eq!(
            disposition(MediaKind::Document, "黨 課\";\r\nX: y.pdf"),
            "attachment; filename=\"_ _____X_ y.pdf\"; filename*=UTF-8''%E9%BB%A8%20%E8%AA%B2%22%3B%0D%0AX%3A%20y.pdf"
        );
        assert!(disposition(MediaKind::Video, "a.mp4").starts_with("inline"));
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(first in 0u64..300, last in 0u64..300, size in 0u64..200) {
            for header in [format!("bytes={first}-{last}"), format!("bytes={first}-"), format!("bytes=-{last}")] {
                if let Wanted::Part(from, to) = wanted(Some(&header), size) {
                    prop_assert!(from <= to && to < size, "{header} of {size}");
                }
            }
        }
    }
}
