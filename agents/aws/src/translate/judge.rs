//! How faithfully AWS expresses one policy beside those that hold before it.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{LogPolicy, Policy},
    revision::Operation,
};

use super::{
    Kind, authorizers, certificates, cors, headers, integration, native, scene::Scene, source, stage, usage,
    validation,
};

/// How faithfully a policy is expressed: one of an operation or, without one, of the whole API.
pub(super) fn judge(
    scene: Scene<'_>,
    policy: &Policy,
    operation: Option<&Operation>,
    before: &[&Policy],
) -> Fidelity {
    match policy {
        Policy::AuthApiKey(keys) => authorizers::of_keys(scene, keys, before),
        Policy::AuthJwt(jwt) => authorizers::of_jwt(scene, jwt, before),
        Policy::AuthOAuth2(oauth2) => authorizers::of_oauth2(scene, oauth2, before),
        Policy::AuthBasic(_) => unsupported(BASIC),
        Policy::AuthMtls(mtls) => certificates::of_certificates(scene, mtls, operation),
        Policy::AuthConditions(_) => unsupported(CONDITIONS),
        Policy::ExtAuthz(_) => unsupported(EXTERNAL),
        Policy::ExtWasm(_) => unsupported(MODULE),
        Policy::IpFilter(_) => source::of_filter(scene, operation),
        Policy::RequestValidate(validate) => validation::of_requests(scene, validate, before),
        Policy::RequestSize(size) => validation::of_size(size),
        Policy::RateLimit(limit) => usage::of_rate(scene, limit, operation),
        Policy::Quota(quota) => usage::of_quota(scene, quota, operation, before),
        Policy::Cors(cors) => cors::of_cors(scene, cors, operation),
        Policy::Headers(changes) => headers::of_headers(scene, changes),
        Policy::Transform(_) => unsupported(TRANSFORM),
        Policy::Rewrite(rewrite) => integration::of_rewrite(scene, rewrite),
        Policy::Respond(respond) => integration::of_respond(scene, respond),
        Policy::Timeout(timeout) => integration::of_timeout(scene, timeout, operation),
        Policy::Retry(_) => unsupported(RETRY),
        Policy::Cache(cache) => integration::of_cache(scene, cache),
        Policy::Log(log) => of_log(scene, log, operation),
        Policy::Native(native) => native::of_native(scene, native, operation, before),
    }
}

const BASIC: &str = "API Gateway checks no passwords; use `auth.apiKey` or `auth.jwt`";
const CONDITIONS: &str =
    "API Gateway evaluates no conditions; have a Lambda authorizer decide, as a `native` policy";
const EXTERNAL: &str = "API Gateway asks Lambda functions only; write an authorizer as a `native` policy";
const MODULE: &str = "API Gateway runs no modules; write an authorizer as a `native` policy";
const TRANSFORM: &str =
    "API Gateway changes bodies with templates of its own, which are not compared; have the upstream do it";
const RETRY: &str = "API Gateway sends no request again";

fn of_log(scene: Scene<'_>, log: &LogPolicy, operation: Option<&Operation>) -> Fidelity {
    if !stage::can_log(scene) {
        return unsupported("there is nowhere to write to; name a log group in the setting `accessLogArn`");
    }
    if log.percent == 0 {
        return unsupported("API Gateway writes of all requests of a stage or of none");
    }
    let mut differences = Vec::new();
    if operation.is_some() {
        differences.push("it is written of all operations, not of this one alone");
    }
    if log.percent < 100 {
        differences.push("it is written of all requests, not of a share of them");
    }
    if !log.request_headers.is_empty() || !log.response_headers.is_empty() {
        differences.push("no values of headers are written, which access logs cannot hold");
    }
    with(&differences)
}

/// Whether the API is a REST API; or why a policy is unsupported.
pub(super) fn only_rest(scene: Scene<'_>, what: &str) -> Result<(), Fidelity> {
    match scene.kind {
        Kind::Rest => Ok(()),
        Kind::Http => Err(unsupported(format!(
            "HTTP APIs {what}; set `kind` to `rest` or `auto` in the environment's settings"
        ))),
    }
}

/// Exact, or approximated with these differences.
pub(super) fn with<T: AsRef<str>>(differences: &[T]) -> Fidelity {
    if differences.is_empty() {
        return Fidelity::Exact;
    }
    let texts: Vec<&str> = differences.iter().map(AsRef::as_ref).collect();
    approximated(texts.join("; "))
}

pub(super) fn approximated(difference: impl Into<String>) -> Fidelity {
    Fidelity::Approximated {
        difference: difference.into(),
    }
}

pub(super) fn unsupported(reason: impl Into<String>) -> Fidelity {
    Fidelity::Unsupported {
        reason: reason.into(),
    }
}
