//! How two ends of HTTP/1.1 make sure that both mean a WebSocket (RFC 6455, section 4): one sends a key, the other shows
//! that it has read it. HTTP/2 does without (RFC 8441, section 5), so where it meets HTTP/1.1 this is done here.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;

/// What every key is hashed with.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key that nobody has used before.
pub(crate) fn new_key() -> HeaderValue {
    encoded(uuid::Uuid::new_v4().as_bytes())
}

/// What the other end answers to a key.
pub(crate) fn accept(key: &HeaderValue) -> HeaderValue {
    let hashed = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
    encoded(hashed.as_ref())
}

fn encoded(bytes: &[u8]) -> HeaderValue {
    // Base64 is always a header value.
    HeaderValue::try_from(BASE64_STANDARD.encode(bytes)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_the_standard_says() {
        // The example of RFC 6455, section 1.3.
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn keys_are_sixteen_bytes_and_differ() {
        let keys = [new_key(), new_key()];
        assert_ne!(keys[0], keys[1]);
        for key in keys {
            assert_eq!(BASE64_STANDARD.decode(key.as_bytes()).unwrap().len(), 16);
        }
    }
}
