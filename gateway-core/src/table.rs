//! The snapshot that requests are served from: all APIs and their routes, swapped as one.

use std::sync::Arc;

use gatehouse_schemas::identity::ExternalRef;
use rpds::RedBlackTreeMapSync;

use crate::{
    api::{Api, Route},
    router::Router,
};

/// Everything that is served at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) router: Router<Route>,
    /// By reference; copies share what they have in common.
    pub(crate) apis: RedBlackTreeMapSync<ExternalRef, Arc<Api>>,
}

impl Table {
    /// This table with an API added or replaced.
    pub(crate) fn with(&self, api: Arc<Api>) -> Self {
        let mut table = self.without(&api.config.external_ref);
        table.router.insert(&api.hosts, &api.routes);
        table.apis.insert_mut(api.config.external_ref.clone(), api);
        table
    }

    /// This table with an API taken away.
    pub(crate) fn without(&self, api: &ExternalRef) -> Self {
        let mut table = self.clone();
        if let Some(old) = self.apis.get(api) {
            table.apis.remove_mut(api);
            table.router.remove(&old.hosts, &old.routes, api);
        }
        table
    }
}
