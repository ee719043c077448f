//! One node of Kong: its store, what it says of itself, and the word to the proxy that something changed.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::collections::Collection;
use crate::configuration::{Configuration, Entity};
use crate::errors::AdminError;
use crate::faults::Faults;
use crate::http::{Answer, NodeInformation};
use crate::options::FakeKongOptions;
use crate::schema::Registry;
use crate::store::Store;

/// The hash of a configuration before any was loaded.
const NO_CONFIGURATION: &str = "00000000000000000000000000000000";

/// One node of Kong.
#[derive(Debug)]
pub(crate) struct Kong {
    pub(crate) options: FakeKongOptions,
    pub(crate) information: NodeInformation,
    pub(crate) node_id: String,
    pub(crate) faults: Faults,
    store: Mutex<Store>,
    configuration_hash: Mutex<String>,
    changed: Notify,
}

impl Kong {
    pub(crate) fn new(folder: &Path, options: FakeKongOptions) -> io::Result<Self> {
        let registry = Registry::load(folder, &options)?;
        Ok(Self {
            information: NodeInformation::load(folder, &options)?,
            store: Mutex::new(Store::new(registry, &options)),
            node_id: Uuid::new_v4().to_string(),
            faults: Faults::default(),
            configuration_hash: Mutex::new(NO_CONFIGURATION.to_owned()),
            changed: Notify::new(),
            options,
        })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the store.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        let mut store = self.store();
        if store.expire() {
            self.changed.notify_one();
        }
        look(&store)
    }

    /// Changes the store and tells the proxy when that succeeded.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Store) -> Result<T, AdminError>,
    ) -> Result<T, AdminError> {
        let done = change(&mut self.store())?;
        self.changed.notify_one();
        Ok(done)
    }

    /// Changes the configuration past the Admin API.
    pub(crate) fn with_configuration<T>(&self, change: impl FnOnce(&mut Configuration) -> T) -> T {
        let done = change(&mut self.store().configuration);
        self.changed.notify_one();
        done
    }

    /// Hands every change on to the proxy, which sees it after the delay.
    pub(crate) async fn propagate(self: Arc<Self>, proxy: watch::Sender<Arc<Configuration>>) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(self.options.propagation_delay).await;
            let seen = self.store().configuration.clone();
            proxy.send_replace(Arc::new(seen));
        }
    }

    /// An answer that shows an entity.
    pub(crate) fn shown(&self, status: StatusCode, collection: &Collection, entity: &Entity) -> Answer {
        Answer::json(
            status,
            self.read(|store| Value::Object(store.shown(collection.name, entity))),
        )
    }

    /// The fields of a collection that refer to others, and to which.
    pub(crate) fn foreign_fields(&self, collection: &str) -> Vec<(String, String)> {
        let owned = |(field, target): (&str, &str)| (field.to_owned(), target.to_owned());
        self.read(|store| store.foreign_fields(collection).into_iter().map(owned).collect())
    }

    /// The hash of the declarative configuration that was loaded last.
    pub(crate) fn configuration_hash(&self) -> String {
        self.configuration_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_configuration_hash(&self, hash: String) {
        *self
            .configuration_hash
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = hash;
    }
}
