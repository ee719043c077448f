//! The last-known-good snapshot: what was served, on disk, so that a restart serves it again before
//! anybody has been asked.
//!
//! Each API is a file named by the hash of its content; a manifest names the files that belong together.
//! Changing one API writes that file and a new manifest, whatever the number of APIs. The newest three
//! manifests are kept, and a damaged one is passed over for the one before it. What may have changed since
//! then is left out: an older form of an API may have weaker policies than the one that was served.
//!
//! The values of secrets are in the API's file, sealed with the key of this node; everything else is in clear text. An
//! API whose secrets cannot be opened is left out.

mod manifest;
mod seal;
pub(crate) mod write;

use std::{
    collections::{BTreeSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde_json::Value;
use tracing::error;

use self::{manifest::Manifest, seal::NodeKey};
use crate::config::ApiConfig;

/// How many manifests are kept.
const KEPT: usize = 3;

/// The field of an API's file that holds its sealed secrets; files of APIs without any have none.
const SEALED: &str = "sealedSecrets";

/// The store of one gateway.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    key: NodeKey,
    newest: Option<Manifest>,
    /// The manifests before it that are kept, the oldest first.
    older: VecDeque<Older>,
    /// The highest number of any manifest, damaged ones included.
    number: u64,
}

/// A manifest that is kept and no longer the newest.
#[derive(Debug)]
struct Older {
    path: PathBuf,
    /// The files that the manifest after it does not name.
    replaced: Vec<(ExternalRef, String)>,
}

impl Store {
    /// Opens a folder, which is created if it is missing, and reads what was served last. The flag says
    /// whether there was a snapshot at all.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Option<Vec<ApiConfig>>)> {
        write::create_folder(folder)?;
        write::create_folder(&folder.join("apis"))?;
        let found = manifest::read_all(folder)?;
        let mut store = Self {
            folder: folder.to_owned(),
            key: NodeKey::of(folder)?,
            newest: None,
            older: VecDeque::new(),
            number: found.highest,
        };
        let mut manifests = found.undamaged;
        let newest = manifests.last().map(|newest| newest.number);
        if newest.is_some_and(|newest| newest < found.highest) {
            store.leave_out_what_may_have_changed(&mut manifests)?;
        }
        store.keep(manifests);
        let apis = store.newest.as_ref().map(|newest| store.load(newest));
        Ok((store, apis))
    }

    fn keep(&mut self, mut manifests: Vec<Manifest>) {
        self.older = manifests
            .windows(2)
            .map(|pair| Older {
                path: pair[0].path(&self.folder),
                replaced: pair[0].not_in(&pair[1]),
            })
            .collect();
        self.newest = manifests.pop();
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an API part of the snapshot. When this returns, it is on disk.
    pub(crate) fn put(&mut self, config: &ApiConfig) -> io::Result<()> {
        let text = self.text(config)?;
        let file = file_name(&text);
        let path = self.folder.join("apis").join(&file);
        if !path.exists() {
            write::durably(&path, &text)?;
        }
        self.change(&config.external_ref, Some(file))
    }

    /// Takes an API out of the snapshot.
    pub(crate) fn remove(&mut self, api: &ExternalRef) -> io::Result<()> {
        let is_there = |newest: &Manifest| newest.apis.contains_key(api);
        match self.newest.as_ref().is_some_and(is_there) {
            true => self.change(api, None),
            false => Ok(()),
        }
    }

    /// Writes a manifest in which an API has this file, or none. If that fails, everything is as before.
    fn change(&mut self, api: &ExternalRef, file: Option<String>) -> io::Result<()> {
        let (number, before) = (self.number + 1, self.newest.as_ref().map(|newest| newest.number));
        let newest = self.newest.get_or_insert_default();
        let replaced = newest.set(api, file.clone());
        newest.number = number;
        let written = newest
            .to_bytes()
            .and_then(|bytes| write::durably(&newest.path(&self.folder), &bytes));
        if let Err(error) = written {
            newest.set(api, replaced);
            newest.number = before.unwrap_or_default();
            self.newest.take_if(|_| before.is_none());
            return Err(error);
        }
        self.number = number;
        if let Some(before) = before {
            let replaced = replaced.filter(|replaced| file.as_ref() != Some(replaced));
            self.older.push_back(Older {
                path: manifest::path(&self.folder, before),
                replaced: replaced.into_iter().map(|file| (api.clone(), file)).collect(),
            });
        }
        self.tidy();
        Ok(())
    }

    /// Deletes what is no longer needed. What cannot be deleted only takes up room.
    fn tidy(&mut self) {
        let surplus = (self.older.len() + 1).saturating_sub(KEPT);
        for old in self.older.drain(..surplus).collect::<Vec<_>>() {
            let _ = fs::remove_file(&old.path);
            for named in old.replaced.iter().filter(|named| !self.names(named)) {
                let _ = fs::remove_file(self.folder.join("apis").join(&named.1));
            }
        }
    }

    /// Whether a kept manifest names a file: the newest does, or one before it does and the next one does not.
    fn names(&self, named: &(ExternalRef, String)) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| newest.apis.get(&named.0) == Some(&named.1))
            || self.older.iter().any(|older| older.replaced.contains(named))
    }

    /// The newest manifest is lost. What it had changed left a file that no other names, or the API has other
    /// files in the manifests before.
    fn leave_out_what_may_have_changed(&self, manifests: &mut [Manifest]) -> io::Result<()> {
        let unnamed = self.unnamed(manifests)?;
        let Some((newest, older)) = manifests.split_last_mut() else {
            return Ok(());
        };
        newest.apis.retain(|api, file| {
            let is_old = |manifest: &Manifest| manifest.apis.get(api).is_none_or(|other| other == file);
            let keep = unnamed.as_ref().is_some_and(|unnamed| !unnamed.contains(api)) && older.iter().all(is_old);
            if !keep {
                error!(api.reference = %api, "API `{api}` may have changed in a manifest that is lost and is not served; deploy it again");
            }
            keep
        });
        Ok(())
    }

    /// The APIs in files that no manifest names; none if one of them cannot be read.
    fn unnamed(&self, manifests: &[Manifest]) -> io::Result<Option<BTreeSet<ExternalRef>>> {
        let named: BTreeSet<&str> = manifests
            .iter()
            .flat_map(|manifest| manifest.apis.values().map(String::as_str))
            .collect();
        let mut unnamed = BTreeSet::new();
        for entry in fs::read_dir(self.folder.join("apis"))? {
            let path = entry?.path();
            // What was never finished was never served.
            let is_finished = path.extension().is_some_and(|kind| kind != "tmp");
            let file = path.with_extension("json");
            let file = file.file_name().and_then(|file| file.to_str());
            let Some(file) = file.filter(|file| is_finished && !named.contains(file)) else {
                continue;
            };
            match self.read(file) {
                Ok(config) => drop(unnamed.insert(config.external_ref)),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(unnamed))
    }

    fn load(&self, newest: &Manifest) -> Vec<ApiConfig> {
        let apis = newest.apis.iter();
        apis.filter_map(|(api, file)| self.load_api(api, file)).collect()
    }

    fn load_api(&self, api: &ExternalRef, file: &str) -> Option<ApiConfig> {
        let reason = match self.read(file) {
            Ok(config) if config.external_ref == *api => return Some(config),
            Ok(_) => "it holds another API".to_owned(),
            Err(error) => error.to_string(),
        };
        error!(
            api.reference = %api, file, reason,
            "API `{api}` cannot be read from the snapshot and is not served; deploy it again"
        );
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
        self.config(serde_json::from_slice(&text)?)
    }

    /// What the file of an API holds.
    fn text(&self, config: &ApiConfig) -> io::Result<Vec<u8>> {
        if config.secrets.is_empty() {
            return Ok(serde_json::to_vec(config)?);
        }
        let mut content = serde_json::to_value(config)?;
        content[SEALED] = Value::String(self.key.seal(&config.external_ref, &config.secrets)?);
        Ok(serde_json::to_vec(&content)?)
    }

    fn config(&self, mut content: Value) -> io::Result<ApiConfig> {
        let sealed = content.as_object_mut().and_then(|fields| fields.remove(SEALED));
        let mut config: ApiConfig = serde_json::from_value(content)?;
        match sealed {
            None => {}
            Some(Value::String(sealed)) => config.secrets = self.key.open(&config.external_ref, &sealed)?,
            Some(_) => return Err(io::Error::other("its sealed secrets are not a text")),
        }
        Ok(config)
    }
}

fn file_name(text: &[u8]) -> String {
    let Fingerprint(hash) = Fingerprint::of_bytes(text);
    format!("{}.json", hash.trim_start_matches("sha256:"))
}

#[cfg(test)]
mod tests;
