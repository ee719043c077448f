//! Requests as HTTP/2 has them, and what can be sent again.

use std::{error::Error as _, io};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, uri::Scheme};
use hyper::{body::Incoming, ext::Protocol};

use crate::{
    proxy::{
        body::RequestBody,
        upgrade::{self, handshake},
    },
    upstream::{Endpoint, send::SendError},
};

/// Whether the upstream says that it has not looked at the request: it refused the stream, or went away before it.
pub(super) fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
    else {
        return false;
    };
    error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Whether HTTP/2 has a form for a request. What asks to switch protocols has one if it is for a WebSocket, with the key
/// that its answer depends on and without a body.
pub(crate) fn can_carry(request: &Request<RequestBody>) -> bool {
    let headers = request.headers();
    let Some(wanted) = headers.get(header::UPGRADE) else {
        return true;
    };
    wanted.as_bytes().eq_ignore_ascii_case(b"websocket")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && hyper::body::Body::is_end_stream(request.body())
}

/// Writes a request as HTTP/2 wants it: with scheme and authority, and without what is said of one connection. One for a
/// WebSocket becomes a CONNECT that names the protocol (RFC 8441, section 4); gives back its key, which HTTP/2 has no use for.
pub(super) fn addressed(
    mut request: Request<RequestBody>,
    endpoint: &Endpoint,
) -> Result<(Request<RequestBody>, Option<HeaderValue>), SendError> {
    let host = request.headers_mut().remove(header::HOST);
    let authority = host.as_ref().unwrap_or(&endpoint.authority);
    let scheme = if endpoint.tls.is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let target = std::mem::take(request.uri_mut());
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority.as_bytes())
        .path_and_query(target.path_and_query().map_or("/", |target| target.as_str()))
        .build();
    *request.uri_mut() = uri.map_err(|error| SendError::Connect(io::Error::other(error)))?;
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(header::CONNECTION);
    let key = match headers.remove(header::UPGRADE) {
        Some(_) => headers.remove(header::SEC_WEBSOCKET_KEY),
        None => None,
    };
    if key.is_some() {
        *request.method_mut() = Method::CONNECT;
        request
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
    }
    Ok((request, key))
}

/// Writes it as HTTP/1.1 wants it, again.
pub(super) fn readdressed(
    mut request: Request<RequestBody>,
    key: Option<HeaderValue>,
) -> Request<RequestBody> {
    if let Some(key) = key {
        *request.method_mut() = Method::GET;
        request.extensions_mut().remove::<Protocol>();
        upgrade::switch(request.headers_mut());
        request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key);
    }
    let uri = std::mem::take(request.uri_mut()).into_parts();
    let host = uri
        .authority
        .and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    *request.uri_mut() = uri.path_and_query.map_or_else(Uri::default, Uri::from);
    *request.version_mut() = Version::HTTP_11;
    request
}

/// The answer to a WebSocket's CONNECT as HTTP/1.1 has it, for this key.
pub(super) fn switched(mut response: Response<Incoming>, key: &HeaderValue) -> Response<Incoming> {
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        upgrade::switch(headers);
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, handshake::accept(key));
    }
    response
}

/// The head of a request without a body.
pub(super) struct Spare(Request<()>);

impl Spare {
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        hyper::body::Body::is_end_stream(request.body()).then(|| {
            let mut spare = Request::new(());
            *spare.method_mut() = request.method().clone();
            *spare.uri_mut() = request.uri().clone();
            *spare.version_mut() = request.version();
            *spare.headers_mut() = request.headers().clone();
            if let Some(protocol) = request.extensions().get::<Protocol>() {
                spare.extensions_mut().insert(protocol.clone());
            }
            Self(spare)
        })
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.0.method().is_idempotent()
    }

    pub(super) fn into_request(self) -> Request<RequestBody> {
        self.0.map(|()| RequestBody::Empty)
    }
}
