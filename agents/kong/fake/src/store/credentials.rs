//! Credentials and other entities that Kong does not keep as they were sent.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::reference;
use crate::configuration::Entity;
use crate::schema::{pem_content, random_text};

/// Brings what was sent into the form that is checked.
pub(crate) fn prepare(collection: &str, sent: &mut Entity) {
    match collection {
        "targets" => add_port(sent),
        "ca_certificates" => add_digest(sent),
        _ => {}
    }
}

/// A target without a port has port 8000.
fn add_port(sent: &mut Entity) {
    if let Some(Value::String(target)) = sent.get_mut("target") {
        let address_alone = target.parse::<std::net::Ipv6Addr>().is_ok();
        if address_alone {
            *target = format!("[{target}]:8000");
        } else if !target.contains(':') && !target.is_empty() {
            target.push_str(":8000");
        }
    }
}

fn add_digest(sent: &mut Entity) {
    let content = sent.get("cert").and_then(Value::as_str).and_then(pem_content);
    if let Some(content) = content {
        let digest = hex(digest::digest(&digest::SHA256, &content).as_ref());
        sent.insert("cert_digest".to_owned(), Value::String(digest));
    }
}

/// Hashes secrets that Kong never shows; those that came from before stay as they are.
pub(crate) fn hash(collection: &str, entity: &mut Entity, before: Option<&Entity>) {
    let unchanged = |name: &str| before.is_some_and(|before| before.get(name) == entity.get(name));
    match collection {
        "basicauth_credentials" if !unchanged("password") => hash_password(entity),
        "oauth2_credentials" if !unchanged("client_secret") => hash_client_secret(entity),
        _ => {}
    }
}

/// The hash of a password is that of the password and the id of its consumer.
fn hash_password(entity: &mut Entity) {
    let Some(password) = entity.get("password").and_then(Value::as_str) else {
        return;
    };
    let salted = format!("{password}{}", reference(entity, "consumer").unwrap_or_default());
    let hashed = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes());
    entity.insert("password".to_owned(), Value::String(hex(hashed.as_ref())));
}

fn hash_client_secret(entity: &mut Entity) {
    if entity.get("hash_secret") != Some(&Value::Bool(true)) {
        return;
    }
    if entity.get("client_secret").is_none_or(Value::is_null) {
        entity.insert("client_secret".to_owned(), Value::String(random_text()));
    }
    let secret = entity
        .get("client_secret")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let salt = Uuid::new_v4().into_bytes();
    let mut derived = [0_u8; 32];
    let rounds = NonZeroU32::new(10_000).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA512,
        rounds,
        &salt,
        secret.as_bytes(),
        &mut derived,
    );
    let (salt, derived) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(derived));
    let hashed = format!("$pbkdf2-sha512$i=10000,l=32${salt}${derived}");
    entity.insert("client_secret".to_owned(), Value::String(hashed));
}

/// Bytes in hexadecimal letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
