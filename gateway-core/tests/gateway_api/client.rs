//! Requests as they are written, each on a connection of its own.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    client::ResolvesClientCert,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{backends::joined, certificates::Certificates};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The host that the connection is made for.
    pub(crate) server_name: String,
    pub(crate) http2: bool,
    /// The secret with the certificate that is shown.
    pub(crate) shown: Option<&'static str>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: BTreeMap<String, String>,
    /// What the backend says it was asked; null if the gateway answered.
    pub(crate) seen: Value,
}

/// Where a gateway listens, and how to trust it if that is with TLS.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) certificates: Arc<Certificates>,
}

/// Sends a request; the error says why there is no answer.
pub(crate) async fn send(door: &Door, ask: &Ask) -> Result<Answer, String> {
    let stream = TcpStream::connect(door.address)
        .await
        .map_err(|error| format!("nobody listens: {error}"))?;
    match &door.tls {
        None => exchange(stream, ask).await,
        Some(trust) => {
            let name = ServerName::try_from(ask.server_name.clone()).expect("a server name");
            let mut trust = rustls::ClientConfig::clone(trust);
            let protocol: &[u8] = if ask.http2 { b"h2" } else { b"http/1.1" };
            trust.alpn_protocols = vec![protocol.to_vec()];
            if let Some(shown) = ask.shown {
                trust.client_auth_cert_resolver = showing(door, shown);
            }
            let connector = TlsConnector::from(Arc::new(trust));
            let connected = connector.connect(name, stream).await;
            let stream = connected.map_err(|error| format!("no handshake: {error}"))?;
            exchange(stream, ask).await
        }
    }
}

fn showing(door: &Door, secret: &str) -> Arc<dyn ResolvesClientCert> {
    let own = door.certificates.secret(secret).expect("a secret");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(vec![own.der.clone()], own.key(), &provider);
    Arc::new(SingleCertAndKey::from(certified.expect("a key that fits")))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ask: &Ask,
) -> Result<Answer, String> {
    let mut request = Request::builder().method(ask.method.as_str());
    request = match ask.http2 {
        true => request.uri(format!("http://{}{}", ask.host, ask.path)),
        false => request.uri(&ask.path).header("host", &ask.host),
    };
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a request");
    let io = TokioIo::new(stream);
    let response = if ask.http2 {
        let handshake = http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.expect("HTTP/2");
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = http1::handshake(io).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    let response = response.map_err(|error| format!("no answer: {error}"))?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    let seen: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer {
        status: head.status,
        headers: joined(&head.headers),
        seen: if seen["pod"].is_string() {
            seen
        } else {
            Value::Null
        },
    })
}
