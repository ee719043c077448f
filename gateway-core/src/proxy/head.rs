//! Request and response heads: what is refused, what is taken away, what is added.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{self, Entry},
    request,
};
use hyper::body::{Body, Incoming};

use super::{grpc, problem::Problem};

/// Names the request in logs, problems and at the upstream.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What speaks of one connection only (RFC 9110, section 7.6.1), beside what `Connection` itself names.
pub(crate) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// With which a caller could tell frameworks that the request is for another path than the one whose policies
/// it was held to. Only a proxy that rewrites paths may say this.
fn is_disguise(name: &str) -> bool {
    matches!(name, "x-original-url" | "x-rewrite-url")
}

/// In which a proxy in front of us could say whose certificate it has verified, or where a request came from and how
/// (RFC 9440, RFC 7239, and what nginx, Envoy, Traefik and Amazon's load balancers write). From anybody else these are
/// made up.
pub(crate) fn is_vouch(name: &str) -> bool {
    matches!(
        name,
        "x-forwarded-client-cert"
            | "client-cert"
            | "client-cert-chain"
            | "x-client-cert"
            | "ssl-client-cert"
            | "ssl-client-verify"
            | "x-ssl-client-cert"
            | "x-ssl-client-verify"
            | "x-forwarded-tls-client-cert"
            | "x-forwarded-tls-client-cert-info"
            | "x-amzn-mtls-clientcert"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-forwarded-scheme"
            | "x-forwarded-ssl"
            | "forwarded"
    )
}

/// The host a request is for. Takes the `Host` header out of the head: the upstream gets another one.
pub(crate) fn take_host(parts: &mut request::Parts) -> Result<HeaderValue, Problem> {
    let mut given = parts.headers.get_all(header::HOST).iter();
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Err(Problem::bad_request("The request has more than one Host header.").closing());
    }
    let missing = first.is_none() && parts.version == Version::HTTP_11;
    let host = parts.headers.remove(header::HOST);
    if missing {
        return Err(Problem::bad_request("The request has no Host header.").closing());
    }
    // A target in absolute form outranks the header (RFC 9112, section 3.2.2).
    let host = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => Some(host.unwrap_or_else(|| HeaderValue::from_static(""))),
    };
    host.filter(is_host)
        .ok_or_else(|| Problem::bad_request("The request's host is not a host name.").closing())
}

fn is_host(value: &HeaderValue) -> bool {
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']' | b'~')
    };
    value.as_bytes().iter().all(allowed)
}

/// Whether the request asks for a WebSocket (RFC 6455).
pub(crate) fn wants_websocket(parts: &request::Parts) -> bool {
    parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && parts
            .headers
            .get(header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && names(&parts.headers).any(|name| name.eq_ignore_ascii_case("upgrade"))
}

/// Whether the caller may believe that after this request the connection carries another protocol. Exactly
/// these requests end the watch over its framing.
pub(crate) fn asks_to_switch(request: &Request<Incoming>) -> bool {
    request.version() <= Version::HTTP_11
        && request
            .headers()
            .get_all(header::UPGRADE)
            .iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn names(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Takes away what was meant for this connection only.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Whatever else the message says of it.
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let says_more = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    if headers.get_all(header::CONNECTION).iter().any(says_more) {
        let nominated: Vec<HeaderName> = names(headers).filter_map(|name| name.parse().ok()).collect();
        for name in nominated {
            // Framing and routing are ours to say; nobody may have them taken away.
            if !matches!(name, header::HOST | header::CONTENT_LENGTH) {
                headers.remove(name);
            }
        }
    }
    if chunked {
        // The length of a chunked message is what its chunks say.
        headers.remove(header::CONTENT_LENGTH);
    }
    let takes_trailers = headers.contains_key(header::TE) && grpc::is_call(headers);
    remove_all(headers, is_hop_by_hop);
    if takes_trailers {
        // Trailers pass through here, and gRPC servers insist on this.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Says how a body of unannounced length is framed where HTTP/1.1 clients take it for none: requests with these methods
/// rarely have one.
pub(crate) fn frame(parts: &mut request::Parts, body: &impl Body) {
    let rare = matches!(parts.method, Method::GET | Method::HEAD);
    if rare && !body.is_end_stream() && body.size_hint().exact().is_none() {
        let chunked = HeaderValue::from_static("chunked");
        parts.headers.insert(header::TRANSFER_ENCODING, chunked);
    }
}

/// Takes away what names another path.
pub(crate) fn strip_disguises(headers: &mut HeaderMap) {
    remove_all(headers, is_disguise);
}

/// Takes away what only a trusted proxy may say of a caller.
pub(crate) fn strip_vouches(headers: &mut HeaderMap) {
    remove_all(headers, is_vouch);
}

/// Goes through the headers that are there, which are few and mostly none of these.
fn remove_all(headers: &mut HeaderMap, is_one: impl Fn(&str) -> bool) {
    while let Some(name) = headers.keys().find(|name| is_one(name.as_str())).cloned() {
        headers.remove(name);
    }
}

/// Where a request came from, for the upstream.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) address: &'a HeaderValue,
    pub(crate) host: HeaderValue,
    pub(crate) secure: bool,
    /// Whether what the request says of this already comes from a trusted proxy.
    pub(crate) trusted: bool,
}

/// Says where the request came from. Addresses that callers claim stay to the left of the one we saw.
pub(crate) fn add_forwarded(headers: &mut HeaderMap, origin: Origin<'_>) {
    match headers.entry(FORWARDED_FOR) {
        Entry::Vacant(vacant) => {
            vacant.insert(origin.address.clone());
        }
        Entry::Occupied(mut occupied) => {
            let mut chain = Vec::new();
            for value in occupied.iter() {
                chain.extend_from_slice(value.as_bytes());
                chain.extend_from_slice(b", ");
            }
            chain.extend_from_slice(origin.address.as_bytes());
            let value = HeaderValue::from_bytes(&chain);
            occupied.insert(value.unwrap_or_else(|_| origin.address.clone()));
        }
    }
    // The proxy in front may have ended TLS.
    let told = origin.trusted
        && headers
            .get(FORWARDED_PROTO)
            .is_some_and(|value| value == "http" || value == "https");
    if !told {
        let scheme = if origin.secure { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    headers.insert(FORWARDED_HOST, origin.host);
}

/// HTTP/2 may split cookies over several headers; HTTP/1.1 has one (RFC 9113, section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let Some(first) = crumbs.next() else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, value);
    }
}

/// The request's target at the upstream.
pub(crate) fn target(prefix: &str, path: &str, query: Option<&str>) -> Option<Uri> {
    let length = prefix.len() + path.len() + query.map_or(0, |query| query.len() + 1);
    let mut text = Vec::with_capacity(length);
    text.extend_from_slice(prefix.as_bytes());
    text.extend_from_slice(path.as_bytes());
    if let Some(query) = query {
        text.push(b'?');
        text.extend_from_slice(query.as_bytes());
    }
    Uri::from_maybe_shared(bytes::Bytes::from(text)).ok()
}
