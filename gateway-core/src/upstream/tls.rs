//! TLS towards upstreams: always verified, against the system's roots.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tracing::warn;

/// The connector that trusts what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured).
/// Reading the roots takes a while, so it happens at the first TLS connection.
pub(crate) fn connector() -> Result<TlsConnector, rustls::Error> {
    Ok(connectors()?.http1.clone())
}

/// The same for connections that speak HTTP/2 and nothing else.
pub(crate) fn http2_connector() -> Result<TlsConnector, rustls::Error> {
    Ok(connectors()?.http2.clone())
}

struct Connectors {
    http1: TlsConnector,
    http2: TlsConnector,
}

fn connectors() -> Result<&'static Connectors, rustls::Error> {
    static CONNECTORS: OnceLock<Connectors> = OnceLock::new();
    if let Some(connectors) = CONNECTORS.get() {
        return Ok(connectors);
    }
    let http1 = connector_trusting(system_roots())?;
    let mut config = ClientConfig::clone(http1.config());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let http2 = TlsConnector::from(Arc::new(config));
    Ok(CONNECTORS.get_or_init(|| Connectors { http1, http2 }))
}

/// A connector that trusts these roots alone.
pub(crate) fn connector_trusting(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What the system trusts.
pub(crate) fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(error = %error, "Some of the system's root certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        warn!(
            "The system has no root certificates ({ignored} unusable), so no HTTPS upstream can be verified; install `ca-certificates` or set SSL_CERT_FILE"
        );
    }
    roots
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    };
    use tokio::io::duplex;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn server() -> (TlsAcceptor, CertificateDer<'static>) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![cert.der().clone()], key)
            })
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), cert.der().clone())
    }

    async fn connects(name: &'static str, trusted: bool) -> bool {
        let (acceptor, certificate) = server();
        let mut roots = RootCertStore::empty();
        if trusted {
            roots.add(certificate).unwrap();
        }
        let (ours, theirs) = duplex(64 * 1024);
        let connector = connector_trusting(roots).unwrap();
        let connecting = connector.connect(ServerName::try_from(name).unwrap(), ours);
        let (client, _) = tokio::join!(connecting, acceptor.accept(theirs));
        client.is_ok()
    }

    #[tokio::test]
    async fn the_certificate_must_be_trusted_and_name_the_host() {
        assert!(connects("a.test", true).await);
        assert!(!connects("b.test", true).await);
        assert!(!connects("a.test", false).await);
    }
}
