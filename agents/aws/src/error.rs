//! What can go wrong on AWS, in the words of the contract.
//!
//! [`from_aws`] is the one place that decides what kind of error it is, whether trying again can help, and what people
//! read.

mod credentials;
mod verdict;

use std::time::Duration;

use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::Headers,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};

use self::verdict::verdict;

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

impl Call<'_> {
    /// The service that is called, and the setting that says where it is.
    fn service(&self) -> (&'static str, &'static str) {
        match self.operation {
            "AssumeRole" | "GetCallerIdentity" => ("STS", "stsEndpointUrl"),
            _ => ("API Gateway", "endpointUrl"),
        }
    }
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
        SdkError::ServiceError(context) => refused(call, &refusal(context.raw(), context.err())),
        SdkError::ResponseError(context) => {
            unreadable(call, context.raw().status().as_u16()).with_source(error)
        }
        SdkError::TimeoutError(_) => unanswered(call, "did not answer in time").with_source(error),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error();
            match credentials::lack(call, cause.map(|cause| cause as _)) {
                Some(lack) => lack.with_source(error),
                None => unanswered(call, "cannot be reached").with_source(error),
            }
        }
        _ => credentials::none(call).with_source(error),
    }
}

fn refusal<'a>(answer: &HttpResponse, error: &'a impl ProvideErrorMetadata) -> Refusal<'a> {
    Refusal {
        status: answer.status().as_u16(),
        code: error.code().unwrap_or_default(),
        message: error.message().unwrap_or("without a reason"),
        retry_after: retry_after(answer.headers()),
    }
}

fn retry_after(headers: &Headers) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unanswered(call: Call<'_>, how: &str) -> Error {
    let Call {
        operation,
        object,
        environment,
        region,
    } = call;
    let (service, setting) = call.service();
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "{service} in `{region}` {how} for {operation} of {object} in environment `{environment}`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `{setting}`)"
        ),
    )
}

fn unreadable(call: Call<'_>, status: u16) -> Error {
    let (service, setting) = call.service();
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "the answer to {} of {} in environment `{}` has status {status} and is none of AWS; see that `{setting}` leads to {service}",
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
    // AWS says what is wrong with every refusal but that of a signature. Whatever answers otherwise is not AWS: that it
    // has nothing says nothing of what AWS has.
    if refusal.code.is_empty() && !matches!(refusal.status, 401 | 403 | 429 | 500..) {
        return unreadable(call, refusal.status);
    }
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
    fn what_is_lacking_beside_api_gateway_is_named() {
        let role = "User: arn:aws:iam::111122223333:user/agent is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/invoke";
        let logs = "Insufficient permissions to enable logging";
        for (status, code, message, remedy) in [
            (403, "AccessDeniedException", role, "iam:PassedToService"),
            (400, "BadRequestException", logs, "`DeliverLogs`"),
        ] {
            let error = told(status, code, message, None);
            assert_eq!(error.kind(), ErrorKind::Forbidden, "{message}");
            assert!(error.message().contains(remedy), "{}", error.message());
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
