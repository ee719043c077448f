//! Authorizers in front of methods and routes: Lambda functions, whose answers a test plans.

use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::mapping;
use crate::cloud::Cloud;
use crate::options::Decision;
use crate::place::{Entity, text};

/// Why an authorizer of a REST API refuses a request, if it does.
pub(crate) fn refusal(
    cloud: &Cloud,
    exchange: &Exchange,
    stage: &Entity,
    authorizer: &Entity,
) -> Option<Answer> {
    let sources = text(authorizer, "identitySource").split(',').map(str::trim);
    let sources: Vec<&str> = sources.filter(|source| !source.is_empty()).collect();
    let tokens: Option<Vec<String>> = sources
        .iter()
        .map(|source| mapping::value(exchange, stage, source).filter(|token| !token.is_empty()))
        .collect();
    let Some(tokens) = tokens else {
        return Some(unauthorized());
    };
    let token = tokens.first().cloned().unwrap_or_default();
    let pattern = text(authorizer, "identityValidationExpression");
    let valid = regex::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(&token));
    if !pattern.is_empty() && !valid {
        return Some(unauthorized());
    }
    // The fake has no user pools: what their tokens are worth is planned as for a function.
    let pools = authorizer
        .get("providerARNs")
        .and_then(|all| all.get(0))
        .and_then(Value::as_str);
    let judge = pools.unwrap_or_else(|| function(text(authorizer, "authorizerUri")));
    decided(cloud.decision(judge, &token))
}

/// What a decision means for a request.
pub(crate) fn decided(decision: Decision) -> Option<Answer> {
    match decision {
        Decision::Allow => None,
        Decision::Unauthorized => Some(unauthorized()),
        Decision::Deny => Some(Answer::own(
            "ACCESS_DENIED",
            403,
            "AccessDeniedException",
            "User is not authorized to access this resource",
        )),
    }
}

pub(crate) fn unauthorized() -> Answer {
    Answer::own("UNAUTHORIZED", 401, "UnauthorizedException", "Unauthorized")
}

/// The function in the URI of its invocation.
pub(crate) fn function(uri: &str) -> &str {
    let name = uri.split_once("/functions/").map_or(uri, |(_, rest)| rest);
    name.strip_suffix("/invocations").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::function;

    #[test]
    fn a_uri_names_the_function_that_it_invokes() {
        let arn = "arn:aws:lambda:eu-central-1:111111111111:function:auth";
        let uri =
            format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{arn}/invocations");
        assert_eq!(function(&uri), arn);
    }
}
