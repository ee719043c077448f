//! How faithfully Amazon API Gateway expresses policies. What is not mentioned here counts as unsupported.

use gatehouse_connector_sdk::schemas::{
    descriptor::{Fidelity, PolicySupport},
    desired::DesiredApi,
    fidelity::PolicyFidelity,
    policy::Policy,
    revision::Operation,
};

use super::{
    judge::{approximated, judge, unsupported},
    kind::chosen,
    scene::Scene,
};
use crate::config::AwsSettings;

/// The policy types that AWS knows, with how faithfully it expresses them at best.
pub(crate) fn support() -> Vec<PolicySupport> {
    Policy::TYPES
        .map(|policy| PolicySupport {
            policy: policy.to_owned(),
            fidelity: at_best(policy),
        })
        .to_vec()
}

fn at_best(policy: &str) -> Fidelity {
    match policy {
        "auth.apiKey" | "ip.filter" | "cors" | "headers" | "rewrite" | "log" | "native" => Fidelity::Exact,
        "auth.jwt" => approximated("API Gateway knows RSA algorithms only and no tolerance of clocks"),
        "auth.oauth2" => approximated("a Lambda function of yours decides"),
        "request.validate" => approximated("API Gateway's validators know fewer words, in REST APIs only"),
        "request.size" => approximated("API Gateway refuses bodies over 10 MB and knows no other size"),
        "ratelimit" => approximated("API Gateway counts by API key or all callers together"),
        "quota" => approximated("API Gateway counts by API key, and by best effort"),
        "respond" => approximated("API Gateway's mock integrations know only some types of request bodies"),
        "timeout" => {
            approximated("API Gateway measures up to the end of the answer, and at most 29 or 30 seconds")
        }
        "cache" => approximated("API Gateway's cache does not read `Cache-Control` of answers"),
        "auth.basic" => unsupported("API Gateway checks no passwords"),
        "auth.mtls" => approximated(
            "API Gateway checks certificates at a custom domain name, against a truststore that is not compared",
        ),
        "auth.conditions" => unsupported("API Gateway evaluates no conditions"),
        "ext.authz" => unsupported("API Gateway asks Lambda functions only"),
        "ext.wasm" => unsupported("API Gateway runs no modules"),
        "transform" => {
            unsupported("API Gateway changes bodies with templates of its own, which are not compared")
        }
        "retry" => unsupported("API Gateway sends no request again"),
        _ => unsupported("the connector does not know it"),
    }
}

/// The report on a desired API: each policy beside those that hold where it stands.
pub(crate) fn fidelity(desired: &DesiredApi, settings: &AwsSettings) -> Vec<PolicyFidelity> {
    let content = &desired.content;
    let kind = chosen(content, settings).kind;
    report(Scene {
        content,
        settings,
        kind,
    })
}

/// The report on an API as one of a kind, in the order of its content.
pub(super) fn report(scene: Scene<'_>) -> Vec<PolicyFidelity> {
    let content = scene.content;
    let mut entries = entries(scene, "/policies", None, &content.policies, &[]);
    let of_api = scene.expressed(None);
    for (index, operation) in content.operations.iter().enumerate() {
        let at = format!("/operations/{index}/policies");
        entries.extend(self::entries(
            scene,
            &at,
            Some(operation),
            &operation.policies,
            &of_api,
        ));
    }
    entries
}

fn entries(
    scene: Scene<'_>,
    at: &str,
    operation: Option<&Operation>,
    policies: &[Policy],
    of_api: &[&Policy],
) -> Vec<PolicyFidelity> {
    let entry = |(position, policy): (usize, &Policy)| {
        let others = of_api.iter().copied().filter(|other| *other != policy);
        let before: Vec<&Policy> = others.chain(&policies[..position]).collect();
        PolicyFidelity {
            pointer: format!("{at}/{position}"),
            policy: policy.type_name().to_owned(),
            operation: operation.map(|operation| operation.r#match.clone()),
            fidelity: judge(scene, policy, operation, &before),
        }
    };
    policies.iter().enumerate().map(entry).collect()
}
