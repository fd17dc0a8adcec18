//! MP4, WebM and MP3: the tracks, and how long they play, counted packet by packet. What a header says of the duration
//! is not believed: it lies, or is empty in what phones and browsers record.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use super::Probed;
use crate::media::rules::{MediaKind, Refusal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Mp4,
    WebM,
    Mp3,
}

/// What is read into memory of a file's tables: an hour of video has less than one.
const MAX_TABLE: u64 = 16 << 20;
/// Read between two packets; one picture of a 4K video is a few.
const MAX_BETWEEN: u64 = 32 << 20;
const MAX_BOXES: usize = 200_000;
const MAX_PACKETS: u64 = 2_000_000;
/// Time for one file. A gigabyte takes under one second.
const DEADLINE: Duration = Duration::from_secs(10);

pub fn probe(file: &File, size: u64, family: Family, longest_ms: i32) -> Result<Probed, Refusal> {
    match family {
        Family::Mp4 => walk_boxes(file, size),
        Family::Mp3 => look_at_tag(file),
        Family::WebM => look_at_type(file),
    }
    .ok_or(Refusal::Unreadable)?;
    let (kind, ms) = scan(file, size, family).ok_or(Refusal::Unreadable)?;
    let duration_ms = i32::try_from(ms).ok().filter(|ms| *ms <= longest_ms);
    Ok(Probed {
        kind,
        content_type: match (family, kind) {
            (Family::Mp4, MediaKind::Video) => "video/mp4",
            (Family::Mp4, _) => "audio/mp4",
            (Family::WebM, MediaKind::Video) => "video/webm",
            (Family::WebM, _) => "audio/webm",
            (Family::Mp3, _) => "audio/mpeg",
        },
        duration_ms: Some(duration_ms.ok_or(Refusal::TooLong)?),
    })
}

/// From box to box at the top: the boxes must fill the file, and none that is read into memory may be huge.
fn walk_boxes(file: &File, size: u64) -> Option<()> {
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        if at == size {
            return Some(());
        }
        let mut head = [0; 16];
        let have = usize::try_from(size.checked_sub(at)?).unwrap_or(16).min(16);
        file.read_exact_at(head.get_mut(..have)?, at).ok()?;
        let small = u32::from_be_bytes(head.get(..4)?.try_into().ok()?);
        let length = match small {
            // To the end of the file.
            0 => size - at,
            1 if have == 16 => u64::from_be_bytes(head.get(8..16)?.try_into().ok()?),
            1..8 => return None,
            _ if have < 8 => return None,
            _ => u64::from(small),
        };
        let is_data = matches!(head.get(4..8)?, b"mdat" | b"free" | b"skip" | b"wide");
        if length < 8 || (!is_data && length > MAX_TABLE) {
            return None;
        }
        at = at.checked_add(length).filter(|end| *end <= size)?;
    }
    None
}

/// The tag before the sound may hold pictures; not more than a table's worth of them.
fn look_at_tag(file: &File) -> Option<()> {
    let mut head = [0; 10];
    file.read_exact_at(&mut head, 0).ok()?;
    if !head.starts_with(b"ID3") {
        return Some(());
    }
    let length = head
        .get(6..)?
        .iter()
        .fold(0u64, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
    (length <= MAX_TABLE).then_some(())
}

/// WebM, and not the Matroska around it, which phones do not play.
fn look_at_type(file: &File) -> Option<()> {
    let mut head = [0; 64];
    let have = file.read_at(&mut head, 0).ok()?;
    head.get(..have)?
        .windows(7)
        .any(|part| part == b"\x42\x82\x84webm")
        .then_some(())
}

/// The kind, and where the last packet ends in milliseconds.
fn scan(file: &File, size: u64, family: Family) -> Option<(MediaKind, u128)> {
    let between = Arc::new(AtomicU64::new(0));
    let source = Fenced {
        file: file.try_clone().ok()?,
        size,
        at: 0,
        left: size.saturating_mul(4).saturating_add(1 << 20),
        between: between.clone(),
    };
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let probe = symphonia::default::get_probe();
    let (formats, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = probe.probe(&Hint::new(), stream, formats, metadata).ok()?;
    let name = match family {
        Family::Mp4 => "isomp4",
        Family::WebM => "matroska",
        Family::Mp3 => "mp3",
    };
    if reader.format_info().short_name != name {
        return None;
    }
    let has = |kind| {
        reader
            .tracks()
            .iter()
            .any(|track| track.track_type() == Some(kind))
    };
    let kind = match (has(TrackType::Video), has(TrackType::Audio)) {
        (true, _) => MediaKind::Video,
        (false, true) => MediaKind::Audio,
        (false, false) => return None,
    };
    Some((kind, last_packet_ms(reader.as_mut(), &between)?))
}

/// Through all packets. A file that ends after some of them ends there: recorders that are switched off leave such.
fn last_packet_ms(reader: &mut dyn FormatReader, between: &AtomicU64) -> Option<u128> {
    let bases: HashMap<u32, _> = reader
        .tracks()
        .iter()
        .filter_map(|track| Some((track.id, track.time_base?)))
        .collect();
    let begun = Instant::now();
    let (mut end_ms, mut packets) = (0u128, 0u64);
    loop {
        between.store(0, Ordering::Relaxed);
        match reader.next_packet() {
            Ok(Some(packet)) => {
                packets += 1;
                if packets > MAX_PACKETS || begun.elapsed() > DEADLINE {
                    return None;
                }
                let Some(base) = bases.get(&packet.track_id) else {
                    continue;
                };
                let start_ms = base.calc_time(packet.pts).map_or(0, |time| time.as_millis());
                let length_ms = base.calc_duration(packet.dur).map_or(0, |time| time.as_millis());
                end_ms = end_ms.max(u128::try_from(start_ms.saturating_add(length_ms)).unwrap_or(0));
            }
            Ok(None) => break,
            Err(symphonia::core::errors::Error::IoError(error))
                if packets > 0 && error.kind() == io::ErrorKind::UnexpectedEof =>
            {
                break;
            }
            Err(_) => return None,
        }
    }
    (end_ms > 0).then_some(end_ms)
}

/// A file that is read only so much: in all, and between two packets.
struct Fenced {
    file: File,
    size: u64,
    at: u64,
    left: u64,
    between: Arc<AtomicU64>,
}

impl Read for Fenced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        let bytes = read as u64;
        self.at += bytes;
        let since = self
            .between
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        self.left = self
            .left
            .checked_sub(bytes)
            .filter(|_| since <= MAX_BETWEEN)
            .ok_or_else(too_much)?;
        Ok(read)
    }
}

fn too_much() -> io::Error {
    io::Error::other("reads more than any good file needs")
}

impl Seek for Fenced {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Seeking costs no bytes, but a file that makes a reader do nothing else must end too.
        self.left = self.left.checked_sub(1).ok_or_else(too_much)?;
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

impl MediaSource for Fenced {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::probe;
    use super::*;

    fn data(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn probed(bytes: &[u8]) -> Result<Probed, Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        probe(&file, bytes.len() as u64, 60_000)
    }

    /// Puts `bytes` behind each place where `name` stands.
    fn overwrite(file: &mut [u8], name: &[u8], skip: usize, bytes: &[u8]) -> usize {
        let mut found = 0;
        for at in 0..file.len() - name.len() {
            if file[at..].starts_with(name) {
                let from = at + name.len() + skip;
                file[from..from + bytes.len()].copy_from_slice(bytes);
                found += 1;
            }
        }
        found
    }

    #[test]
    fn what_is_played_is_known_by_its_packets() {
        for (name, kind, content_type) in [
            ("lesson.mp4", MediaKind::Video, "video/mp4"),
            ("fragmented.mp4", MediaKind::Video, "video/mp4"),
            ("lesson.m4a", MediaKind::Audio, "audio/mp4"),
            ("lesson.mp3", MediaKind::Audio, "audio/mpeg"),
            ("lesson.webm", MediaKind::Video, "video/webm"),
        ] {
            let found = probed(&data(name)).unwrap();
            assert_eq!((found.kind, found.content_type), (kind, content_type), "{name}");
            let ms = found.duration_ms.unwrap();
            assert!((2_950..3_500).contains(&ms), "{name}: {ms}");
        }
    }

    #[test]
    fn a_header_that_lies_about_the_duration_is_not_believed() {
        let mut lie = data("lesson.mp4");
        let honest = probed(&lie).unwrap();
        // Version 0: flags, made, changed, time scale, duration.
        let hour = 3_600_000u32.to_be_bytes();
        assert!(overwrite(&mut lie, b"mvhd", 16, &hour) == 1 && overwrite(&mut lie, b"mdhd", 16, &hour) == 2);
        assert_eq!(probed(&lie), Ok(honest));
        let mut file = tempfile::tempfile().unwrap();
        let bytes = data("lesson.mp3");
        file.write_all(&bytes).unwrap();
        assert_eq!(probe(&file, bytes.len() as u64, 2_000), Err(Refusal::TooLong));
    }

    #[test]
    fn broken_files_are_refused() {
        let whole = data("lesson.mp4");
        let mut huge = whole.clone();
        let moov = huge.windows(4).position(|part| part == b"moov").unwrap();
        huge[moov - 4..moov].copy_from_slice(&(64u32 << 20).to_be_bytes());
        huge.resize(80 << 20, 0);
        let mut claims = whole.clone();
        overwrite(&mut claims, b"stsz", 8, &u32::MAX.to_be_bytes());
        let mut tagged = b"ID3\x04\0\0\x7F\x7F\x7F\x7F".to_vec();
        tagged.extend(data("lesson.mp3"));
        let webm = data("lesson.webm");
        let mut matroska = webm.clone();
        overwrite(&mut matroska, b"\x42\x82\x84", 0, b"mkvm");
        for (name, bytes) in [
            ("cut off", &whole[..whole.len() / 2]),
            ("nothing behind the type", &whole[..16]),
            ("a huge table", &huge),
            ("a table that claims", &claims),
            ("a huge tag", &tagged),
            ("no webm", &matroska),
            ("an empty webm", &webm[..200]),
        ] {
            assert_eq!(probed(bytes), Err(Refusal::Unreadable), "{name}");
        }
    }

    /// Seeded, so that a failure can be repeated; the research behind this ran 40,000 of each file.
    #[test]
    fn no_damage_does_more_than_refuse() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        for name in ["lesson.mp4", "fragmented.mp4", "lesson.mp3", "lesson.webm"] {
            let good = data(name);
            for _ in 0..300 {
                let mut bad = good.clone();
                for _ in 0..=random(4) {
                    let at = random(bad.len() - 8);
                    match random(3) {
                        0 => bad[at] ^= 1 << random(8),
                        1 => bad[at..at + 4].copy_from_slice(&[0xFF; 4]),
                        _ => bad.truncate(at.max(64)),
                    }
                }
                // As `checks` does: a panic in a reader is a refusal.
                let _ = std::panic::catch_unwind(|| probed(&bad));
            }
        }
    }
}
