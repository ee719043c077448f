//! STS, as far as a connector needs it: who am I, and assuming a role. Its answers are XML.

use axum::http::Method;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::access::{self, Caller};
use super::request::pairs;
use super::{Answer, AwsError, ControlRequest, partition};
use crate::cloud::Cloud;
use crate::identity::{AccessKey, Role};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Whether a call is one to STS: a form, posted to the root.
pub(crate) fn is_meant(request: &ControlRequest) -> bool {
    request.method == Method::POST && request.segments.is_empty()
}

/// The action that a call names.
pub(crate) fn action(request: &ControlRequest) -> String {
    argument(request, "Action").unwrap_or_default()
}

fn argument(request: &ControlRequest, name: &str) -> Option<String> {
    let mut form = pairs(&request.text()).into_iter();
    form.find_map(|(known, value)| (known == name).then_some(value))
}

/// Answers a call to STS.
pub(crate) fn answer(cloud: &Cloud, request: &ControlRequest) -> Answer {
    let answered = access::caller(cloud, request).and_then(|caller| match action(request).as_str() {
        "GetCallerIdentity" => Ok(caller_identity(&caller)),
        "AssumeRole" => assume_role(cloud, request, &caller),
        _ => Err(AwsError::bad_request("Could not find operation")),
    });
    answered.unwrap_or_else(|error| refusal(&error))
}

fn caller_identity(caller: &Caller) -> Answer {
    let AccessKey { account, arn, id, .. } = &caller.key;
    result(
        "GetCallerIdentity",
        &format!(
            "<Arn>{}</Arn><UserId>{}</UserId><Account>{account}</Account>",
            escaped(arn),
            escaped(id)
        ),
    )
}

fn assume_role(cloud: &Cloud, request: &ControlRequest, caller: &Caller) -> Result<Answer, AwsError> {
    let arn = argument(request, "RoleArn").unwrap_or_default();
    let external_id = argument(request, "ExternalId");
    let role = cloud
        .options
        .roles
        .iter()
        .find(|role| role.arn == arn && (role.external_id.is_none() || role.external_id == external_id));
    let Some(role) = role else {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            caller.key.arn
        );
        return Err(AwsError::forbidden("AccessDenied", message));
    };
    let name = argument(request, "RoleSessionName").unwrap_or_default();
    let session = session(role, &name, &caller.region);
    let lasting: u64 = argument(request, "DurationSeconds")
        .and_then(|text| text.parse().ok())
        .unwrap_or(3600);
    let answer = session_answer(&session, cloud.clock().now().as_secs() + lasting);
    cloud.open_session(session);
    Ok(answer)
}

fn session(role: &Role, name: &str, region: &str) -> AccessKey {
    let random = Uuid::new_v4().simple().to_string().to_uppercase();
    let account = role.account();
    AccessKey {
        id: format!("ASIA{}", &random[..16]),
        account: account.to_owned(),
        arn: format!(
            "arn:{}:sts::{account}:assumed-role/{}/{name}",
            partition(region),
            role.name()
        ),
        session_token: Some(format!("session-{random}")),
        expired: false,
        policy: role.policy.clone(),
    }
}

fn session_answer(session: &AccessKey, expires: u64) -> Answer {
    let expires = i64::try_from(expires)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let expires = expires
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default();
    let token = session.session_token.as_deref().unwrap_or_default();
    result(
        "AssumeRole",
        &format!(
            "<Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>secret-of-{id}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROAFAKE:{id}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>",
            id = session.id,
            arn = escaped(&session.arn),
        ),
    )
}

fn result(action: &str, inside: &str) -> Answer {
    let id = Uuid::new_v4();
    let xml = format!(
        "<{action}Response xmlns=\"{NAMESPACE}\"><{action}Result>{inside}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    Answer::of_type(200, "text/xml", xml)
}

/// STS has names of its own for what API Gateway calls an unrecognised client and an expired token.
fn refusal(error: &AwsError) -> Answer {
    let code = match error.kind {
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "ExpiredTokenException" => "ExpiredToken",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "BadRequestException" => "InvalidAction",
        kind => kind,
    };
    planned(error.status, code, &error.message)
}

/// A refusal with a code, as a test has planned it.
pub(super) fn planned(status: u16, code: &str, message: &str) -> Answer {
    let id = Uuid::new_v4();
    let xml = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
        escaped(message)
    );
    Answer::of_type(status, "text/xml", xml)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
