//! The catalog as a discovery of one environment compares with it: light as long as nothing changed.

use std::collections::BTreeMap;

use gatehouse_control_plane_store::{
    ApiSource, DeploymentFilter, Desired, MAX_PAGE_SIZE, PageRequest, Resource, ResourceFilter, Store,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, DeploymentId, EnvironmentId, ExternalRef, ResourceName},
    observed::{CatalogEntry, CatalogView},
    resource::Kind,
    revision::RevisionContent,
};
use tokio::sync::OnceCell;

use crate::failure::{Answer, Failure};

/// How many contents are read at once.
const CONTENTS: usize = 500;

/// One API of the catalog that the environment has.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The API.
    pub(super) api_id: ApiId,
    /// Where it is deployed, if it is.
    pub(super) deployment: Option<DeploymentId>,
    /// The gateway's name for it when it was last imported.
    gateway_name: Option<String>,
    /// What an unchanged API is observed with: the desired state's fingerprint for one that is deployed there; for one
    /// that was imported, that of what was imported.
    fingerprint: Fingerprint,
}

impl Known {
    /// Whether the gateway holds it as the catalog knows it.
    pub(super) fn is_unchanged(&self, fingerprint: &Fingerprint, name: &str) -> bool {
        self.fingerprint == *fingerprint && self.gateway_name.as_deref().is_none_or(|known| known == name)
    }
}

/// What of the catalog the environment has, without contents; and, once something needs them, the names of all APIs.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    known: BTreeMap<ExternalRef, Known>,
    /// What counts as removed from there, and is what it was if it comes back.
    removed: BTreeMap<ExternalRef, Known>,
    by_api: BTreeMap<ApiId, ExternalRef>,
    names: OnceCell<BTreeMap<ApiId, ResourceName>>,
}

impl Catalog {
    pub(super) async fn read(store: &Store, environment_id: EnvironmentId) -> Answer<Self> {
        let mut catalog = Self::default();
        catalog.add_imported(store, environment_id).await?;
        catalog.add_deployed(store, environment_id).await?;
        let by_api = catalog.known.iter();
        catalog.by_api = by_api
            .map(|(reference, known)| (known.api_id, reference.clone()))
            .collect();
        Ok(catalog)
    }

    async fn add_imported(&mut self, store: &Store, environment_id: EnvironmentId) -> Answer<()> {
        let sources = store.environment_sources(environment_id).await?;
        self.known = imported(store, sources).await?;
        let sources = store.removed_sources(environment_id).await?;
        self.removed = imported(store, sources).await?;
        Ok(())
    }

    /// What is deployed there goes before what was imported from there: the desired state is what must be there.
    async fn add_deployed(&mut self, store: &Store, environment_id: EnvironmentId) -> Answer<()> {
        let filter = DeploymentFilter {
            environment_id: Some(environment_id),
            ..DeploymentFilter::default()
        };
        for deployment in store.all_deployments(&filter).await? {
            let Some(Desired::Present(desired)) = store.desired(deployment.id).await? else {
                continue;
            };
            let Some(external_ref) = deployment.external_ref else {
                continue;
            };
            let known = Known {
                api_id: deployment.api_id,
                deployment: Some(deployment.id),
                gateway_name: None,
                fingerprint: desired.fingerprint,
            };
            self.known.insert(external_ref, known);
        }
        Ok(())
    }

    /// The API that an object of the gateway is.
    pub(super) fn find(&self, external_ref: &ExternalRef) -> Option<&Known> {
        let known = self.known.get(external_ref);
        known.or_else(|| self.removed.get(external_ref))
    }

    /// Whether an object of the gateway is where an API of the catalog is deployed, with our mark or without.
    pub(super) fn is_deployed(&self, external_ref: &ExternalRef) -> bool {
        self.find(external_ref)
            .is_some_and(|known| known.deployment.is_some())
    }

    /// The gateway's own identity for an API.
    pub(super) fn reference_of(&self, api_id: ApiId) -> Option<&ExternalRef> {
        self.by_api.get(&api_id)
    }

    /// A fingerprint of all that decides what becomes of an API that is none of the catalog: which APIs there are, which
    /// of them this environment has, and what they hold. By other rules, another build may decide otherwise.
    pub(super) async fn fingerprint(&self, store: &Store) -> Answer<Fingerprint> {
        let revisions = store.newest_revisions().await?;
        let all = (env!("CARGO_PKG_VERSION"), revisions, &self.by_api);
        let text = serde_json::to_vec(&all).map_err(Failure::internal)?;
        Ok(Fingerprint::of_bytes(&text))
    }

    /// Everything that the environment has.
    pub(super) fn known(&self) -> impl Iterator<Item = (&ExternalRef, &Known)> {
        self.known.iter()
    }

    /// Reads the names of all APIs, if that was not done before.
    pub(super) async fn read_names(&self, store: &Store) -> Answer<&BTreeMap<ApiId, ResourceName>> {
        self.names.get_or_try_init(|| names(store)).await
    }

    /// An API and its name, once names were read.
    pub(super) fn named(&self, api_id: ApiId) -> Option<(ApiId, ResourceName)> {
        self.names.get()?.get(&api_id).map(|name| (api_id, name.clone()))
    }

    /// One API with its content, to say what changed.
    pub(super) async fn entry(&self, store: &Store, api_id: ApiId) -> Answer<Option<CatalogEntry>> {
        self.read_names(store).await?;
        let was_there = || {
            let mut removed = self.removed.iter();
            removed.find_map(|(reference, known)| (known.api_id == api_id).then_some(reference))
        };
        let reference = self.reference_of(api_id).or_else(was_there);
        let known = reference.and_then(|reference| self.find(reference));
        let content = match known.and_then(|known| known.deployment) {
            Some(deployment) => match store.desired(deployment).await? {
                Some(Desired::Present(desired)) => Some(desired.content),
                _ => None,
            },
            None => store.latest_contents(&[api_id]).await?.remove(&api_id),
        };
        let Some((content, (_, name))) = content.zip(self.named(api_id)) else {
            return Ok(None);
        };
        let fingerprint = match known {
            Some(known) => known.fingerprint.clone(),
            None => Fingerprint::of(&content).map_err(Failure::internal)?,
        };
        Ok(Some(CatalogEntry {
            api_id,
            name,
            external_ref: reference.cloned(),
            gateway_name: known.and_then(|known| known.gateway_name.clone()),
            fingerprint,
            content,
        }))
    }

    /// All APIs, with as much of their contents as names, places and likeness need: what is new must not be in their
    /// way, and may be another place of one of them.
    pub(super) async fn view(&self, store: &Store) -> Answer<CatalogView> {
        let names = self.read_names(store).await?;
        let ids: Vec<ApiId> = names.keys().copied().collect();
        let mut entries = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CONTENTS) {
            for (api_id, content) in store.latest_contents(ids).await? {
                let reference = self.reference_of(api_id);
                let known = reference.and_then(|reference| self.find(reference));
                entries.extend(names.get(&api_id).map(|name| CatalogEntry {
                    api_id,
                    name: name.clone(),
                    external_ref: reference.cloned(),
                    gateway_name: known.and_then(|known| known.gateway_name.clone()),
                    fingerprint:
                        known.map_or_else(|| Fingerprint(String::new()), |it| it.fingerprint.clone()),
                    content: slim(content),
                }));
            }
        }
        Ok(CatalogView::new(entries))
    }
}

/// What was imported, by the gateway's own identity.
async fn imported(store: &Store, sources: Vec<ApiSource>) -> Answer<BTreeMap<ExternalRef, Known>> {
    // What was imported before fingerprints were kept is as its newest revision says.
    let unsaid = sources.iter().filter(|source| source.imported.is_none());
    let ids: Vec<ApiId> = unsaid.map(|source| source.api_id).collect();
    let mut latest = store.latest_revisions(&ids).await?;
    let mut known = BTreeMap::new();
    for source in sources {
        let latest = latest.remove(&source.api_id).map(|revision| revision.fingerprint);
        let Some(fingerprint) = source.imported.or(latest) else {
            continue;
        };
        let api = Known {
            api_id: source.api_id,
            deployment: None,
            gateway_name: source.name,
            fingerprint,
        };
        known.insert(source.external_ref, api);
    }
    Ok(known)
}

/// Ten thousand contents are in memory at once; policies and texts make up most of them.
fn slim(mut content: RevisionContent) -> RevisionContent {
    content.policies = Vec::new();
    for operation in &mut content.operations {
        operation.policies = Vec::new();
        operation.summary = None;
    }
    content
}

/// The names of all APIs, read in pages: their specs are large, and not needed.
async fn names(store: &Store) -> Answer<BTreeMap<ApiId, ResourceName>> {
    let mut names = BTreeMap::new();
    let mut request = PageRequest {
        limit: Some(MAX_PAGE_SIZE),
        cursor: None,
    };
    loop {
        let page = store
            .resources(Kind::Api, &ResourceFilter::default(), &request)
            .await?;
        let named = |api: Resource| (api.api_id(), api.metadata.name);
        names.extend(page.items.into_iter().map(named));
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(names);
        }
    }
}
