//! What can go wrong on AWS, in the words of the contract.
//!
//! [`from_aws`] is the one place that decides what kind of error it is, whether trying again can help, and what people
//! read.

use std::time::Duration;

use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::Headers,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};

/// What was asked of AWS, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The vendor's name of the operation: `PutRestApi`.
    pub(crate) operation: &'static str,
    /// What it is about, for people: `the REST API \`a1b2c3\` of \`orders\``.
    pub(crate) object: &'a str,
    /// The environment.
    pub(crate) environment: &'a str,
    /// The region.
    pub(crate) region: &'a str,
}

/// What AWS answered in place of a result.
#[derive(Debug)]
struct Refusal<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
    retry_after: Option<Duration>,
}

/// What came of a call, as an error of ours.
pub(crate) fn from_aws<E>(call: Call<'_>, error: SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match &error {
        SdkError::ServiceError(context) => {
            let refusal = Refusal {
                status: context.raw().status().as_u16(),
                code: context.err().code().unwrap_or_default(),
                message: context.err().message().unwrap_or("without a reason"),
                retry_after: retry_after(context.raw().headers()),
            };
            refused(call, &refusal)
        }
        SdkError::ResponseError(context) => {
            unreadable(call, context.raw().status().as_u16()).with_source(error)
        }
        SdkError::TimeoutError(_) => unanswered(call, "did not answer in time").with_source(error),
        SdkError::DispatchFailure(failure) if has_no_credentials(failure.as_connector_error()) => {
            without_credentials(call).with_source(error)
        }
        SdkError::DispatchFailure(_) => unanswered(call, "cannot be reached").with_source(error),
        _ => without_credentials(call).with_source(error),
    }
}

/// The credentials are asked for while the request is made; what goes wrong there is told as a failure to send it.
fn has_no_credentials(error: Option<&aws_smithy_runtime_api::client::result::ConnectorError>) -> bool {
    let Some(error) = error else { return true };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current
            .downcast_ref::<aws_credential_types::provider::error::CredentialsError>()
            .is_some()
        {
            return true;
        }
        cause = current.source();
    }
    false
}

fn retry_after(headers: &Headers) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn without_credentials(call: Call<'_>) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        format!(
            "no credentials were found for {} in environment `{}`; give the agent a role, a profile or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (the default provider chain), or name `accessKeyId` and `secretAccessKey` in `spec.credentials`",
            call.operation, call.environment
        ),
    )
}

fn unanswered(call: Call<'_>, how: &str) -> Error {
    let Call {
        operation,
        object,
        environment,
        region,
    } = call;
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "API Gateway in `{region}` {how} for {operation} of {object} in environment `{environment}`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)"
        ),
    )
}

fn unreadable(call: Call<'_>, status: u16) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the answer to {} of {} in environment `{}` has status {status} and cannot be read; see that `endpointUrl` leads to API Gateway",
            call.operation, call.object, call.environment
        ),
    )
}

fn refused(call: Call<'_>, refusal: &Refusal<'_>) -> Error {
    let Call {
        operation,
        object,
        environment,
        region,
    } = call;
    let (kind, remedy) = verdict(refusal);
    let code = match refusal.code {
        "" => String::new(),
        code => format!(" {code}"),
    };
    let message = format!(
        "AWS refused {operation} of {object} in environment `{environment}` ({region}) with {}{code}: {}; {remedy}",
        refusal.status,
        refusal.message.trim_end_matches('.')
    );
    let error = Error::new(kind, message);
    match (kind, refusal.retry_after) {
        (ErrorKind::RateLimited | ErrorKind::Unavailable, Some(pause)) => {
            error.with_retry(Retry::After(pause))
        }
        // AWS says that trying again helps.
        (ErrorKind::Conflict, _) if is_concurrent(refusal) => error.with_retry(Retry::Backoff),
        _ => error,
    }
}

/// Two changes of one API at the same time: the later one is to come again.
fn is_concurrent(refusal: &Refusal<'_>) -> bool {
    refusal.message.contains("concurrent modification")
}

/// What a refusal is, and what to do about it. The codes are those of the service's model and of AWS's common errors.
fn verdict(refusal: &Refusal<'_>) -> (ErrorKind, &'static str) {
    match (refusal.status, refusal.code) {
        (_, "ExpiredTokenException" | "ExpiredToken" | "RequestExpired") => (
            ErrorKind::Unauthorized,
            "the credentials have expired; renew them where the agent finds them",
        ),
        (_, "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId") => (
            ErrorKind::Unauthorized,
            "AWS does not know the access key in this region; correct the credentials or `region`",
        ),
        (_, "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature") => (
            ErrorKind::Unauthorized,
            "the secret access key or the agent's clock is wrong",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, code: &str, message: &str, retry_after: Option<u64>) -> Error {
        let call = Call {
            operation: "PutRestApi",
            object: "`orders`",
            environment: "live",
            region: "eu-central-1",
        };
        let refusal = Refusal {
            status,
            code,
            message,
            retry_after: retry_after.map(Duration::from_secs),
        };
        refused(call, &refusal)
    }

    #[test]
    fn each_refusal_has_its_kind_and_its_remedy() {
        let table = [
            (403, "ExpiredTokenException", ErrorKind::Unauthorized, "expired"),
            (
                403,
                "UnrecognizedClientException",
                ErrorKind::Unauthorized,
                "access key",
            ),
            (403, "SignatureDoesNotMatch", ErrorKind::Unauthorized, "clock"),
            (
                403,
                "AccessDeniedException",
                ErrorKind::Forbidden,
                "env permissions",
            ),
            (403, "", ErrorKind::Forbidden, "belong together"),
            (429, "TooManyRequestsException", ErrorKind::RateLimited, "later"),
            (400, "ThrottlingException", ErrorKind::RateLimited, "later"),
            (
                429,
                "LimitExceededException",
                ErrorKind::Invalid,
                "Service Quotas",
            ),
            (404, "NotFoundException", ErrorKind::NotFound, "deploy again"),
            (409, "ConflictException", ErrorKind::Conflict, "in the way"),
            (400, "BadRequestException", ErrorKind::Invalid, "correct"),
            (
                503,
                "ServiceUnavailableException",
                ErrorKind::Unavailable,
                "tried again",
            ),
        ];
        for (status, code, kind, remedy) in table {
            let error = told(status, code, "a reason.", None);
            assert_eq!(error.kind(), kind, "{status} {code}");
            for part in [remedy, "PutRestApi", "`orders`", "`live`", "a reason; "] {
                assert!(error.message().contains(part), "{}", error.message());
            }
        }
    }

    #[test]
    fn aws_says_when_trying_again_helps() {
        let busy = "Unable to complete operation due to concurrent modification. Please try again later.";
        assert_eq!(told(409, "ConflictException", busy, None).retry(), Retry::Backoff);
        let taken = "Another resource with the same parent already has this name: pets";
        assert_eq!(told(409, "ConflictException", taken, None).retry(), Retry::Never);
        let pause = Retry::After(Duration::from_secs(7));
        assert_eq!(
            told(429, "TooManyRequestsException", "slow", Some(7)).retry(),
            pause
        );
        assert_eq!(
            told(429, "TooManyRequestsException", "slow", None).retry(),
            Retry::Backoff
        );
    }
}
