//! Methods, destinations and settings, put together to an API.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::OperationMatch,
    policy::{Policy, RewritePolicy},
    revision::{Operation, RevisionContent},
    route::normalise,
};

use super::{
    Read, api, definition,
    integration::{self, Integrated},
    methods::Method,
    native,
    policies::{self, Reading, answers, browsers},
    recorded,
    snapshot::Snapshot,
    upstreams::Upstreams,
};

/// What is read as one API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'r> {
    pub(super) snapshot: &'r Snapshot,
    pub(super) recorded: Option<&'r RevisionContent>,
}

/// A method with what holds for it.
#[derive(Debug)]
struct Served<'m> {
    method: Method<'m>,
    path: String,
    /// What answers; none if API Gateway itself does, in canonical words.
    integrated: Option<Integrated>,
    policies: Vec<Policy>,
}

impl<'r> Subject<'r> {
    pub(super) fn read(self, methods: &[Method<'r>]) -> Read {
        let mut notes = Vec::new();
        let preflights = self.preflights(methods, &mut notes);
        let mut served: Vec<Served<'r>> = Vec::new();
        for method in methods.iter().filter(|it| !is_preflight(it, &preflights)) {
            let mut it = self.served(method, &mut notes);
            it.policies.extend(preflights.get(method.template).cloned());
            served.push(it);
        }
        let asked = served.iter().map(|it| (it.path.as_str(), it.integrated.as_ref()));
        let upstreams = Upstreams::of(asked, self.recorded);
        let mut operations = operations(&served, &upstreams, &mut notes);
        let lifted = lifted(&mut operations, self.recorded);
        let asks_for_keys = served
            .iter()
            .any(|it| it.policies.iter().chain(&lifted).any(asks_for_key));
        let content = api::content(self.snapshot, self.recorded, upstreams.by_name, &mut notes);
        let mut policies = lifted;
        policies.extend(policies::certificates::applied(self.reading()));
        policies.extend(api::policies(
            self.snapshot,
            asks_for_keys,
            !preflights.is_empty(),
            &mut notes,
        ));
        if let Some(recorded) = self.recorded {
            recorded::in_order(recorded, &mut policies, &mut operations);
        }
        let content = RevisionContent {
            policies,
            operations,
            ..content
        };
        self.told(content, &served, notes)
    }

    fn told(self, content: RevisionContent, served: &[Served<'_>], mut notes: Vec<String>) -> Read {
        notes.sort();
        notes.dedup();
        let endpoint_urls = api::endpoint_urls(self.snapshot);
        let methods: Vec<Method<'_>> = served.iter().map(|it| it.method).collect();
        let export = &self.snapshot.export;
        let (content, definition) =
            definition::with_definition(content, export, &methods, (&endpoint_urls, &notes));
        Read {
            name: self.snapshot.name.clone(),
            content,
            tags: api::tags(self.snapshot),
            notes,
            definition,
            endpoint_urls,
        }
    }

    fn reading(self) -> Reading<'r> {
        Reading {
            snapshot: self.snapshot,
            recorded: self.recorded,
        }
    }

    /// The paths whose OPTIONS method only answers preflights, with the policy that says how.
    fn preflights(self, methods: &[Method<'r>], notes: &mut Vec<String>) -> BTreeMap<&'r str, Policy> {
        let mut preflights = BTreeMap::new();
        for method in methods {
            let others = methods
                .iter()
                .filter(|it| it.template == method.template && it.method != "OPTIONS");
            let served: BTreeSet<String> = others.map(|it| it.method.to_owned()).collect();
            match browsers::preflight(method, &served).filter(|_| !served.is_empty()) {
                Some(Ok(policy)) => {
                    preflights.insert(method.template, policy);
                    notes.push(
                        "API Gateway answers preflights alone: what other answers say to scripts is up to the upstream"
                            .to_owned(),
                    );
                }
                Some(Err(reason)) => {
                    notes.push(format!(
                        "{}: its answer to preflights is no `cors` policy: {reason}",
                        method.title()
                    ));
                }
                None => {}
            }
        }
        preflights
    }

    fn served(self, method: &Method<'r>, notes: &mut Vec<String>) -> Served<'r> {
        let (integrated, respond) = match answers::respond(method) {
            Ok(respond) => (None, Some(respond)),
            Err(_) => (Some(integration::integrated(self.snapshot, method)), None),
        };
        let nothing = Integrated::default();
        let known = integrated.as_ref().unwrap_or(&nothing);
        notes.extend(known.notes.iter().cloned());
        let mut policies = policies::of_method(self.reading(), method, known, notes);
        policies.extend(respond.map(|policy| policy.canonical()));
        Served {
            method: *method,
            path: method.canonical_path(),
            integrated,
            policies,
        }
    }
}

fn is_preflight(method: &Method<'_>, preflights: &BTreeMap<&str, Policy>) -> bool {
    method.method == "OPTIONS" && preflights.contains_key(method.template)
}

fn asks_for_key(policy: &Policy) -> bool {
    match policy {
        Policy::AuthApiKey(_) => true,
        Policy::Native(native) => native.config.contains_key("apiKeyRequired"),
        _ => false,
    }
}

/// The operations; none if everything is served alike.
fn operations(served: &[Served<'_>], upstreams: &Upstreams, notes: &mut Vec<String>) -> Vec<Operation> {
    let mut operations: BTreeMap<OperationMatch, Operation> = BTreeMap::new();
    for it in served {
        for operation in of_served(it, upstreams) {
            let key = OperationMatch {
                path: normalise(&operation.r#match.path),
                ..operation.r#match.clone()
            };
            if operations.contains_key(&key) {
                notes.push(format!(
                    "{}: another method takes the same requests, and stands for both",
                    it.method.title()
                ));
                continue;
            }
            operations.insert(key, operation);
        }
    }
    let mut operations: Vec<Operation> = operations.into_values().collect();
    operations.sort_by(|one, other| one.order().cmp(&other.order()));
    operations
}

/// A route for everything that is left takes the root, too.
fn of_served(served: &Served<'_>, upstreams: &Upstreams) -> Vec<Operation> {
    let way = served
        .integrated
        .as_ref()
        .map(|it| upstreams.way(&served.path, it));
    let mut policies = served.policies.clone();
    policies.extend(rewrite(served, way.as_ref().and_then(|way| way.path.clone())));
    policies.extend(way.as_ref().and_then(|way| way.timeout_ms).map(policies::timeout));
    let paths = if served.method.is_default() {
        vec!["/", served.path.as_str()]
    } else {
        vec![served.path.as_str()]
    };
    let at = |path: &str| Operation {
        id: None,
        r#match: OperationMatch {
            method: served.method.method.to_owned(),
            path: path.to_owned(),
            ..OperationMatch::default()
        },
        summary: None,
        deprecated: false,
        policies: policies.clone(),
        upstream: way.as_ref().and_then(|way| way.upstream.clone()),
        traffic: None,
    };
    paths.into_iter().map(at).collect()
}

fn rewrite(served: &Served<'_>, path: Option<String>) -> Option<Policy> {
    let query = served
        .integrated
        .as_ref()
        .map(|it| it.query.clone())
        .unwrap_or_default();
    let policy = RewritePolicy {
        path,
        query,
        ..RewritePolicy::default()
    };
    (policy != RewritePolicy::default()).then(|| Policy::Rewrite(policy).canonical())
}

/// Takes what holds for all operations out of them. Of some policies only the closest counts, so those stay where
/// operations differ in them.
fn lifted(operations: &mut Vec<Operation>, recorded: Option<&RevisionContent>) -> Vec<Policy> {
    let first = operations
        .first()
        .map(|it| it.policies.clone())
        .unwrap_or_default();
    let everywhere = |policy: &Policy| operations.iter().all(|it| it.policies.contains(policy));
    let stays = |policy: &Policy| recorded.is_some_and(|content| recorded::is_of_operations(content, policy));
    let mut lifted: Vec<Policy> = first
        .into_iter()
        .filter(|it| everywhere(it) && may_be_lifted(it) && !stays(it))
        .collect();
    lifted.dedup();
    for operation in operations.iter_mut() {
        operation.policies.retain(|policy| !lifted.contains(policy));
    }
    if is_everything(operations) {
        operations.clear();
    }
    lifted
}

/// A path is written anew with what stands in that of the operation, and what is AWS's own is said where it is.
fn may_be_lifted(policy: &Policy) -> bool {
    match policy {
        Policy::Rewrite(rewrite) => rewrite.path.is_none(),
        Policy::Native(native) => !native::is_whole_integration(native),
        _ => true,
    }
}

/// Whether operations are all that is below the base path, for every method, and nothing else.
fn is_everything(operations: &[Operation]) -> bool {
    let plain = |it: &Operation| it.policies.is_empty() && it.r#match.method == "*" && it.upstream.is_none();
    let path = |it: &Operation| {
        it.r#match.path == "/" || it.r#match.path.starts_with("/{") && it.r#match.path.ends_with("...}")
    };
    operations.len() == 2 && operations.iter().all(|it| plain(it) && path(it))
}
