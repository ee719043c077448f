//! What a Kong has: its services with everything that belongs to them, read at one moment.

mod kept;
mod ours;

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::{canonical::Fingerprint, identity::ExternalRef, observed::ObservedApi},
};
use serde_json::json;

pub(super) use self::kept::Listings;
use super::paging;
use crate::{
    client::{Client, node::Edition},
    entities::{Collection, Entity},
    holding::Holding,
    portal::Portal,
    read::{self, Index, Snapshot},
    translate::TAG,
};

/// One look at everything.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) snapshot: Snapshot,
    /// The definitions that a portal has of services.
    pub(super) portal: Portal,
    /// What is held of each API of a Gatehouse, by its owner: see [`What::Ours`].
    pub(super) holdings: BTreeMap<String, Holding>,
    /// The APIs, by what they are called by.
    pub(super) entries: BTreeMap<ExternalRef, Entry>,
}

/// One API of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) tags: Vec<String>,
    pub(super) what: What,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// An API of a Gatehouse, by its owner.
    Ours(String),
    /// A service of somebody else.
    Service(String),
    /// A route without a service.
    Route(String),
}

/// Lists every collection that tells something of an API.
async fn look(client: &Client, edition: Edition) -> Result<Listing> {
    let snapshot = snapshot(client).await?;
    let foreign = snapshot
        .services
        .iter()
        .filter(|service| ours::owner(service).is_none());
    let foreign: Vec<&str> = foreign.map(Entity::id).collect();
    let portal = Portal::look(client, edition, &foreign).await?;
    let holdings = ours::holdings(&snapshot);
    let entries = entries(&snapshot, &portal, &holdings);
    Ok(Listing {
        snapshot,
        portal,
        holdings,
        entries,
    })
}

async fn snapshot(client: &Client) -> Result<Snapshot> {
    let mut snapshot = Snapshot {
        services: client.list(Collection::Services).await?,
        routes: client.list(Collection::Routes).await?,
        plugins: client.list(Collection::Plugins).await?,
        ..Snapshot::default()
    };
    let names: BTreeSet<&str> = snapshot.plugins.iter().filter_map(Entity::name).collect();
    let has = |any: &[&str]| any.iter().any(|name| names.contains(name));
    let kinds = (
        has(&["key-auth"]),
        has(&["basic-auth"]),
        has(&["jwt"]),
        has(&["acl"]),
    );
    if kinds.0 {
        snapshot.key_auths = client.list(Collection::KeyAuths).await?;
    }
    if kinds.1 {
        snapshot.basic_auths = client.list(Collection::BasicAuths).await?;
    }
    if kinds.2 {
        snapshot.jwts = client.list(Collection::Jwts).await?;
    }
    if kinds.3 {
        snapshot.acls = client.list(Collection::Acls).await?;
    }
    if kinds != (false, false, false, false) {
        snapshot.consumers = client.list(Collection::Consumers).await?;
    }
    upstreams(client, &mut snapshot).await?;
    Ok(snapshot)
}

/// Upstreams that services name as their host, with the targets of those alone.
async fn upstreams(client: &Client, snapshot: &mut Snapshot) -> Result<()> {
    let upstreams = client.list(Collection::Upstreams).await?;
    let hosts: BTreeSet<&str> = snapshot
        .services
        .iter()
        .filter_map(|service| service.text("host"))
        .collect();
    for upstream in upstreams {
        if upstream.name().is_some_and(|name| hosts.contains(name)) {
            snapshot.targets.extend(
                client
                    .list_below(Collection::Upstreams, upstream.id(), "targets")
                    .await?,
            );
            snapshot.upstreams.push(upstream);
        }
    }
    Ok(())
}

fn entries(
    snapshot: &Snapshot,
    portal: &Portal,
    holdings: &BTreeMap<String, Holding>,
) -> BTreeMap<ExternalRef, Entry> {
    let index = Index::new(snapshot);
    let mut entries = ours::ours(holdings);
    for service in snapshot
        .services
        .iter()
        .filter(|service| ours::owner(service).is_none())
    {
        let version = version(&index, portal, service);
        let what = What::Service(service.id().to_owned());
        entries.insert(
            ExternalRef(service.id().to_owned()),
            entry(service, version, what),
        );
    }
    for route in snapshot
        .routes
        .iter()
        .filter(|route| route.owner("service").is_none())
    {
        let version = read::version_of_route(&index, route);
        let what = What::Route(route.id().to_owned());
        entries.insert(
            ExternalRef(format!("route/{}", route.id())),
            entry(route, version, what),
        );
    }
    entries
}

/// A definition may change in its portal while the service stays as it is.
fn version(index: &Index<'_>, portal: &Portal, service: &Entity) -> String {
    let version = read::version(index, service);
    match portal.documents(service.id()) {
        [] => version,
        documents => Fingerprint::of_value(&json!([version, format!("{documents:?}")])).0,
    }
}

fn entry(entity: &Entity, version: String, what: What) -> Entry {
    let tags = entity
        .tags()
        .filter(|tag| !tag.starts_with(TAG))
        .map(str::to_owned);
    Entry {
        name: entity.title().to_owned(),
        version,
        tags: tags.collect(),
        what,
    }
}

/// What is needed to see whose a place is: services and their routes.
pub(super) async fn look_at_places(client: &Client) -> Result<Snapshot> {
    Ok(Snapshot {
        services: client.list(Collection::Services).await?,
        routes: client.list(Collection::Routes).await?,
        ..Snapshot::default()
    })
}

/// Something by its identity that is not an API of ours, if it is there.
pub(super) async fn foreign(
    client: &Client,
    edition: Edition,
    known: &ExternalRef,
    reached_at: &[String],
) -> Result<Option<ObservedApi>> {
    let is_route = known.0.starts_with("route/");
    if !is_route && client.get(Collection::Services, &known.0).await?.is_none() {
        return Ok(None);
    }
    let listing = look(client, edition).await?;
    let Some(entry) = listing.entries.get(known) else {
        return Ok(None);
    };
    match paging::read(
        &listing,
        &Index::new(&listing.snapshot),
        (known, entry),
        reached_at,
    ) {
        Ok(api) => Ok(Some(api)),
        Err(reason) => Err(Error::new(
            ErrorKind::Unexpected,
            format!("`{}` ({known}) cannot be read: {reason}", entry.name),
        )),
    }
}
