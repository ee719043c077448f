//! Signed tokens: what checks them on AWS, and what of a policy that misses.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{JwtAlgorithm, JwtPolicy, Policy},
};

use super::only_one;
use crate::{
    config::{AwsSettings, LambdaAuthorizer},
    partition::Partition,
    translate::{
        Kind,
        judge::{unsupported, with},
        scene::Scene,
    },
};

/// How faithfully tokens are checked.
pub(in crate::translate) fn of_jwt(scene: Scene<'_>, jwt: &JwtPolicy, before: &[&Policy]) -> Fidelity {
    if let Err(second) = only_one(before) {
        return second;
    }
    if !jwt.also_trusted.is_empty() {
        return unsupported(
            "an authorizer of API Gateway takes the tokens of one issuer; leave out `alsoTrusted`",
        );
    }
    match way(scene, jwt) {
        Err(reason) => unsupported(reason),
        Ok(Way::Native) => with(&differences(jwt)),
        Ok(Way::Cognito(_)) => with(&[COGNITO]),
        Ok(Way::Lambda(lambda)) => with(&[format!(
            "the function `{}` decides, and checks what it was written to check",
            lambda.function_arn
        )]),
    }
}

const COGNITO: &str = "the Cognito authorizer takes tokens of every app client of the user pool, whatever `audiences` says, knows no tolerance of clocks, and takes access tokens only where a scope is required, and identity tokens only where none is";

fn differences(jwt: &JwtPolicy) -> Vec<String> {
    let mut differences = vec![
        "keys are those that the issuer's `/.well-known/openid-configuration` names, kept for two hours"
            .to_owned(),
        "a token without `aud` is let in if its `client_id` is one of `audiences`".to_owned(),
    ];
    let other: Vec<String> = jwt
        .algorithms
        .iter()
        .filter(|algorithm| !RSA.contains(algorithm))
        .map(|algorithm| format!("{algorithm:?}"))
        .collect();
    if !other.is_empty() {
        differences.push(format!("tokens signed with {} are refused", other.join(", ")));
    }
    if RSA.iter().any(|algorithm| !jwt.algorithms.contains(algorithm)) {
        differences.push("every RSA algorithm that the issuer's keys allow is taken".to_owned());
    }
    if jwt.clock_skew_seconds > 0 {
        differences.push("no difference of clocks is tolerated".to_owned());
    }
    differences
}

/// How tokens are checked.
pub(super) enum Way<'a> {
    /// By the HTTP API itself.
    Native,
    /// By a Cognito user pool, by its resource name.
    Cognito(String),
    /// By a Lambda function.
    Lambda(&'a LambdaAuthorizer),
}

pub(super) fn way<'a>(scene: Scene<'a>, jwt: &JwtPolicy) -> Result<Way<'a>, String> {
    let lambda = scene
        .settings
        .jwt_authorizer
        .as_ref()
        .filter(|lambda| is_usable(scene.kind, lambda));
    let own = match scene.kind {
        Kind::Http => checked_natively(jwt).map(|()| Way::Native),
        Kind::Rest => cognito(scene.settings, jwt),
    };
    match (own, lambda) {
        (Ok(way), _) => Ok(way),
        (Err(_), Some(lambda)) => Ok(Way::Lambda(lambda)),
        (Err(reason), None) => Err(format!(
            "{reason}; name a Lambda function that checks tokens in the setting `jwtAuthorizer`"
        )),
    }
}

/// HTTP APIs know functions that get the whole request only.
pub(super) fn is_usable(kind: Kind, lambda: &LambdaAuthorizer) -> bool {
    kind == Kind::Rest || lambda.r#type == "request"
}

/// Why an HTTP API cannot check such tokens.
fn checked_natively(jwt: &JwtPolicy) -> Result<(), String> {
    let issuer = jwt.issuer.strip_prefix("https://").unwrap_or_default();
    if issuer.is_empty() || issuer.contains(['?', '#']) {
        return Err(format!(
            "API Gateway takes an issuer that is an `https` URL, which `{}` is not",
            jwt.issuer
        ));
    }
    if !jwt.algorithms.iter().any(|algorithm| RSA.contains(algorithm)) {
        return Err("API Gateway checks RSA signatures (RS256, RS384, RS512) only".to_owned());
    }
    if !publishes(&jwt.issuer, &jwt.jwks_uri) {
        return Err(format!(
            "API Gateway takes keys from where the issuer's `/.well-known/openid-configuration` says, and `{}` is on another host than the issuer",
            jwt.jwks_uri
        ));
    }
    if jwt.audiences.len() > 50 {
        return Err("API Gateway takes at most 50 audiences".to_owned());
    }
    one_scope(jwt)
}

const RSA: [JwtAlgorithm; 3] = [JwtAlgorithm::RS256, JwtAlgorithm::RS384, JwtAlgorithm::RS512];

/// One of several scopes is enough for AWS, so that callers with one right would get what takes two.
fn one_scope(jwt: &JwtPolicy) -> Result<(), String> {
    match jwt.required_scopes.len() {
        0 | 1 => Ok(()),
        _ => Err("API Gateway lets in tokens with one of several scopes, not only those with all; require one scope".to_owned()),
    }
}

/// Whether keys at a URL are taken for those that an issuer's own configuration names: they are on its host. Google
/// alone is known to publish elsewhere.
fn publishes(issuer: &str, jwks_uri: &str) -> bool {
    let google = issuer == "https://accounts.google.com" && host(jwks_uri) == Some("www.googleapis.com");
    google || host(issuer) == host(jwks_uri)
}

fn host(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split(['/', '?']).next()
}

fn cognito<'a>(settings: &AwsSettings, jwt: &JwtPolicy) -> Result<Way<'a>, String> {
    let pool = settings
        .cognito_user_pool_arns
        .iter()
        .find(|pool| issuer_of(pool).as_ref() == Some(&jwt.issuer));
    let Some(pool) = pool else {
        return Err(format!(
            "REST APIs check tokens of Cognito user pools, and none of the setting `cognitoUserPoolArns` is the issuer `{}`",
            jwt.issuer
        ));
    };
    if !jwt.algorithms.contains(&JwtAlgorithm::RS256) {
        return Err("Cognito signs tokens with RS256 only".to_owned());
    }
    one_scope(jwt).map(|()| Way::Cognito(pool.clone()))
}

/// The issuer that a user pool is: `arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID`.
fn issuer_of(pool: &str) -> Option<String> {
    let mut parts = pool.split(':').skip(1);
    let (partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let id = parts.nth(1)?.strip_prefix("userpool/")?;
    let suffix = Partition::named(partition).suffix;
    (service == "cognito-idp").then(|| format!("https://cognito-idp.{region}.{suffix}/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_pool_is_an_issuer_of_its_partition() {
        for (partition, region, suffix) in [
            ("aws", "eu-central-1", "amazonaws.com"),
            ("aws-cn", "cn-north-1", "amazonaws.com.cn"),
            ("aws-us-gov", "us-gov-west-1", "amazonaws.com"),
            ("aws-eusc", "eusc-de-east-1", "amazonaws.eu"),
        ] {
            let pool = format!("arn:{partition}:cognito-idp:{region}:111122223333:userpool/{region}_a1");
            let issuer = format!("https://cognito-idp.{region}.{suffix}/{region}_a1");
            assert_eq!(issuer_of(&pool), Some(issuer));
        }
    }
}
