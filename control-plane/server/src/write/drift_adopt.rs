//! Adopting drift: what people changed on the gateway becomes a new revision of the API, which is desired there.
//!
//! Merged three ways: what was last applied is the base, the API as it is written now is ours, the gateway's is
//! theirs. Where both changed the same field, nothing happens. What comes from attached policy sets belongs to
//! others and is not taken.

use gatehouse_control_plane_api::problem::FieldError;
use gatehouse_control_plane_store::{Deployment, DeploymentTerms, Expected, Resource, Transaction};
use gatehouse_schemas::{
    desired::Mark,
    observed::{Observation, ObservedApi},
    parse,
    policy::{Layer, Policy},
    resource::Kind,
    revision::{Operation, RevisionContent},
    three_way::merge,
};
use serde_json::json;

use super::{
    Prepared, all,
    deploy::{Composer, find, revision},
    drift::{Drifted, note, wrong_state},
    references,
};
use crate::{
    failure::{Answer, Failure},
    state::AppState,
};

/// Makes what the gateway holds a new revision of the API, and desires that.
pub(crate) async fn adopt(
    transaction: &mut Transaction,
    state: &AppState,
    drifted: &Drifted,
) -> Answer<Deployment> {
    let deployment = &drifted.deployment;
    let observed = observed(drifted)?;
    let api = find(transaction, Kind::Api, &deployment.api).await?;
    let mut composer = Composer::new(transaction, state.online_since()).await?;
    let content = adopted(transaction, &composer, drifted, &api, observed).await?;
    let number = write(transaction, state, drifted, &api, content).await?;
    let (number, content) = revision(transaction, &api, number).await?;
    let mark = Mark {
        revision: number,
        ..drifted.desired.mark.clone()
    };
    let gateway_type = &drifted.spec.gateway_type;
    let desired = composer.compose(
        mark,
        &api.metadata,
        &deployment.environment,
        gateway_type,
        &content,
    );
    let descriptor = transaction.descriptor(gateway_type).await?;
    let replicated = descriptor.is_some_and(|descriptor| descriptor.capabilities.replicated);
    let terms = DeploymentTerms {
        // What was changed there since somebody looked is not in the revision; it must not get lost.
        expected: Some(Expected::Present(observed.fingerprint.clone())).filter(|_| !replicated),
        accept_loss: deployment.terms.accept_loss,
        ..DeploymentTerms::default()
    };
    let recorded = composer
        .record(transaction, desired, Some(deployment), terms)
        .await?;
    note(transaction, "drift.adopted", drifted, &recorded).await?;
    Ok(recorded)
}

/// Refuses to adopt by itself that something protects less than it did: that is for people to decide.
pub(crate) fn keeps_protection(drifted: &Drifted) -> Answer<()> {
    let Ok(observed) = observed(drifted) else {
        return Ok(());
    };
    let (api, environment) = (&drifted.deployment.api, &drifted.deployment.environment);
    match weakened(&drifted.desired.content, &observed.content) {
        None => Ok(()),
        Some(policy) => Err(wrong_state(format!(
            "the security policy `{policy}` of api `{api}` is not on the gateway of environment `{environment}` as it was \
             deployed, which the drift policy `adopt` leaves to people; put it back with `gatehouse drift resolve {api} --env \
             {environment} --revert`, or keep it with `--adopt`"
        ))),
    }
}

/// A security policy that is deployed and is not there like this.
fn weakened<'a>(deployed: &'a RevisionContent, there: &RevisionContent) -> Option<&'a str> {
    let lost = |deployed: &'a [Policy], there: &[Policy]| {
        let mut security = deployed.iter().filter(|policy| policy.is_security());
        security
            .find(|policy| !there.contains(policy))
            .map(Policy::type_name)
    };
    let of_operations = deployed.operations.iter().find_map(|operation| {
        let mut others = there.operations.iter();
        let other = others.find(|other| other.r#match == operation.r#match)?;
        lost(&operation.policies, &other.policies)
    });
    lost(&deployed.policies, &there.policies).or(of_operations)
}

fn observed(drifted: &Drifted) -> Answer<&ObservedApi> {
    let look = drifted.observation.as_ref();
    match look.and_then(|look| look.differs.as_ref()) {
        Some(Observation::Present(observed)) => Ok(observed),
        _ => Err(wrong_state(format!(
            "api `{}` is not on the gateway of environment `{}` any more, so there is nothing to adopt; put it back with \
             {}, or undeploy it",
            drifted.deployment.api,
            drifted.deployment.environment,
            put_back(drifted)
        ))),
    }
}

/// The content of the new revision.
async fn adopted(
    transaction: &mut Transaction,
    composer: &Composer,
    drifted: &Drifted,
    api: &Resource,
    observed: &ObservedApi,
) -> Answer<RevisionContent> {
    let (_, own) = revision(transaction, api, None).await?;
    let (environment, gateway_type) = (&drifted.deployment.environment, &drifted.spec.gateway_type);
    let mark = drifted.desired.mark.clone();
    let ours = composer.compose(mark, &api.metadata, environment, gateway_type, &own);
    let ours = ours.content;
    let base = drifted
        .applied
        .as_ref()
        .map_or(&drifted.desired.content, |applied| &applied.content);
    let merged = merged(drifted, base, &ours, &observed.content)?;
    let sets = composer.attached(&api.metadata, &drifted.deployment.environment);
    let mut content = unresolved(drifted, &own, &ours, merged, &sets)?;
    if let Some(definition) = &content.definition
        && !transaction.has_definition(&definition.fingerprint).await?
    {
        content.definition = own.definition;
    }
    Ok(content)
}

fn merged(
    drifted: &Drifted,
    base: &RevisionContent,
    ours: &RevisionContent,
    theirs: &RevisionContent,
) -> Answer<RevisionContent> {
    let value = |content: &RevisionContent| serde_json::to_value(content).map_err(Failure::internal);
    let ours_value = value(ours)?;
    let merged = merge(&value(base)?, &ours_value, &value(theirs)?);
    let (api, environment) = (&drifted.deployment.api, &drifted.deployment.environment);
    if !merged.conflicts.is_empty() {
        let paths: Vec<String> = merged
            .conflicts
            .iter()
            .map(|conflict| format!("`{}`", conflict.path))
            .collect();
        let errors = merged.conflicts.iter().map(|conflict| FieldError {
            document: None,
            pointer: conflict.path.clone(),
            detail: format!(
                "the catalog has {}, the gateway {}",
                shown(conflict.ours.as_ref()),
                shown(conflict.theirs.as_ref())
            ),
        });
        return Err(wrong_state(format!(
            "api `{api}` was changed in the catalog and on the gateway of environment `{environment}` at the same places: {}; \
             nothing was changed; make them agree, or put back what was applied with {}",
            paths.join(", "),
            put_back(drifted)
        ))
        .with_errors(errors.collect()));
    }
    if merged.value == ours_value {
        return Err(wrong_state(format!(
            "what differs of api `{api}` in environment `{environment}` is not a part of the API that the catalog could \
             take over (a mark or the version of a secret); put it back with {}",
            put_back(drifted)
        )));
    }
    serde_json::from_value(merged.value).map_err(|error| {
        wrong_state(format!(
            "what the gateway of environment `{environment}` holds of api `{api}` cannot be merged into the catalog: {error}; \
             put it back with {}, or change the catalog by hand",
            put_back(drifted)
        ))
    })
}

/// The command that puts back what was applied.
fn put_back(drifted: &Drifted) -> String {
    let (api, environment) = (&drifted.deployment.api, &drifted.deployment.environment);
    format!("`gatehouse drift resolve {api} --env {environment} --revert`")
}

fn shown(value: Option<&serde_json::Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// The API's own content: what attached sets add is taken out again. What changed of theirs is refused.
fn unresolved(
    drifted: &Drifted,
    own: &RevisionContent,
    ours: &RevisionContent,
    merged: RevisionContent,
    sets: &[Layer<'_>],
) -> Answer<RevisionContent> {
    let lists = Lists {
        own: &own.policies,
        ours: &ours.policies,
        merged: &merged.policies,
    };
    let policies = lists.unresolved(drifted, sets)?;
    let mut operations = Vec::with_capacity(merged.operations.len());
    for operation in merged.operations {
        let index = ours
            .operations
            .iter()
            .position(|other| other.r#match == operation.r#match);
        let policies = match index {
            Some(index) => Lists {
                own: &own.operations[index].policies,
                ours: &ours.operations[index].policies,
                merged: &operation.policies,
            }
            .unresolved(drifted, &[])?,
            None => operation.policies.clone(),
        };
        operations.push(Operation {
            policies,
            ..operation
        });
    }
    Ok(RevisionContent {
        policies,
        operations,
        ..merged
    })
}

/// The policies of one place: as the API has them, as they are in force, as they are merged.
struct Lists<'a> {
    own: &'a [Policy],
    ours: &'a [Policy],
    merged: &'a [Policy],
}

impl Lists<'_> {
    fn unresolved(&self, drifted: &Drifted, sets: &[Layer<'_>]) -> Answer<Vec<Policy>> {
        let changed = self.changed_types();
        for name in &changed {
            let from: Vec<&str> = sets
                .iter()
                .filter(|set| {
                    set.policies
                        .iter()
                        .any(|policy| policy.type_name() == name.as_str())
                })
                .map(|set| set.origin.object.as_ref())
                .collect();
            if !from.is_empty() {
                return Err(belongs_to_sets(drifted, name, &from));
            }
        }
        let mut policies: Vec<Policy> = Vec::with_capacity(self.merged.len());
        let mut placed = Vec::new();
        for policy in self.own {
            let name = policy.type_name().to_string();
            if !changed.contains(&name) {
                policies.push(policy.clone());
            } else if !placed.contains(&name) {
                policies.extend(self.of_type(self.merged, &name).cloned());
                placed.push(name);
            }
        }
        for name in changed.iter().filter(|name| !placed.contains(name)) {
            policies.extend(self.of_type(self.merged, name).cloned());
        }
        Ok(policies)
    }

    fn changed_types(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for policy in self.ours.iter().chain(self.merged) {
            let name = policy.type_name().to_string();
            let differs = !self
                .of_type(self.ours, &name)
                .eq(self.of_type(self.merged, &name));
            if differs && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    #[expect(clippy::unused_self, reason = "it belongs to the lists it reads")]
    fn of_type<'b>(&self, policies: &'b [Policy], name: &str) -> impl Iterator<Item = &'b Policy> {
        policies.iter().filter(move |policy| policy.type_name() == name)
    }
}

fn belongs_to_sets(drifted: &Drifted, policy: &str, sets: &[&str]) -> Failure {
    let named: Vec<String> = sets.iter().map(|set| format!("`{set}`")).collect();
    wrong_state(format!(
        "the policy `{policy}` of api `{}` was changed on the gateway of environment `{}`, but it comes from {}, which other \
         APIs share, so it cannot be adopted; change it there, or put back what was applied with {}",
        drifted.deployment.api,
        drifted.deployment.environment,
        named.join(", "),
        put_back(drifted)
    ))
}

/// Writes the revision, as if people had; gives its number, or none if the newest says the same already.
async fn write(
    transaction: &mut Transaction,
    state: &AppState,
    drifted: &Drifted,
    api: &Resource,
    content: RevisionContent,
) -> Answer<Option<gatehouse_schemas::identity::RevisionNumber>> {
    let prepared = Prepared::api(api.metadata.clone(), content)?;
    let metadata = prepared.metadata();
    let value = json!({
        "kind": Kind::Api,
        "metadata": {"name": metadata.name, "project": metadata.project, "labels": metadata.labels},
        "spec": prepared.spec,
    });
    let mut problems: Vec<String> = match parse::document(&value) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(ToString::to_string).collect(),
    };
    let errors = references::errors(transaction, std::slice::from_ref(&prepared)).await?;
    problems.extend(
        errors
            .into_iter()
            .map(|error| format!("{}: {}", error.pointer, error.detail)),
    );
    if let Some(first) = problems.first() {
        return Err(wrong_state(format!(
            "what the gateway holds of api `{}` breaks a rule of the catalog: {first}; put it back with {}, or change the \
             catalog by hand",
            api.metadata.name,
            put_back(drifted)
        )));
    }
    let written = all(transaction, state, vec![prepared]).await?;
    Ok(written
        .into_iter()
        .next()
        .and_then(|written| written.result.revision))
}
