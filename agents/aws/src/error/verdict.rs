//! What a refusal is, and what to do about it.

use std::borrow::Cow;

use gatehouse_connector_sdk::error::ErrorKind;

use super::{Refusal, is_concurrent};
use crate::connector::permissions::statement;

/// What a refusal is, and what to do about it. The codes are those of the service's model and of AWS's common errors.
pub(super) fn verdict(refusal: &Refusal<'_>) -> (ErrorKind, Cow<'static, str>) {
    let (kind, remedy) = usual(refusal);
    let remedy = match kind {
        ErrorKind::Forbidden => of_permission(refusal.message).unwrap_or(Cow::Borrowed(remedy)),
        _ => Cow::Borrowed(remedy),
    };
    (kind, remedy)
}

/// What to do where IAM says which action is not allowed.
fn of_permission(message: &str) -> Option<Cow<'static, str>> {
    let action = message.split_once("perform: ")?.1.split_whitespace().next()?;
    if message.contains("explicit deny") {
        return Some(Cow::Borrowed(
            "a policy denies it whatever another one allows; whoever administers the account has to take that away",
        ));
    }
    if action == "sts:AssumeRole" {
        return Some(Cow::Borrowed(
            "let the role's trust policy name this identity and the environment's `externalId`, and let the identity assume it; or correct `roleArn` and `externalId`",
        ));
    }
    if action == "iam:PassRole" {
        return Some(Cow::Borrowed(
            "let this identity pass on the role that `invokeRoleArn` names (`iam:PassRole`, with the condition that `iam:PassedToService` is `apigateway.amazonaws.com`)",
        ));
    }
    let statement = statement(action)?;
    Some(Cow::Owned(format!(
        "the statement `{statement}` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity"
    )))
}

/// AWS removes no API that a domain name leads to.
fn is_mapped(message: &str) -> bool {
    ["base path mappings", "API mappings"]
        .iter()
        .any(|mappings| message.contains(mappings))
}

fn usual(refusal: &Refusal<'_>) -> (ErrorKind, &'static str) {
    match (refusal.status, refusal.code) {
        (_, "ExpiredTokenException" | "ExpiredToken" | "RequestExpired") => (
            ErrorKind::Unauthorized,
            "the credentials have expired; renew them where the agent finds them",
        ),
        (_, "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId") => (
            ErrorKind::Unauthorized,
            "AWS does not know the access key in this region, or not with this session token; correct the credentials or `region`",
        ),
        (_, _) if refusal.message.contains("scoped to") => (
            ErrorKind::Unauthorized,
            "`region` and the endpoint that is called (`endpointUrl`, `stsEndpointUrl`) are not of one region; correct one of them",
        ),
        (_, "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature") => (
            ErrorKind::Unauthorized,
            "the secret access key or the agent's clock is wrong",
        ),
        (400, _) if refusal.message.contains("permissions to enable logging") => (
            ErrorKind::Forbidden,
            "the statement `DeliverLogs` of the policy that `gatehouse env permissions` prints allows it; attach that policy to this identity",
        ),
        (400, _) if refusal.message.contains("Only REGIONAL domain names") => (
            ErrorKind::Invalid,
            "name a regional custom domain name in `domainName`: AWS takes no other for APIs of both kinds and for paths of several segments",
        ),
        (400, _) if is_mapped(refusal.message) => (
            ErrorKind::Invalid,
            "remove what leads to it from other domain names or at other stages, and try again",
        ),
        (_, "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation") => (
            ErrorKind::Forbidden,
            "give the identity the permission that is named; `gatehouse env permissions` prints the policy that each mode needs",
        ),
        (_, "LimitExceededException") => (
            ErrorKind::Invalid,
            "ask AWS (Service Quotas) for more of it, or deploy less",
        ),
        (429, _) | (_, "TooManyRequestsException" | "ThrottlingException" | "Throttling") => {
            (ErrorKind::RateLimited, "it is tried again later")
        }
        (401, _) => (
            ErrorKind::Unauthorized,
            "correct the credentials of the environment",
        ),
        (403, _) => (
            ErrorKind::Forbidden,
            "see that the credentials, `region` and `endpointUrl` belong together, and what `gatehouse env permissions` prints",
        ),
        (501, _) | (_, "UnknownOperationException") => (
            ErrorKind::Unsupported,
            "what answers at `endpointUrl` does not have this part of API Gateway",
        ),
        (404, _) if refusal.message.contains("domain name") => (
            ErrorKind::NotFound,
            "make the custom domain name on AWS, or correct `domainName`",
        ),
        (404, _) => (
            ErrorKind::NotFound,
            "somebody removed it, or `region` is another one than where it is; deploy again to have it made anew",
        ),
        (409, _) if is_concurrent(refusal) => (
            ErrorKind::Conflict,
            "somebody else changes it at the same time; it is tried again",
        ),
        (409, _) => (
            ErrorKind::Conflict,
            "something else there is in the way; rename or remove that, or change the API",
        ),
        (500.., _) => (ErrorKind::Unavailable, "it is tried again"),
        (400..=499, _) => (
            ErrorKind::Invalid,
            "correct what is deployed, or the settings of the environment",
        ),
        _ => (
            ErrorKind::Unexpected,
            "see that `endpointUrl` leads to API Gateway",
        ),
    }
}
