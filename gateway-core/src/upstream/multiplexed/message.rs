//! Requests as HTTP/2 has them, and what can be sent again.

use std::{error::Error as _, io};

use http::{HeaderValue, Request, Uri, Version, header, uri::Scheme};

use crate::{
    proxy::body::RequestBody,
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

/// Writes a request as HTTP/2 wants it: with scheme and authority, and without what is said of one connection.
pub(super) fn addressed(
    mut request: Request<RequestBody>,
    endpoint: &Endpoint,
) -> Result<Request<RequestBody>, SendError> {
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
    request.headers_mut().remove(header::CONNECTION);
    Ok(request)
}

/// Writes it as HTTP/1.1 wants it, again.
pub(super) fn readdressed(mut request: Request<RequestBody>) -> Request<RequestBody> {
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
