//! What AWS takes at most: told before any call, with a way to make several APIs of one.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::desired::DesiredApi,
};

use super::{
    Form, Kind,
    paths::{self, Place},
};

/// Resources of a REST API, and routes of an HTTP API.
const LARGEST: usize = 300;
/// The largest document that is taken, in bytes.
const LARGEST_DOCUMENT: usize = 6 * 1024 * 1024;
/// Authorizers of an API.
const AUTHORIZERS: usize = 10;

/// Refuses an API that AWS would refuse for its size.
pub(crate) fn limits(desired: &DesiredApi, form: &Form) -> Result<()> {
    let name = &desired.mark.api_name;
    let kind = form.kind;
    let places = paths::places(&desired.content, kind);
    let count = count(kind, &places);
    if count > LARGEST {
        return Err(refused(format!(
            "`{name}` has {count} {}, and Amazon API Gateway takes {LARGEST} in {}; {}",
            things(kind),
            kind.one(),
            proposal(kind, &places)
        )));
    }
    let size = form.document.to_string().len();
    if size > LARGEST_DOCUMENT {
        return Err(refused(format!(
            "the OpenAPI document of `{name}` has {size} bytes, and Amazon API Gateway takes {LARGEST_DOCUMENT}; make it several APIs, or take the largest `bodySchema` out"
        )));
    }
    let authorizers = authorizers(form);
    if authorizers > AUTHORIZERS {
        return Err(refused(format!(
            "`{name}` needs {authorizers} authorizers, and Amazon API Gateway takes {AUTHORIZERS} in an API; make it several APIs, or use fewer different `auth` policies"
        )));
    }
    Ok(())
}

fn refused(text: String) -> Error {
    Error::new(ErrorKind::Unsupported, text)
}

fn things(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "resources (every segment of a path is one)",
        Kind::Http => "routes",
    }
}

fn authorizers(form: &Form) -> usize {
    let schemes = form.document["components"]["securitySchemes"].as_object();
    let is_authorizer = |scheme: &&serde_json::Value| scheme.get("x-amazon-apigateway-authorizer").is_some();
    schemes.map_or(0, |schemes| schemes.values().filter(is_authorizer).count())
}

fn count(kind: Kind, places: &[Place<'_>]) -> usize {
    match kind {
        Kind::Rest => resources(places.iter().map(|place| place.path.as_str())).len(),
        Kind::Http => places.len(),
    }
}

/// What every API has once: the root is a resource of a REST API.
fn root(kind: Kind) -> usize {
    match kind {
        Kind::Rest => 1,
        Kind::Http => 0,
    }
}

/// Every resource on the way to these paths, the root among them.
fn resources<'a>(paths: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let mut resources = BTreeSet::from(["/"]);
    for path in paths {
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1);
        resources.extend(ends.filter_map(|end| path.get(..end)));
        resources.insert(path);
    }
    resources
}

/// A way to make several APIs of one: by the first segment of the paths.
fn proposal(kind: Kind, places: &[Place<'_>]) -> String {
    let mut groups: BTreeMap<&str, Vec<Place<'_>>> = BTreeMap::new();
    for place in places {
        let first = place.path.split('/').nth(1).unwrap_or_default();
        groups.entry(first).or_default().push(place.clone());
    }
    let weights: Vec<(&str, usize)> = groups
        .iter()
        .map(|(first, places)| (*first, count(kind, places).saturating_sub(root(kind))))
        .collect();
    if let Some((first, weight)) = weights.iter().find(|(_, weight)| *weight + root(kind) > LARGEST) {
        return format!(
            "below `/{first}` alone there are {weight}, so that it cannot be split by the first segment of its paths: split it further down, ask AWS for a higher quota, or deploy it to another gateway"
        );
    }
    let bins = packed(&weights, LARGEST - root(kind));
    let told: Vec<String> = bins.iter().map(|bin| told(bin, root(kind))).collect();
    format!(
        "make it {} APIs, each with the operations below {}",
        bins.len(),
        told.join("; and ")
    )
}

/// First fit, the heaviest first.
fn packed<'a>(weights: &[(&'a str, usize)], largest: usize) -> Vec<Vec<(&'a str, usize)>> {
    let mut sorted = weights.to_vec();
    sorted.sort_by_key(|(first, weight)| (std::cmp::Reverse(*weight), *first));
    let mut bins: Vec<Vec<(&str, usize)>> = Vec::new();
    for group in sorted {
        let fits = |bin: &&mut Vec<(&str, usize)>| {
            bin.iter().map(|(_, weight)| weight).sum::<usize>() + group.1 <= largest
        };
        match bins.iter_mut().find(fits) {
            Some(bin) => bin.push(group),
            None => bins.push(vec![group]),
        }
    }
    bins
}

fn told(bin: &[(&str, usize)], root: usize) -> String {
    const SHOWN: usize = 5;
    let mut firsts: Vec<String> = bin.iter().map(|(first, _)| format!("`/{first}`")).collect();
    firsts.sort();
    let rest = firsts.len().saturating_sub(SHOWN);
    firsts.truncate(SHOWN);
    let more = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    let weight: usize = root + bin.iter().map(|(_, weight)| weight).sum::<usize>();
    format!("{}{more} ({weight})", firsts.join(", "))
}
