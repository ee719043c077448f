//! Upstreams over HTTPS, vouched for by an authority of one's own.
//!
//! Whom a process trusts is settled once, by its environment. So the gateway under test runs in a process of
//! its own: this test binary again, told by a variable which upstream to use.

use std::{env, net::SocketAddr, path::Path, process::Command, sync::Arc};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{api, document, gateway, get, status};

const UPSTREAM: &str = "GATEWAY_TEST_UPSTREAM";

pub(crate) fn an_authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("an authority")
}

pub(crate) fn acceptor(authority: &CertifiedIssuer<'static, KeyPair>) -> TlsAcceptor {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
        });
    TlsAcceptor::from(Arc::new(config.expect("a configuration")))
}

async fn secure_upstream(acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let service = service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"secure"))))
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// What a gateway answers that trusts the certificates of this file alone.
async fn answer_of_a_gateway_trusting(file: &Path, url: &str) -> String {
    let mut gateway = Command::new(env::current_exe().expect("this binary"));
    gateway
        .args([
            "--exact",
            "upstream_tls::the_gateway_in_its_own_process",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", file)
        .env_remove("SSL_CERT_DIR")
        .env(UPSTREAM, url);
    let running = tokio::task::spawn_blocking(move || gateway.output());
    let output = running.await.expect("no panic").expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Does nothing unless it is told to by the tests below.
#[tokio::test]
async fn the_gateway_in_its_own_process() {
    let Ok(url) = env::var(UPSTREAM) else {
        return;
    };
    let gateway = gateway().await;
    let fields = json!({"upstreams": {"main": {"url": url}}});
    let unused = SocketAddr::from(([127, 0, 0, 1], 1));
    gateway.put_api(api("a", unused, fields)).await.expect("applied");
    let answer = get(&gateway, "/a").await;
    match status(&answer) {
        200 => println!("answered {}", answer.ends_with("\r\n\r\nsecure")),
        other => println!("refused {other} {}", document(&answer)["type"]),
    }
}

#[tokio::test]
async fn only_an_upstream_that_a_trusted_authority_vouches_for_is_used() {
    let trusted = an_authority();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, trusted.pem()).expect("written");
    let unreachable = "refused 502 \"https://gatehouse.dev/problems/gateway/upstream-unreachable\"";
    for (authority, host, expected) in [
        (&trusted, "localhost", "answered true"),
        (&trusted, "127.0.0.1", unreachable),
        (&an_authority(), "localhost", unreachable),
    ] {
        let address = secure_upstream(acceptor(authority)).await;
        let url = format!("https://{host}:{}", address.port());
        let answer = answer_of_a_gateway_trusting(&file, &url).await;
        assert!(answer.contains(expected), "{host}: {answer}");
    }
}
