//! What must hold for any bytes at all. `gateway-core/fuzz` looks for bytes for which it does not; the tests here try some
//! thousands of random ones every time.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "whatever fails here is a finding"
)]

use gatehouse_schemas::identity::ExternalRef;
use http::{HeaderMap, Method, uri::PathAndQuery};

use crate::{
    config::ApiConfig, core::Core, guard::framing_is_the_same_in_every_cut, options::GatewayOptions,
    policy::limits::Stores, proxy::head, router::path::NormalPath,
};

/// A path is refused or has one form: reading that form again gives the same, and it holds no dot segment that an
/// upstream could follow.
pub fn path(bytes: &[u8]) {
    let Some(target) = target(bytes) else {
        return;
    };
    let text = target.path();
    let Ok(path) = NormalPath::parse(text) else {
        return;
    };
    let forward = &path.forward;
    assert!(forward.starts_with('/'), "{text:?} becomes {forward:?}");
    let harmless = |byte: u8| byte > b' ' && byte != 0x7f && byte != b'\\';
    assert!(forward.bytes().all(harmless), "{text:?} becomes {forward:?}");
    let dots = forward.split('/').any(|segment| matches!(segment, "." | ".."));
    assert!(!dots, "{text:?} becomes {forward:?}");
    let again = NormalPath::parse(forward).expect("the canonical form is in order");
    assert_eq!(again.forward, path.forward, "{text:?}");
    assert_eq!(again.key, path.key, "{text:?}");
}

/// The target of a request, if the HTTP library takes these bytes for one.
fn target(bytes: &[u8]) -> Option<PathAndQuery> {
    PathAndQuery::try_from(bytes).ok()
}

/// How requests are framed does not depend on how their bytes arrive.
pub fn framing(bytes: &[u8]) {
    framing_is_the_same_in_every_cut(bytes);
}

/// After what speaks of one connection is taken away, nothing of it is left. Each line is a field.
pub fn headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = http::HeaderName::from_bytes(&line[..colon]);
        let value = http::HeaderValue::from_bytes(&line[colon + 1..]);
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let before = headers.clone();
    head::strip_hop_by_hop(&mut headers);
    head::strip_disguises(&mut headers);
    for name in [
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
    ] {
        assert!(!headers.contains_key(name), "`{name}` is left of {before:?}");
    }
    assert!(headers.len() <= before.len());
    let chunked = before.contains_key("transfer-encoding");
    if !chunked {
        let lengths = |headers: &HeaderMap| headers.get_all("content-length").iter().count();
        assert_eq!(lengths(&headers), lengths(&before), "{before:?}");
    }
}

/// An API is refused or served; requests find it or not. The first line is a path, the rest is the API.
pub fn configuration(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (line, document) = bytes.split_at(end);
    let Ok(config) = serde_json::from_slice::<ApiConfig>(document) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let core = Core::new(
        1,
        &GatewayOptions::default(),
        Stores::default(),
        None,
        runtime.handle().clone(),
    );
    let name: ExternalRef = config.external_ref.clone();
    if core.put(config).is_err() {
        return;
    }
    look_up(&core, line);
    core.remove(&name).expect("what is served can be taken away");
    assert!(core.shared.table.load().apis.is_empty());
}

fn look_up(core: &Core, path: &[u8]) {
    let Some(target) = target(path) else {
        return;
    };
    core.has_route(&Method::GET, "a.test", target.path());
}

#[cfg(test)]
mod tests;
