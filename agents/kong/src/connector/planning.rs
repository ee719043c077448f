//! The generation that a deploy makes: decided before anything is touched.

use gatehouse_connector_sdk::{
    connector::DeployRequest,
    context::Context,
    error::Result,
    schemas::{desired::DesiredApi, policy::Policy},
};
use uuid::Uuid;

use super::deploying::{self, Generation};
use crate::{
    client::node::Node,
    config::KongSettings,
    holding::Holding,
    record::Record,
    translate::{IssuerKeys, Names, Occasion, Secrets},
};

/// The next generation of an API, beside what is held of it.
pub(super) fn generation(
    request: &DeployRequest,
    holding: &Holding,
    (secrets, keys): (&Secrets, &IssuerKeys),
    node: &Node,
    settings: &KongSettings,
) -> Generation {
    let desired = &request.desired;
    let current = holding.current().map(|current| current.record);
    let number = current.as_ref().map_or(1, |record| record.number + 1);
    let names = Names::new(desired, number);
    let external_ref = deploying::reference(request, current.as_ref());
    let occasion = Occasion {
        desired,
        names: &names,
        secrets,
        edition: node.edition,
        keys,
        flavor: node.flavor,
        reference: &external_ref,
        is_probed: settings.proxy_url.is_some(),
    };
    let form = occasion.form();
    let hidden = Occasion {
        secrets: &Secrets::default(),
        ..occasion
    }
    .form();
    let is_gated = occasion.is_probed && is_secured(desired);
    let gate = is_gated.then(|| occasion.gate(&Uuid::new_v4().to_string()));
    Generation {
        form,
        gate: gate.unwrap_or_default(),
        record: Record::new(desired, external_ref, number, hidden),
    }
}

/// Whether there is a policy without which somebody gets in who must stay out.
fn is_secured(desired: &DesiredApi) -> bool {
    let content = &desired.content;
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    content
        .policies
        .iter()
        .chain(of_operations)
        .any(Policy::is_security)
}

/// Secrets come first: without its keys, nothing of the API is written.
pub(super) async fn resolved(context: &Context, desired: &DesiredApi) -> Result<Secrets> {
    let of_operations = desired
        .content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    let policies = desired.content.policies.iter().chain(of_operations);
    let mut names: Vec<_> = policies.flat_map(Policy::secret_names).cloned().collect();
    names.sort();
    names.dedup();
    Ok(match names.is_empty() {
        true => Secrets::default(),
        false => Secrets::new(context.secrets.resolve(&names).await?),
    })
}
