//! Who calls, and whether that one may: the access key of the signature, and its policy.

use super::{AwsError, ControlRequest, Operation, Service, arn_of};
use crate::cloud::{Cloud, PlaceName};
use crate::identity::AccessKey;

/// What a signature says of itself. Whether the secret was known to its maker is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) access_key: String,
    pub(crate) region: String,
}

/// Who calls, and where.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) key: AccessKey,
    pub(crate) region: String,
}

impl Caller {
    pub(crate) fn place(&self) -> PlaceName {
        (self.key.account.clone(), self.region.clone())
    }
}

/// The signature of a call: `AWS4-HMAC-SHA256 Credential=KEY/DAY/REGION/SERVICE/aws4_request, …`.
pub(crate) fn signature(request: &ControlRequest) -> Option<Signature> {
    let parts = request
        .header("authorization")?
        .strip_prefix("AWS4-HMAC-SHA256 ")?;
    let mut parts = parts.split(',').map(str::trim);
    let scope = parts.find_map(|part| part.strip_prefix("Credential="))?;
    let mut scope = scope.split('/');
    let access_key = scope.next()?.to_owned();
    let region = scope.nth(1)?.to_owned();
    Some(Signature { access_key, region })
}

/// Who calls, if anybody that is known.
pub(crate) fn caller(cloud: &Cloud, request: &ControlRequest) -> Result<Caller, AwsError> {
    let Some(signature) = signature(request) else {
        return Err(AwsError::forbidden(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    };
    if cloud
        .options
        .region
        .as_ref()
        .is_some_and(|own| *own != signature.region)
    {
        return Err(AwsError::forbidden(
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
        ));
    }
    let known = cloud.access_key(&signature.access_key);
    let key = known.filter(|key| key.session_token.as_deref() == request.header("x-amz-security-token"));
    let Some(key) = key else {
        return Err(AwsError::forbidden(
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    };
    if key.expired {
        return Err(AwsError::forbidden(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ));
    }
    let region = signature.region;
    Ok(Caller { key, region })
}

/// Refuses a call that the caller's policy does not allow.
pub(crate) fn allowed(caller: &Caller, request: &ControlRequest) -> Result<(), AwsError> {
    let path = request.path();
    // In ARNs, version 2 is not named.
    let path = path.strip_prefix("/v2").unwrap_or(&path);
    let resource = arn_of(&caller.region, path);
    let action = format!("apigateway:{}", request.method);
    check(caller, &action, &resource)?;
    if changes_resource_policy(request) {
        check(caller, "apigateway:UpdateRestApiPolicy", &resource)?;
    }
    Ok(())
}

pub(crate) fn check(caller: &Caller, action: &str, resource: &str) -> Result<(), AwsError> {
    if caller.key.allows(action, resource) {
        return Ok(());
    }
    let why = match caller.key.denies(action, resource) {
        true => "with an explicit deny in an identity-based policy".to_owned(),
        false => format!("because no identity-based policy allows the {action} action"),
    };
    let user = &caller.key.arn;
    let message =
        format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}");
    Err(AwsError::forbidden("AccessDeniedException", message))
}

/// A resource policy may only be changed by whom that is allowed, too.
fn changes_resource_policy(request: &ControlRequest) -> bool {
    let Some((operation, _)) = Operation::of(request) else {
        return false;
    };
    match (operation.service, operation.name) {
        (Service::Rest, "ImportRestApi" | "PutRestApi") => {
            request.text().contains("\"x-amazon-apigateway-policy\"")
        }
        (Service::Rest, "CreateRestApi") => request
            .members()
            .is_ok_and(|members| members.get("policy").is_some_and(|policy| !policy.is_null())),
        (Service::Rest, "UpdateRestApi") => request.text().contains("\"/policy\""),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;

    #[test]
    fn a_signature_names_its_key_and_its_region() {
        let value = "AWS4-HMAC-SHA256 Credential=AKIA/20261122/eu-central-1/apigateway/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=00";
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static(value));
        let uri = Uri::from_static("/restapis");
        let request = ControlRequest::new(Method::GET, &uri, headers, Default::default());
        let said = signature(&request).unwrap();
        assert_eq!(
            (said.access_key.as_str(), said.region.as_str()),
            ("AKIA", "eu-central-1")
        );
    }
}
