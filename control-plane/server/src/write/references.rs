//! What documents refer to must exist, and settings must satisfy the connector's schema.

use std::collections::BTreeSet;

use gatehouse_control_plane_api::problem::FieldError;
use gatehouse_control_plane_store::Transaction;
use gatehouse_schemas::{
    api::ApiSpec,
    environment::{CredentialSource, EnvironmentSpec},
    identity::ResourceName,
    policy::Policy,
    resource::{DEFAULT_PROJECT, Kind, Metadata, PolicySpec, PolicyTarget, Spec},
};
use serde_json::json;

use super::Prepared;
use crate::{
    admin_api::settings,
    failure::{Answer, Failure},
};

/// A place in a document that names another resource.
struct Reference {
    pointer: String,
    kind: Kind,
    name: ResourceName,
}

/// Checks everything the documents refer to. The project `default` is made when it is first referred to.
pub(crate) async fn check(transaction: &mut Transaction, prepared: &[Prepared]) -> Answer<()> {
    let errors = errors(transaction, prepared).await?;
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(errors))
    }
}

/// The places that refer to something that is not there, and settings the connector does not take.
pub(crate) async fn errors(transaction: &mut Transaction, prepared: &[Prepared]) -> Answer<Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut known = Known::of_request(prepared);
    for document in prepared {
        for reference in references(document) {
            if !known.exists(transaction, &reference).await? {
                errors.push(missing(document.index, &reference));
            }
        }
        if let Spec::Environment(environment) = &document.document.spec {
            errors.extend(setting_errors(transaction, document.index, environment).await?);
        }
    }
    Ok(errors)
}

/// Resources that are there, or are in the same request.
struct Known(BTreeSet<(Kind, ResourceName)>);

impl Known {
    fn of_request(prepared: &[Prepared]) -> Self {
        Self(
            prepared
                .iter()
                .map(|document| (document.kind(), document.name().clone()))
                .collect(),
        )
    }

    async fn exists(&mut self, transaction: &mut Transaction, reference: &Reference) -> Answer<bool> {
        let key = (reference.kind, reference.name.clone());
        if self.0.contains(&key) {
            return Ok(true);
        }
        let there = transaction
            .resource(reference.kind, &reference.name)
            .await?
            .is_some()
            || made_default(transaction, reference).await?;
        if there {
            self.0.insert(key);
        }
        Ok(there)
    }
}

async fn made_default(transaction: &mut Transaction, reference: &Reference) -> Answer<bool> {
    let is_default = reference.kind == Kind::Project && reference.name.as_str() == DEFAULT_PROJECT;
    if is_default {
        let metadata = Metadata::named(reference.name.clone());
        transaction
            .create_resource(Kind::Project, &metadata, &json!({}))
            .await?;
        transaction
            .audit(
                "project.created",
                &format!("project/{DEFAULT_PROJECT}"),
                &json!({}),
            )
            .await?;
    }
    Ok(is_default)
}

fn missing(document: Option<usize>, reference: &Reference) -> FieldError {
    let kind = reference.kind.as_str().to_lowercase();
    FieldError {
        document,
        pointer: reference.pointer.clone(),
        detail: format!(
            "there is no {kind} `{}`; create it first, or in the same request",
            reference.name
        ),
    }
}

fn references(document: &Prepared) -> Vec<Reference> {
    let project = (document.kind() != Kind::Project).then(|| Reference {
        pointer: "/metadata/project".to_owned(),
        kind: Kind::Project,
        name: document.metadata().project.clone(),
    });
    let mut references: Vec<Reference> = project.into_iter().collect();
    match &document.document.spec {
        Spec::Api(api) => references.extend(of_api(api)),
        Spec::Environment(environment) => references.extend(of_environment(environment)),
        Spec::Policy(set) => references.extend(of_policy_set(set)),
        Spec::Project(_) | Spec::Secret(_) => {}
    }
    references
}

fn of_api(api: &ApiSpec) -> Vec<Reference> {
    let mut references = of_policies("/spec/policies", &api.policies);
    for (name, upstream) in &api.upstreams {
        let place = gatehouse_schemas::pointer::join("/spec/upstreams", name);
        references.extend(
            upstream
                .secret_references()
                .into_iter()
                .map(|reference| Reference {
                    pointer: place.clone() + &reference.pointer,
                    kind: Kind::Secret,
                    name: reference.name.clone(),
                }),
        );
    }
    for (index, operation) in api.operations.iter().enumerate() {
        references.extend(of_policies(
            &format!("/spec/operations/{index}/policies"),
            &operation.policies,
        ));
    }
    references
}

fn of_environment(environment: &EnvironmentSpec) -> Vec<Reference> {
    let secret = |(key, source): (&String, &CredentialSource)| match source {
        CredentialSource::SecretRef(name) => Some(Reference {
            pointer: gatehouse_schemas::pointer::join("/spec/credentials", key) + "/secretRef",
            kind: Kind::Secret,
            name: name.clone(),
        }),
        CredentialSource::Env(_) | CredentialSource::File(_) => None,
    };
    environment.credentials.iter().filter_map(secret).collect()
}

fn of_policy_set(set: &PolicySpec) -> Vec<Reference> {
    let target = |(index, target): (usize, &PolicyTarget)| {
        let (kind, field, name) = match target {
            PolicyTarget::Project(name) => (Kind::Project, "project", name),
            PolicyTarget::Environment(name) => (Kind::Environment, "environment", name),
            PolicyTarget::Labels(_) => return None,
        };
        let pointer = format!("/spec/targets/{index}/{field}");
        Some(Reference {
            pointer,
            kind,
            name: name.clone(),
        })
    };
    let mut references: Vec<Reference> = set.targets.iter().enumerate().filter_map(target).collect();
    references.extend(of_policies("/spec/policies", &set.policies));
    references
}

fn of_policies(place: &str, policies: &[Policy]) -> Vec<Reference> {
    let mut references = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        for reference in policy.secret_references() {
            references.push(Reference {
                pointer: format!("{place}/{index}/with{}", reference.pointer),
                kind: Kind::Secret,
                name: reference.name.clone(),
            });
        }
    }
    references
}

async fn setting_errors(
    transaction: &mut Transaction,
    document: Option<usize>,
    environment: &EnvironmentSpec,
) -> Answer<Vec<FieldError>> {
    let Some(descriptor) = transaction.descriptor(&environment.gateway_type).await? else {
        return Ok(Vec::new());
    };
    let at = |place: &'static str| {
        move |problem: settings::Wrong| FieldError {
            document,
            pointer: format!("/spec/{place}{}", problem.pointer),
            detail: problem.detail,
        }
    };
    let wrong = settings::problems(&descriptor, &environment.settings).into_iter();
    let credentials = settings::credential_problems(&descriptor, &environment.credentials).into_iter();
    Ok(wrong
        .map(at("settings"))
        .chain(credentials.map(at("credentials")))
        .collect())
}
