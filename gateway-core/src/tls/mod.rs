//! TLS towards callers: which certificate they get, and when they are asked for theirs.

mod certificates;
mod clients;
mod files;
pub(crate) mod names;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rustls::{DistinguishedName, ServerConfig, crypto::CryptoProvider};
use tokio_rustls::TlsAcceptor;

pub use self::files::CertificateError;
use self::{
    certificates::Resolver,
    clients::{AnyCertificate, Required},
    files::{Files, refused},
};
use crate::options::TlsOptions;

/// Which authorities callers are asked to bring a certificate of; none if nobody is asked.
pub(crate) type Authorities = Vec<DistinguishedName>;

/// The cryptography of all TLS here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// One HTTPS listener's side of TLS. What it is made of changes while it listens; a connection keeps what it began
/// with.
#[derive(Debug)]
pub(crate) struct Tls {
    files: Mutex<Files>,
    resolver: Arc<Resolver>,
    /// Held while the configuration is made of it.
    asking: Mutex<Asking>,
    config: ArcSwap<ServerConfig>,
}

/// What callers are asked for.
#[derive(Debug)]
struct Asking {
    /// Whose certificates some API wants to see.
    authorities: Authorities,
    /// Whose certificates all callers must bring.
    required: Option<Required>,
}

impl Tls {
    /// Reads the certificates; all of them must be good. With a file of authorities, callers must bring a certificate of
    /// theirs.
    pub(crate) fn open(
        options: &TlsOptions,
        authorities: Authorities,
        required: Option<&Path>,
    ) -> Result<Self, CertificateError> {
        let (files, certificates) = Files::open(options)?;
        let resolver = Arc::new(Resolver::new(certificates));
        let asking = Asking {
            authorities,
            required: required.map(Required::open).transpose()?,
        };
        let config = config(&resolver, &asking).map_err(|error| refused(&options.certificate_file, error))?;
        Ok(Self {
            files: Mutex::new(files),
            resolver,
            asking: Mutex::new(asking),
            config: ArcSwap::from(config),
        })
    }

    /// With which the next connection is accepted.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Whether callers get the same certificate for both names.
    pub(crate) fn is_same_certificate(&self, one: &str, other: &str) -> bool {
        self.resolver.is_same(one, other)
    }

    /// Reads those files again that have changed. What is wrong with one is told once, and what it held before stays
    /// in use.
    pub(crate) fn reload(&self) -> Vec<CertificateError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (changed, mut errors) = files.reload();
        if let Some(certificates) = changed {
            self.resolver.replace(certificates);
        }
        errors.extend(self.reload_required().err());
        errors
    }

    /// Whoever is required anew, no session begun before is resumed.
    fn reload_required(&self) -> Result<(), CertificateError> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(required) = asking.required.as_mut() else {
            return Ok(());
        };
        if required.reload()? {
            let file = required.file.clone();
            let config = config(&self.resolver, &asking).map_err(|error| refused(&file, error))?;
            self.config.store(config);
        }
        Ok(())
    }

    /// Asks new callers for certificates of these authorities. No session begun before is resumed: callers that have
    /// not been asked would never be.
    pub(crate) fn ask_for(&self, authorities: Authorities) -> Result<(), rustls::Error> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.authorities = authorities;
        self.config.store(config(&self.resolver, &asking)?);
        Ok(())
    }
}

/// TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1.
fn config(resolver: &Arc<Resolver>, asking: &Asking) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match (&asking.required, asking.authorities.clone()) {
        (Some(required), _) => builder.with_client_cert_verifier(required.verifier()),
        (None, authorities) if authorities.is_empty() => builder.with_no_client_auth(),
        (None, authorities) => {
            builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(authorities, &provider)))
        }
    };
    let mut config = builder.with_cert_resolver(resolver.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
