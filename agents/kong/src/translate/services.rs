//! Upstreams as Kong's services.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    api::Upstream,
    revision::{Operation, RevisionContent},
};
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::{
    MAIN,
    plugins::{self, Chain, Place},
    policies,
};

/// An operation with what becomes of the policies that hold for it.
#[derive(Debug)]
pub(super) struct Served<'a> {
    pub(super) operation: &'a Operation,
    pub(super) chain: Chain,
}

/// What makes a service of its own: Kong keeps times and retries with the service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variant {
    pub(super) upstream: String,
    pub(super) response_ms: u32,
    pub(super) retries: u32,
}

impl Variant {
    /// What tells it from the others of its API.
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}", self.upstream, self.response_ms, self.retries)
    }
}

/// The services of an API, each with its operations: that of the policies of the whole API first. There is always one.
pub(super) fn variants<'a>(
    content: &'a RevisionContent,
    of_api: &Chain,
    place: Place<'_>,
) -> Vec<(Variant, Vec<Served<'a>>)> {
    let mut variants: BTreeMap<Variant, Vec<Served<'a>>> = BTreeMap::new();
    for operation in &content.operations {
        let upstream = operation.upstream.as_deref().unwrap_or(MAIN);
        let chain = plugins::chain(&policies::of_operation(content, operation), place);
        let variant = variant(content, upstream, &chain);
        variants
            .entry(variant)
            .or_default()
            .push(Served { operation, chain });
    }
    let first = variant(content, MAIN, of_api);
    if variants.is_empty() {
        return vec![(first, Vec::new())];
    }
    let mut variants: Vec<_> = variants.into_iter().collect();
    variants.sort_by_key(|(variant, _)| *variant != first);
    variants
}

fn variant(content: &RevisionContent, upstream: &str, chain: &Chain) -> Variant {
    let timeout = content
        .upstreams
        .get(upstream)
        .map_or(u32::MAX, |upstream| upstream.timeout_ms);
    Variant {
        upstream: upstream.to_owned(),
        response_ms: chain.response_ms.unwrap_or(u32::MAX).min(timeout),
        retries: chain.retries,
    }
}

/// How a caller's path becomes the upstream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forward {
    /// The upstream's own path, without a slash at the end.
    pub(super) upstream_path: String,
    /// What Kong puts before the path that it forwards.
    service_path: Option<String>,
    /// Whether the base path is taken away.
    pub(super) strips: bool,
}

impl Forward {
    /// Where the upstream's path ends with the base path, nothing needs to be taken away.
    pub(super) fn new(content: &RevisionContent, upstream: &Url) -> Self {
        let upstream_path = upstream.path().trim_end_matches('/').to_owned();
        let base = content.base_path.trim_end_matches('/');
        let is_everything = content.operations.is_empty();
        let kept = (!is_everything)
            .then(|| upstream_path.strip_suffix(base))
            .flatten();
        let kept = if base.is_empty() {
            Some(upstream_path.as_str())
        } else {
            kept
        };
        let service_path = kept.unwrap_or(&upstream_path);
        Self {
            service_path: (!service_path.is_empty()).then(|| service_path.to_owned()),
            strips: kept.is_none(),
            upstream_path,
        }
    }

    /// What the upstream is asked for where the caller asked for the base path itself.
    pub(super) fn root(&self) -> String {
        format!("{}/", self.upstream_path)
    }

    /// What the upstream is asked for, with the group `path` of the route's match.
    pub(super) fn template(&self) -> String {
        format!("{}$(uri_captures.path)", self.upstream_path)
    }
}

/// What a service says, but its identity, name and tags.
pub(super) fn fields(
    url: &Url,
    upstream: &Upstream,
    variant: &Variant,
    forward: &Forward,
) -> Map<String, Value> {
    let mut fields = json!({
        "protocol": url.scheme(),
        "host": url.host_str().unwrap_or_default(),
        "port": url.port_or_known_default().unwrap_or(80),
        "path": forward.service_path,
        "connect_timeout": upstream.connect_timeout_ms,
        "read_timeout": variant.response_ms,
        "write_timeout": variant.response_ms,
        "retries": variant.retries,
    });
    if url.scheme() == "https" {
        // Kong takes any certificate unless it is told otherwise.
        fields["tls_verify"] = json!(true);
    }
    fields.as_object().cloned().unwrap_or_default()
}
