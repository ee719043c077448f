//! `gatehouse explain`: why something is as it is.

mod route;

use clap::{Args, Subcommand};
use gatehouse_control_plane_api::{
    admin::{ExplainedPolicy, PolicyExplanation},
    client::{Client, OperationChoice},
};
use gatehouse_schemas::{identity::ResourceName, policy::Policy};
use reqwest::Url;
use serde_json::Value;

use crate::{
    exit::Exit,
    failure::Failure,
    plan_text::short,
    screen::{Color, Screen},
};

/// What to explain.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// Shows the policies in force for an operation, each value with where it comes from
    Policy(ExplainPolicyArguments),
    /// Shows which route takes a request on a native gateway, which others lost and why, and the policies in force
    Route(route::ExplainRouteArguments),
}

impl ExplainCommand {
    /// What it asks of which gateway, if no control plane is needed.
    pub(crate) fn of_gateway(&self) -> Option<(&route::ExplainRouteArguments, &Url)> {
        match self {
            Self::Route(options) => Some((options, options.gateway.as_ref()?)),
            Self::Policy(_) => None,
        }
    }
}

/// Which operation.
#[derive(Debug, Args)]
pub(crate) struct ExplainPolicyArguments {
    /// The API
    api: ResourceName,
    /// The operation, `GET /orders/{id}` or as a request has it, `GET /orders/42`; the whole API unless given
    #[arg(value_parser = parse_operation)]
    operation: Option<Operation>,
    /// The environment: what is attached to it counts, too
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environment: Option<ResourceName>,
}

/// A method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Operation {
    method: String,
    path: String,
}

fn parse_operation(text: &str) -> Result<Operation, String> {
    let wrong = || format!("`{text}` is not an operation; write method and path, like 'GET /orders/{{id}}'");
    let (method, path) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
    let path = path.trim();
    if !path.starts_with('/') {
        return Err(wrong());
    }
    Ok(Operation {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
    })
}

/// Asks one gateway.
pub(super) async fn ask_gateway(
    options: &route::ExplainRouteArguments,
    gateway: &Url,
    screen: Screen,
) -> anyhow::Result<Exit> {
    route::of_gateway(options, gateway, screen).await
}

pub(super) async fn run(command: &ExplainCommand, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    match command {
        ExplainCommand::Policy(options) => policy(options, client, screen).await,
        ExplainCommand::Route(options) => route::of_environment(options, client, screen).await,
    }
}

async fn policy(options: &ExplainPolicyArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let operation = options.operation.as_ref();
    let explanation = client
        .effective_policies(
            &options.api,
            options.environment.as_ref(),
            operation.map(|Operation { method, path }| OperationChoice::Named { method, path }),
        )
        .await?;
    let names: Vec<String> = explanation
        .effective
        .iter()
        .map(|explained| format!("policy/{}", explained.policy.type_name()))
        .collect();
    let shown = text(&explanation, screen)?;
    screen.show(&explanation, &names, || shown)?;
    Ok(Exit::Ok)
}

fn text(explanation: &PolicyExplanation, screen: Screen) -> anyhow::Result<String> {
    let of = explanation
        .operation
        .as_ref()
        .map(|operation| format!(", {operation}"))
        .unwrap_or_default();
    let place = explanation
        .environment
        .as_ref()
        .map(|environment| format!(" in {environment}"))
        .unwrap_or_default();
    let mut text = format!("{}{of}{place}\n", explanation.api);
    if explanation.effective.is_empty() {
        text.push_str("  no policies are in force: every request is let through as it is\n");
    }
    for (position, explained) in explanation.effective.iter().enumerate() {
        text.push_str(&policy_text(position + 1, explained, screen)?);
    }
    for overridden in &explanation.overridden {
        let line = format!(
            "  not in force: {} from {}: {}",
            overridden.policy.type_name(),
            overridden.origin,
            overridden.reason
        );
        text.push_str(&format!("{}\n", screen.paint(Color::Red, &line)));
    }
    Ok(text)
}

fn policy_text(number: usize, explained: &ExplainedPolicy, screen: Screen) -> anyhow::Result<String> {
    let name = screen.paint(Color::Bold, explained.policy.type_name());
    let origin = |pointer: &str| {
        explained
            .origins
            .get(pointer)
            .map(|origins| origins.join(" and "))
    };
    let whole = origin("")
        .map(|origin| format!("   from {origin}"))
        .unwrap_or_default();
    let lock = if explained.locked { "   locked" } else { "" };
    let mut text = format!("  {number}. {name}{whole}{lock}\n");
    for (key, value) in parameters(&explained.policy)? {
        let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        let from = origin(&pointer)
            .map(|origin| format!("   from {origin}"))
            .unwrap_or_default();
        text.push_str(&format!("       {key}: {}{from}\n", short(&value)));
    }
    Ok(text)
}

fn parameters(policy: &Policy) -> Result<Vec<(String, Value)>, Failure> {
    let value = serde_json::to_value(policy)
        .map_err(|error| Failure::new(Exit::Error, format!("a policy cannot be shown: {error}")))?;
    Ok(match value.get("with") {
        Some(Value::Object(fields)) => fields
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_method_and_a_path() {
        let parsed = parse_operation("get  /orders/{id}").unwrap();
        assert_eq!(
            (parsed.method.as_str(), parsed.path.as_str()),
            ("GET", "/orders/{id}")
        );
        for wrong in ["", "GET", "/orders", "GET orders"] {
            assert_eq!(
                parse_operation(wrong).unwrap_err(),
                format!("`{wrong}` is not an operation; write method and path, like 'GET /orders/{{id}}'")
            );
        }
    }

    #[test]
    fn what_is_not_in_force_says_why() {
        let explanation: PolicyExplanation = serde_json::from_value(serde_json::json!({
            "api": "orders", "effective": [],
            "overridden": [{"policy": {"type": "request.size", "with": {"maxBytes": 1}}, "origin": "policy/edge at /policies/0",
                "reason": "the API says otherwise"}],
        }))
        .unwrap();
        let text = text(&explanation, Screen::new(crate::screen::Format::Table)).unwrap();
        assert_eq!(
            text,
            "orders\n  no policies are in force: every request is let through as it is\n  not in force: request.size from \
             policy/edge at /policies/0: the API says otherwise\n"
        );
    }
}
