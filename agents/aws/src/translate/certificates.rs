//! Callers who present a certificate: checked at a custom domain name, against its truststore.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{MtlsPolicy, Policy},
    revision::Operation,
};

use super::{
    form::Trust,
    judge::{approximated, unsupported},
    scene::Scene,
};

/// What must check callers' certificates, if the API asks for them.
pub(super) fn trust(scene: Scene<'_>) -> Option<Trust> {
    let is_asked = |policy: &&Policy| matches!(policy, Policy::AuthMtls(_));
    let domain_name = scene.settings.domain_name.clone()?;
    let truststore = scene.settings.mutual_tls.clone();
    scene.expressed(None).iter().any(is_asked).then_some(Trust {
        domain_name,
        truststore,
    })
}

/// How faithfully certificates are checked.
pub(super) fn of_certificates(
    scene: Scene<'_>,
    mtls: &MtlsPolicy,
    operation: Option<&Operation>,
) -> Fidelity {
    let settings = scene.settings;
    let Some(domain) = &settings.domain_name else {
        return unsupported(
            "API Gateway checks client certificates at a custom domain name only; name one that has a truststore in the setting `domainName`",
        );
    };
    if settings.endpoint_type != "regional" {
        return unsupported(
            "API Gateway checks client certificates at regional endpoints only; set `endpointType` to `regional`",
        );
    }
    if operation.is_some() {
        return unsupported(
            "a domain name asks for certificates before it knows which operation is called; put the policy at the API",
        );
    }
    if !mtls.allowed_names.is_empty() {
        return unsupported(
            "API Gateway lets in every certificate of its truststore's authorities, whatever names it has; leave `allowedNames` out",
        );
    }
    let truststore = match &settings.mutual_tls {
        Some(trusted) => format!("the truststore `{}`", trusted.truststore_uri),
        None => "whatever truststore it has".to_owned(),
    };
    approximated(format!(
        "`{domain}` checks certificates against {truststore}, with which `authorities` are not compared"
    ))
}
