//! From what people want of an API to the canonical content of a revision, and back.

use std::collections::{BTreeMap, BTreeSet};

use super::{DefinitionSummary, Operation, RevisionContent, expand};
use crate::{
    api::{
        ApiSpec, DefinitionSource, DocumentSource, HashKey, LoadBalancing, OperationMatch, OperationSpec,
        Traffic, Upstream, UpstreamEndpoint, UpstreamProtocol, UpstreamTls,
    },
    canonical::Fingerprint,
    identity::ResourceName,
    issue::Issue,
    openapi::Definition,
    policy::{Policy, certificates},
    route::normalise,
    validate,
};

/// The canonical content of an API: the same wish, however written, gives the same content.
///
/// `definition` is what the spec's definition was read to, with the fingerprint of its document. Issues
/// point into the spec.
pub fn build(
    name: &ResourceName,
    spec: &ApiSpec,
    definition: Option<(&Fingerprint, &Definition)>,
) -> Result<RevisionContent, Vec<Issue>> {
    let mut issues = validate::api(spec, "");
    if spec.definition.is_some() && definition.is_none() {
        issues.push(Issue::new(
            "/definition",
            "the definition was not found; give it in place (`inline`)",
        ));
    }
    let mut operations = operations(spec, definition.map(|(_, definition)| definition), &mut issues);
    let mut policies: Vec<_> = spec.policies.iter().map(|policy| policy.canonical()).collect();
    match definition {
        Some((_, definition)) => {
            expand::expand(spec, definition, &mut policies, &mut operations, &mut issues);
        }
        None => expand::without_definition(spec, &mut issues),
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    let titled = definition.map(|(_, definition)| definition.title.clone());
    let display_name = spec
        .display_name
        .clone()
        .or(titled)
        .filter(|title| !title.trim().is_empty());
    Ok(RevisionContent {
        display_name: display_name.unwrap_or_else(|| name.to_string()),
        version: spec.version.clone(),
        r#type: spec.r#type,
        direction: spec.direction,
        definition: definition.map(|(fingerprint, definition)| summary(fingerprint, definition)),
        hostnames: hostnames(&spec.hostnames),
        base_path: canonical(validate::canonical_base_path(&spec.base_path), &spec.base_path),
        upstreams: spec
            .upstreams
            .iter()
            .map(|(name, it)| (name.clone(), upstream(it)))
            .collect(),
        policies,
        operations,
    })
}

fn summary(fingerprint: &Fingerprint, definition: &Definition) -> DefinitionSummary {
    DefinitionSummary {
        fingerprint: fingerprint.clone(),
        format: definition.format,
        title: definition.title.clone(),
        version: definition.version.clone(),
    }
}

/// What was validated has a canonical form.
fn canonical(form: Result<String, String>, written: &str) -> String {
    form.unwrap_or_else(|_| written.to_owned())
}

fn hostnames(names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = names
        .iter()
        .map(|name| canonical(validate::hostname(name), name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn upstream(upstream: &Upstream) -> Upstream {
    Upstream {
        url: canonical(validate::upstream_url(&upstream.url), &upstream.url),
        // The default, whether it is written or not.
        protocol: upstream
            .protocol
            .filter(|protocol| *protocol != UpstreamProtocol::Http1),
        endpoints: endpoints(&upstream.endpoints),
        load_balancing: upstream.load_balancing.clone().map(load_balancing),
        tls: upstream
            .tls
            .as_deref()
            .map(tls)
            .filter(|tls| *tls != UpstreamTls::default())
            .map(Box::new),
        ..upstream.clone()
    }
}

/// Host names are the same in any case, and a certificate is the same however its text is broken into lines.
fn tls(written: &UpstreamTls) -> UpstreamTls {
    UpstreamTls {
        authorities: certificates(&written.authorities),
        server_name: written.server_name.as_deref().map(str::to_ascii_lowercase),
        allowed_names: allowed_names(&written.allowed_names),
        ..written.clone()
    }
}

/// Any of them will do, in any order. Host names are the same in any case, URIs are not.
fn allowed_names(written: &[String]) -> Vec<String> {
    let one = |name: &String| match name.contains(':') {
        true => name.clone(),
        false => name.to_ascii_lowercase(),
    };
    BTreeSet::from_iter(written.iter().map(one)).into_iter().collect()
}

/// In the order of their URLs: which comes first makes no difference.
fn endpoints(written: &[UpstreamEndpoint]) -> Vec<UpstreamEndpoint> {
    let mut endpoints: Vec<UpstreamEndpoint> = written.to_vec();
    for endpoint in &mut endpoints {
        endpoint.url = canonical(validate::upstream_url(&endpoint.url), &endpoint.url);
    }
    endpoints.sort_by(|a, b| a.url.cmp(&b.url));
    endpoints
}

fn load_balancing(mut written: LoadBalancing) -> LoadBalancing {
    if let Some(HashKey::Header(name)) = &mut written.key {
        name.make_ascii_lowercase();
    }
    written
}

fn operations(spec: &ApiSpec, definition: Option<&Definition>, issues: &mut Vec<Issue>) -> Vec<Operation> {
    let mut operations = match definition {
        Some(definition) => on_definition(spec, definition, issues),
        None => spec.operations.iter().map(written).collect(),
    };
    operations.sort_by(|a, b| a.order().cmp(&b.order()));
    operations
}

fn written(spec: &OperationSpec) -> Operation {
    Operation {
        id: None,
        r#match: OperationMatch {
            path: spec.r#match.path.clone(),
            ..spec.r#match.normalised()
        },
        summary: None,
        deprecated: false,
        policies: spec.policies.iter().map(|policy| policy.canonical()).collect(),
        upstream: spec.upstream.clone().filter(|name| name != "main"),
        traffic: spec
            .traffic
            .clone()
            .filter(|traffic| *traffic != Traffic::default()),
    }
}

/// The definition's operations, with what the spec says of some of them.
fn on_definition(spec: &ApiSpec, definition: &Definition, issues: &mut Vec<Issue>) -> Vec<Operation> {
    if definition.operations.is_empty() {
        issues.push(Issue::new(
            "/definition",
            "the definition has no operations; without a definition, everything below the base path is served",
        ));
    }
    let mut operations = Operations::of(definition);
    for (index, entry) in general_first(&spec.operations) {
        if let Err(detail) = operations.overlay(&written(entry)) {
            issues.push(Issue::new(format!("/operations/{index}/match"), detail));
        }
    }
    issues.sort();
    operations.found.into_values().collect()
}

/// Entries for all methods, then for one, then for requests with certain headers or query: what holds for
/// an operation holds for its special cases too, in whatever order people write them.
fn general_first(entries: &[OperationSpec]) -> Vec<(usize, &OperationSpec)> {
    let mut ordered: Vec<(usize, &OperationSpec)> = entries.iter().enumerate().collect();
    ordered.sort_by_key(|(_, entry)| {
        let matched = &entry.r#match;
        (matched.has_conditions(), matched.method != "*")
    });
    ordered
}

/// Operations by their match without parameter names.
struct Operations {
    found: BTreeMap<OperationMatch, Operation>,
}

impl Operations {
    fn of(definition: &Definition) -> Self {
        let operations = definition.operations.iter();
        Self {
            found: operations
                .map(|it| (it.r#match.normalised(), it.clone()))
                .collect(),
        }
    }

    /// Adds policies and upstream to the operation that an entry of the spec names. With method `*`, to
    /// every operation of the path; with headers or query of its own, to a new and more specific one.
    fn overlay(&mut self, entry: &Operation) -> Result<(), String> {
        let wanted = entry.r#match.normalised();
        let named: Vec<OperationMatch> = self
            .found
            .keys()
            .filter(|key| names(&wanted, key))
            .cloned()
            .collect();
        if named.is_empty() {
            return self.specialise(&wanted, entry);
        }
        for place in named {
            if let Some(operation) = self.found.get_mut(&place) {
                lay_over(operation, entry)?;
            }
        }
        Ok(())
    }

    fn specialise(&mut self, wanted: &OperationMatch, entry: &Operation) -> Result<(), String> {
        let general = OperationMatch {
            headers: BTreeMap::new(),
            header_regex: BTreeMap::new(),
            query: BTreeMap::new(),
            query_regex: BTreeMap::new(),
            ..wanted.clone()
        };
        let Some(base) = self.found.get(&general).filter(|_| general != *wanted) else {
            return Err(self.unknown(&entry.r#match));
        };
        let mut operation = Operation {
            id: None,
            r#match: OperationMatch {
                path: base.r#match.path.clone(),
                ..entry.r#match.clone()
            },
            ..base.clone()
        };
        lay_over(&mut operation, entry)?;
        self.found.insert(wanted.clone(), operation);
        Ok(())
    }

    fn unknown(&self, matched: &OperationMatch) -> String {
        let path = normalise(&matched.path);
        let here: Vec<String> = self
            .found
            .values()
            .filter(|operation| normalise(&operation.r#match.path) == path)
            .map(|operation| format!("`{}`", operation.r#match.method))
            .collect();
        let remedy = if here.is_empty() {
            "it has no such path (paths are without the base path)".to_owned()
        } else {
            format!("this path has {}", here.join(", "))
        };
        format!(
            "the definition has no operation `{} {}`; {remedy}",
            matched.method, matched.path
        )
    }
}

fn names(wanted: &OperationMatch, operation: &OperationMatch) -> bool {
    let method = wanted.method == "*" || wanted.method == operation.method;
    method
        && wanted.path == operation.path
        && wanted.headers == operation.headers
        && wanted.header_regex == operation.header_regex
        && wanted.query == operation.query
        && wanted.query_regex == operation.query_regex
}

/// The definition's own parameter names stay, so policies must use them.
fn lay_over(operation: &mut Operation, entry: &Operation) -> Result<(), String> {
    if let Some(detail) = validate::unknown_placeholder(&entry.policies, &operation.r#match.path) {
        return Err(format!("the definition names its parameters otherwise: {detail}"));
    }
    operation.policies.extend(entry.policies.iter().cloned());
    if entry.upstream.is_some() {
        operation.upstream.clone_from(&entry.upstream);
    }
    if entry.traffic.is_some() {
        operation.traffic.clone_from(&entry.traffic);
    }
    Ok(())
}

/// The spec that gives this content again. A definition is referred to by its fingerprint, and operations
/// that come from it and have nothing of their own are left out.
pub fn to_spec(content: &RevisionContent) -> ApiSpec {
    let derived = content.definition.is_some();
    let of_its_own = |it: &&Operation| {
        !derived || !it.policies.is_empty() || it.upstream.is_some() || it.traffic.is_some()
    };
    ApiSpec {
        display_name: Some(content.display_name.clone()),
        version: content.version.clone(),
        r#type: content.r#type,
        direction: content.direction,
        definition: content.definition.as_ref().map(|definition| DefinitionSource {
            openapi: DocumentSource::Fingerprint(definition.fingerprint.clone()),
        }),
        hostnames: content.hostnames.clone(),
        base_path: content.base_path.clone(),
        upstreams: content.upstreams.clone(),
        policies: content.policies.iter().map(Policy::as_written).collect(),
        operations: content
            .operations
            .iter()
            .filter(of_its_own)
            .map(operation_spec)
            .collect(),
    }
}

fn operation_spec(operation: &Operation) -> OperationSpec {
    OperationSpec {
        r#match: operation.r#match.clone(),
        policies: operation.policies.iter().map(Policy::as_written).collect(),
        upstream: operation.upstream.clone(),
        traffic: operation.traffic.clone(),
    }
}
