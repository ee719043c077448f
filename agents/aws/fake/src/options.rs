//! How a fake of AWS is set up: who may call, quotas, time, ports.

use serde::Deserialize;

use crate::clock::Clock;
use crate::identity::{AccessKey, Role};

/// How a [`FakeAws`](crate::FakeAws) is set up.
///
/// ```
/// use gatehouse_fake_aws::{AccessKey, FakeAwsOptions};
///
/// let reader = AccessKey::new("AKIAREADER").with_policy(
///     r#"{"Statement": [{"Effect": "Allow", "Action": "apigateway:GET", "Resource": "*"}]}"#,
/// );
/// let options = FakeAwsOptions {
///     access_keys: vec![AccessKey::new("AKIAADMIN"), reader],
///     ..FakeAwsOptions::default()
/// };
/// assert_eq!(options.access_keys[0].account, "111111111111");
/// ```
#[derive(Debug, Clone)]
pub struct FakeAwsOptions {
    /// Who may call. Every other access key is refused.
    pub access_keys: Vec<AccessKey>,
    /// The roles that may be assumed.
    pub roles: Vec<Role>,
    /// The one region whose endpoint the control plane is; calls that are signed for another are refused. Without one, it
    /// is the endpoint of every region.
    pub region: Option<String>,
    /// Whether the published quotas of the control plane are enforced.
    pub quotas: Quotas,
    /// Where the time comes from.
    pub clock: Clock,
    /// How many resources a REST API may have.
    pub resources_per_rest_api: usize,
    /// How many routes an HTTP API may have.
    pub routes_per_http_api: usize,
    /// The port of the control plane; 0 takes a free one.
    pub control_port: u16,
    /// The port of the data plane; 0 takes a free one.
    pub data_port: u16,
}

impl Default for FakeAwsOptions {
    fn default() -> Self {
        Self {
            access_keys: vec![AccessKey::new("AKIAIOSFODNN7EXAMPLE")],
            roles: Vec::new(),
            region: None,
            quotas: Quotas::Unlimited,
            clock: Clock::default(),
            resources_per_rest_api: 300,
            routes_per_http_api: 300,
            control_port: 0,
            data_port: 0,
        }
    }
}

/// Whether the published quotas of the control plane are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotas {
    /// Any number of calls.
    Unlimited,
    /// As published, for each account and region; whoever is over them is answered 429.
    Published {
        /// Whether the answer says when to come back, in `Retry-After`.
        retry_after: bool,
    },
}

/// What a Lambda authorizer says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The call goes on.
    Allow,
    /// 403: the policy does not allow it.
    Deny,
    /// 401: the function says `Unauthorized`.
    Unauthorized,
}
