//! What AWS takes at most: told before any call, with a way to make several APIs of one.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::desired::DesiredApi,
};

use super::{
    Form, Kind,
    paths::{self, Place},
    splitting,
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
            splitting::proposal(kind, &places, LARGEST)
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
