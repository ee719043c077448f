//! Who may call: keys, passwords, groups, addresses.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    identity::ResourceName,
    observed::resource_name,
    policy::{
        ApiKeyConsumer, ApiKeyPolicy, BasicPolicy, BasicUser, CredentialLocation, IpFilterPolicy, Network,
        Policy,
    },
};
use serde_json::json;

use super::{Reading, config::Config, plainly_bound};
use crate::{
    entities::Entity,
    read::{effective::consumer_name, secrets},
};

/// The keys that open the API. Kong looks for a key in headers and in the query alike, under several names: the first
/// name is taken, in headers if there at all, so that nothing opens that was closed.
pub(super) fn api_key(
    plugin: &Entity,
    reading: Reading<'_, '_>,
    notes: &mut Vec<String>,
) -> Result<Policy, String> {
    let config = Config::of(plugin);
    checks_keys(config)?;
    let keys = keys(reading, notes);
    if keys.is_empty() {
        return Err("no consumer has a key that it takes".to_owned());
    }
    let names = config.list("key_names");
    let name = names.first().copied().unwrap_or("apikey");
    let in_header = config.flag("key_in_header", true);
    if names.len() > 1 {
        notes.push(format!(
            "keys are taken under the names {}; only `{name}` is taken along",
            names.join(", ")
        ));
    }
    if in_header && config.flag("key_in_query", true) {
        notes.push(format!(
            "keys are taken in the query, too; only header `{name}` is taken along"
        ));
    }
    Ok(Policy::AuthApiKey(ApiKeyPolicy {
        r#in: if in_header {
            CredentialLocation::Header
        } else {
            CredentialLocation::Query
        },
        name: name.to_owned(),
        keys,
        forward: !config.flag("hide_credentials", false),
    }))
}

fn checks_keys(config: Config<'_>) -> Result<(), String> {
    let said = ["key_names", "key_in_header", "key_in_query", "hide_credentials"];
    let realms = json!([{"id": null, "region": null, "scope": "cp"}]);
    config.says_only(
        &said,
        &json!({"run_on_preflight": true, "identity_realms": realms}),
    )?;
    let somewhere = config.flag("key_in_header", true) || config.flag("key_in_query", true);
    somewhere
        .then_some(())
        .ok_or_else(|| "it looks for keys nowhere".to_owned())
}

fn keys(reading: Reading<'_, '_>, notes: &mut Vec<String>) -> Vec<ApiKeyConsumer> {
    let mut names = Names::default();
    let mut keys = Vec::new();
    for credential in &reading.index.snapshot.key_auths {
        let Some(consumer) = admitted(credential, reading) else {
            continue;
        };
        let title = consumer_name(consumer).unwrap_or(consumer.id());
        let secret = format!("{}-{title}-key", reading.api);
        match (resource_name(title), names.free(&secret)) {
            (Some(consumer), Some(secret_ref)) => keys.push(ApiKeyConsumer {
                consumer,
                secret_ref,
                expires_at: None,
            }),
            _ => notes.push(format!(
                "consumer `{title}` has no name that can be taken along; rename it on Kong"
            )),
        }
    }
    keys
}

/// The users that may call, by their passwords.
pub(super) fn basic(
    plugin: &Entity,
    reading: Reading<'_, '_>,
    notes: &mut Vec<String>,
) -> Result<Policy, String> {
    let config = Config::of(plugin);
    checks_passwords(config)?;
    let mut names = Names::default();
    let mut users = Vec::new();
    for credential in &reading.index.snapshot.basic_auths {
        let Some(username) = credential
            .text("username")
            .filter(|_| admitted(credential, reading).is_some())
        else {
            continue;
        };
        match names.free(&format!("{}-{username}-password", reading.api)) {
            Some(secret_ref) => users.push(BasicUser {
                username: username.to_owned(),
                secret_ref,
            }),
            None => notes.push(format!(
                "user `{username}` cannot be taken along: no secret can be named after it"
            )),
        }
    }
    if users.is_empty() {
        return Err("no consumer has a password that it takes".to_owned());
    }
    let realm = config.text("realm").unwrap_or("service").to_owned();
    Ok(Policy::AuthBasic(BasicPolicy {
        realm,
        users,
        forward: !config.flag("hide_credentials", false),
    }))
}

fn checks_passwords(config: Config<'_>) -> Result<(), String> {
    let realm = config.text("realm").unwrap_or("service");
    let printable = realm
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
    if realm.is_empty() || !printable {
        return Err("its `realm` is no plain text".to_owned());
    }
    let said = ["realm", "hide_credentials", "brute_force_protection.redis"];
    config.says_only(&said, &json!({"brute_force_protection": {"strategy": "off"}}))
}

/// Plugins that tell who calls.
const NAMING: [&str; 10] = [
    "basic-auth",
    "hmac-auth",
    "jwt",
    "jwt-signer",
    "key-auth",
    "key-auth-enc",
    "ldap-auth",
    "mtls-auth",
    "oauth2",
    "openid-connect",
];

/// Groups narrow down who may call; the policies of keys and passwords say so.
pub(super) fn groups(plugin: &Entity, reading: Reading<'_, '_>) -> Result<(), String> {
    Config::of(plugin).says_only(&["allow", "deny", "hide_groups_header"], &json!({}))?;
    let others = NAMING.iter().filter_map(|name| reading.plugins.get(name));
    let mut said = others.map(|plugin| {
        let unheard = &mut Vec::new();
        plainly_bound(plugin).is_ok()
            && match plugin.name() {
                Some("key-auth") => api_key(plugin, reading, unheard).is_ok(),
                Some("basic-auth") => basic(plugin, reading, unheard).is_ok(),
                _ => false,
            }
    });
    // Where one of them stays with Kong, so do the groups.
    let first = said.next().unwrap_or(false);
    if first && said.all(|said| said) {
        return Ok(());
    }
    Err("what tells it who calls is not said in canonical words".to_owned())
}

/// The consumer of a credential, unless its groups keep it out.
fn admitted<'a>(credential: &Entity, reading: Reading<'_, 'a>) -> Option<&'a Entity> {
    let id = credential.owner("consumer")?;
    let consumer = reading.index.consumer(id)?;
    let Some(acl) = reading.plugins.get("acl") else {
        return Some(consumer);
    };
    let config = Config::of(acl);
    let (allow, deny) = (config.list("allow"), config.list("deny"));
    let within = |listed: &[&str]| reading.index.groups(id).any(|group| listed.contains(&group));
    let admitted = !within(&deny) && (allow.is_empty() || within(&allow));
    admitted.then_some(consumer)
}

/// Names of secrets, each given once.
#[derive(Default)]
struct Names(BTreeSet<ResourceName>);

impl Names {
    fn free(&mut self, wanted: &str) -> Option<ResourceName> {
        let mut name = resource_name(wanted)?;
        let mut number = 2;
        while self.0.contains(&name) {
            let base: String = name.as_str().chars().take(55).collect();
            let base = if number == 2 {
                base
            } else {
                base.rsplit_once('-').map_or(base.clone(), |it| it.0.to_owned())
            };
            name = resource_name(&format!("{base}-{number}"))?;
            number += 1;
        }
        self.0.insert(name.clone());
        Some(name)
    }
}

/// The addresses that may call.
pub(super) fn addresses(plugin: &Entity) -> Result<Policy, String> {
    let config = Config::of(plugin);
    config.says_only(&["allow", "deny"], &json!({}))?;
    let networks = |field: &str| -> Result<Vec<String>, String> {
        let written = config.list(field).into_iter();
        written
            .map(|text| text.parse::<Network>().map(|network| network.to_string()))
            .collect()
    };
    let policy = IpFilterPolicy {
        allow: networks("allow")?,
        deny: networks("deny")?,
    };
    if policy == IpFilterPolicy::default() {
        return Err("it names no addresses".to_owned());
    }
    Ok(Policy::IpFilter(policy))
}

/// Whether a header that is written carries a credential.
pub(super) fn carries_credential(name: &str) -> bool {
    secrets::is_credential(name)
}
