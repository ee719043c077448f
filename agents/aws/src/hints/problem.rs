//! What can go wrong with the queue, in the words of the contract.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::error::{Error, ErrorKind};

use super::queue::Queue;
use crate::{
    client::Account,
    error::{Call, from_aws},
};

/// What came of a call of SQS, as an error of ours. Nothing of it is about API Gateway.
pub(super) fn from_sqs<E>(
    operation: &'static str,
    queue: &Queue,
    account: &Account<'_>,
    error: SdkError<E, HttpResponse>,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let environment = account.context.environment.name.as_str();
    let arn = &queue.arn;
    if is_missing(error.as_service_error().and_then(ProvideErrorMetadata::code)) {
        let message = format!(
            "there is no queue `{arn}` for environment `{environment}`; create it, or correct `spec.settings.eventQueueArn`"
        );
        return Error::new(ErrorKind::NotFound, message).with_source(error);
    }
    let call = Call {
        operation,
        object: &format!("the queue `{arn}`"),
        environment,
        region: &account.settings.region,
    };
    let told = from_aws(call, error);
    match told.kind() {
        ErrorKind::Unavailable => {
            let message = format!(
                "SQS does not answer to {operation} of the queue `{arn}` in environment `{environment}`; see that the agent reaches its endpoint (`spec.settings.sqsEndpointUrl`)"
            );
            Error::new(ErrorKind::Unavailable, message).with_source(told)
        }
        ErrorKind::Forbidden => {
            let message = format!(
                "IAM does not allow {operation} of the queue `{arn}` in environment `{environment}`; attach the policy that `gatehouse env permissions` prints, and see that the queue's own policy and key do not deny it"
            );
            Error::new(ErrorKind::Forbidden, message).with_source(told)
        }
        _ => told,
    }
}

/// SQS has two names for it: that of its protocol, and an older one that it sends beside.
fn is_missing(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_is_not_there_is_told_by_either_name() {
        for (code, missing) in [
            (Some("AWS.SimpleQueueService.NonExistentQueue"), true),
            (Some("QueueDoesNotExist"), true),
            (Some("AccessDeniedException"), false),
            (None, false),
        ] {
            assert_eq!(is_missing(code), missing, "{code:?}");
        }
    }
}
