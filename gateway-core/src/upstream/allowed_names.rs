//! Upstreams that are known by one of several names, or by a URI, rather than by the host that is asked for.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use crate::tls::{
    self,
    names::{Name, names},
};

/// Takes certificates of its authorities that carry one of its names. Everything else about them is verified as
/// without it.
#[derive(Debug)]
pub(super) struct AllowedNames {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    allowed: Vec<Allowed>,
}

/// One of the names.
#[derive(Debug)]
enum Allowed {
    /// A DNS name. Certificates may be for it by a wildcard, as everywhere in TLS.
    Dns(ServerName<'static>),
    Uri(String),
}

impl AllowedNames {
    /// There must be a name in the list; the error names the first that is none.
    pub(super) fn new(roots: Arc<RootCertStore>, allowed: &[String]) -> Result<Self, String> {
        let one = |(index, text): (usize, &String)| match text.contains(':') {
            true => Ok(Allowed::Uri(text.clone())),
            false => ServerName::try_from(text.clone())
                .map(Allowed::Dns)
                .map_err(|error| format!("`tls.allowedNames[{index}]` cannot be used: {error}")),
        };
        Ok(Self {
            roots,
            algorithms: tls::provider().signature_verification_algorithms,
            allowed: allowed.iter().enumerate().map(one).collect::<Result<_, _>>()?,
        })
    }

    fn is_one_of_them(&self, der: &CertificateDer<'_>, certificate: &ParsedCertificate<'_>) -> bool {
        self.allowed.iter().any(|allowed| match allowed {
            Allowed::Dns(name) => verify_server_name(certificate, name).is_ok(),
            Allowed::Uri(uri) => carries(der, uri),
        })
    }
}

fn carries(der: &CertificateDer<'_>, uri: &str) -> bool {
    let is_it = |name: &Name| matches!(name, Name::Uri(own) if own == uri);
    names(der).is_ok_and(|names| names.alternative.iter().any(is_it))
}

impl ServerCertVerifier for AllowedNames {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked_for: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        match self.is_one_of_them(end_entity, &certificate) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::NotValidForName.into()),
        }
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
