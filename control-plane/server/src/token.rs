//! Tokens: random text that people and agents hold, of which the database holds a hash.

use aws_lc_rs::{digest, error::Unspecified, rand};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gatehouse_schemas::canonical::hexadecimal;

/// What API tokens begin with, so that scanners for leaked secrets find them.
pub(crate) const API_TOKEN_PREFIX: &str = "gth_";
/// What join tokens begin with.
pub(crate) const JOIN_TOKEN_PREFIX: &str = "gtj_";

/// A new token of 256 random bits.
pub(crate) fn generate(prefix: &str) -> Result<String, Unspecified> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes)?;
    Ok(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

/// What the database holds of a token: 256 random bits need no salt and no slow hash.
pub(crate) fn hash(token: &str) -> String {
    hexadecimal(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_hash_to_hexadecimal() {
        let (one, other) = (
            generate(API_TOKEN_PREFIX).expect("random"),
            generate(API_TOKEN_PREFIX).expect("random"),
        );
        assert_ne!(one, other);
        assert_eq!(one.len(), 4 + 43);
        assert_eq!(
            hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
