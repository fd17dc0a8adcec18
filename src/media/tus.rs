//! What tus 1.0 puts into headers: metadata and checksums. Pure; see https://tus.io/protocols/resumable-upload.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const VERSION: &str = "1.0.0";
pub const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination";
pub const ALGORITHMS: &str = "sha1,sha256";
pub const CONTENT_TYPE: &str = "application/offset+octet-stream";

/// Longer ones are nobody's names.
const MAX_METADATA: usize = 4_096;

/// `Upload-Metadata`: names and base64 values. None when it is malformed: a name that is empty, not visible ASCII or
/// there twice, a value that is no base64.
pub fn parse_metadata(header: &str) -> Option<Vec<(String, Vec<u8>)>> {
    if header.len() > MAX_METADATA {
        return None;
    }
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    if header.trim().is_empty() {
        return Some(pairs);
    }
    for pair in header.split(',') {
        let (key, value) = match pair.trim().split_once(' ') {
            Some((key, value)) => (key, value.trim()),
            None => (pair.trim(), ""),
        };
        let is_visible = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || !seen.insert(key) {
            return None;
        }
        pairs.push((key.to_owned(), STANDARD.decode(value).ok()?));
    }
    Some(pairs)
}

/// A hash that is being made of what arrives.
#[derive(Clone)]
enum Hash {
    Sha1(Sha1),
    Sha256(Sha256),
}

/// `Upload-Checksum`: what the bytes of one request must hash to.
#[derive(Clone)]
pub struct Checksum {
    hash: Hash,
    claimed: Vec<u8>,
}

impl Checksum {
    /// `sha1 <base64>`, or `sha256 <base64>`; None for anything else.
    pub fn parse(header: &str) -> Option<Self> {
        let (name, value) = header.trim().split_once(' ')?;
        let (hash, length) = match name {
            "sha1" => (Hash::Sha1(Sha1::new()), 20),
            "sha256" => (Hash::Sha256(Sha256::new()), 32),
            _ => return None,
        };
        let claimed = STANDARD.decode(value.trim()).ok()?;
        (claimed.len() == length).then_some(Self { hash, claimed })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hash {
            Hash::Sha1(hash) => hash.update(bytes),
            Hash::Sha256(hash) => hash.update(bytes),
        }
    }

    pub fn holds(self) -> bool {
        match self.hash {
            Hash::Sha1(hash) => hash.finalize().as_slice() == self.claimed,
            Hash::Sha256(hash) => hash.finalize().as_slice() == self.claimed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_it_is_written() {
        let pairs = parse_metadata("filename d29ybGQ=, is_confidential,filetype YQ==").unwrap();
        assert_eq!(
            pairs,
            [
                ("filename".into(), b"world".to_vec()),
                ("is_confidential".into(), Vec::new()),
                ("filetype".into(), b"a".to_vec()),
            ]
        );
        assert_eq!(parse_metadata("").unwrap(), []);
        for bad in ["a !", "a YQ==,a YQ==", ",", "名 YQ==", "a YQ", "a YQ== b"] {
            assert_eq!(parse_metadata(bad), None, "{bad}");
        }
        assert_eq!(parse_metadata(&format!("a {}", "A".repeat(5_000))), None);
    }

    #[test]
    fn a_checksum_holds_for_its_bytes_alone() {
        let sums = [
            "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
        ];
        for sum in sums {
            let mut right = Checksum::parse(sum).unwrap();
            let mut wrong = right.clone();
            right.update(b"hel");
            right.update(b"lo");
            wrong.update(b"hell");
            assert!(right.holds() && !wrong.holds(), "{sum}");
        }
        for bad in [
            "sha1",
            "SHA1 qvTGHdzF6KLavt4PO0gs2a6pQ00=",
            "md5 XUFAKrxLKna5cZ2REBfFkg==",
            "sha1 YQ==",
            "sha1 !",
        ] {
            assert!(Checksum::parse(bad).is_none(), "{bad}");
        }
    }
}
