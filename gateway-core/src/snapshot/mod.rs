//! The last-known-good snapshot: what was served, on disk, so that a restart serves it again before
//! anybody has been asked.
//!
//! Each API is a file named by the hash of its content; a manifest names the files that belong together.
//! Changing one API writes that file and a new manifest, whatever the number of APIs. The newest three
//! manifests are kept, and a damaged one is passed over for the one before it.

mod manifest;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use tracing::{error, warn};

use self::manifest::Manifest;
use crate::config::ApiConfig;

/// How many manifests are kept.
const KEPT: usize = 3;

/// The store of one gateway.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// The kept manifests, the newest last.
    manifests: Vec<Manifest>,
}

impl Store {
    /// Opens a folder, which is created if it is missing, and reads what was served last. The flag says
    /// whether there was a snapshot at all.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<Vec<ApiConfig>>)> {
        write::create_folder(folder)?;
        write::create_folder(&folder.join("apis"))?;
        let manifests = manifest::read_all(folder)?;
        let store = Self {
            folder: folder.to_owned(),
            manifests,
        };
        let apis = store.manifests.last().map(|newest| store.load(newest));
        Ok((store, apis))
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an API part of the snapshot. When this returns, it is on disk.
    pub(crate) fn put(&mut self, config: &ApiConfig) -> io::Result<()> {
        let text = serde_json::to_vec(config)?;
        let file = file_name(&text);
        let path = self.folder.join("apis").join(&file);
        if !path.exists() {
            write::durably(&path, &text)?;
        }
        let mut apis = self.newest();
        apis.insert(config.external_ref.clone(), file);
        self.publish(apis)
    }

    /// Takes an API out of the snapshot.
    pub(crate) fn remove(&mut self, api: &ExternalRef) -> io::Result<()> {
        let mut apis = self.newest();
        match apis.remove(api) {
            Some(_) => self.publish(apis),
            None => Ok(()),
        }
    }

    fn newest(&self) -> BTreeMap<ExternalRef, String> {
        self.manifests
            .last()
            .map(|manifest| manifest.apis.clone())
            .unwrap_or_default()
    }

    fn publish(&mut self, apis: BTreeMap<ExternalRef, String>) -> io::Result<()> {
        let number = self.manifests.last().map_or(1, |manifest| manifest.number + 1);
        let manifest = Manifest { number, apis };
        write::durably(&manifest.path(&self.folder), &manifest.to_bytes()?)?;
        self.manifests.push(manifest);
        self.tidy();
        Ok(())
    }

    /// Deletes what is no longer needed. What cannot be deleted only takes up room.
    fn tidy(&mut self) {
        let surplus = self.manifests.len().saturating_sub(KEPT);
        for old in self.manifests.drain(..surplus).collect::<Vec<_>>() {
            let _ = fs::remove_file(old.path(&self.folder));
            let kept: BTreeSet<&String> = self
                .manifests
                .iter()
                .flat_map(|manifest| manifest.apis.values())
                .collect();
            for file in old.apis.values().filter(|file| !kept.contains(file)) {
                let _ = fs::remove_file(self.folder.join("apis").join(file));
            }
        }
    }

    fn load(&self, newest: &Manifest) -> Vec<ApiConfig> {
        newest.apis.keys().filter_map(|api| self.load_api(api)).collect()
    }

    /// The newest readable form of an API that the newest manifest names.
    fn load_api(&self, api: &ExternalRef) -> Option<ApiConfig> {
        let files = self
            .manifests
            .iter()
            .rev()
            .filter_map(|manifest| manifest.apis.get(api));
        let mut tried = BTreeSet::new();
        for file in files.filter(|file| tried.insert(file.as_str())) {
            match self.read(file) {
                Ok(config) if config.external_ref == *api => return Some(config),
                Ok(_) => warn!(
                    api.reference = %api, file,
                    "A snapshot file holds another API than it should; trying an older one"
                ),
                Err(error) => warn!(
                    api.reference = %api, file, error = %error,
                    "A snapshot file is damaged; trying an older one"
                ),
            }
        }
        error!(api.reference = %api, "API `{api}` cannot be read from the snapshot and is not served; deploy it again");
        None
    }

    fn read(&self, file: &str) -> io::Result<ApiConfig> {
        let path = self.folder.join("apis").join(file);
        let text = fs::read(&path)?;
        if file_name(&text) != file {
            // Out of the way, so that the same content can be written again.
            fs::rename(&path, path.with_extension("damaged"))?;
            return Err(io::Error::other("the content does not match its checksum"));
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

fn file_name(text: &[u8]) -> String {
    let Fingerprint(hash) = Fingerprint::of_bytes(text);
    format!("{}.json", hash.trim_start_matches("sha256:"))
}

#[cfg(test)]
mod tests;
