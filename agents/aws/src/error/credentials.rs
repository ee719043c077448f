//! Credentials that could not be had: they are asked for while a request is made, so what goes wrong there comes as a
//! failure to send it.

use std::error::Error as Cause;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use gatehouse_connector_sdk::error::{Error, ErrorKind};

use super::{Call, refusal, refused, unanswered};

/// Why there are no credentials, if that is why a request was not sent.
pub(super) fn lack(call: Call<'_>, cause: Option<&(dyn Cause + 'static)>) -> Option<Error> {
    let Some(cause) = cause else {
        return Some(none(call));
    };
    let credentials = chain(cause).find_map(<dyn Cause>::downcast_ref::<CredentialsError>)?;
    Some(
        match chain(credentials)
            .find_map(<dyn Cause>::downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>)
        {
            Some(refusal) => of_role(call, refusal),
            None => none(call),
        },
    )
}

/// Why the role of the environment could not be assumed.
fn of_role(call: Call<'_>, error: &SdkError<AssumeRoleError, HttpResponse>) -> Error {
    let call = Call {
        operation: "AssumeRole",
        object: "the environment's role (`roleArn`)",
        ..call
    };
    match error {
        SdkError::ServiceError(context) => refused(call, &refusal(context.raw(), context.err())),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|cause| cause as _);
            lack(call, cause).unwrap_or_else(|| unanswered(call, "cannot be reached"))
        }
        SdkError::TimeoutError(_) => unanswered(call, "did not answer in time"),
        _ => none(call),
    }
}

fn chain<'a>(first: &'a (dyn Cause + 'static)) -> impl Iterator<Item = &'a (dyn Cause + 'static)> {
    std::iter::successors(Some(first), |cause: &&'a (dyn Cause + 'static)| {
        let cause: &'a (dyn Cause + 'static) = *cause;
        cause.source()
    })
}

/// Nothing gives credentials.
pub(super) fn none(call: Call<'_>) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        format!(
            "no credentials were found for {} in environment `{}`; give the agent a role, a profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (the default provider chain), or name `accessKeyId` and `secretAccessKey` in `spec.credentials`",
            call.operation, call.environment
        ),
    )
}
