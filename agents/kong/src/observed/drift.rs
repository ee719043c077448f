//! An API of ours that somebody changed: what was applied, with each part that differs as it is now.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    api::OperationMatch,
    canonical::Fingerprint,
    identity::{ResourceName, ResourceVersion},
    policy::{NativePolicy, Policy, SecretVersion},
    revision::{Operation, RevisionContent},
    route::normalise,
};
use serde_json::json;

use crate::{
    config::gateway_type,
    entities::{Collection, Entity},
    holding::{self, Holding},
    read::{self, Snapshot},
    record::{Record, is_record},
    translate::{Part, TAG, is_probe},
};

/// What was applied, with what differs now. What was written is read back too, so that what Kong cannot say differs in
/// nothing.
pub(super) fn drifted(record: &Record, holding: &Holding) -> (RevisionContent, Fingerprint) {
    let written = read(&written(record, holding));
    let now = read(&now(record, holding));
    let mut content = match (written, now) {
        (Some(written), Some(now)) => merged(&record.content, &written, now),
        // Nothing is left of it that could be read.
        _ => RevisionContent {
            operations: Vec::new(),
            policies: Vec::new(),
            ..record.content.clone()
        },
    };
    if content == record.content {
        content.policies.push(told(record, holding));
    }
    let secrets = versions(record, &content, holding);
    let fingerprint = Fingerprint::of_value(&json!({ "content": content, "secrets": secrets }));
    (content, fingerprint)
}

fn read(snapshot: &Snapshot) -> Option<RevisionContent> {
    let index = read::Index::new(snapshot);
    let main = snapshot.services.first()?;
    read::service(&index, main).ok().map(|read| read.content)
}

/// What is below the first service now, without what we keep there for ourselves.
fn now(record: &Record, holding: &Holding) -> Snapshot {
    let main = record.form.services().next().unwrap_or_default();
    let mut snapshot = callers(holding);
    snapshot
        .services
        .extend(holding.get(Collection::Services, main).cloned());
    for (collection, entity) in holding.below_service(main) {
        match collection {
            Collection::Routes => snapshot.routes.push(entity.clone()),
            Collection::Plugins if !is_record(entity) => snapshot.plugins.push(entity.clone()),
            _ => {}
        }
    }
    without_probes(&mut snapshot);
    snapshot
}

/// What was written below the first service.
fn written(record: &Record, holding: &Holding) -> Snapshot {
    let main = record.form.services().next().unwrap_or_default();
    let mut snapshot = callers(holding);
    let with_defaults = |part: &Part| {
        let mut fields = holding
            .get(part.collection, &part.id)
            .cloned()
            .unwrap_or_default()
            .0;
        fields.extend(part.entity().0);
        Entity(fields)
    };
    let parts = || record.form.parts.iter();
    let of = |collection| {
        parts()
            .filter(move |part| part.collection == collection)
            .map(with_defaults)
    };
    snapshot
        .services
        .extend(of(Collection::Services).filter(|service| service.id() == main));
    snapshot
        .routes
        .extend(of(Collection::Routes).filter(|route| route.owner("service") == Some(main)));
    let routes: BTreeSet<String> = snapshot
        .routes
        .iter()
        .map(|route| route.id().to_owned())
        .collect();
    snapshot.plugins.extend(of(Collection::Plugins).filter(|plugin| {
        plugin.owner("service") == Some(main)
            || plugin.owner("route").is_some_and(|route| routes.contains(route))
    }));
    without_probes(&mut snapshot);
    snapshot
}

fn callers(holding: &Holding) -> Snapshot {
    let all = |collection| holding.all(collection).cloned().collect();
    Snapshot {
        consumers: all(Collection::Consumers),
        key_auths: all(Collection::KeyAuths),
        basic_auths: all(Collection::BasicAuths),
        jwts: all(Collection::Jwts),
        acls: all(Collection::Acls),
        ..Snapshot::default()
    }
}

/// Routes that are there for us alone: those by which the proxy is asked, and those of preflight requests.
fn without_probes(snapshot: &mut Snapshot) {
    let is_ours =
        |route: &Entity| is_probe(route) || route.list("methods").eq(["OPTIONS"]) && route.has_tag(TAG);
    let gone: BTreeSet<String> = snapshot
        .routes
        .iter()
        .filter(|route| is_ours(route))
        .map(|route| route.id().to_owned())
        .collect();
    snapshot.routes.retain(|route| !gone.contains(route.id()));
    snapshot
        .plugins
        .retain(|plugin| !plugin.owner("route").is_some_and(|route| gone.contains(route)));
}

/// The applied content with each field that reads differently now.
fn merged(applied: &RevisionContent, written: &RevisionContent, now: RevisionContent) -> RevisionContent {
    let mut content = applied.clone();
    if now.hostnames != written.hostnames {
        content.hostnames = now.hostnames;
    }
    if now.base_path != written.base_path {
        content.base_path = now.base_path;
    }
    if now.upstreams != written.upstreams {
        content.upstreams.extend(now.upstreams);
    }
    if now.policies != written.policies {
        content.policies = policies(&applied.policies, &written.policies, now.policies);
    }
    if now.operations != written.operations {
        let known = |operation: &Operation| {
            let index = written.operations.iter().position(|other| other == operation)?;
            let place = &written.operations[index].r#match;
            applied
                .operations
                .iter()
                .find(|other| same_place(&other.r#match, place))
                .cloned()
        };
        content.operations = now
            .operations
            .into_iter()
            .map(|operation| known(&operation).unwrap_or(operation))
            .collect();
    }
    content
}

/// Parameters lose their names on a Kong.
fn same_place(one: &OperationMatch, other: &OperationMatch) -> bool {
    one.method == other.method
        && one.headers == other.headers
        && normalise(&one.path) == normalise(&other.path)
}

/// Policies of types in which nothing changed stay as they were applied.
fn policies(applied: &[Policy], written: &[Policy], now: Vec<Policy>) -> Vec<Policy> {
    let of = |policies: &[Policy], name: &str| -> Vec<Policy> {
        policies
            .iter()
            .filter(|policy| policy.type_name() == name)
            .cloned()
            .collect()
    };
    let changed = |name: &str| of(written, name) != of(&now, name);
    let mut policies: Vec<Policy> = applied
        .iter()
        .filter(|policy| !changed(policy.type_name()))
        .cloned()
        .collect();
    policies.extend(now.iter().filter(|policy| changed(policy.type_name())).cloned());
    policies
}

/// The versions of secrets that Kong holds; 0, which no secret has, if nobody knows.
fn versions(record: &Record, content: &RevisionContent, holding: &Holding) -> Vec<SecretVersion> {
    let is_intact = |part: &Part| {
        let held = holding.get(part.collection, &part.id);
        held.is_some_and(|held| holding::contains(&held.0, &part.fields))
    };
    let callers = Collection::CALLERS.into_iter();
    let are_intact = callers
        .flat_map(|collection| record.form.of(collection))
        .all(is_intact);
    let names = content.secret_names();
    let version = |name: &ResourceName| {
        let known = record
            .secrets
            .iter()
            .find(|secret| are_intact && secret.name == *name);
        known.map_or(ResourceVersion(0), |secret| secret.version)
    };
    names
        .into_iter()
        .map(|name| SecretVersion {
            name: name.clone(),
            version: version(name),
        })
        .collect()
}

/// What differs in words that no policy has: a fragment that tells it, so that nobody takes it for what was applied.
fn told(record: &Record, holding: &Holding) -> Policy {
    let parts = record.form.parts.iter().filter(|part| !holding.holds(part));
    let changed: Vec<String> = parts
        .map(|part| format!("{} `{}`", part.collection.noun(), part.entity().title()))
        .collect();
    let config = json!({"changed": changed});
    Policy::Native(NativePolicy {
        gateway_type: gateway_type(),
        config: config.as_object().cloned().unwrap_or_default(),
    })
}
