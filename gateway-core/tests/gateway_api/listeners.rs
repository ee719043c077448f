//! Which routes are attached to which listeners, and for which hosts.

use serde_json::Value;

use crate::world::{NAMESPACE, World, list, name, namespace};

/// One listener of a gateway, its own or of one of its sets.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    parent: (String, String, String),
    section: String,
    pub(crate) port: u64,
    pub(crate) protocol: String,
    pub(crate) hostname: Option<String>,
    from: Value,
}

/// The listeners of a gateway.
pub(crate) fn of_gateway(world: &World, gateway: &str) -> Vec<Listener> {
    let own = world.of_kind("Gateway").filter(|it| name(it) == gateway);
    let sets = world
        .of_kind("ListenerSet")
        .filter(|it| it["spec"]["parentRef"]["name"] == gateway);
    own.chain(sets).flat_map(of_parent).collect()
}

fn of_parent(parent: &Value) -> impl Iterator<Item = Listener> + '_ {
    let kind = parent["kind"].as_str().expect("a kind");
    list(&parent["spec"]["listeners"]).map(move |listener| Listener {
        parent: (
            kind.to_owned(),
            namespace(parent).to_owned(),
            name(parent).to_owned(),
        ),
        section: listener["name"].as_str().expect("a name").to_owned(),
        port: listener["port"].as_u64().expect("a port"),
        protocol: listener["protocol"].as_str().expect("a protocol").to_owned(),
        hostname: listener["hostname"].as_str().map(str::to_owned),
        from: listener["allowedRoutes"]["namespaces"].clone(),
    })
}

impl Listener {
    /// Whether a route is attached.
    pub(crate) fn takes(&self, world: &World, route: &Value) -> bool {
        let (kind, own_namespace, own_name) = &self.parent;
        let refers = |reference: &Value| {
            reference["name"] == own_name.as_str()
                && reference["namespace"].as_str().unwrap_or(namespace(route)) == own_namespace
                && reference["kind"].as_str().unwrap_or("Gateway") == kind
                && reference["sectionName"]
                    .as_str()
                    .is_none_or(|section| section == self.section)
                && reference["port"].as_u64().is_none_or(|port| port == self.port)
        };
        list(&route["spec"]["parentRefs"]).any(refers) && self.allows(world, namespace(route))
    }

    fn allows(&self, world: &World, namespace: &str) -> bool {
        match self.from["from"].as_str().unwrap_or("Same") {
            "All" => true,
            "Same" => self.parent.1 == namespace,
            _ => {
                let labels = world.labels(namespace);
                let wanted = self.from["selector"]["matchLabels"].as_object();
                wanted.is_some_and(|wanted| wanted.iter().all(|(label, value)| labels[label] == *value))
            }
        }
    }

    /// The hosts for which a route is served here: those of both, unless another listener is more specific.
    pub(crate) fn hosts(&self, route: &Value, all: &[Self]) -> Vec<Option<String>> {
        let written: Vec<&str> = list(&route["spec"]["hostnames"])
            .filter_map(Value::as_str)
            .collect();
        if written.is_empty() {
            return vec![self.hostname.clone()];
        }
        let common = written
            .into_iter()
            .filter_map(|host| intersection(self.hostname.as_deref(), host));
        let ours = |host: &&str| {
            let rivals = all.iter().filter(|other| other.port == self.port);
            let mut closest = rivals.filter_map(|other| closeness(other.hostname.as_deref(), host));
            let own = closeness(self.hostname.as_deref(), host);
            closest.all(|other| own.is_some_and(|own| own >= other))
        };
        common.filter(ours).map(|host| Some(host.to_owned())).collect()
    }
}

/// The narrower of two host names, if one holds the other.
fn intersection<'a>(listener: Option<&'a str>, route: &'a str) -> Option<&'a str> {
    let Some(listener) = listener else {
        return Some(route);
    };
    if closeness(Some(listener), route).is_some() {
        return Some(route);
    }
    closeness(Some(route), listener).map(|_| listener)
}

/// How specific a pattern is that holds a host; none if it does not hold it.
fn closeness(pattern: Option<&str>, host: &str) -> Option<usize> {
    match pattern {
        None => Some(0),
        Some(pattern) if pattern == host => Some(usize::MAX),
        Some(pattern) => {
            let suffix = pattern.strip_prefix('*')?;
            (host.len() > suffix.len() && host.ends_with(suffix)).then_some(suffix.len())
        }
    }
}

/// The gateway that the routes of a case are attached to first.
pub(crate) fn first_gateway(world: &World) -> String {
    let route = world.of_kind("HTTPRoute").next().expect("a route");
    let parent = list(&route["spec"]["parentRefs"]).next().expect("a parent");
    let name = parent["name"].as_str().expect("a name");
    let set = world
        .of_kind("ListenerSet")
        .find(|set| crate::world::name(set) == name);
    let parent = set.map(|set| set["spec"]["parentRef"]["name"].as_str().expect("a name"));
    assert_eq!(world.of_kind("Gateway").map(namespace).next(), Some(NAMESPACE));
    parent.unwrap_or(name).to_owned()
}
