//! `POST /cache/purge`: ends what is kept of an API's answers. For callers on this machine only, whatever the admin
//! listener is bound to, and for no web page that a browser here has open.

use std::net::IpAddr;

use bytes::Bytes;
use gatehouse_schemas::identity::ExternalRef;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;

use super::plain;
use crate::{core::Core, router::rule::parameters};

/// Where this is served.
pub(super) const PATH: &str = "/cache/purge";

/// Purges what the query names.
pub(super) fn answer<B>(core: &Core, request: &Request<B>, peer: Option<IpAddr>) -> Response<Full<Bytes>> {
    if request.method() != Method::POST {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only POST is served here\n");
        refused
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("POST"));
        return refused;
    }
    let is_here = peer.is_some_and(|peer| peer.to_canonical().is_loopback());
    if !is_here || request.headers().contains_key(header::ORIGIN) {
        return plain(
            StatusCode::FORBIDDEN,
            "only programs on this machine may purge the cache\n",
        );
    }
    let query = request.uri().query().unwrap_or_default();
    let Some(api) = value(query, "api").map(ExternalRef) else {
        return plain(
            StatusCode::BAD_REQUEST,
            "say `api=REFERENCE`, and `tag=TAG` to purge only what has it\n",
        );
    };
    if !core.serves(&api) {
        return plain(
            StatusCode::NOT_FOUND,
            "no API with this reference is served here\n",
        );
    }
    core.purge(&api, value(query, "tag").as_deref());
    plain(StatusCode::OK, "purged\n")
}

fn value(query: &str, name: &str) -> Option<String> {
    let mut all = parameters(query).filter(|(own, _)| *own == name);
    let value = all.next()?.1.replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}
