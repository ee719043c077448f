//! A gateway that lives in this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gatehouse_schemas::{desired::Mark, identity::ExternalRef, observed::DiscoveredItem};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{
    StoredApi,
    faults::{Fault, Faults},
    file::{self, FileVersion},
};
use crate::{
    connector::{Hint, PageRequest},
    operation::Operation,
};

/// What lasts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contents {
    pub(super) apis: BTreeMap<ExternalRef, StoredApi>,
    /// What deploys in several steps made and nothing serves yet, by name. Nothing but its name says whose it is.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    parts: BTreeSet<String>,
    #[serde(default)]
    parts_made: u64,
    /// Also the source of identities: never given twice, not even after a removal.
    created: u64,
    updated: u64,
    removed: u64,
}

#[derive(Debug, Default)]
struct Inner {
    contents: Contents,
    file: Option<PathBuf>,
    /// The file as it was when it was last read or written.
    seen: Option<FileVersion>,
    faults: Faults,
    calls: BTreeMap<Operation, u64>,
    /// What its agent has not heard of yet.
    untold: Vec<Hint>,
}

/// A gateway that lives in this process. Clones are handles on the same gateway; so are gateways of several
/// processes that keep what they hold in the same file.
///
/// Tests change it as somebody else would:
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::memory::MemoryGateway;
/// use serde_json::json;
///
/// # fn main() -> std::io::Result<()> {
/// let gateway = MemoryGateway::new();
/// let orders = gateway.add_foreign("orders", acme::content())?;
/// gateway.edit(&orders, |content| content.base_path = "/orders/v2".to_owned())?;
/// gateway.rename(&orders, "orders-v2")?;
/// gateway.set_tags(&orders, &["team-shop"])?;
/// gateway.set_definition(&orders, json!({"openapi": "3.1.0"}))?;
/// gateway.lose_mark(&orders)?;
///
/// let held = &gateway.apis()[&orders];
/// assert_eq!((held.name.as_str(), held.content.base_path.as_str()), ("orders-v2", "/orders/v2"));
/// assert!(held.mark.is_none());
///
/// gateway.delete(&orders)?;
/// assert!(gateway.rename(&orders, "orders-v3").is_err(), "it is not there any more");
/// # Ok(())
/// # }
/// ```
///
/// They let it tell of changes:
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::{Connector, Hint, Hints},
///     memory::{MemoryConnector, MemoryGateway},
///     schemas::environment::Mode,
/// };
///
/// # let context = acme::context(Mode::ReadWrite);
/// let gateway = MemoryGateway::new();
/// gateway.tell(Hint::Something);
/// let heard = MemoryConnector::new(gateway).hints(&context).await?;
/// assert_eq!(heard, Hints::NotConfigured, "nobody listens, unless `tellsOfChanges` says so");
/// # Ok(())
/// # });
/// ```
///
/// They let it fail, and count what was asked of it:
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// use gatehouse_connector_sdk::{
///     connector::{Connector, PageRequest},
///     error::ErrorKind,
///     memory::{Fault, MemoryConnector, MemoryGateway},
///     operation::Operation,
///     schemas::{environment::Mode, observed::{DiscoveredItem, Observation}},
/// };
///
/// # let (context, api) = (acme::context(Mode::ReadWrite), acme::orders_by_mark());
/// let gateway = MemoryGateway::new();
/// let connector = MemoryConnector::new(gateway.clone());
/// let deployed = connector.deploy(&context, &acme::first_deploy()).await?;
/// assert_eq!((gateway.changes(), gateway.calls(Operation::Deploy)), (1, 1));
/// assert_eq!(gateway.parts_made(), gateway.parts().len() as u64, "nothing is made in parts here");
///
/// gateway.set_blind(true);
/// let seen = connector.observe(&context, &api).await?;
/// assert!(matches!(seen, Observation::Unknown { .. }));
///
/// gateway.set_readable(&deployed.external_ref, false);
/// let page = connector.discover(&context, PageRequest { limit: 10, ..PageRequest::default() }).await?;
/// assert!(matches!(page.items[0], DiscoveredItem::Unreadable { .. }));
///
/// gateway.inject(Operation::Check, [Fault::Fail(ErrorKind::Unauthorized)]);
/// let failed = connector.check(&context).await.unwrap_err();
/// assert_eq!(failed.kind(), ErrorKind::Unauthorized);
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryGateway {
    inner: Arc<Mutex<Inner>>,
    /// Woken when there is something to tell.
    telling: Arc<Notify>,
}

impl MemoryGateway {
    /// An empty gateway.
    pub fn new() -> Self {
        Self::default()
    }

    /// A gateway that keeps what it holds in a file, and begins with what the file holds.
    ///
    /// Fails if the file is there and cannot be read, or does not hold what such a gateway wrote.
    ///
    /// ```
    /// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
    /// use gatehouse_connector_sdk::memory::MemoryGateway;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("gateway.json");
    /// MemoryGateway::open(&path)?.add_foreign("orders", acme::content())?;
    /// assert_eq!(MemoryGateway::open(&path)?.apis().len(), 1, "it outlived its handle");
    ///
    /// std::fs::write(&path, "damaged")?;
    /// assert!(MemoryGateway::open(&path).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: &Path) -> io::Result<Self> {
        let seen = FileVersion::of(path);
        let inner = Inner {
            contents: file::read(path)?,
            file: Some(path.to_owned()),
            seen,
            ..Inner::default()
        };
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
            telling: Arc::default(),
        })
    }

    /// Everything it holds.
    pub fn apis(&self) -> BTreeMap<ExternalRef, StoredApi> {
        self.lock().contents.apis.clone()
    }

    /// What deploys in several steps made and nothing serves yet, by name.
    pub fn parts(&self) -> BTreeSet<String> {
        self.lock().contents.parts.clone()
    }

    /// How often a part was made.
    pub fn parts_made(&self) -> u64 {
        self.lock().contents.parts_made
    }

    /// How often an operation was called.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().calls.get(&operation).copied().unwrap_or_default()
    }

    /// How often an API was created, or updated or removed by a connector.
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

    /// Tells the agent of a change, true or not, where the environment's settings say that it listens.
    pub fn tell(&self, hint: Hint) {
        self.lock().untold.push(hint);
        self.telling.notify_one();
    }

    /// What was told, as soon as there is anything.
    pub(super) async fn told(&self) -> Vec<Hint> {
        loop {
            let told = std::mem::take(&mut self.lock().untold);
            if !told.is_empty() {
                return told;
            }
            self.telling.notified().await;
        }
    }

    /// Makes every observation `Unknown`, or lets the gateway be seen again.
    pub fn set_blind(&self, blind: bool) {
        self.lock().faults.blind = blind;
    }

    pub(super) fn is_blind(&self) -> bool {
        self.lock().faults.blind
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
            .or_else(|| apis.iter().find(|(_, api)| api.carries(mark)))
            .map(|(external_ref, api)| (external_ref.clone(), api.clone()))
    }

    /// Puts in an API, which takes in its parts. If another attempt has put it in meanwhile, it takes that one's place.
    pub(super) fn create(&self, mut api: StoredApi, parts: &[String]) -> io::Result<ExternalRef> {
        self.change(|contents| {
            contents.take_in(parts);
            let carries = |there: &StoredApi| api.mark.as_ref().is_some_and(|mark| there.carries(mark));
            let mut apis = contents.apis.iter_mut();
            if let Some((external_ref, there)) = apis.find(|(_, there)| carries(there)) {
                contents.updated += 1;
                api.version = there.version + 1;
                *there = api;
                return external_ref.clone();
            }
            contents.created += 1;
            let external_ref = ExternalRef(format!("memory-{}", contents.created));
            api.version = 1;
            contents.apis.insert(external_ref.clone(), api);
            external_ref
        })
    }

    /// Puts an API in the place of another; it takes in its parts.
    pub(super) fn replace(
        &self,
        external_ref: &ExternalRef,
        mut api: StoredApi,
        parts: &[String],
    ) -> io::Result<()> {
        self.change(|contents| {
            contents.take_in(parts);
            contents.updated += 1;
            api.version += 1;
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

    /// Makes a part, unless it is there.
    pub(super) fn make_part(&self, name: &str) -> io::Result<()> {
        self.change(|contents| {
            if contents.parts.insert(name.to_owned()) {
                contents.parts_made += 1;
            }
        })
    }

    /// Removes parts, as far as they are there.
    pub(super) fn remove_parts(&self, names: &[String]) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.change(|contents| contents.take_in(names))
    }

    /// A page of the listing in the order of identities, after a position.
    pub(super) fn page(&self, request: &PageRequest) -> (Vec<DiscoveredItem>, Option<String>) {
        let inner = self.lock();
        let after = request.position.as_deref();
        let tags = &request.filter.tags;
        let mut rest = inner
            .contents
            .apis
            .iter()
            .filter(|(external_ref, _)| after.is_none_or(|after| external_ref.0.as_str() > after))
            .filter(|(_, api)| tags.is_empty() || api.tags.iter().any(|tag| tags.contains(tag)));
        let page: Vec<_> = rest.by_ref().take(request.limit.max(1)).collect();
        let next = rest
            .next()
            .and(page.last())
            .map(|(external_ref, _)| external_ref.0.clone());
        let items = page
            .into_iter()
            .map(|(id, api)| api.listed(id, inner.faults.is_readable(id), request.known.get(id)))
            .collect();
        (items, next)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut inner = self.lock();
        let result = change(&mut inner.contents);
        if let Some(path) = inner.file.clone() {
            file::write(&path, &inner.contents)?;
            inner.seen = FileVersion::of(&path);
        }
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves every change whole.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.catch_up();
        inner
    }
}

impl Inner {
    /// Takes in what another process wrote into the file.
    fn catch_up(&mut self) {
        let Some(path) = &self.file else { return };
        let version = FileVersion::of(path);
        if version.is_none() || version == self.seen {
            return;
        }
        if let Ok(contents) = file::read(path) {
            self.contents = contents;
            self.seen = version;
        }
    }
}

impl Contents {
    fn take_in(&mut self, parts: &[String]) {
        for part in parts {
            self.parts.remove(part);
        }
    }
}
