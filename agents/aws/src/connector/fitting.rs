//! Whether a stage can remember what is applied to it: told before any call, and the same whatever was applied before.

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{canonical::Fingerprint, desired::DesiredApi},
};
use serde_json::json;

use super::wanting::Wanted;
use crate::{
    apis::domains::Truststore,
    config::AwsSettings,
    record::{AppliedPlan, Beside, LARGEST, Record, Snapshot},
};

/// Refuses an API whose record is larger than the variables of a stage can hold.
pub(super) fn fits(settings: &AwsSettings, desired: &DesiredApi, wanted: &Wanted) -> Result<()> {
    let size = largest(settings, desired, wanted).size();
    if size <= LARGEST {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "`{}` is too large: what is applied is kept in variables of the stage, packed, where it takes {size} characters of {LARGEST} that there are; make it several APIs, take the largest `bodySchema` out, or keep fewer deployments (`keptDeployments`)",
            desired.mark.api_name
        ),
    ))
}

/// The record at its largest: with as many earlier snapshots as are kept, and with no identity shorter than AWS's are.
fn largest(settings: &AwsSettings, desired: &DesiredApi, wanted: &Wanted) -> Record {
    let snapshot = |number: u32| Snapshot {
        id: identity(&format!("snapshot {number}")),
        document: Fingerprint::of_value(&json!(number)),
    };
    let keys = wanted.keys.keys();
    let plan = wanted.plan.clone().map(|limits| AppliedPlan {
        id: identity("plan"),
        limits,
        keys: keys.map(|name| (name.clone(), identity(name))).collect(),
    });
    let beside = Beside {
        name: wanted.name().to_owned(),
        settings: wanted.settings.clone(),
        plan,
        path: settings
            .domain_name
            .as_ref()
            .map(|_| desired.content.base_path.clone()),
        truststore: wanted.trust.as_ref().map(|_| truststore(settings)),
        tags: wanted.tags(&settings.tags),
    };
    let kept = (1..=settings.kept_deployments).map(snapshot).collect();
    Record::new(desired, snapshot(0), kept, beside)
}

/// The truststore that the settings name; or the domain name's, which is not known yet, and as long as people make them.
fn truststore(settings: &AwsSettings) -> Truststore {
    let named = settings.mutual_tls.as_ref();
    let long = || {
        (1..=10)
            .map(|part| identity(&format!("truststore {part}")))
            .collect()
    };
    Truststore {
        uri: named.map_or_else(long, |named| named.truststore_uri.clone()),
        version: named.and_then(|named| named.truststore_version.clone()),
    }
}

/// AWS's identities have ten letters and digits; as little of this can be packed.
fn identity(of: &str) -> String {
    let fingerprint = Fingerprint::of_value(&json!(of)).0;
    let digits = fingerprint.bytes().rev().take(16).map(char::from);
    digits.collect()
}

#[cfg(test)]
mod tests {
    use gatehouse_connector_conformance::desired;

    use super::*;

    #[test]
    fn a_record_is_never_larger_than_was_reckoned_with() {
        let desired = desired(
            1,
            &json!({
                "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
                "upstreams": {"main": {"url": "http://orders.internal", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
                "policies": [{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}],
            }),
        );
        let settings: AwsSettings =
            serde_json::from_value(json!({"region": "eu-central-1", "stage": "live"})).unwrap();
        let wanted = Wanted::new(&settings, &desired);
        let reckoned = largest(&settings, &desired, &wanted);
        let mut written = reckoned.clone();
        for (number, snapshot) in written.kept.iter_mut().chain([&mut written.served]).enumerate() {
            snapshot.id = format!("z7q{number}x4k2p");
        }
        let plan = written.beside.plan.as_mut().unwrap();
        plan.id = "q8w2e7".to_owned();
        plan.keys
            .values_mut()
            .for_each(|id| *id = "a9d8g7h6j5".to_owned());
        assert!(
            written.size() <= reckoned.size(),
            "{} {}",
            written.size(),
            reckoned.size()
        );
    }
}
