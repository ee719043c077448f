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
use rustls::{DistinguishedName, ServerConfig, crypto::CryptoProvider, server::danger::ClientCertVerifier};
use tokio_rustls::TlsAcceptor;

pub use self::files::CertificateError;
use self::{certificates::Resolver, clients::AnyCertificate, files::Files};
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
    /// Verifies every caller's certificate, if that is asked for.
    required: Option<Arc<dyn ClientCertVerifier>>,
    config: ArcSwap<ServerConfig>,
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
        let required = required.map(clients::only_of).transpose()?;
        let config = config(Arc::clone(&resolver), authorities, required.as_ref());
        let config = config.map_err(|error| CertificateError {
            file: options.certificate_file.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            files: Mutex::new(files),
            resolver,
            required,
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
        let (changed, errors) = files.reload();
        if let Some(certificates) = changed {
            self.resolver.replace(certificates);
        }
        errors
    }

    /// Asks new callers for certificates of these authorities. No session begun before is resumed: callers that have
    /// not been asked would never be.
    pub(crate) fn ask_for(&self, authorities: Authorities) -> Result<(), rustls::Error> {
        let resolver = Arc::clone(&self.resolver);
        self.config
            .store(config(resolver, authorities, self.required.as_ref())?);
        Ok(())
    }
}

/// TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1.
fn config(
    resolver: Arc<Resolver>,
    authorities: Authorities,
    required: Option<&Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match required {
        Some(required) => builder.with_client_cert_verifier(Arc::clone(required)),
        None if authorities.is_empty() => builder.with_no_client_auth(),
        None => builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(authorities, &provider))),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
