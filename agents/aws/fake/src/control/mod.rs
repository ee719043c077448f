//! The control plane over HTTP: who may call, what is called, and the answer.

mod access;
mod answer;
mod arn;
mod call;
mod error;
mod fake;
mod operation;
mod paging;
mod request;
mod sqs;
mod sts;
mod trail;

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::answer::Answer;
pub(crate) use self::arn::{arn_of, partition, suffix};
pub(crate) use self::call::{Call, Reply, required};
pub(crate) use self::error::AwsError;
pub(crate) use self::operation::{Operation, v1, v2};
pub use self::operation::{Service, operations};
pub(crate) use self::paging::{Page, page, page_of};
pub(crate) use self::request::ControlRequest;
pub(crate) use self::sqs::arn_of as queue_arn;

use self::access::Caller;
use crate::cloud::{Cloud, PlaceName};
use crate::faults::{self, Fault};
use crate::options::Quotas;

/// What becomes of a call.
pub(crate) enum Outcome {
    Answer(Answer),
    ReplyLost,
    Silence,
    /// The answer as soon as it brings something, or when some time has passed.
    WithNews(Duration),
    /// The answer, when some time has passed.
    Later(Duration, fn(&Cloud, &ControlRequest) -> Answer),
}

/// Takes a call: notes it, lets it meet the fault that is planned for it, and answers.
pub(crate) fn receive(cloud: &Cloud, request: &ControlRequest) -> Outcome {
    if let Some(answer) = fake::answer(cloud, request) {
        return Outcome::Answer(answer);
    }
    let (number, fault) = cloud.faults.meet(note(request));
    let outcome = meet(cloud, request, fault);
    if let Outcome::Answer(answer) = &outcome {
        cloud.faults.answered(number, answer.status);
    }
    outcome
}

fn meet(cloud: &Cloud, request: &ControlRequest, fault: Option<Fault>) -> Outcome {
    match fault {
        None if sqs::is_meant(request) => Outcome::WithNews(sqs::wait(request)),
        None => Outcome::Answer(answer(cloud, request)),
        Some(Fault::Answer {
            status,
            error,
            message,
            retry_after,
        }) => Outcome::Answer(match sts::is_meant(request) {
            true => sts::planned(status, &error, &message),
            false => Answer::planned(status, &error, &message, retry_after),
        }),
        Some(Fault::Before(change)) => {
            change(&|region, method, path, body| cloud.call(region, method, path, body));
            Outcome::Answer(answer(cloud, request))
        }
        Some(Fault::LoseReply) => {
            answer(cloud, request);
            Outcome::ReplyLost
        }
        Some(Fault::Drop) => Outcome::ReplyLost,
        Some(Fault::Silence) => Outcome::Silence,
        Some(Fault::Slow(delay)) => Outcome::Later(delay, answer),
    }
}

fn note(request: &ControlRequest) -> faults::Call {
    let signature = access::signature(request);
    let operation = if sqs::is_meant(request) {
        sqs::action(request)
    } else if sts::is_meant(request) {
        sts::action(request)
    } else {
        Operation::of(request).map_or_else(String::new, |(operation, _)| operation.name.to_owned())
    };
    let (access_key, region) = signature.map_or_else(Default::default, |it| (it.access_key, it.region));
    faults::Call {
        operation,
        method: request.method.to_string(),
        path: request.path_and_query.clone(),
        region,
        access_key,
        status: None,
    }
}

/// Answers a call, as AWS would.
fn answer(cloud: &Cloud, request: &ControlRequest) -> Answer {
    if sqs::is_meant(request) {
        return sqs::answer(cloud, request);
    }
    if sts::is_meant(request) {
        return sts::answer(cloud, request);
    }
    match permitted(cloud, request) {
        Ok(caller) => perform(cloud, &caller.place(), request),
        Err(error) => error.into(),
    }
}

fn permitted(cloud: &Cloud, request: &ControlRequest) -> Result<Caller, AwsError> {
    let caller = access::caller(cloud, request)?;
    access::allowed(&caller, request)?;
    within_quotas(cloud, &caller, request)?;
    Ok(caller)
}

fn within_quotas(cloud: &Cloud, caller: &Caller, request: &ControlRequest) -> Result<(), AwsError> {
    let Quotas::Published { retry_after } = cloud.options.quotas else {
        return Ok(());
    };
    let Some((operation, _)) = Operation::of(request) else {
        return Ok(());
    };
    let at_the_edge =
        request.text().contains("EDGE") || request.argument("endpointConfigurationTypes") == Some("EDGE");
    let name = match operation.service {
        Service::Rest => operation.name.to_owned(),
        Service::Http => format!("v2 {}", operation.name),
    };
    let now = cloud.clock().now();
    let taken = cloud.buckets().take(&caller.place(), &name, at_the_edge, now);
    taken.map_err(|wait| AwsError::too_many_requests(retry_after.then_some(wait)))
}

/// Does what a call asks for, in an account and a region.
pub(crate) fn perform(cloud: &Cloud, place: &PlaceName, request: &ControlRequest) -> Answer {
    let Some((operation, labels)) = Operation::of(request) else {
        return AwsError::unknown_operation(request).into();
    };
    let call = Call {
        request,
        labels,
        account: &place.0,
        region: &place.1,
        now: cloud.clock().now(),
        resources_per_rest_api: cloud.options.resources_per_rest_api,
        routes_per_http_api: cloud.options.routes_per_http_api,
    };
    let reply = cloud.in_place(place, |place| (operation.handler)(&call, place));
    match reply {
        Ok(reply) => {
            let answer = reply.into_answer(operation.status);
            trail::record(cloud, place, operation, &call, &answer);
            answer
        }
        Err(error) => error.into(),
    }
}

/// Answers as soon as there is a message, or when the time is up.
pub(crate) async fn with_news(cloud: &Cloud, request: &ControlRequest, wait: Duration) -> Answer {
    let until = Instant::now() + wait;
    loop {
        let mut news = pin!(cloud.queues.news.notified());
        // From here on, no message goes unnoticed.
        news.as_mut().enable();
        let answer = answer(cloud, request);
        if !sqs::is_empty(&answer) || tokio::time::timeout_at(until, news).await.is_err() {
            return answer;
        }
    }
}
