//! Callers who present a certificate at a custom domain name.
//!
//! AWS says which file has the authorities that are trusted, and not what is in it.

use gatehouse_connector_sdk::schemas::policy::Policy;
use serde_json::{Map, Value, json};

use super::Reading;
use crate::read::snapshot::Snapshot;

/// The policy that was applied, as long as nobody touched what checks it.
pub(in crate::read) fn applied(reading: Reading<'_>) -> Option<Policy> {
    let is_certificates = |policy: &&Policy| matches!(policy, Policy::AuthMtls(_));
    let applied = reading.recorded?.policies.iter().find(is_certificates);
    applied.filter(|_| reading.snapshot.checks_certificates).cloned()
}

/// The truststores of domain names that no policy tells of.
pub(in crate::read) fn untold(snapshot: &Snapshot, notes: &mut Vec<String>) -> Map<String, Value> {
    if snapshot.checks_certificates {
        return Map::new();
    }
    let trusted = snapshot.mappings.iter().filter_map(|mapping| {
        let truststore = mapping.truststore.as_ref()?;
        Some((mapping.domain.clone(), json!({"truststoreUri": truststore})))
    });
    let trusted: Map<String, Value> = trusted.collect();
    if !trusted.is_empty() {
        notes.push(note(snapshot));
    }
    trusted
}

fn note(snapshot: &Snapshot) -> String {
    let others = snapshot.mappings.iter().filter(|it| it.truststore.is_none());
    let others: Vec<String> = others.map(|it| format!("`{}`", it.domain)).collect();
    let own = (!snapshot.disable_execute_api_endpoint).then(|| "the address that AWS gives it".to_owned());
    let open: Vec<String> = others.into_iter().chain(own).collect();
    let round = match open.is_empty() {
        true => String::new(),
        false => format!(", and nobody needs one at {}", open.join(", ")),
    };
    format!(
        "callers present a certificate at its domain name{round}; whose is said by a file that is not read: elsewhere than on \
         AWS nobody checks this; give it a policy `auth.mtls` before moving it"
    )
}
