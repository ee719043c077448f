//! The last-known-good snapshot: what was served, on disk, so that a restart serves it again before
//! anybody has been asked.
//!
//! Each API is a file named by the hash of its content; a manifest names the files that belong together.
//! Changing one API writes that file and a line in the manifest's journal, whatever the number of APIs; when the
//! journal is full, a new manifest is written. The newest three manifests are kept with their journals, and a
//! damaged one is passed over for the one before it and what was changed since. What may have changed in what is
//! lost is left out: an older form of an API may have weaker policies than the one that was served.
//!
//! The values of secrets are in the API's file, sealed with the key of this node; everything else is in clear text. An
//! API whose secrets cannot be opened is left out.

mod journal;
mod manifest;
mod seal;
pub(crate) mod write;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde_json::Value;
use tracing::{error, warn};

use self::{
    journal::{Change, Journal},
    manifest::{Found, Manifest},
    seal::NodeKey,
};
use crate::config::ApiConfig;

/// How many manifests are kept, and for how many changes a file is kept that was replaced.
const KEPT: usize = 3;

/// The field of an API's file that holds its sealed secrets; files of APIs without any have none.
const SEALED: &str = "sealedSecrets";

/// The store of one gateway.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    key: NodeKey,
    /// What the newest manifest and its journal say.
    newest: Option<Manifest>,
    /// Where the next change is written; none if that takes a manifest.
    journal: Option<Journal>,
    /// The numbers of the manifests that are kept, the oldest first.
    manifests: VecDeque<u64>,
    /// What each of the last changes replaced.
    replaced: VecDeque<Option<Named>>,
    /// The highest number of any change, lost ones included.
    number: u64,
}

/// An API and a file of it.
type Named = (ExternalRef, String);

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
            journal: None,
            manifests: found.undamaged.iter().map(|manifest| manifest.number).collect(),
            replaced: VecDeque::new(),
            number: found.highest,
        };
        if let Some(mut newest) = found.undamaged.last().cloned() {
            let lost = store.follow(&mut newest, &found);
            if lost {
                store.leave_out_what_may_have_changed(&mut newest, &found)?;
            }
            // Somebody has to say whether there is nothing because all of it is lost.
            store.newest = Some(newest).filter(|newest| !lost || !newest.apis.is_empty());
        }
        let apis = store.newest.as_ref().map(|newest| store.load(newest));
        Ok((store, apis))
    }

    /// Makes the changes that were made since a manifest. True says that some of them may be lost.
    fn follow(&mut self, newest: &mut Manifest, found: &Found) -> bool {
        let manifest = newest.number;
        let mut lost = found.damaged_journals.iter().any(|number| *number >= manifest);
        for change in found.changes.range(manifest + 1..).map(|(_, change)| change) {
            lost |= change.number != newest.number + 1;
            let replaced = newest.set(&change.api, change.file.clone());
            newest.number = change.number;
            self.has_replaced(change, replaced);
        }
        lost || newest.number < found.highest
    }

    /// Remembers what a change replaced, for as long as it may be needed.
    fn has_replaced(&mut self, change: &Change, replaced: Option<String>) -> Option<Named> {
        let replaced = replaced.filter(|replaced| change.file.as_ref() != Some(replaced));
        self.replaced
            .push_back(replaced.map(|file| (change.api.clone(), file)));
        match self.replaced.len() < KEPT {
            true => None,
            false => self.replaced.pop_front().flatten(),
        }
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

    /// Writes that an API has this file from now on, or none. If that fails, everything is as before.
    fn change(&mut self, api: &ExternalRef, file: Option<String>) -> io::Result<()> {
        // No other change will have this number, whatever becomes of this one.
        self.number += 1;
        let change = Change {
            number: self.number,
            api: api.clone(),
            file,
        };
        if self.newest.is_none() && self.number == 1 {
            // What a store begins with needs no manifest.
            self.newest = Some(Manifest::default());
            self.begin_journal(0);
        }
        let written = self.journal.as_mut().map(|journal| journal.append(&change));
        let replaced = match written.transpose() {
            Ok(Some(true)) => {
                let newest = self.newest.get_or_insert_default();
                newest.number = change.number;
                newest.set(api, change.file.clone())
            }
            Ok(Some(false) | None) => {
                self.journal = None;
                self.write_manifest(&change)?
            }
            Err(error) => {
                self.journal = None;
                return Err(error);
            }
        };
        // What cannot be deleted only takes up room.
        if let Some(old) = self.has_replaced(&change, replaced)
            && !self.names(&old)
        {
            let _ = fs::remove_file(self.folder.join("apis").join(&old.1));
        }
        Ok(())
    }

    /// Writes a manifest with a change. The file that the change replaces is answered.
    fn write_manifest(&mut self, change: &Change) -> io::Result<Option<String>> {
        let before = self.newest.as_ref().map(|newest| newest.number);
        let newest = self.newest.get_or_insert_default();
        let replaced = newest.set(&change.api, change.file.clone());
        newest.number = change.number;
        let written = newest
            .to_bytes()
            .and_then(|bytes| write::durably(&newest.path(&self.folder), &bytes));
        if let Err(error) = written {
            newest.set(&change.api, replaced);
            newest.number = before.unwrap_or_default();
            self.newest.take_if(|_| before.is_none());
            return Err(error);
        }
        self.begin_journal(change.number);
        Ok(replaced)
    }

    /// Begins the journal of a manifest, and deletes manifests that are no longer needed.
    fn begin_journal(&mut self, manifest: u64) {
        self.journal = match Journal::create(&self.folder, manifest) {
            Ok(journal) => Some(journal),
            Err(error) => {
                warn!(error = %error, "A snapshot journal cannot be written; the next change is written as a manifest");
                None
            }
        };
        if self.manifests.back() != Some(&manifest) {
            self.manifests.push_back(manifest);
        }
        let surplus = self.manifests.len().saturating_sub(KEPT);
        for old in self.manifests.drain(..surplus) {
            let [journal, copy] = journal::paths(&self.folder, old);
            for path in [manifest::path(&self.folder, old), journal, copy] {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Whether a file is in use, or was until one of the last changes.
    fn names(&self, named: &Named) -> bool {
        let newest = self.newest.as_ref();
        newest.is_some_and(|newest| newest.apis.get(&named.0) == Some(&named.1))
            || self.replaced.iter().flatten().any(|other| other == named)
    }

    /// A change is lost. It left a file that is not in use: its own, or the one that it had replaced.
    fn leave_out_what_may_have_changed(&self, newest: &mut Manifest, found: &Found) -> io::Result<()> {
        let unused = self.unused(newest, found)?;
        newest.apis.retain(|api, _| {
            let keep = unused.as_ref().is_some_and(|unused| !unused.contains(api));
            if !keep {
                error!(api.reference = %api, "API `{api}` may have changed in a part of the snapshot that is lost and is not served; deploy it again");
            }
            keep
        });
        Ok(())
    }

    /// The APIs with files that are not in use; none if it is not known whose one of them is.
    fn unused(&self, newest: &Manifest, found: &Found) -> io::Result<Option<BTreeSet<ExternalRef>>> {
        let used: BTreeSet<&str> = newest.apis.values().map(String::as_str).collect();
        let manifests = found.undamaged.iter().flat_map(|manifest| &manifest.apis);
        let changes = found.changes.values();
        let known: BTreeMap<&str, &ExternalRef> = changes
            .filter_map(|change| Some((&change.api, change.file.as_ref()?)))
            .chain(manifests)
            .map(|(api, file)| (file.as_str(), api))
            .collect();
        let mut unused = BTreeSet::new();
        for entry in fs::read_dir(self.folder.join("apis"))? {
            let path = entry?.path();
            // What was never finished was never served.
            let is_finished = path.extension().is_some_and(|kind| kind != "tmp");
            let file = path.with_extension("json");
            let file = file.file_name().and_then(|file| file.to_str());
            let Some(file) = file.filter(|file| is_finished && !used.contains(file)) else {
                continue;
            };
            match known.get(file) {
                Some(api) => drop(unused.insert((*api).clone())),
                None => match self.read(file) {
                    Ok(config) => drop(unused.insert(config.external_ref)),
                    Err(_) => return Ok(None),
                },
            }
        }
        Ok(Some(unused))
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
