//! Asking callers for certificates. Which are good is for each API to say, so here only the proof counts that the
//! caller holds the key of the certificate it shows; unless the listener is for callers of certain authorities only.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    files::{CertificateError, Stamp, refused},
    provider,
};

/// The authorities of which every caller must bring a certificate; whoever brings none is refused in the handshake.
#[derive(Debug)]
pub(super) struct Required {
    pub(super) file: PathBuf,
    seen: Option<Stamp>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Required {
    /// Reads the file, in which there must be one.
    pub(super) fn open(file: &Path) -> Result<Self, CertificateError> {
        let seen = Stamp::of(file);
        Ok(Self {
            file: file.to_owned(),
            seen,
            verifier: only_of(file)?,
        })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    /// Reads the file again if it has changed, and says whether it did. What is wrong with it is told once, and those
    /// from before stay required.
    pub(super) fn reload(&mut self) -> Result<bool, CertificateError> {
        let seen = Stamp::of(&self.file);
        if seen == self.seen {
            return Ok(false);
        }
        self.seen = seen;
        self.verifier = only_of(&self.file)?;
        Ok(true)
    }
}

fn only_of(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(file, error))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| refused(file, error))?;
    }
    // Without any, this is an error.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| refused(file, error))
}

/// More names than this would make handshakes long; then callers are not told whose certificates are wanted.
const MAX_HINT_BYTES: usize = 8 * 1024;

/// Takes any certificate, or none. It proves nothing about whose it is: `auth.mtls` does, for each request.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyCertificate {
    pub(super) fn new(authorities: Vec<DistinguishedName>, provider: &CryptoProvider) -> Self {
        let length: usize = authorities.iter().map(|name| name.as_ref().len() + 2).sum();
        Self {
            hints: match length <= MAX_HINT_BYTES {
                true => authorities,
                false => Vec::new(),
            },
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
