//! The key secrets are encrypted with at rest, and keys derived from it.
//!
//! A sealed value is a format byte, a random nonce, and AES-256-GCM's ciphertext and tag. The id of the secret is
//! the associated data, so that a value moved to another row does not open.

use std::{
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hmac, rand,
};
use gatehouse_schemas::canonical::hexadecimal;
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice};
use uuid::Uuid;

use crate::error::{Result, StoreError};

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 12;
const FORMAT: u8 = 1;

/// The key of one installation: 32 random bytes that never leave the process and its key file.
pub struct EncryptionKey(SecretBox<[u8; KEY_LENGTH]>);

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EncryptionKey({})", self.id())
    }
}

impl EncryptionKey {
    /// A new random key.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; KEY_LENGTH];
        rand::fill(&mut bytes).map_err(|error| StoreError::corrupt("the source of random numbers", error))?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The key in this file. Refuses a file that others than its owner can read.
    pub fn from_file(path: &Path) -> Result<Self> {
        let problem = |reason: String| key_file(path, reason);
        let file = fs::File::open(path).map_err(|error| problem(error.to_string()))?;
        let mode = file
            .metadata()
            .map_err(|error| problem(error.to_string()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(problem(format!(
                "others can read it (mode {:o}); run `chmod 600` on it",
                mode & 0o777
            )));
        }
        let mut bytes = Vec::with_capacity(KEY_LENGTH + 1);
        file.take(KEY_LENGTH as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| problem(error.to_string()))?;
        let bytes: [u8; KEY_LENGTH] = bytes
            .try_into()
            .map_err(|_| problem(format!("it must hold exactly {KEY_LENGTH} bytes")))?;
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The key in this file, made with mode 0600 if the file does not exist.
    pub fn from_file_or_create(path: &Path) -> Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(_) => Self::from_file(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(key_file(path, error.to_string())),
        }
    }

    fn create(path: &Path) -> Result<Self> {
        let key = Self::generate()?;
        match write_new(path, key.0.expose_secret()) {
            Ok(()) => Ok(key),
            // Another process made it first: its key counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::from_file(path),
            Err(error) => Err(key_file(path, error.to_string())),
        }
    }

    /// Names the key without giving anything of it away.
    pub fn id(&self) -> String {
        let full = self.derive("gatehouse key id");
        hexadecimal(&full.expose_secret()[..8])
    }

    /// A key for another purpose, for example signing agents' tokens. Different purposes give unrelated keys.
    pub fn derive(&self, purpose: &str) -> SecretSlice<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        hmac::sign(&key, purpose.as_bytes()).as_ref().to_vec().into()
    }

    /// Encrypts a value for the secret of this id.
    pub(crate) fn seal(&self, secret_id: &str, value: &[u8]) -> Result<Vec<u8>> {
        let failed = |error| StoreError::corrupt(format!("secret/{secret_id}"), error);
        let mut text = value.to_vec();
        let nonce = self
            .cipher()
            .and_then(|cipher| cipher.seal_in_place_append_tag(Aad::from(secret_id), &mut text))
            .map_err(failed)?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Decrypts a value of the secret of this id.
    pub(crate) fn open(&self, secret_id: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let failed = |reason: &str| StoreError::corrupt(format!("secret/{secret_id}"), reason);
        let (&format, rest) = sealed.split_first().ok_or_else(|| failed("it is empty"))?;
        if format != FORMAT || rest.len() < NONCE_LENGTH {
            return Err(failed("it is in an unknown format"));
        }
        let (nonce, text) = rest.split_at(NONCE_LENGTH);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed("its nonce is too short"))?;
        let mut text = text.to_vec();
        let length = self
            .cipher()
            .and_then(|cipher| {
                cipher
                    .open_in_place(nonce, Aad::from(secret_id), &mut text)
                    .map(|open| open.len())
            })
            .map_err(|_| failed("it was changed, or encrypted with another key"))?;
        text.truncate(length);
        Ok(text)
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, aws_lc_rs::error::Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, self.0.expose_secret())
    }
}

fn key_file(path: &Path, reason: String) -> StoreError {
    StoreError::KeyFile {
        path: path.display().to_string(),
        reason,
    }
}

/// Writes the key beside its place and links it there, so that nobody ever reads half a key.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("new-{}", Uuid::now_v7()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    let linked = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    linked.and(removed)?;
    // The name itself must survive a power cut, too.
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => fs::File::open(".")?.sync_all(),
    }
}
