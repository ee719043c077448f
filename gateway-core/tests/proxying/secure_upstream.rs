//! Upstreams over TLS that tell whom they saw, and certificates to try them with.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use gatehouse_gateway_core::{ApiConfig, Secret};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::authority::{Authority, identity};

/// A certificate and its key, in PEM.
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A certificate for a DNS name.
pub(crate) fn certify(authority: &Authority, name: &str) -> Certified {
    let identity = identity(authority, &[name], false);
    Certified {
        certificate: identity.certificate.pem(),
        key: identity.key.serialize_pem(),
    }
}

/// How an upstream speaks TLS.
pub(crate) struct Terms {
    pub(crate) certified: Certified,
    /// Whose certificates callers must show.
    pub(crate) callers: Option<String>,
    /// What it agrees to; empty means that it does not know of ALPN.
    pub(crate) protocols: &'static [&'static [u8]],
}

/// An upstream over TLS.
pub(crate) struct Secure {
    pub(crate) address: SocketAddr,
    /// Connections that came through the handshake.
    pub(crate) connections: Arc<AtomicUsize>,
    /// Paths that were asked for, with whom the caller came as.
    pub(crate) seen: Arc<Mutex<Vec<(String, String)>>>,
    terms: watch::Sender<Arc<ServerConfig>>,
}

impl Secure {
    /// From now on it has other terms; open connections end.
    pub(crate) fn change(&self, terms: &Terms) {
        self.terms.send_replace(config(terms));
    }
}

fn config(terms: &Terms) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match &terms.callers {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM"))
                .expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let certificate = CertificateDer::from_pem_slice(terms.certified.certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(terms.certified.key.as_bytes()).expect("PEM");
    let mut config = builder
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    config.alpn_protocols = terms.protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// Starts one. It answers with the server name it was asked for, who asked, and in which version.
pub(crate) async fn secure(terms: &Terms) -> Secure {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (terms, current) = watch::channel(config(terms));
    let upstream = Secure {
        address,
        connections: Arc::default(),
        seen: Arc::default(),
        terms,
    };
    let (connections, seen) = (Arc::clone(&upstream.connections), Arc::clone(&upstream.seen));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut current = current.clone();
            let acceptor = TlsAcceptor::from(Arc::clone(&current.borrow_and_update()));
            let (connections, seen) = (Arc::clone(&connections), Arc::clone(&seen));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    connections.fetch_add(1, SeqCst);
                    tokio::select! {
                        () = serve(stream, seen) => {}
                        _ = current.changed() => {}
                    }
                }
            });
        }
    });
    upstream
}

async fn serve(stream: TlsStream<TcpStream>, seen: Arc<Mutex<Vec<(String, String)>>>) {
    let session = stream.get_ref().1;
    let http2 = session.alpn_protocol() == Some(b"h2");
    let server_name = session.server_name().map(str::to_owned);
    let caller = session.peer_certificates().and_then(<[_]>::first);
    let caller = caller.map(dns_name).unwrap_or_default();
    let service = service_fn(move |request: Request<Incoming>| {
        let path = request.uri().path().to_owned();
        seen.lock().unwrap().push((path, caller.clone()));
        let document = json!({
            "serverName": server_name,
            "caller": caller,
            "host": request.headers().get("host").map(|host| String::from_utf8_lossy(host.as_bytes())),
            "version": format!("{:?}", request.version()),
        });
        async move {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(document.to_string()))))
        }
    });
    let io = TokioIo::new(stream);
    let _ = match http2 {
        true => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(io, service)
                .await
        }
        false => {
            hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .await
        }
    };
}

fn dns_name(certificate: &CertificateDer<'_>) -> String {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate).expect("a certificate");
    let names = certificate.subject_alternative_name().expect("readable");
    match names.expect("names").value.general_names.first() {
        Some(GeneralName::DNSName(name)) => (*name).to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Gives an API the values of secrets.
pub(crate) fn with_secrets(mut config: ApiConfig, secrets: &[(&str, &str)]) -> ApiConfig {
    let named = secrets
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), Secret::from((*value).to_owned())));
    config.secrets = named.collect();
    config
}
