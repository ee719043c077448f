//! One certificate for all candidates: P-256, signed by itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};

/// The files of a certificate, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one, as HAProxy reads them.
    pub(crate) both: PathBuf,
}

impl Certificate {
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let made = Self {
            chain: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
            both: folder.join("both.pem"),
        };
        fs::write(&made.chain, cert.pem())?;
        fs::write(&made.key, signing_key.serialize_pem())?;
        fs::write(&made.both, cert.pem() + &signing_key.serialize_pem())?;
        Ok(made)
    }
}
