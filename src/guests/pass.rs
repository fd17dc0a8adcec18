//! The pass that a guest's phone keeps: it stands for one guest, and cannot be made up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::GuestId;
use crate::platform::keys::Keys;

const TAG: usize = 16;

/// The same for the same guest, so that an answer that was lost can be given again.
pub fn make(keys: &Keys, guest: GuestId) -> String {
    let facts = guest.0.as_bytes();
    let tag = keys.current.guest_pass.tag(&[facts]);
    let sealed: Vec<u8> = facts.iter().chain(tag.iter().take(TAG)).copied().collect();
    URL_SAFE_NO_PAD.encode(sealed)
}

pub fn read(keys: &Keys, text: &str) -> Option<GuestId> {
    let sealed = URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
    let (facts, tag) = sealed.split_first_chunk::<16>()?;
    let is_ours = tag.len() == TAG && keys.all().any(|set| set.guest_pass.verify(&[facts], tag));
    is_ours.then(|| GuestId(uuid::Uuid::from_bytes(*facts)))
}
