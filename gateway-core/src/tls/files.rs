//! Certificates in files: read at the start, and again whenever one has changed.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::SystemTime,
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SigningKey},
};

use super::{
    certificates::{Certificate, Certificates},
    names::{Name, names},
    provider,
};
use crate::options::TlsOptions;

/// Why a certificate is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use the certificate or key in `{file}`: {reason}")]
pub struct CertificateError {
    /// The file, or the folder.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The files of one listener and what was read from them. They are known by the certificate's file.
#[derive(Debug)]
pub(super) struct Files {
    default: Pair,
    folder: Option<PathBuf>,
    read: BTreeMap<PathBuf, Read>,
    /// Keys by the digest of what they were read from: certificates that share a key share its memory.
    keys: HashMap<[u8; 32], Weak<dyn SigningKey>>,
    /// Whether the folder could not be listed the last time.
    unlisted: bool,
}

/// A certificate's file and its key's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// One pair as it was when it was last looked at.
#[derive(Debug)]
struct Read {
    seen: [Option<Stamp>; 2],
    /// None if it has never been good.
    certificate: Option<Certificate>,
}

/// By which a change of a file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
        })
    }
}

impl Files {
    /// Reads all of them.
    pub(super) fn open(options: &TlsOptions) -> Result<(Self, Certificates), CertificateError> {
        let mut files = Self {
            default: Pair {
                certificate: options.certificate_file.clone(),
                key: options.key_file.clone(),
            },
            folder: options.certificate_dir.clone(),
            read: BTreeMap::new(),
            keys: HashMap::new(),
            unlisted: false,
        };
        let (_, errors) = files.reload();
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => {
                let certificates = files.certificates();
                Ok((files, certificates))
            }
        }
    }

    /// Reads what has changed; the certificates if any did, and what is wrong with those that cannot be used.
    pub(super) fn reload(&mut self) -> (Option<Certificates>, Vec<CertificateError>) {
        let mut errors = Vec::new();
        let mut changed = false;
        if let Some(pairs) = self.pairs(&mut errors) {
            let before = self.read.len();
            let wanted = |file: &Path| pairs.binary_search_by(|pair| pair.certificate.as_path().cmp(file));
            self.read.retain(|file, _| wanted(file).is_ok());
            changed = self.read.len() != before;
            for pair in pairs {
                match self.refresh(&pair) {
                    Ok(new) => changed |= new,
                    Err(error) => errors.push(error),
                }
            }
        }
        self.keys.retain(|_, key| key.strong_count() > 0);
        (changed.then(|| self.certificates()), errors)
    }

    /// Every pair there should be; none if the folder cannot be listed, which is told once.
    fn pairs(&mut self, errors: &mut Vec<CertificateError>) -> Option<Vec<Pair>> {
        let mut pairs = vec![self.default.clone()];
        if let Some(folder) = &self.folder {
            match listed(folder) {
                Ok(found) => pairs.extend(found),
                Err(error) => {
                    if !std::mem::replace(&mut self.unlisted, true) {
                        errors.push(refused(folder, error));
                    }
                    return None;
                }
            }
        }
        self.unlisted = false;
        pairs.sort_by(|one, other| one.certificate.cmp(&other.certificate));
        pairs.dedup_by(|one, other| one.certificate == other.certificate);
        Some(pairs)
    }

    /// Whether another certificate is now in use.
    fn refresh(&mut self, pair: &Pair) -> Result<bool, CertificateError> {
        let seen = [Stamp::of(&pair.certificate), Stamp::of(&pair.key)];
        if self
            .read
            .get(&pair.certificate)
            .is_some_and(|read| read.seen == seen)
        {
            return Ok(false);
        }
        let loaded = self.load(pair);
        let read = self.read.entry(pair.certificate.clone());
        let read = read.or_insert(Read {
            seen,
            certificate: None,
        });
        read.seen = seen;
        read.certificate = Some(loaded?);
        Ok(true)
    }

    fn load(&mut self, pair: &Pair) -> Result<Certificate, CertificateError> {
        let chain = CertificateDer::pem_file_iter(&pair.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| refused(&pair.certificate, error))?;
        let Some(own) = chain.first() else {
            return Err(refused(&pair.certificate, "there is no certificate in it"));
        };
        let read = names(own).map_err(|reason| refused(&pair.certificate, reason))?;
        let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| refused(&pair.key, error))?;
        let key = self.key(key).map_err(|error| refused(&pair.key, error))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| {
            let certificate = pair.certificate.display();
            refused(&pair.key, format!("it is not the key of `{certificate}`"))
        })?;
        let dns = |name| match name {
            Name::Dns(name) => Some(name.into_boxed_str()),
            Name::Uri(_) | Name::Email(_) => None,
        };
        Ok(Certificate {
            certified: Arc::new(certified),
            names: read.alternative.into_iter().filter_map(dns).collect(),
            not_after: read.not_after,
        })
    }

    fn key(&mut self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        let mut identity = [0; 32];
        identity.copy_from_slice(digest(&SHA256, der.secret_der()).as_ref());
        if let Some(key) = self.keys.get(&identity).and_then(Weak::upgrade) {
            return Ok(key);
        }
        let key = provider().key_provider.load_private_key(der)?;
        self.keys.insert(identity, Arc::downgrade(&key));
        Ok(key)
    }

    fn certificates(&self) -> Certificates {
        let default = self.read.get(&self.default.certificate);
        Certificates::new(
            default.and_then(|read| read.certificate.as_ref()),
            self.read.values().filter_map(|read| read.certificate.as_ref()),
        )
    }
}

fn refused(file: &Path, reason: impl ToString) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

/// `NAME.crt` or `NAME.pem` with `NAME.key` beside it, in the folder and in those directly in it. Hidden names are
/// passed over, which is how Kubernetes keeps the versions of a mounted secret.
fn listed(folder: &Path) -> io::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for entry in visible(folder)? {
        match entry.is_dir() {
            true => pairs.extend(visible(&entry)?.into_iter().filter_map(pair)),
            false => pairs.extend(pair(entry)),
        }
    }
    Ok(pairs)
}

fn visible(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    Ok(entries)
}

fn pair(certificate: PathBuf) -> Option<Pair> {
    let extension = certificate.extension()?;
    // Beside `tls.crt`, Kubernetes' secrets have the authority's certificate under this name.
    let own = (extension == "crt" || extension == "pem") && certificate.file_stem()? != "ca";
    let key = certificate.with_extension("key");
    own.then_some(Pair { certificate, key })
}
