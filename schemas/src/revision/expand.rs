//! What policies take out of the definition, put into them: gateways are fed with revisions, not with documents.

use super::Operation;
use crate::{
    api::{ApiSpec, DocumentSource},
    issue::Issue,
    openapi::{Definition, expand},
    policy::{Policy, RequestValidatePolicy},
};

/// Notes the policies that need a definition of an API that has none.
pub(super) fn without_definition(spec: &ApiSpec, issues: &mut Vec<Issue>) {
    let own = spec
        .policies
        .iter()
        .enumerate()
        .map(|(index, policy)| (format!("/policies/{index}"), policy));
    let of_operations = spec
        .operations
        .iter()
        .enumerate()
        .flat_map(|(number, operation)| {
            let policies = operation.policies.iter().enumerate();
            policies.map(move |(index, policy)| (format!("/operations/{number}/policies/{index}"), policy))
        });
    for (place, policy) in own.chain(of_operations) {
        if let Some(field) = policy.definition_field() {
            issues.push(Issue::new(
                format!("{place}/with/{field}"),
                "the API has no definition; give it one with `definition`",
            ));
        }
    }
}

/// Expands the policies of an API, which hold for all operations, and those of each operation.
pub(super) fn expand(
    spec: &ApiSpec,
    definition: &Definition,
    policies: &mut [Policy],
    operations: &mut [Operation],
    issues: &mut Vec<Issue>,
) {
    let mut found = Vec::new();
    for policy in policies {
        found.extend(expanded(policy, definition, operations));
    }
    for operation in operations {
        // Taken out, so that the operation can be looked at meanwhile.
        let mut own = std::mem::take(&mut operation.policies);
        for policy in &mut own {
            found.extend(expanded(policy, definition, std::slice::from_ref(operation)));
        }
        operation.policies = own;
    }
    found.sort();
    found.dedup();
    issues.extend(found.into_iter().map(|issue| placed(spec, issue)));
}

/// Puts into one policy what it needs of the definition.
fn expanded(policy: &mut Policy, definition: &Definition, operations: &[Operation]) -> Vec<Issue> {
    match policy {
        Policy::RequestValidate(validate) if !validate.definition.is_empty() => {
            requests(validate, definition, operations)
        }
        Policy::Respond(respond) => match &respond.example {
            Some(example) => match expand::answers(definition, operations.iter(), example.status) {
                Ok(expanded) => {
                    respond.expanded = Some(Box::new(expanded));
                    Vec::new()
                }
                Err(issues) => issues,
            },
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn requests(
    validate: &mut RequestValidatePolicy,
    definition: &Definition,
    operations: &[Operation],
) -> Vec<Issue> {
    match expand::requests(definition, operations.iter(), &validate.definition) {
        Ok(expanded) => {
            validate.expanded = Some(Box::new(expanded));
            Vec::new()
        }
        Err(issues) => issues,
    }
}

/// An issue of the definition as one of the spec.
fn placed(spec: &ApiSpec, issue: Issue) -> Issue {
    let source = spec.definition.as_ref().map(|definition| &definition.openapi);
    let detail = match issue.pointer.is_empty() {
        true => format!("the definition cannot be taken into a revision: {}", issue.detail),
        false => format!(
            "the definition cannot be taken into a revision: at `{}`: {}",
            issue.pointer, issue.detail
        ),
    };
    match source {
        Some(DocumentSource::Inline(_)) => {
            Issue::new(format!("/definition/openapi/inline{}", issue.pointer), detail)
        }
        _ => Issue::new("/definition/openapi", detail),
    }
}
