//! The rules of an API.

use std::collections::BTreeMap;

use super::{headers, note, path, policy, traffic, upstream, url};
use crate::{
    api::{ApiSpec, OperationMatch, OperationSpec},
    issue::Issue,
    pointer,
};

/// Everything that is wrong with an API, as far as it can be told without its definition.
pub(crate) fn api(spec: &ApiSpec, at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    if spec.version.trim().is_empty() {
        issues.push(Issue::new(format!("{at}/version"), "the version cannot be empty"));
    }
    note(
        &mut issues,
        format!("{at}/basePath"),
        path::base_path(&spec.base_path),
    );
    for (index, name) in spec.hostnames.iter().enumerate() {
        note(
            &mut issues,
            format!("{at}/hostnames/{index}"),
            url::hostname(name),
        );
    }
    upstream::upstreams(&spec.upstreams, &format!("{at}/upstreams"), &mut issues);
    issues.extend(policy::policies(&spec.policies, &format!("{at}/policies")));
    operations(spec, &format!("{at}/operations"), &mut issues);
    issues
}

fn operations(spec: &ApiSpec, at: &str, issues: &mut Vec<Issue>) {
    let mut first_at = BTreeMap::new();
    for (index, operation) in spec.operations.iter().enumerate() {
        let place = format!("{at}/{index}");
        matching(&operation.r#match, &format!("{place}/match"), issues);
        issues.extend(policy::of_operation(
            &operation.policies,
            &operation.r#match.path,
            &format!("{place}/policies"),
        ));
        upstreams_exist(operation, spec, &place, issues);
        issues.extend(traffic::traffic(operation, &place));
        if let Some(first) = first_at.insert(operation.r#match.normalised(), index) {
            issues.push(Issue::new(
                format!("{place}/match"),
                format!(
                    "the same operation as `{at}/{first}`; write it once (parameter names make no difference)"
                ),
            ));
        }
    }
}

fn matching(matched: &OperationMatch, at: &str, issues: &mut Vec<Issue>) {
    if matched.method != "*" {
        note(issues, format!("{at}/method"), policy::method(&matched.method));
    }
    note(issues, format!("{at}/path"), path::template(&matched.path));
    if let Some(regex) = &matched.path_regex {
        note(issues, format!("{at}/pathRegex"), path::regex(regex));
        if matched.path.contains('{') {
            issues.push(Issue::new(
                format!("{at}/path"),
                "beside a `pathRegex`, the path is literal: where the expression is tried below",
            ));
        }
    }
    for (header, text) in &matched.headers {
        let place = pointer::join(&format!("{at}/headers"), header);
        note(issues, place.clone(), headers::name(header));
        note(issues, place, headers::value(text));
    }
    for (header, text) in &matched.header_regex {
        let place = pointer::join(&format!("{at}/headerRegex"), header);
        note(issues, place.clone(), headers::name(header));
        note(issues, place, path::regex(text));
    }
    for (name, text) in &matched.query_regex {
        let place = pointer::join(&format!("{at}/queryRegex"), name);
        note(issues, place, path::regex(text));
    }
    for (field, parameters) in [("query", &matched.query), ("queryRegex", &matched.query_regex)] {
        if parameters.contains_key("") {
            issues.push(Issue::new(
                format!("{at}/{field}"),
                "a query parameter needs a name",
            ));
        }
    }
}

fn upstreams_exist(operation: &OperationSpec, spec: &ApiSpec, at: &str, issues: &mut Vec<Issue>) {
    let traffic = operation.traffic.iter();
    let shared = traffic
        .clone()
        .flat_map(|traffic| traffic.split.iter().enumerate())
        .map(|(index, share)| (format!("{at}/traffic/split/{index}/upstream"), &share.upstream));
    let mirrored = traffic
        .flat_map(|traffic| traffic.mirror.iter().enumerate())
        .map(|(index, mirror)| (format!("{at}/traffic/mirror/{index}/upstream"), &mirror.upstream));
    let own = operation
        .upstream
        .iter()
        .map(|name| (format!("{at}/upstream"), name));
    let named = own.chain(shared).chain(mirrored);
    for (place, name) in named.filter(|(_, name)| !spec.upstreams.contains_key(*name)) {
        let known: Vec<String> = spec.upstreams.keys().map(|known| format!("`{known}`")).collect();
        let detail = format!(
            "there is no upstream `{name}`; known upstreams: {}",
            known.join(", ")
        );
        issues.push(Issue::new(place, detail));
    }
}
