//! What people should know before an API is deployed: what it becomes and why, what AWS must be allowed, whether
//! its address changes.

use gatehouse_connector_sdk::{
    connector::Remarks,
    context::EnvironmentContext,
    schemas::{
        desired::DesiredApi,
        observed::{Observation, ObservedApi},
    },
};

use crate::{
    apis::ApiId,
    config::{self, AwsSettings},
    translate::{self, Kind},
};

/// What is to be said of a desired API over what was observed.
pub(super) fn remarks(
    environment: &EnvironmentContext,
    desired: &DesiredApi,
    observed: &Observation,
) -> Remarks {
    // What is wrong with the settings is told by whatever looks at AWS.
    let Ok(settings) = config::read(environment) else {
        return Remarks::default();
    };
    // What cannot be served at all is told as a refusal.
    let Ok(choice) = translate::kind(desired, &settings) else {
        return Remarks::default();
    };
    let needed = translate::permissions_needed(&translate::form(desired, &settings));
    let mut notes = vec![choice.reason];
    notes.extend(needed.into_iter().map(|needed| format!("{needed}.")));
    let moved = match observed {
        Observation::Present(observed) => moved(&settings, choice.kind, observed),
        _ => None,
    };
    Remarks {
        notes,
        warnings: moved.into_iter().collect(),
    }
}

/// An API of the other kind is another API, which AWS gives an address of its own.
fn moved(settings: &AwsSettings, kind: Kind, observed: &ObservedApi) -> Option<String> {
    let held = ApiId::of(&observed.external_ref)?;
    if held.kind == kind {
        return None;
    }
    let (former, next) = (held.kind.one(), kind.one());
    let address = match &settings.domain_name {
        Some(domain) => format!("`{domain}` leads to it once it serves; its address at AWS is another one"),
        None => {
            let urls = observed.endpoint_urls.join(", ");
            format!("it gets another address, and nothing answers at {urls} any more")
        }
    };
    Some(format!(
        "it is {former} now and becomes {next}: {address}; set `kind` in the environment's settings to keep what it is"
    ))
}

#[cfg(test)]
mod tests;
