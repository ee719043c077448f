//! Credentials: the default provider chain, static keys, or a role assumed with either.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use gatehouse_connector_sdk::{
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    schemas::identity::EnvironmentId,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::RwLock;

use super::{Account, Clients};
use crate::{
    config::{self, ACCESS_KEY_ID, AwsSettings, SECRET_ACCESS_KEY, SESSION_TOKEN},
    hints::LONGEST_WAIT,
};

/// The clients of environments. They are kept, since they keep connections and the credentials of a role.
#[derive(Debug, Default)]
pub(crate) struct Accesses {
    held: Mutex<HashMap<EnvironmentId, Access>>,
}

#[derive(Debug)]
struct Access {
    settings: Map<String, Value>,
    keys: Vec<Option<SecretString>>,
    clients: Clients,
    callers: Arc<RwLock<()>>,
}

impl Accesses {
    /// The account of an operation's environment.
    pub(crate) async fn open<'a>(&self, context: &'a Context) -> Result<Account<'a>> {
        let environment = &context.environment;
        let settings = config::read(environment)?;
        let (clients, callers) = match self.kept(environment) {
            Some(kept) => kept,
            None => self.keep(environment, clients(&settings, environment).await?),
        };
        Ok(Account {
            clients,
            settings,
            context,
            callers,
        })
    }

    /// Keeps the clients of an environment. What orders the work on its keys stays the same with other clients.
    fn keep(&self, environment: &EnvironmentContext, clients: Clients) -> (Clients, Arc<RwLock<()>>) {
        let mut held = self.lock();
        let former = held.remove(&environment.id);
        let callers = former.map(|former| former.callers).unwrap_or_default();
        let access = Access {
            settings: environment.settings.clone(),
            keys: keys(environment),
            clients: clients.clone(),
            callers: callers.clone(),
        };
        held.insert(environment.id, access);
        (clients, callers)
    }

    fn kept(&self, environment: &EnvironmentContext) -> Option<(Clients, Arc<RwLock<()>>)> {
        let held = self.lock();
        let access = held.get(&environment.id)?;
        let is_same = access.settings == environment.settings && same(&access.keys, &keys(environment));
        is_same.then(|| (access.clients.clone(), access.callers.clone()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<EnvironmentId, Access>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keys(environment: &EnvironmentContext) -> Vec<Option<SecretString>> {
    [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN]
        .map(|name| environment.credentials.get(name).cloned())
        .into()
}

fn same(one: &[Option<SecretString>], other: &[Option<SecretString>]) -> bool {
    let exposed = |key: &Option<SecretString>| key.as_ref().map(|key| key.expose_secret().to_owned());
    one.iter().map(exposed).eq(other.iter().map(exposed))
}

async fn clients(settings: &AwsSettings, environment: &EnvironmentContext) -> Result<Clients> {
    let base = base(settings, environment)?.load().await;
    let shared = match &settings.role_arn {
        Some(role) => assumed(role, settings, base).await,
        None => base,
    };
    let mut rest = aws_sdk_apigateway::config::Builder::from(&shared);
    let mut http = aws_sdk_apigatewayv2::config::Builder::from(&shared);
    let mut sts = aws_sdk_sts::config::Builder::from(&shared);
    rest.set_endpoint_url(settings.endpoint_url.clone().or_else(|| own(&shared)));
    http.set_endpoint_url(settings.endpoint_url.clone().or_else(|| own(&shared)));
    sts.set_endpoint_url(settings.sts_endpoint_url.clone().or_else(|| own(&shared)));
    Ok(Clients {
        rest: aws_sdk_apigateway::Client::from_conf(rest.build()),
        http: aws_sdk_apigatewayv2::Client::from_conf(http.build()),
        sts: aws_sdk_sts::Client::from_conf(sts.build()),
        sqs: queues(settings, &shared),
    })
}

/// A call may wait for a message, and takes as long as any other beside.
fn queues(settings: &AwsSettings, shared: &SdkConfig) -> aws_sdk_sqs::Client {
    let timeout = Duration::from_millis(settings.timeout_ms.into()) + LONGEST_WAIT;
    let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
    let mut sqs = aws_sdk_sqs::config::Builder::from(shared).timeout_config(timeouts);
    sqs.set_endpoint_url(settings.sqs_endpoint_url.clone().or_else(|| own(shared)));
    aws_sdk_sqs::Client::from_conf(sqs.build())
}

/// The endpoint that the process's environment or profile names (`AWS_ENDPOINT_URL`).
fn own(shared: &SdkConfig) -> Option<String> {
    shared.endpoint_url().map(str::to_owned)
}

/// What every client is made of. The runtime repeats and times calls; a client that did so too would multiply them.
fn base(settings: &AwsSettings, environment: &EnvironmentContext) -> Result<ConfigLoader> {
    let timeout = Duration::from_millis(settings.timeout_ms.into());
    let timeouts = TimeoutConfig::builder().operation_timeout(timeout).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .use_fips(settings.use_fips)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    Ok(match static_keys(environment)? {
        Some(credentials) => loader.credentials_provider(credentials),
        None => loader,
    })
}

fn static_keys(environment: &EnvironmentContext) -> Result<Option<Credentials>> {
    let exposed = |name: &str| {
        let held = environment.credentials.get(name);
        held.map(|value| value.expose_secret().trim().to_owned())
    };
    match (exposed(ACCESS_KEY_ID), exposed(SECRET_ACCESS_KEY)) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let token = exposed(SESSION_TOKEN);
            Ok(Some(Credentials::new(id, secret, token, None, "gatehouse")))
        }
        (id, _) => {
            let missing = if id.is_none() {
                ACCESS_KEY_ID
            } else {
                SECRET_ACCESS_KEY
            };
            Err(Error::new(
                ErrorKind::Unauthorized,
                format!(
                    "environment `{}` names one half of an access key; add `{missing}` to `spec.credentials`, or leave both out for the default provider chain",
                    environment.name
                ),
            ))
        }
    }
}

/// The credentials of a role, renewed before they expire.
async fn assumed(role: &str, settings: &AwsSettings, base: SdkConfig) -> SdkConfig {
    let sts = match &settings.sts_endpoint_url {
        Some(url) => base.to_builder().endpoint_url(url).build(),
        None => base.clone(),
    };
    let mut provider = AssumeRoleProvider::builder(role)
        .session_name(&settings.role_session_name)
        .region(Region::new(settings.region.clone()))
        .configure(&sts);
    if let Some(external_id) = &settings.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = provider.build().await;
    base.into_builder()
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build()
}
