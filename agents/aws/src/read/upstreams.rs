//! Where requests go: as few upstreams as say it.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{api::Upstream, observed::resource_name, revision::RevisionContent};

use super::integration::Integrated;

/// The name of the upstream that is asked where nothing else is said.
const MAIN: &str = "main";
/// A name that never leads anywhere (RFC 6761): where AWS itself answers, nobody else is to be asked.
const NOWHERE: &str = "https://upstream.invalid";
/// AWS does not say how long a connection may take; this is what counts where nobody says otherwise.
const CONNECT_TIMEOUT_MS: u32 = 5_000;
/// What AWS waits for at most, unless more was granted, in milliseconds.
const LONGEST: [u32; 3] = [29_000, 30_000, 900_000];

/// Where one operation's requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// The upstream, if it is not `main`.
    pub(super) upstream: Option<String>,
    /// The path that it is asked for, if it is another one than that of the operation.
    pub(super) path: Option<String>,
    /// How long it may take, if that is less than the upstream may.
    pub(super) timeout_ms: Option<u32>,
}

/// The upstreams of an API.
#[derive(Debug)]
pub(super) struct Upstreams {
    pub(super) by_name: BTreeMap<String, Upstream>,
    names: BTreeMap<String, String>,
}

impl Upstreams {
    /// The upstreams of operations, each with its path and what answers it; none where nothing is asked.
    pub(super) fn of<'i>(
        operations: impl Iterator<Item = (&'i str, Option<&'i Integrated>)> + Clone,
        recorded: Option<&RevisionContent>,
    ) -> Self {
        let integrated = operations.filter_map(|(path, integrated)| Some((path, integrated?)));
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        let natural = integrated.clone().filter_map(|(path, it)| root(path, it));
        natural.for_each(|root| *counted.entry(root).or_default() += 1);
        for (path, it) in integrated.clone().filter(|(path, it)| root(path, it).is_none()) {
            let roots: BTreeSet<String> = counted.keys().cloned().collect();
            let (root, _) = way(path, it, &roots);
            counted.entry(root).or_default();
        }
        let mut upstreams = Self {
            by_name: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        upstreams.name(&counted, recorded);
        for (path, it) in integrated {
            let url = upstreams.url(path, it);
            upstreams.takes(&url, it.timeout_ms);
        }
        upstreams.as_recorded(recorded);
        upstreams
    }

    fn name(&mut self, counted: &BTreeMap<String, usize>, recorded: Option<&RevisionContent>) {
        let known = |url: &str| {
            let mut all = recorded.into_iter().flat_map(|content| &content.upstreams);
            all.find(|(_, upstream)| upstream.url == url)
                .map(|(name, _)| name.clone())
        };
        let reached = counted.keys().filter(|url| *url != NOWHERE);
        let of_record = reached.clone().find(|url| known(url).as_deref() == Some(MAIN));
        let most = reached
            .clone()
            .max_by_key(|url| (counted.get(*url), std::cmp::Reverse(*url)));
        let main = of_record.or(most).cloned().unwrap_or_else(|| NOWHERE.to_owned());
        self.add(MAIN.to_owned(), &main);
        for url in counted.keys().filter(|url| **url != main) {
            let name = known(url)
                .filter(|name| !self.by_name.contains_key(name))
                .unwrap_or_else(|| self.free(url));
            self.add(name, url);
        }
    }

    fn add(&mut self, name: String, url: &str) {
        self.names.insert(url.to_owned(), name.clone());
        let upstream = Upstream {
            timeout_ms: 0,
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
            ..Upstream::at(url.to_owned())
        };
        self.by_name.insert(name, upstream);
    }

    /// A name after the host.
    fn free(&self, url: &str) -> String {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let base = match host {
            "upstream.invalid" => "aws".to_owned(),
            host => resource_name(host).map_or_else(|| "other".to_owned(), |name| name.to_string()),
        };
        let mut names = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}-{number}")));
        names
            .find(|name| !self.by_name.contains_key(name))
            .unwrap_or(base)
    }

    fn takes(&mut self, url: &str, timeout_ms: u32) {
        let name = self.names.get(url);
        if let Some(upstream) = name.and_then(|name| self.by_name.get_mut(name)) {
            upstream.timeout_ms = upstream.timeout_ms.max(timeout_ms);
        }
    }

    /// What AWS cannot say is as it was applied.
    fn as_recorded(&mut self, recorded: Option<&RevisionContent>) {
        for (name, upstream) in &mut self.by_name {
            if upstream.timeout_ms == 0 {
                upstream.timeout_ms = LONGEST[0];
            }
            let known = recorded.and_then(|content| content.upstreams.get(name));
            let Some(known) = known.filter(|known| known.url == upstream.url) else {
                continue;
            };
            upstream.connect_timeout_ms = known.connect_timeout_ms;
            if LONGEST.contains(&upstream.timeout_ms) && known.timeout_ms > upstream.timeout_ms {
                upstream.timeout_ms = known.timeout_ms;
            }
        }
    }

    fn url(&self, path: &str, it: &Integrated) -> String {
        let roots: BTreeSet<String> = self.names.keys().cloned().collect();
        way(path, it, &roots).0
    }

    /// Where an operation's requests go.
    pub(super) fn way(&self, path: &str, it: &Integrated) -> Way {
        let roots: BTreeSet<String> = self.names.keys().cloned().collect();
        let (url, rewritten) = way(path, it, &roots);
        let name = self.names.get(&url).cloned().unwrap_or_else(|| MAIN.to_owned());
        let least = it.target.as_ref().map(|_| it.timeout_ms);
        let allowed = self.by_name.get(&name).map(|upstream| upstream.timeout_ms);
        let usual =
            |timeout: &u32| LONGEST.contains(timeout) && allowed.is_some_and(|allowed| allowed > LONGEST[1]);
        Way {
            upstream: Some(name).filter(|name| name != MAIN),
            path: rewritten,
            timeout_ms: least
                .filter(|timeout| allowed.is_some_and(|allowed| *timeout < allowed) && !usual(timeout)),
        }
    }
}

/// The upstream below which an operation's own path is asked for.
fn root(path: &str, it: &Integrated) -> Option<String> {
    let Some(target) = &it.target else {
        return Some(NOWHERE.to_owned());
    };
    if it.follows_path {
        return Some(target.origin.clone());
    }
    target.root(path).map(|root| format!("{}{root}", target.origin))
}

/// The upstream, and the path below it if it is another one than the operation's own.
fn way(path: &str, it: &Integrated, roots: &BTreeSet<String>) -> (String, Option<String>) {
    if let Some(root) = root(path, it) {
        return (root, None);
    }
    let Some(target) = &it.target else {
        return (NOWHERE.to_owned(), None);
    };
    let url = format!("{}{}", target.origin, target.path);
    let below = |root: &&String| {
        let same_host = **root == target.origin || root.starts_with(&format!("{}/", target.origin));
        same_host
            && url
                .strip_prefix(root.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let longest = roots.iter().filter(below).max_by_key(|root| root.len());
    let root = longest.unwrap_or(&target.origin);
    let rest = url
        .strip_prefix(root.as_str())
        .filter(|rest| !rest.is_empty())
        .unwrap_or("/");
    (root.clone(), Some(rest.to_owned()))
}
