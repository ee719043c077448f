//! Everything that was listed of a Kong, and where to find it.

use std::{collections::HashMap, sync::OnceLock};

use crate::entities::Entity;

/// Everything that was listed of a Kong, or of a part of it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names are Kong's")]
pub struct Snapshot {
    pub services: Vec<Entity>,
    pub routes: Vec<Entity>,
    pub plugins: Vec<Entity>,
    pub consumers: Vec<Entity>,
    pub upstreams: Vec<Entity>,
    pub targets: Vec<Entity>,
    pub key_auths: Vec<Entity>,
    pub basic_auths: Vec<Entity>,
    pub jwts: Vec<Entity>,
    pub acls: Vec<Entity>,
}

/// Entities by what they belong to. Built once for a snapshot, asked for each of its services.
#[derive(Debug)]
pub struct Index<'a> {
    pub(super) snapshot: &'a Snapshot,
    services: HashMap<&'a str, &'a Entity>,
    routes_of_service: Groups<'a>,
    plugins_of_service: Groups<'a>,
    plugins_of_route: Groups<'a>,
    plugins_of_consumer: Groups<'a>,
    global_plugins: Vec<&'a Entity>,
    upstreams_by_name: HashMap<&'a str, &'a Entity>,
    targets_of_upstream: Groups<'a>,
    consumers: HashMap<&'a str, &'a Entity>,
    credentials_of_consumer: Groups<'a>,
    groups_of_consumer: Groups<'a>,
    members_of_group: Groups<'a>,
    pub(super) fingerprints: Fingerprints,
}

/// Entities by an id or a name.
type Groups<'a> = HashMap<&'a str, Vec<&'a Entity>>;

/// What is the same for many services, and computed when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    pub(super) global_plugins: OnceLock<String>,
    pub(super) consumers: OnceLock<HashMap<String, String>>,
    pub(super) everybody: OnceLock<String>,
}

impl<'a> Index<'a> {
    /// The index of a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let by_id = |entities: &'a [Entity]| entities.iter().map(|it| (it.id(), it)).collect();
        let credentials = [&snapshot.key_auths, &snapshot.basic_auths, &snapshot.jwts];
        let of_group = |acl: &'a Entity| acl.text("group");
        Self {
            snapshot,
            services: by_id(&snapshot.services),
            routes_of_service: grouped(in_order(&snapshot.routes), |route| route.owner("service")),
            plugins_of_service: grouped(snapshot.plugins.iter(), of_service_alone),
            plugins_of_route: grouped(snapshot.plugins.iter(), |plugin| plugin.owner("route")),
            plugins_of_consumer: grouped(snapshot.plugins.iter(), |plugin| plugin.owner("consumer")),
            global_plugins: snapshot.plugins.iter().filter(|it| is_global(it)).collect(),
            upstreams_by_name: snapshot
                .upstreams
                .iter()
                .filter_map(|it| Some((it.name()?, it)))
                .collect(),
            targets_of_upstream: grouped(snapshot.targets.iter(), |target| target.owner("upstream")),
            consumers: by_id(&snapshot.consumers),
            credentials_of_consumer: grouped(credentials.into_iter().flatten(), |it| it.owner("consumer")),
            groups_of_consumer: grouped(snapshot.acls.iter(), |acl| acl.owner("consumer")),
            members_of_group: grouped(snapshot.acls.iter(), of_group),
            fingerprints: Fingerprints::default(),
        }
    }

    /// A service by its id.
    pub fn service(&self, id: &str) -> Option<&'a Entity> {
        self.services.get(id).copied()
    }

    /// The routes of a service, the oldest first, as Kong prefers them where they are alike.
    pub fn routes(&self, service: &Entity) -> &[&'a Entity] {
        found(&self.routes_of_service, service.id())
    }

    /// The routes that have no service.
    pub fn routes_without_service(&self) -> impl Iterator<Item = &'a Entity> {
        self.snapshot
            .routes
            .iter()
            .filter(|route| route.owner("service").is_none())
    }

    /// The plugins of a service as a whole, of any consumer.
    pub(super) fn service_plugins(&self, service: &Entity) -> &[&'a Entity] {
        found(&self.plugins_of_service, service.id())
    }

    /// The plugins of a route, of any consumer.
    pub(super) fn route_plugins(&self, route: &Entity) -> &[&'a Entity] {
        found(&self.plugins_of_route, route.id())
    }

    /// The plugins of a consumer, of any service and route.
    pub(super) fn consumer_plugins(&self, consumer: &str) -> &[&'a Entity] {
        found(&self.plugins_of_consumer, consumer)
    }

    /// The plugins that act on every request.
    pub(super) fn global_plugins(&self) -> &[&'a Entity] {
        &self.global_plugins
    }

    /// The upstream that a service's host names.
    pub(super) fn upstream(&self, service: &Entity) -> Option<&'a Entity> {
        self.upstreams_by_name.get(service.text("host")?).copied()
    }

    /// The targets of an upstream.
    pub(super) fn targets(&self, upstream: &Entity) -> &[&'a Entity] {
        found(&self.targets_of_upstream, upstream.id())
    }

    /// A consumer by its id.
    pub(super) fn consumer(&self, id: &str) -> Option<&'a Entity> {
        self.consumers.get(id).copied()
    }

    /// The credentials of a consumer, of the kinds that were listed.
    pub(super) fn credentials(&self, consumer: &str) -> &[&'a Entity] {
        found(&self.credentials_of_consumer, consumer)
    }

    /// The groups a consumer is in.
    pub(super) fn groups(&self, consumer: &str) -> impl Iterator<Item = &'a str> {
        self.memberships(consumer)
            .iter()
            .filter_map(|acl| acl.text("group"))
    }

    /// What puts a consumer into groups.
    pub(super) fn memberships(&self, consumer: &str) -> &[&'a Entity] {
        found(&self.groups_of_consumer, consumer)
    }

    /// The ids of the consumers in a group.
    pub(super) fn members(&self, group: &str) -> impl Iterator<Item = &'a str> {
        found(&self.members_of_group, group)
            .iter()
            .filter_map(|acl| acl.owner("consumer"))
    }
}

fn found<'s, 'a>(groups: &'s Groups<'a>, key: &str) -> &'s [&'a Entity] {
    groups.get(key).map_or(&[], Vec::as_slice)
}

fn grouped<'a>(
    entities: impl Iterator<Item = &'a Entity>,
    key: impl Fn(&'a Entity) -> Option<&'a str>,
) -> Groups<'a> {
    let mut groups = Groups::new();
    for entity in entities {
        if let Some(key) = key(entity) {
            groups.entry(key).or_default().push(entity);
        }
    }
    groups
}

fn in_order(routes: &[Entity]) -> impl Iterator<Item = &Entity> {
    let mut routes: Vec<&Entity> = routes.iter().collect();
    routes.sort_by_key(|route| (route.number("created_at"), route.id()));
    routes.into_iter()
}

/// A plugin that is bound to a route belongs to that route, also where it names the service.
fn of_service_alone(plugin: &Entity) -> Option<&str> {
    plugin
        .owner("service")
        .filter(|_| plugin.owner("route").is_none())
}

fn is_global(plugin: &Entity) -> bool {
    let scopes = ["service", "route", "consumer", "consumer_group"];
    scopes.iter().all(|scope| plugin.owner(scope).is_none())
}
