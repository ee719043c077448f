//! What AWS is to hold of an API: the translation, in the words of the calls that bring it there.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    connector::Translation,
    context::EnvironmentContext,
    error::{Error, Result},
    schemas::{canonical::Fingerprint, desired::DesiredApi, identity::ResourceName},
};
use serde_json::{Value, json};

use super::fitting;
use crate::{
    config::{self, AwsSettings},
    translate::{self, Form, Kind, MethodSettings, Stage, Trust, UsagePlan},
};

/// What AWS is to hold.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What it becomes.
    pub(super) kind: Kind,
    /// The OpenAPI document.
    pub(super) document: Value,
    /// What must check callers' certificates, if they must present one.
    pub(super) trust: Option<Trust>,
    /// Settings of the stage by the paths with which they are changed.
    pub(super) settings: BTreeMap<String, String>,
    /// The limits of the usage plan, if there is to be one.
    pub(super) plan: Option<UsagePlan>,
    /// The secrets of the keys that the plan lets in, by the keys' names.
    pub(super) keys: BTreeMap<String, ResourceName>,
}

/// A desired API in AWS's words, with why it becomes what it becomes and what else AWS has to be told.
pub(super) fn translation(environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
    let Ok(settings) = config::read(environment) else {
        return Translation {
            vendor_form: Value::Null,
            fidelity: Vec::new(),
        };
    };
    let form = translate::form(desired, &settings);
    Translation {
        vendor_form: json!({
            "why": translate::kind(desired, &settings).map_or_else(|error| error.message().to_owned(), |choice| choice.reason),
            "permissionsNeeded": translate::permissions_needed(&form),
            "remarks": translate::remarks(&form),
            "form": form,
        }),
        fidelity: translate::fidelity(desired, &settings),
    }
}

impl Wanted {
    /// What an API becomes; refused where it cannot become what it says, or is larger than AWS takes.
    pub(super) fn checked(settings: &AwsSettings, desired: &DesiredApi) -> Result<Self> {
        let form = translate::form(desired, settings);
        let served = translate::kind(desired, settings).map(drop);
        both(served, translate::limits(desired, &form))?;
        let wanted = Self::of(form, desired);
        fitting::fits(settings, desired, &wanted)?;
        Ok(wanted)
    }

    /// What an API becomes, whether AWS takes it or not.
    pub(super) fn new(settings: &AwsSettings, desired: &DesiredApi) -> Self {
        Self::of(translate::form(desired, settings), desired)
    }

    fn of(form: Form, desired: &DesiredApi) -> Self {
        let name = |key: &translate::Key| {
            let environment = desired.mark.environment_id;
            format!(
                "{}{environment}.{}.v{}",
                super::keys::BEGINNING,
                key.secret,
                key.version
            )
        };
        Self {
            kind: form.kind,
            trust: form.trust,
            settings: settings(&form.stage),
            keys: form
                .keys
                .iter()
                .map(|key| (name(key), key.secret.clone()))
                .collect(),
            plan: form.usage_plan,
            document: form.document,
        }
    }

    /// What the API is called on AWS.
    pub(super) fn name(&self) -> &str {
        self.document["info"]["title"].as_str().unwrap_or_default()
    }

    /// The names of the tags that its definition brings along, of those that people want: only that of an HTTP API does.
    pub(super) fn tags(&self, tags: &BTreeMap<String, String>) -> Vec<String> {
        match self.kind {
            Kind::Http => tags.keys().cloned().collect(),
            Kind::Rest => Vec::new(),
        }
    }

    /// Of the document: a snapshot made from an equal one need not be made again.
    pub(super) fn document_fingerprint(&self) -> Fingerprint {
        Fingerprint::of_value(&self.document)
    }
}

/// Either reason to refuse, or both at once, so that nobody corrects the one only to be told the other.
fn both(one: Result<()>, other: Result<()>) -> Result<()> {
    match (one, other) {
        (Err(one), Err(other)) => {
            let text = format!("{}. And {}", one.message(), other.message());
            Err(Error::new(one.kind(), text))
        }
        (one, other) => one.and(other),
    }
}

/// What a stage is set to, by the paths with which it is changed.
fn settings(stage: &Stage) -> BTreeMap<String, String> {
    let mut settings: BTreeMap<String, String> = stage.methods.iter().flat_map(of_method).collect();
    if let Some(size) = &stage.cache_cluster_size {
        settings.insert("/cacheClusterEnabled".to_owned(), true.to_string());
        settings.insert("/cacheClusterSize".to_owned(), size.clone());
    }
    if let Some(log) = &stage.access_log {
        settings.insert(
            "/accessLogSettings/destinationArn".to_owned(),
            log.destination_arn.clone(),
        );
        settings.insert("/accessLogSettings/format".to_owned(), log.format.clone());
    }
    if stage.tracing_enabled {
        settings.insert("/tracingEnabled".to_owned(), true.to_string());
    }
    settings
}

fn of_method(method: &MethodSettings) -> Vec<(String, String)> {
    let key = method.rest_key();
    let throttle = method.throttle;
    let values = [
        (
            "throttling/rateLimit",
            throttle.map(|throttle| throttle.rate.to_string()),
        ),
        (
            "throttling/burstLimit",
            throttle.map(|throttle| throttle.burst.to_string()),
        ),
        (
            "caching/enabled",
            method.cache_ttl_seconds.map(|_| true.to_string()),
        ),
        (
            "caching/ttlInSeconds",
            method.cache_ttl_seconds.map(|ttl| ttl.to_string()),
        ),
        ("logging/loglevel", method.logging_level.clone()),
        (
            "logging/dataTrace",
            method.data_trace_enabled.map(|on| on.to_string()),
        ),
        ("metrics/enabled", method.metrics_enabled.map(|on| on.to_string())),
    ];
    let named = |(name, value): (&str, Option<String>)| Some((format!("/{key}/{name}"), value?));
    values.into_iter().filter_map(named).collect()
}
