//! Custom domains: which stage a host and a path lead to.

use crate::cloud::Cloud;
use crate::place::{DomainName, Entity, text};
use crate::rest::domains::NO_PATH;

/// What a request to a custom domain is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) api: String,
    pub(crate) stage: String,
    /// The path without what the mapping takes.
    pub(crate) path: String,
}

/// What a host and a path lead to: none if the host is no custom domain, none inside if the path leads nowhere. A domain that
/// asks for certificates leads nobody anywhere: without TLS, nobody presents one.
pub(crate) fn mapped(cloud: &Cloud, host: &str, path: &str) -> Option<Option<Mapped>> {
    let name = host.split(':').next().unwrap_or_default().to_lowercase();
    let asks = |domain: &DomainName| domain.entity.contains_key("mutualTlsAuthentication");
    let led = |domain: &DomainName| best(domain, path).filter(|_| !asks(domain));
    cloud.anywhere(|(_, place)| place.domain_names.get(&name).map(led))
}

/// The longest base path goes first.
fn best(domain: &DomainName, path: &str) -> Option<Mapped> {
    let fitting = domain
        .mappings
        .values()
        .filter_map(|mapping| Some((mapping, beneath(mapping, path)?)));
    let (mapping, rest) = fitting.min_by_key(|(_, rest)| rest.len())?;
    let (stage, path) = match text(mapping, "stage") {
        "" => rest
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((rest.trim_start_matches('/'), "")),
        stage => (stage, rest.trim_start_matches('/')),
    };
    Some(Mapped {
        api: text(mapping, "restApiId").to_owned(),
        stage: stage.to_owned(),
        path: format!("/{path}"),
    })
}

fn beneath<'p>(mapping: &Entity, path: &'p str) -> Option<&'p str> {
    match text(mapping, "basePath") {
        NO_PATH => Some(path),
        base => {
            let rest = path.trim_start_matches('/').strip_prefix(base)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(rest)
        }
    }
}
