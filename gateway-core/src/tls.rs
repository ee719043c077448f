//! The certificate of the HTTPS listener.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

use crate::{error::StartError, options::TlsOptions};

/// Reads certificate and key, and offers HTTP/2 and HTTP/1.1.
pub(crate) fn acceptor(options: &TlsOptions) -> Result<TlsAcceptor, StartError> {
    let refused = |file: &Path, reason: String| StartError::Certificate {
        file: file.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(&options.certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| refused(&options.certificate_file, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&options.key_file)
        .map_err(|error| refused(&options.key_file, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| refused(&options.certificate_file, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
