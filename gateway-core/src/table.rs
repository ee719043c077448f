//! The snapshot that requests are served from: all APIs and their routes, swapped as one.

use std::{collections::BTreeMap, sync::Arc};

use gatehouse_schemas::identity::ExternalRef;

use crate::{
    api::{Api, Route},
    router::Router,
};

/// Everything that is served at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) router: Router<Route>,
    pub(crate) apis: BTreeMap<ExternalRef, Arc<Api>>,
}

impl Table {
    /// This table with an API added or replaced.
    pub(crate) fn with(&self, api: Arc<Api>) -> Self {
        let mut table = self.without(&api.config.external_ref);
        table.router.insert(&api.hosts, &api.routes);
        table.apis.insert(api.config.external_ref.clone(), api);
        table
    }

    /// This table with an API taken away.
    pub(crate) fn without(&self, api: &ExternalRef) -> Self {
        let mut table = self.clone();
        if let Some(old) = table.apis.remove(api) {
            table.router.remove(&old.hosts, &old.routes, api);
        }
        table
    }
}
