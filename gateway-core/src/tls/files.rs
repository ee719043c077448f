//! Certificates in files: read at the start, and again whenever one has changed.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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
use tracing::warn;

use super::{
    certificates::{Certificate, Certificates},
    names::{Name, names},
    provider,
};
use crate::options::TlsOptions;

/// Why a certificate is not in use.
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
    /// Folders that could not be listed the last time; what was read in them stays.
    unlisted: BTreeSet<PathBuf>,
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
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    pub(super) fn of(file: &Path) -> Option<Self> {
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
            unlisted: BTreeSet::new(),
        };
        let (_, errors) = files.reload();
        for error in errors {
            if !files.is_below(&error.file) {
                return Err(error);
            }
            warn!(error = %error, "A folder for certificates cannot be read; serving those of the others");
        }
        let certificates = files.certificates();
        Ok((files, certificates))
    }

    /// Whether this is a folder in ours that cannot be listed. It may be somebody else's, such as `lost+found`.
    fn is_below(&self, file: &Path) -> bool {
        self.folder.as_deref() != Some(file) && self.unlisted.contains(file)
    }

    /// Reads what has changed; the certificates if any did, and what is wrong with those that cannot be used.
    pub(super) fn reload(&mut self) -> (Option<Certificates>, Vec<CertificateError>) {
        let (pairs, mut errors) = self.pairs();
        let before = self.read.len();
        let wanted = |file: &Path| pairs.binary_search_by(|pair| pair.certificate.as_path().cmp(file));
        let lost = |file: &Path| self.unlisted.iter().any(|folder| file.starts_with(folder));
        self.read.retain(|file, _| wanted(file).is_ok() || lost(file));
        let mut changed = self.read.len() != before;
        for pair in pairs {
            match self.refresh(&pair) {
                Ok(new) => changed |= new,
                Err(error) => errors.push(error),
            }
        }
        self.keys.retain(|_, key| key.strong_count() > 0);
        (changed.then(|| self.certificates()), errors)
    }

    /// Every pair that can be seen, in order, and which folders cannot be listed, each told once.
    fn pairs(&mut self) -> (Vec<Pair>, Vec<CertificateError>) {
        let mut listing = Listing::default();
        if let Some(folder) = &self.folder {
            listing.add(folder, true);
        }
        let before = std::mem::take(&mut self.unlisted);
        let mut errors = Vec::new();
        for (folder, error) in listing.unlisted {
            if !before.contains(&folder) {
                errors.push(refused(&folder, error));
            }
            self.unlisted.insert(folder);
        }
        let mut pairs = vec![self.default.clone()];
        pairs.extend(listing.pairs);
        pairs.sort_by(|one, other| one.certificate.cmp(&other.certificate));
        pairs.dedup_by(|one, other| one.certificate == other.certificate);
        (pairs, errors)
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

pub(super) fn refused(file: &Path, reason: impl ToString) -> CertificateError {
    CertificateError {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}

/// What is in a folder.
#[derive(Debug, Default)]
struct Listing {
    pairs: Vec<Pair>,
    /// Folders that cannot be listed, and why.
    unlisted: Vec<(PathBuf, io::Error)>,
}

impl Listing {
    /// `NAME.crt` or `NAME.pem` with `NAME.key` beside it, in the folder and, if wanted, in those directly in it. Hidden
    /// names are passed over, which is how Kubernetes keeps the versions of a mounted secret.
    fn add(&mut self, folder: &Path, below: bool) {
        let entries = match visible(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unlisted.push((folder.to_owned(), error)),
        };
        for entry in entries {
            match entry.is_dir() {
                true if below => self.add(&entry, false),
                true => {}
                false => self.pairs.extend(pair(entry)),
            }
        }
    }
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
