//! What can go wrong on a Kong, in the words of the contract.
//!
//! [`from_kong`] is the one place that decides what kind of error it is, whether trying again can help, and what people
//! read.

use std::time::Duration;

use gatehouse_connector_sdk::error::{Error, ErrorKind, Retry};
use serde::Deserialize;
use serde_json::Value;

/// What was asked of the Admin API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// What was to be done, for people: `create`, `list`.
    pub(crate) action: &'static str,
    /// To what: `service \`orders\``.
    pub(crate) object: &'a str,
    /// Where the Admin API is.
    pub(crate) url: &'a str,
    /// The environment.
    pub(crate) environment: &'a str,
}

/// What came instead of the answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing, or not all of it, or not in time.
    NoAnswer(reqwest::Error),
    /// Something that is not what the Admin API answers.
    Unreadable,
    /// A refusal.
    Refused {
        status: u16,
        refusal: Refusal,
        retry_after: Option<Duration>,
    },
}

/// Why the Admin API refused something. `code` is Kong's own number of the kind of error; Konnect says `detail` in many
/// places where Kong says `message`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) code: Option<Value>,
    #[serde(default)]
    pub(crate) message: Value,
    #[serde(default)]
    pub(crate) detail: Value,
}

impl Refusal {
    fn said(&self) -> String {
        let words = [&self.message, &self.detail]
            .into_iter()
            .filter_map(Value::as_str);
        let said = words.map(str::to_owned).find(|said| !said.is_empty());
        said.unwrap_or_else(|| "without a reason".to_owned())
    }

    /// Kong's number: 2 a schema violation, 3 a taken id, 4 a reference that does not hold, 5 a value that is taken, 12
    /// a write without a database, 14 an invalid declarative configuration.
    pub(crate) fn number(&self) -> Option<u64> {
        self.code.as_ref().and_then(Value::as_u64)
    }
}

/// The Admin API's trouble as an error of ours.
pub(crate) fn from_kong(call: Call<'_>, trouble: Trouble) -> Error {
    let Call {
        action,
        object,
        url,
        environment,
    } = call;
    match trouble {
        // The URL in the cause may hold what is nobody's business.
        Trouble::NoAnswer(error) => Error::new(
            ErrorKind::Unavailable,
            format!(
                "the Kong of environment `{environment}` did not answer the call to {action} {object}; see that its Admin API is at {url} and the agent can reach it"
            ),
        )
        .with_source(error.without_url()),
        Trouble::Unreadable => Error::new(
            ErrorKind::Unexpected,
            format!(
                "the Kong of environment `{environment}` answered the call to {action} {object} with something that cannot be read; see that {url} is its Admin API"
            ),
        ),
        Trouble::Refused { status, refusal, retry_after } => refused(call, status, &refusal, retry_after),
    }
}

fn refused(call: Call<'_>, status: u16, refusal: &Refusal, retry_after: Option<Duration>) -> Error {
    let Call {
        action,
        object,
        environment,
        ..
    } = call;
    let (kind, remedy) = verdict(status, refusal);
    let message = format!(
        "the Kong of environment `{environment}` refused to {action} {object} with {status}: {}; {remedy}",
        refusal.said()
    );
    let error = Error::new(kind, message);
    match (kind, retry_after) {
        (ErrorKind::RateLimited | ErrorKind::Unavailable, Some(wait)) => error.with_retry(Retry::After(wait)),
        _ => error,
    }
}

/// What a refusal is, and what to do about it.
fn verdict(status: u16, refusal: &Refusal) -> (ErrorKind, &'static str) {
    let not_enabled = refusal.said().contains("not enabled");
    match (status, refusal.number()) {
        (401, _) => (
            ErrorKind::Unauthorized,
            "correct the credential `adminToken` of the environment, or its setting `tokenHeader`",
        ),
        (403, _) => (
            ErrorKind::Forbidden,
            "give the token a role that may do this, or choose another mode for the environment; `gatehouse env permissions` lists what each mode needs",
        ),
        (404, _) => (
            ErrorKind::NotFound,
            "look whether somebody removed it, and whether `adminUrl` and `workspace` are right",
        ),
        (405, Some(12)) => (
            ErrorKind::Unsupported,
            "this Kong has no database, so that its configuration can only be replaced as a whole; see that `adminUrl` leads to one node",
        ),
        (409, _) | (400, Some(3 | 5)) => (
            ErrorKind::Conflict,
            "it belongs to something else there; rename or remove that, or change the API",
        ),
        (400, _) if not_enabled => (
            ErrorKind::Unsupported,
            "add the plugin to `plugins` in kong.conf and restart Kong (some are of Kong Enterprise only), or take the policy away",
        ),
        (413, _) => (
            ErrorKind::Invalid,
            "it is larger than `admin_listen` takes; raise `nginx_admin_client_max_body_size` in kong.conf",
        ),
        (429, _) => (ErrorKind::RateLimited, "it is tried again later"),
        (400..=499, _) => (
            ErrorKind::Invalid,
            "correct what is deployed, or the settings of the environment",
        ),
        (500.., _) => (
            ErrorKind::Unavailable,
            "it is tried again; Kong's error log says more",
        ),
        _ => (ErrorKind::Unexpected, "see that `adminUrl` leads to an Admin API"),
    }
}
