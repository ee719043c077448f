//! What leads to AWS: the official clients, with the credentials of an environment.

mod access;
mod listing;

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_sdk_apigateway::Client as RestClient;
use aws_sdk_apigatewayv2::Client as HttpClient;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::{context::Context, error::Result, scheduler};
use tokio::sync::RwLock;
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

pub(crate) use self::{access::Accesses, listing::LONGEST_PAGE};
use crate::{
    config::AwsSettings,
    error::{Call, from_aws},
};

/// The clients of one account and region.
#[derive(Clone)]
pub(crate) struct Clients {
    /// REST APIs, and what both kinds of APIs share: keys, usage plans, domain names.
    pub(crate) rest: RestClient,
    /// HTTP APIs and WebSocket APIs.
    pub(crate) http: HttpClient,
    /// Who the credentials belong to.
    pub(crate) sts: aws_sdk_sts::Client,
    /// The queue that tells of changes.
    pub(crate) sqs: aws_sdk_sqs::Client,
}

/// The clients' own words have the access key in them.
impl fmt::Debug for Clients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clients")
    }
}

/// An account for one piece of work in one environment.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(crate) clients: Clients,
    pub(crate) settings: AwsSettings,
    pub(crate) context: &'a Context,
    /// Held while keys of the environment are found and let in, by as many as do so; and by one alone while it removes keys
    /// that nobody lets in.
    pub(crate) callers: Arc<RwLock<()>>,
}

impl Account<'_> {
    /// Makes a call: in its turn by the quotas, and again when AWS asks to slow down.
    ///
    /// `operation` is the vendor's name of it, `object` what it is about, for people.
    pub(crate) async fn call<T, E, F>(
        &self,
        operation: &'static str,
        object: &str,
        send: impl Fn(&Clients) -> F,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        self.call_as(operation, operation, object, send).await
    }

    /// A call that counts against a quota of another name than its operation's: edge-optimized APIs have slower ones.
    pub(crate) async fn call_as<T, E, F>(
        &self,
        quota: &str,
        operation: &'static str,
        object: &str,
        send: impl Fn(&Clients) -> F,
    ) -> Result<T>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        let call = Call {
            operation,
            object,
            environment: self.context.environment.name.as_str(),
            region: &self.settings.region,
        };
        // What the clients log of a request has the access key in it.
        let silent = NoSubscriber::default;
        let attempt = || async {
            let sent = send(&self.clients).with_subscriber(silent()).await;
            sent.map_err(|error| from_aws(call, error))
        };
        scheduler::call(self.context.quotas.as_ref(), quota, attempt).await
    }

    /// The tags that people want on everything.
    pub(crate) fn wanted_tags(&self) -> &BTreeMap<String, String> {
        &self.settings.tags
    }
}
