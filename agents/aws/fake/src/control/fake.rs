//! What makes the fake a fake, by HTTP: tests in another process plan faults and look at calls under `/_fake`.
//!
//! - `GET /_fake/calls`, `DELETE /_fake/calls`
//! - `POST /_fake/faults` with `{"operation": "PutRestApi"}` or `{"method": "PUT", "path": "/restapis/*"}`, and one of
//!   `"answer": {"status", "error", "message", "retryAfter"}`, `"drop": true`, `"loseReply": true`, `"silence": true`,
//!   `"slowMs": 100`; `GET /_fake/faults` counts those to come, `DELETE /_fake/faults` forgets them
//! - `POST /_fake/decisions` with `{"function": ARN, "token": TEXT, "decision": "allow" | "deny" | "unauthorized"}`

use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, ControlRequest};
use crate::cloud::Cloud;
use crate::faults::Fault;
use crate::options::Decision;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlannedFault {
    operation: Option<String>,
    method: Option<String>,
    path: Option<String>,
    answer: Option<PlannedAnswer>,
    #[serde(default)]
    drop: bool,
    #[serde(default)]
    lose_reply: bool,
    #[serde(default)]
    silence: bool,
    slow_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlannedAnswer {
    status: u16,
    error: String,
    #[serde(default)]
    message: String,
    retry_after: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct PlannedDecision {
    function: String,
    token: String,
    decision: Decision,
}

/// The answer to a call that is meant for the fake and not for API Gateway.
pub(crate) fn answer(cloud: &Cloud, request: &ControlRequest) -> Option<Answer> {
    let (first, rest) = request.segments.split_first()?;
    if first != "_fake" {
        return None;
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let done = || Some(Answer::empty(204));
    match (&request.method, rest.as_slice()) {
        (&Method::GET, ["calls"]) => Some(Answer::json(200, &json!({ "calls": cloud.faults.calls() }))),
        (&Method::DELETE, ["calls"]) => {
            cloud.faults.forget_calls();
            done()
        }
        (&Method::GET, ["faults"]) => Some(Answer::json(200, &json!({ "pending": cloud.faults.pending() }))),
        (&Method::DELETE, ["faults"]) => {
            cloud.faults.forget();
            done()
        }
        (&Method::POST, ["faults"]) => Some(or_refused(plan(cloud, request))),
        (&Method::POST, ["decisions"]) => Some(or_refused(decide(cloud, request))),
        _ => Some(Answer::json(
            404,
            &json!({ "message": "the fake has no such control" }),
        )),
    }
}

fn or_refused(done: Result<(), String>) -> Answer {
    match done {
        Ok(()) => Answer::empty(204),
        Err(message) => Answer::json(400, &Value::from(message)),
    }
}

fn plan(cloud: &Cloud, request: &ControlRequest) -> Result<(), String> {
    let planned: PlannedFault = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let fault =
        fault(&planned).ok_or("a fault needs `answer`, `drop`, `loseReply`, `silence` or `slowMs`")?;
    match (planned.operation, planned.path) {
        (Some(operation), _) => cloud.faults.plan_operation(&operation, fault),
        (None, Some(path)) => {
            let method = planned.method.as_deref().unwrap_or("*");
            cloud.faults.plan(method, &path, fault);
        }
        (None, None) => return Err("a fault needs `operation` or `path`".to_owned()),
    }
    Ok(())
}

fn fault(planned: &PlannedFault) -> Option<Fault> {
    if let Some(answer) = &planned.answer {
        return Some(Fault::Answer {
            status: answer.status,
            error: answer.error.clone(),
            message: answer.message.clone(),
            retry_after: answer.retry_after,
        });
    }
    match planned {
        _ if planned.drop => Some(Fault::Drop),
        _ if planned.lose_reply => Some(Fault::LoseReply),
        _ if planned.silence => Some(Fault::Silence),
        _ => planned
            .slow_ms
            .map(|slow| Fault::Slow(Duration::from_millis(slow))),
    }
}

fn decide(cloud: &Cloud, request: &ControlRequest) -> Result<(), String> {
    let planned: PlannedDecision =
        serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    cloud.decide(&planned.function, &planned.token, planned.decision);
    Ok(())
}
