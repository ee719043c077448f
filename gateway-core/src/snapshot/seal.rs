//! Sealing secrets, so that the files of a snapshot give none away: AES-256-GCM under a key of this node, which is
//! made at the first start and stays in the state folder, readable by its owner only.
//!
//! Whoever can read the whole folder can read the secrets. What is protected is a copy of the API files: a backup, a
//! support bundle, a disk that comes back without its key.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatehouse_schemas::identity::{ExternalRef, ResourceName};
use secrecy::{SecretString, zeroize::Zeroizing};
use tracing::warn;

use super::write;
use crate::config::Secret;

/// The length of a node's key in bytes.
const KEY_BYTES: usize = 32;

/// The secrets of one API, by name.
pub(super) type Secrets = BTreeMap<ResourceName, Secret>;

/// The key of this node.
pub(super) struct NodeKey(RandomizedNonceKey);

impl fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NodeKey")
    }
}

impl NodeKey {
    /// Reads the key of a folder, or makes it. One that is damaged is set aside for a new one: what was sealed with
    /// it cannot be opened again.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = path(folder);
        match fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) if bytes.len() == KEY_BYTES => {
                keep_private(&path)?;
                Self::new(&bytes)
            }
            Ok(_) => {
                warn!(file = %path.display(), "The node key `{}` is damaged; APIs with sealed secrets are not served until they are deployed again", path.display());
                fs::rename(&path, path.with_extension("damaged"))?;
                Self::make(&path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&path),
            Err(error) => Err(error),
        }
    }

    fn make(path: &Path) -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
        write::durably(path, &*bytes)?;
        Self::new(&*bytes)
    }

    fn new(bytes: &[u8]) -> io::Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        Ok(Self(
            key.map_err(|_| io::Error::other("the node key cannot be used"))?,
        ))
    }

    /// Seals the secrets of an API: in Base64, the nonce, the ciphertext and the tag. What is sealed for one API cannot
    /// be opened for another.
    pub(super) fn seal(&self, api: &ExternalRef, secrets: &Secrets) -> io::Result<String> {
        let clear: BTreeMap<&ResourceName, &str> = secrets
            .iter()
            .map(|(name, secret)| (name, secret.expose()))
            .collect();
        let mut sealed = Zeroizing::new(serde_json::to_vec(&clear)?);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(api.0.as_bytes()), &mut *sealed)
            .map_err(|_| io::Error::other("the secrets cannot be sealed"))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.extend_from_slice(&sealed);
        Ok(STANDARD.encode(whole))
    }

    /// Opens what was sealed for an API.
    pub(super) fn open(&self, api: &ExternalRef, sealed: &str) -> io::Result<Secrets> {
        let cannot = || io::Error::other("its sealed secrets cannot be opened with the key of this node");
        let whole = STANDARD.decode(sealed).map_err(|_| cannot())?;
        let (nonce, rest) = whole.split_at_checked(NONCE_LEN).ok_or_else(cannot)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| cannot())?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let clear = self
            .0
            .open_in_place(nonce, Aad::from(api.0.as_bytes()), &mut rest)
            .map_err(|_| cannot())?;
        let secrets: BTreeMap<ResourceName, SecretString> = serde_json::from_slice(clear)?;
        Ok(secrets
            .into_iter()
            .map(|(name, value)| (name, Secret::from(value)))
            .collect())
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("node.key")
}

/// Takes away what others may do with the file, if somebody allowed it.
#[cfg(unix)]
fn keep_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        warn!(file = %path.display(), "Others could read the node key `{}`; now its owner only can", path.display());
        permissions.set_mode(0o600);
        fs::set_permissions(path, permissions)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let one = |name: &str, value: &str| (name.parse().unwrap(), Secret::from(value.to_owned()));
        BTreeMap::from([one("a", "s3cret"), one("b", "")])
    }

    fn api(name: &str) -> ExternalRef {
        ExternalRef(name.to_owned())
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_api_only() {
        let folder = tempfile::tempdir().unwrap();
        let key = NodeKey::of(folder.path()).unwrap();
        let sealed = key.seal(&api("one"), &secrets()).unwrap();
        assert_ne!(
            sealed,
            key.seal(&api("one"), &secrets()).unwrap(),
            "a nonce is used once"
        );
        let again = NodeKey::of(folder.path()).unwrap();
        assert_eq!(again.open(&api("one"), &sealed).unwrap(), secrets());
        again.open(&api("two"), &sealed).expect_err("another API");
        let stranger = tempfile::tempdir().unwrap();
        let stranger = NodeKey::of(stranger.path()).unwrap();
        stranger.open(&api("one"), &sealed).expect_err("another node");
    }

    #[test]
    fn no_changed_bit_and_no_shortened_text_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let key = NodeKey::of(folder.path()).unwrap();
        let sealed = STANDARD
            .decode(key.seal(&api("one"), &secrets()).unwrap())
            .unwrap();
        for index in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[index] ^= 1;
            key.open(&api("one"), &STANDARD.encode(flipped))
                .expect_err("flipped");
            key.open(&api("one"), &STANDARD.encode(&sealed[..index]))
                .expect_err("cut off");
        }
        key.open(&api("one"), "!").expect_err("no Base64");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_the_key_and_a_damaged_one_is_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let key = NodeKey::of(folder.path()).unwrap();
        let sealed = key.seal(&api("one"), &secrets()).unwrap();
        let file = path(folder.path());
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        NodeKey::of(folder.path()).unwrap();
        assert_eq!(mode(), 0o600);
        fs::write(&file, "short").unwrap();
        let new = NodeKey::of(folder.path()).unwrap();
        assert_eq!(mode(), 0o600);
        new.open(&api("one"), &sealed).expect_err("the key is lost");
        assert!(file.with_extension("damaged").exists());
    }
}
