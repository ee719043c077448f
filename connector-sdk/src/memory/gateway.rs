//! A gateway that lives in this process.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    identity::ExternalRef,
    observed::{DiscoveredItem, ObservedApi},
    revision::RevisionContent,
};
use serde::{Deserialize, Serialize};

use super::{
    faults::{Fault, Faults},
    file,
};
use crate::operation::Operation;

/// What the gateway holds of one API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredApi {
    /// The gateway's name for it.
    pub name: String,
    /// The mark, if Gatehouse made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What it is.
    pub content: RevisionContent,
    /// The fingerprint of what it expresses.
    pub fingerprint: Fingerprint,
}

/// What lasts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    apis: BTreeMap<ExternalRef, StoredApi>,
    /// Also the source of identities: never given twice, not even after a removal.
    created: u64,
    updated: u64,
    removed: u64,
}

#[derive(Debug, Default)]
struct Inner {
    contents: Contents,
    file: Option<PathBuf>,
    faults: Faults,
    calls: BTreeMap<Operation, u64>,
}

/// A gateway that lives in this process. Clones are handles on the same gateway.
#[derive(Debug, Clone, Default)]
pub struct MemoryGateway {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryGateway {
    /// An empty gateway.
    pub fn new() -> Self {
        Self::default()
    }

    /// A gateway that keeps what it holds in a file, and begins with what the file holds.
    pub fn open(path: &Path) -> io::Result<Self> {
        let inner = Inner {
            contents: file::read(path)?,
            file: Some(path.to_owned()),
            ..Inner::default()
        };
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// Everything it holds.
    pub fn apis(&self) -> BTreeMap<ExternalRef, StoredApi> {
        self.lock().contents.apis.clone()
    }

    /// Puts in an API that somebody else made.
    pub fn add_foreign(&self, name: &str, content: RevisionContent) -> io::Result<ExternalRef> {
        let fingerprint = Fingerprint::of(&content).map_err(io::Error::other)?;
        self.create(StoredApi {
            name: name.to_owned(),
            mark: None,
            content,
            fingerprint,
        })
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().calls.get(&operation).copied().unwrap_or_default()
    }

    /// How often anything on the gateway changed: created, updated or removed.
    pub fn changes(&self) -> u64 {
        let inner = self.lock();
        let Contents {
            created,
            updated,
            removed,
            ..
        } = inner.contents;
        created + updated + removed
    }

    /// Lets the next calls of an operation go wrong, one call each, in order.
    pub fn inject(&self, operation: Operation, faults: impl IntoIterator<Item = Fault>) {
        let mut inner = self.lock();
        for fault in faults {
            inner.faults.queue(operation, fault);
        }
    }

    /// Makes an API unreadable in listings, or readable again.
    pub fn set_readable(&self, api: &ExternalRef, readable: bool) {
        self.lock().faults.set_readable(api, readable);
    }

    /// Counts a call and tells what goes wrong with it.
    pub(super) fn begin(&self, operation: Operation) -> Option<Fault> {
        let mut inner = self.lock();
        *inner.calls.entry(operation).or_default() += 1;
        inner.faults.next(operation)
    }

    /// The API of this identity or, if it is not given or gone, the one with the mark's environment and API.
    pub(super) fn find(
        &self,
        external_ref: Option<&ExternalRef>,
        mark: &Mark,
    ) -> Option<(ExternalRef, StoredApi)> {
        let apis = &self.lock().contents.apis;
        let by_identity = external_ref.and_then(|external_ref| apis.get_key_value(external_ref));
        by_identity
            .or_else(|| apis.iter().find(|(_, api)| carries(api, mark)))
            .map(|(external_ref, api)| (external_ref.clone(), api.clone()))
    }

    pub(super) fn create(&self, api: StoredApi) -> io::Result<ExternalRef> {
        self.change(|contents| {
            contents.created += 1;
            let external_ref = ExternalRef(format!("memory-{}", contents.created));
            contents.apis.insert(external_ref.clone(), api);
            external_ref
        })
    }

    pub(super) fn replace(&self, external_ref: &ExternalRef, api: StoredApi) -> io::Result<()> {
        self.change(|contents| {
            contents.updated += 1;
            contents.apis.insert(external_ref.clone(), api);
        })
    }

    pub(super) fn remove(&self, external_ref: &ExternalRef) -> io::Result<()> {
        self.change(|contents| {
            if contents.apis.remove(external_ref).is_some() {
                contents.removed += 1;
            }
        })
    }

    /// A page of the listing in the order of identities, after a position.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> (Vec<DiscoveredItem>, Option<String>) {
        let inner = self.lock();
        let mut rest = inner
            .contents
            .apis
            .iter()
            .filter(|(external_ref, _)| after.is_none_or(|after| external_ref.0.as_str() > after));
        let page: Vec<_> = rest.by_ref().take(limit.max(1)).collect();
        let next = rest
            .next()
            .and(page.last())
            .map(|(external_ref, _)| external_ref.0.clone());
        let items = page
            .into_iter()
            .map(|(external_ref, api)| item(external_ref, api, inner.faults.is_readable(external_ref)))
            .collect();
        (items, next)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut inner = self.lock();
        let result = change(&mut inner.contents);
        if let Some(path) = &inner.file {
            file::write(path, &inner.contents)?;
        }
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves every change whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an API carries the mark's environment and API, whatever the revision.
pub(super) fn carries(api: &StoredApi, mark: &Mark) -> bool {
    api.mark
        .as_ref()
        .is_some_and(|own| own.environment_id == mark.environment_id && own.api_id == mark.api_id)
}

/// An API as an observation tells it.
pub(super) fn observed(external_ref: ExternalRef, api: StoredApi) -> ObservedApi {
    ObservedApi {
        endpoint_urls: vec![endpoint_url(&api.content.base_path)],
        external_ref,
        name: api.name,
        version: None,
        tags: Vec::new(),
        mark: api.mark,
        definition: None,
        content: api.content,
        fingerprint: api.fingerprint,
    }
}

/// Where consumers would reach it, if anything listened.
pub(super) fn endpoint_url(base_path: &str) -> String {
    format!("memory://gateway{base_path}")
}

fn item(external_ref: &ExternalRef, api: &StoredApi, readable: bool) -> DiscoveredItem {
    if readable {
        return DiscoveredItem::Api(Box::new(observed(external_ref.clone(), api.clone())));
    }
    DiscoveredItem::Unreadable {
        external_ref: external_ref.clone(),
        name: api.name.clone(),
        reason: format!("`{external_ref}` cannot be read; its document is damaged"),
    }
}
