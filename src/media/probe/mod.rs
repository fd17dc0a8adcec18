//! What an uploaded file is, said by its own bytes and by nobody else: type, and for what is played the duration.
//! Blocking. Every reader is fenced, for whoever made the file may have made it to break us; a panic in one is caught by
//! the thread that runs it.

mod container;
pub mod picture;
mod subtitles;

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::rules::{MediaKind, Refusal};
#[cfg(feature = "failpoints")]
pub(crate) use subtitles::check as check_subtitles;

/// What a good file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probed {
    pub kind: MediaKind,
    pub content_type: &'static str,
    pub duration_ms: Option<i32>,
}

/// Of the first bytes; a picture's size stands behind its camera's notes.
const HEAD: usize = 1 << 20;
const MAX_PICTURE: u64 = 10 << 20;
const MAX_SUBTITLES: u64 = 1 << 20;
const MAX_DOCUMENT: u64 = 50 << 20;
/// Pixels; as many as a phone's camera takes.
pub const MAX_PIXELS: u64 = 50_000_000;

enum Family {
    Container(container::Family),
    Picture(picture::Format),
    Subtitles,
    Document,
}

/// By the first bytes alone: whatever else a file could pass for, it is served as this and as nothing else.
fn family(head: &[u8]) -> Option<Family> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let is_frame_of_layer_3 = matches!(head, [0xFF, second, ..] if second & 0xE6 == 0xE2);
    Some(if at(4, b"ftyp") {
        Family::Container(container::Family::Mp4)
    } else if at(0, b"\x1A\x45\xDF\xA3") {
        Family::Container(container::Family::WebM)
    } else if at(0, b"ID3") || is_frame_of_layer_3 {
        Family::Container(container::Family::Mp3)
    } else if let Some(format) = picture::Format::of(head) {
        Family::Picture(format)
    } else if at(0, b"%PDF-") {
        Family::Document
    } else if text.starts_with(b"WEBVTT") {
        Family::Subtitles
    } else {
        return None;
    })
}

/// Looks at a whole file of `size` bytes. What is played lasts at most `longest_ms`.
pub fn probe(file: &File, size: u64, longest_ms: i32) -> Result<Probed, Refusal> {
    let mut head = vec![0; HEAD.min(usize::try_from(size).unwrap_or(HEAD))];
    file.read_exact_at(&mut head, 0)
        .map_err(|_| Refusal::Unreadable)?;
    let at_most = |limit: u64| {
        if size > limit {
            Err(Refusal::TooLarge)
        } else {
            Ok(())
        }
    };
    let plain = |kind, content_type| Probed {
        kind,
        content_type,
        duration_ms: None,
    };
    match family(&head).ok_or(Refusal::TypeNotAllowed)? {
        Family::Container(family) => container::probe(file, size, family, longest_ms),
        Family::Picture(format) => {
            at_most(MAX_PICTURE)?;
            let (width, height) = picture::size(format, &head).ok_or(Refusal::Unreadable)?;
            if u64::from(width) * u64::from(height) > MAX_PIXELS {
                return Err(Refusal::TooLarge);
            }
            Ok(plain(MediaKind::Image, format.content_type()))
        }
        Family::Document => {
            at_most(MAX_DOCUMENT)?;
            let mut tail = [0; 1_024];
            let length = usize::try_from(size).unwrap_or(tail.len()).min(tail.len());
            let tail = tail.get_mut(..length).unwrap_or_default();
            file.read_exact_at(tail, size - length as u64)
                .map_err(|_| Refusal::Unreadable)?;
            if !tail.windows(5).any(|end| end == b"%%EOF") {
                return Err(Refusal::Unreadable);
            }
            Ok(plain(MediaKind::Document, "application/pdf"))
        }
        Family::Subtitles => {
            at_most(MAX_SUBTITLES)?;
            subtitles::check(&head).ok_or(Refusal::Unreadable)?;
            Ok(plain(MediaKind::Subtitle, "text/vtt; charset=utf-8"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn probed(bytes: &[u8]) -> Result<Probed, Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        probe(&file, bytes.len() as u64, 3_600_000)
    }

    #[test]
    fn small_files_are_what_their_bytes_say() {
        let kind = |bytes: &[u8]| probed(bytes).map(|probed| (probed.kind, probed.content_type));
        assert_eq!(
            kind(b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\n%%EOF\n"),
            Ok((MediaKind::Document, "application/pdf"))
        );
        assert_eq!(kind(b"%PDF-1.4\nand no more"), Err(Refusal::Unreadable));
        assert_eq!(
            kind(b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n"),
            Ok((MediaKind::Subtitle, "text/vtt; charset=utf-8"))
        );
        for other in [
            b"".as_slice(),
            b"PK\x03\x04 a zip",
            b"<html><script>alert(1)</script>",
            b"GIF89a",
            b"<svg onload=alert(1)>",
            b"\x7fELF",
            b"OggS",
            b"\0\0\0\x20moov",
        ] {
            assert_eq!(kind(other), Err(Refusal::TypeNotAllowed), "{other:?}");
        }
        let mut long = b"WEBVTT\n\n00:00.000 --> 00:01.000\n".to_vec();
        long.resize(2 << 20, b'a');
        assert_eq!(kind(&long), Err(Refusal::TooLarge));
    }
}
