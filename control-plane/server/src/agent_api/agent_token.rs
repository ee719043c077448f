//! Agents' tokens: who and until when, signed with HMAC-SHA256. They are not stored.
//!
//! `gta_` and base64url of 16 bytes agent id, 8 bytes end in milliseconds, 32 bytes signature of what comes before.

use aws_lc_rs::hmac;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gatehouse_schemas::{identity::AgentId, time::Timestamp};
use secrecy::{ExposeSecret as _, SecretSlice};
use uuid::Uuid;

/// What agents' tokens begin with, so that scanners for leaked secrets find them.
const PREFIX: &str = "gta_";
const ID_LENGTH: usize = 16;
const CLAIMS_LENGTH: usize = ID_LENGTH + 8;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not a token of this control plane.
    Unknown,
    /// It was one, until this moment.
    Expired(Timestamp),
}

/// A token of this agent that ends at `expires_at`.
pub(crate) fn sign(key: &SecretSlice<u8>, agent_id: AgentId, expires_at: Timestamp) -> String {
    let mut token = Vec::with_capacity(CLAIMS_LENGTH + 32);
    token.extend_from_slice(agent_id.0.as_bytes());
    token.extend_from_slice(&expires_at.0.to_be_bytes());
    let signature = hmac::sign(&signing_key(key), &token);
    token.extend_from_slice(signature.as_ref());
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(token))
}

/// The agent that holds a token.
pub(crate) fn verify(key: &SecretSlice<u8>, token: &str, now: Timestamp) -> Result<AgentId, Refusal> {
    let text = token.strip_prefix(PREFIX).ok_or(Refusal::Unknown)?;
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Refusal::Unknown)?;
    let (claims, signature) = bytes.split_at_checked(CLAIMS_LENGTH).ok_or(Refusal::Unknown)?;
    hmac::verify(&signing_key(key), claims, signature).map_err(|_| Refusal::Unknown)?;
    let (id, end) = claims.split_at(ID_LENGTH);
    let id = Uuid::from_slice(id).map_err(|_| Refusal::Unknown)?;
    let end = <[u8; 8]>::try_from(end).map_err(|_| Refusal::Unknown)?;
    let end = Timestamp(i64::from_be_bytes(end));
    if end > now {
        Ok(AgentId(id))
    } else {
        Err(Refusal::Expired(end))
    }
}

fn signing_key(key: &SecretSlice<u8>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn key(byte: u8) -> SecretSlice<u8> {
        vec![byte; 32].into()
    }

    #[test]
    fn a_token_names_its_agent_until_it_ends() {
        let agent = AgentId(Uuid::new_v4());
        let token = sign(&key(1), agent, Timestamp(2_000));
        assert_eq!(verify(&key(1), &token, NOW), Ok(agent));
        assert_eq!(
            verify(&key(1), &token, Timestamp(2_000)),
            Err(Refusal::Expired(Timestamp(2_000)))
        );
        assert_eq!(verify(&key(2), &token, NOW), Err(Refusal::Unknown));
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_refused() {
        let token = sign(&key(1), AgentId(Uuid::new_v4()), Timestamp(2_000));
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(&token[PREFIX.len()..])
            .expect("base64");
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            let changed = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(
                verify(&key(1), &changed, NOW),
                Err(Refusal::Unknown),
                "byte {position}"
            );
        }
        for text in ["", "gta_", "gta_AAAA", "gth_abc", &token[..token.len() - 4]] {
            assert_eq!(verify(&key(1), text, NOW), Err(Refusal::Unknown), "{text}");
        }
    }
}
