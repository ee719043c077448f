//! Values packed into a short text, for gateways that keep notes of ours in a field of theirs.
//!
//! ```
//! use gatehouse_connector_sdk::packed;
//!
//! let text = packed::pack(&vec!["/orders"; 50]);
//! assert!(text.len() < 50);
//! assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
//! assert_eq!(packed::unpack::<Vec<String>>(&text).unwrap().len(), 50);
//! assert_eq!(packed::unpack::<Vec<String>>("somebody broke it"), None);
//! ```

use std::io::{Read as _, Write as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Serialize, de::DeserializeOwned};

/// The most that a text may unfold to, in bytes: what is larger was not packed by us.
const LARGEST: u64 = 64 << 20;

/// A value as JSON, deflated (RFC 1951), in letters, digits, `-` and `_` (RFC 4648 §5, without padding).
///
/// ```
/// let text = gatehouse_connector_sdk::packed::pack(&"orders");
/// assert_eq!(gatehouse_connector_sdk::packed::unpack::<String>(&text).unwrap(), "orders");
/// ```
pub fn pack(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    // Memory takes everything.
    let packed = encoder.write_all(&text).and_then(|()| encoder.finish());
    URL_SAFE_NO_PAD.encode(packed.unwrap_or_default())
}

/// What [`pack`] was given; nothing if the text is not what it made.
///
/// ```
/// assert!(gatehouse_connector_sdk::packed::unpack::<String>("").is_none());
/// ```
pub fn unpack<T: DeserializeOwned>(text: &str) -> Option<T> {
    let packed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let mut text = Vec::new();
    let decoder = DeflateDecoder::new(packed.as_slice());
    decoder.take(LARGEST).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
