//! Who calls: access keys, the roles that may be assumed, and what their policies allow.

use std::io;

use serde_json::Value;

use crate::faults::fits;

/// The account of access keys and roles that name no other.
const ACCOUNT: &str = "111111111111";

/// An access key, and whose it is.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// The id of the access key.
    pub id: String,
    /// The account that it belongs to.
    pub account: String,
    /// The ARN of the user or the assumed role.
    pub arn: String,
    /// The session token that has to come with it, if it is a temporary one.
    pub session_token: Option<String>,
    /// Whether it has expired.
    pub expired: bool,
    /// The IAM policy document; without one, everything is allowed.
    pub policy: Option<String>,
}

impl AccessKey {
    /// The access key of a user who may do everything.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            account: ACCOUNT.to_owned(),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{id}"),
            session_token: None,
            expired: false,
            policy: None,
        }
    }

    /// The same in another account.
    #[must_use]
    pub fn in_account(mut self, account: &str) -> Self {
        self.arn = self.arn.replace(&self.account, account);
        account.clone_into(&mut self.account);
        self
    }

    /// The same, with nothing allowed but what an IAM policy document says. Conditions are not looked at: a statement
    /// that has one allows nothing, and denies as if it had none.
    #[must_use]
    pub fn with_policy(mut self, document: &str) -> Self {
        self.policy = Some(document.to_owned());
        self
    }

    /// The same, temporary: it is refused without this session token.
    #[must_use]
    pub fn with_session_token(mut self, token: &str) -> Self {
        self.session_token = Some(token.to_owned());
        self
    }

    /// The same, after its time.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        read(self.policy.as_deref()).map(drop)
    }

    /// Whether the policy allows an action on a resource.
    pub(crate) fn allows(&self, action: &str, resource: &str) -> bool {
        let Ok(Some(policy)) = read(self.policy.as_deref()) else {
            return self.policy.is_none();
        };
        let allows =
            |one: &&Value| applies(one, "Allow", (action, resource)) && one.get("Condition").is_none();
        !self.denies(action, resource) && list(&policy["Statement"]).iter().any(allows)
    }

    /// Whether the policy denies an action on a resource, whatever else it allows.
    pub(crate) fn denies(&self, action: &str, resource: &str) -> bool {
        let policy = read(self.policy.as_deref()).ok().flatten().unwrap_or_default();
        let statements = list(&policy["Statement"]);
        statements
            .iter()
            .any(|one| applies(one, "Deny", (action, resource)))
    }
}

fn applies(statement: &Value, effect: &str, (action, resource): (&str, &str)) -> bool {
    statement["Effect"] == effect
        && names(&statement["Action"], action, true)
        && names(&statement["Resource"], resource, false)
}

/// A role that may be assumed.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN: `arn:aws:iam::111111111111:role/gatehouse`.
    pub arn: String,
    /// The external id without which nobody may assume it.
    pub external_id: Option<String>,
    /// The IAM policy document of its sessions; without one, everything is allowed.
    pub policy: Option<String>,
}

impl Role {
    /// The account that it belongs to.
    pub(crate) fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or(ACCOUNT)
    }

    /// Its name, without its path.
    pub(crate) fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }
}

fn read(policy: Option<&str>) -> io::Result<Option<Value>> {
    let Some(text) = policy else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| {
        let message = format!("the policy of an access key is no JSON document: {error}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn names(patterns: &Value, text: &str, any_case: bool) -> bool {
    let fit = |pattern: &str| match any_case {
        true => fits(&pattern.to_lowercase(), &text.to_lowercase()),
        false => fits(pattern, text),
    };
    list(patterns).into_iter().filter_map(Value::as_str).any(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(statements: &str) -> AccessKey {
        AccessKey::new("AKIA").with_policy(&format!(r#"{{"Statement": {statements}}}"#))
    }

    #[test]
    fn a_policy_allows_what_it_names_and_nothing_else() {
        let key = key(
            r#"[{"Effect": "Allow", "Action": ["apigateway:GET"], "Resource": "arn:aws:apigateway:*::/restapis*"}]"#,
        );
        assert!(key.allows("apigateway:GET", "arn:aws:apigateway:eu-central-1::/restapis/a"));
        assert!(!key.allows("apigateway:PUT", "arn:aws:apigateway:eu-central-1::/restapis/a"));
        assert!(!key.allows("apigateway:GET", "arn:aws:apigateway:eu-central-1::/apikeys"));
    }

    #[test]
    fn what_is_denied_is_denied_whatever_is_allowed() {
        let key = key(
            r#"[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "apigateway:DELETE", "Resource": "*"}]"#,
        );
        assert!(key.allows("apigateway:GET", "anything"));
        assert!(!key.allows("apigateway:DELETE", "anything"));
    }

    #[test]
    fn a_condition_allows_nothing() {
        let key = key(
            r#"{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}"#,
        );
        assert!(!key.allows("apigateway:GET", "anything"));
    }
}
