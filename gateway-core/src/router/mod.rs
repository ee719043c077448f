//! Which route a request takes: host, then path, then method, headers and query.
//!
//! Pure data and pure lookups, in the order of precedence of the Kubernetes Gateway API: an exact host
//! before the longest wildcard before any host; then the path by segments from the left, and regular
//! expressions only where no template matches; then a named method, more headers, more query parameters; then
//! the name of the API and the place in it, which makes the order total. (How old an API is would come before its
//! name; a gateway is not told, and the control plane refuses two APIs that claim the same place.) A copy of a router shares every tree with its origin,
//! so a change costs what it touches.

pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod rule;
mod shared_map;
mod trie;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use gatehouse_schemas::identity::ExternalRef;
use http::Method;

use self::{
    path::NormalPath,
    pattern::{HostPattern, PathPattern},
    rule::{RequestView, Rule, WholePath},
    shared_map::SharedMap,
    trie::Node,
};

/// All routes of a gateway.
#[derive(Debug)]
pub(crate) struct Router<T> {
    exact: SharedMap<Arc<str>, Arc<Node<T>>>,
    wildcard: SharedMap<Arc<str>, Arc<Node<T>>>,
    any: Arc<Node<T>>,
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self {
            exact: SharedMap::default(),
            wildcard: SharedMap::default(),
            any: Arc::default(),
        }
    }
}

impl<T> Clone for Router<T> {
    fn clone(&self) -> Self {
        Self {
            exact: self.exact.clone(),
            wildcard: self.wildcard.clone(),
            any: Arc::clone(&self.any),
        }
    }
}

/// A route as it stands in a router: where, and which rule.
#[derive(Debug)]
pub(crate) struct Placed<T> {
    pub(crate) pattern: PathPattern,
    pub(crate) rule: Arc<Rule<T>>,
}

/// What became of a lookup.
#[derive(Debug)]
pub(crate) enum Lookup<'a, T> {
    /// This is the route.
    Found(&'a Arc<T>),
    /// The path exists, for other methods only.
    OtherMethods(BTreeSet<String>),
    /// Another reading of the path leads to another route; serving it could pass by that one's policies.
    Ambiguous,
    /// Nothing is there.
    Nothing,
}

impl<T> Router<T> {
    /// Adds an API's routes on each of its hosts.
    pub(crate) fn insert(&mut self, hosts: &[HostPattern], routes: &[Placed<T>]) {
        for host in hosts {
            let insert = |tree: &mut Arc<Node<T>>| {
                let tree = Arc::make_mut(tree);
                for route in routes {
                    tree.insert(&route.pattern, Arc::clone(&route.rule));
                }
            };
            match host {
                HostPattern::Exact(name) => self.exact.change(Arc::from(name.as_str()), insert),
                HostPattern::Wildcard(name) => self.wildcard.change(Arc::from(name.as_str()), insert),
                HostPattern::Any => insert(&mut self.any),
            }
        }
    }

    /// Takes an API's routes away.
    pub(crate) fn remove(&mut self, hosts: &[HostPattern], routes: &[Placed<T>], api: &ExternalRef) {
        for host in hosts {
            match host {
                HostPattern::Exact(name) => remove_from(&mut self.exact, name, routes, api),
                HostPattern::Wildcard(name) => remove_from(&mut self.wildcard, name, routes, api),
                HostPattern::Any => remove_all(&mut self.any, routes, api),
            }
        }
    }

    /// Finds the route of a request.
    pub(crate) fn find(&self, host: &str, path: &NormalPath<'_>, request: &RequestView<'_>) -> Lookup<'_, T> {
        let host = canonical_host(host);
        let Some(rule) = self.rule(&host, &path.key, path.trailing_slash, request) else {
            return self.explain(&host, path);
        };
        for alternate in &path.alternates {
            let other = self.rule(&host, alternate, path.trailing_slash, request);
            if other.is_some_and(|other| !Arc::ptr_eq(&other.target, &rule.target)) {
                return Lookup::Ambiguous;
            }
        }
        Lookup::Found(&rule.target)
    }

    fn rule(&self, host: &str, key: &[u8], slash: bool, request: &RequestView<'_>) -> Option<&Arc<Rule<T>>> {
        let path = WholePath { key, slash };
        self.trees(host).find_map(|tree| {
            let by_template = tree.find(key, slash, request);
            by_template.or_else(|| tree.find_regex(&path, key, request))
        })
    }

    fn explain(&self, host: &str, path: &NormalPath<'_>) -> Lookup<'_, T> {
        let methods = self.methods(host, path);
        match methods.is_empty() {
            true => Lookup::Nothing,
            false => Lookup::OtherMethods(methods),
        }
    }

    /// The methods that the path has routes for.
    pub(crate) fn methods(&self, host: &str, path: &NormalPath<'_>) -> BTreeSet<String> {
        let mut methods = BTreeSet::new();
        self.visit(host, path, &mut |_, rule| {
            methods.extend(rule.method().map(|method| method.as_str().to_owned()));
        });
        if methods.contains(Method::GET.as_str()) {
            methods.insert(Method::HEAD.as_str().to_owned());
        }
        methods
    }

    /// Calls `visit` with every rule that is for the host and the path, whatever else it asks for, in the order in
    /// which they are looked at; a number says whether two have the same host.
    pub(crate) fn visit<'a>(
        &'a self,
        host: &str,
        path: &NormalPath<'_>,
        visit: &mut dyn FnMut(usize, &'a Arc<Rule<T>>),
    ) {
        let host = canonical_host(host);
        let whole = WholePath {
            key: &path.key,
            slash: path.trailing_slash,
        };
        for (number, tree) in self.trees(&host).enumerate() {
            tree.visit(whole.key, whole.slash, &mut |rule| visit(number, rule));
            tree.visit_regexes(&whole, whole.key, &mut |rule| visit(number, rule));
        }
    }

    /// Whether any route is for the host, whatever its path.
    pub(crate) fn knows_host(&self, host: &str) -> bool {
        self.trees(&canonical_host(host)).any(|tree| !tree.is_empty())
    }

    /// The trees that hold routes for a host, the most specific first.
    fn trees<'a>(&'a self, host: &str) -> impl Iterator<Item = &'a Arc<Node<T>>> {
        let exact = (!self.exact.is_empty()).then(|| self.exact.get(host)).flatten();
        let suffixes = (!self.wildcard.is_empty()).then(|| {
            host.match_indices('.')
                .filter_map(|(dot, _)| self.wildcard.get(&host[dot + 1..]))
        });
        exact
            .into_iter()
            .chain(suffixes.into_iter().flatten())
            .chain([&self.any])
    }
}

fn remove_from<T>(
    trees: &mut SharedMap<Arc<str>, Arc<Node<T>>>,
    name: &str,
    routes: &[Placed<T>],
    api: &ExternalRef,
) {
    let Some(tree) = trees.get_mut(name) else {
        return;
    };
    remove_all(tree, routes, api);
    if tree.is_empty() {
        trees.remove(name);
    }
}

fn remove_all<T>(tree: &mut Arc<Node<T>>, routes: &[Placed<T>], api: &ExternalRef) {
    let tree = Arc::make_mut(tree);
    for route in routes {
        tree.remove(&route.pattern, api);
    }
}

/// A host as it is compared: without port and final dot, in lowercase.
/// A host as routes know it: in lower case, without port and dot at the end.
pub(crate) fn canonical_host(host: &str) -> Cow<'_, str> {
    let name = match host.strip_prefix('[') {
        // An IPv6 address has colons of its own.
        Some(inner) => inner.find(']').map_or(host, |end| &host[..end + 2]),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests;
