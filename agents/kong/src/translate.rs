//! Between our words and Kong's. No effects: data in, data out.
//!
//! An API is one *generation* on a Kong: services, routes and plugins that were made together and are never changed
//! afterwards. A new revision is a new generation beside the old one, so that each request meets one of the two.

mod consumers;
mod expressions;
mod fidelity;
mod form;
mod names;
mod paths;
mod plugins;
mod policies;
mod routes;
mod services;
mod shown;
#[cfg(test)]
mod tests;
mod tokens;

pub(crate) use self::{
    consumers::{HIDDEN, Secrets},
    fidelity::{fidelity, support},
    form::{Form, Occasion, PROBED, Part, is_probe, probe_path},
    names::{Names, TAG, reference, service_tags, tags},
    plugins::{IssuerKeys, issuer_of},
    shown::vendor_form,
    tokens::signing_keys,
};
use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{api::ApiType, desired::DesiredApi, revision::RevisionContent},
};

/// The upstream that a revision always has.
pub(crate) const MAIN: &str = "main";

/// Refuses what is no policy and cannot be expressed: nobody can accept that an API answers other requests than it says.
pub(crate) fn refuse_inexpressible(desired: &DesiredApi) -> Result<()> {
    let obstacles = obstacles(&desired.content);
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "Kong cannot serve `{}`: it does not know {}; deploy it to another gateway, or change the API",
            desired.mark.api_name,
            obstacles.join(", ")
        ),
    ))
}

fn obstacles(content: &RevisionContent) -> Vec<String> {
    let mut obstacles = Vec::new();
    if content.r#type != ApiType::Rest {
        obstacles.push("APIs of another type than REST".to_owned());
    }
    for (name, upstream) in &content.upstreams {
        // It is put into a template where the base path is taken away.
        if upstream.url.contains("$(") {
            obstacles.push(format!("`$(` in the URL of upstream `{name}`"));
        }
        for field in upstream.extras() {
            obstacles.push(format!("`{field}` of upstream `{name}`"));
        }
    }
    for operation in &content.operations {
        let it = &operation.r#match;
        if !it.query.is_empty() {
            obstacles.push(format!("operations by query (`{} {}`)", it.method, it.path));
        }
        if let Some(lacking) = operation.beyond_one_upstream() {
            obstacles.push(format!("{lacking} (`{} {}`)", it.method, it.path));
        }
        let upstream = operation.upstream.as_deref().unwrap_or(MAIN);
        if !content.upstreams.contains_key(upstream) {
            obstacles.push(format!(
                "the upstream `{upstream}` of `{} {}`",
                it.method, it.path
            ));
        }
    }
    obstacles
}
