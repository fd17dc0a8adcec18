//! Short one-time codes that a person reads in one place and types in another. Who knows one holds it; how long, how
//! often and how many tries is its maker's rule.

use unicode_normalization::UnicodeNormalization;

/// Crockford's base 32: no I, L, O, U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code in groups of four, e.g. `K7QF-9XM2`, of 5 bits a character, from as many random bytes as it has characters.
pub fn make<const LENGTH: usize>(random: [u8; LENGTH]) -> String {
    let mut code = String::with_capacity(LENGTH + LENGTH / 4);
    for (at, byte) in random.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(
            CROCKFORD
                .get(usize::from(byte & 31))
                .copied()
                .map_or('0', char::from),
        );
    }
    code
}

/// A typed code as it was made, without hyphens: lower case, spaces, and O, I, L for 0 and 1 are forgiven.
pub fn normalise<const LENGTH: usize>(typed: &str) -> Option<String> {
    let letters = typed
        .nfkc()
        .filter(|c| !matches!(c, '-' | ' ' | '\u{2013}' | '\u{2014}'));
    let code: String = letters
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let is_ours = code.len() == LENGTH && code.bytes().all(|byte| CROCKFORD.contains(&byte));
    is_ours.then_some(code)
}
