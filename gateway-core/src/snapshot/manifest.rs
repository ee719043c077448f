//! Manifests: which API files belong together, with a checksum over the list itself.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::journal::{self, Change};

/// The format written; others are not read.
const FORMAT: u32 = 1;

/// One manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Rises with every change.
    pub(super) number: u64,
    /// The file of each API.
    pub(super) apis: BTreeMap<ExternalRef, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content<Apis> {
    format: u32,
    number: u64,
    apis: Apis,
}

/// Where the manifest with a number is kept. Numbers are padded, so that names sort as numbers do.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("manifest-{number:020}.json"))
}

impl Manifest {
    /// Where it is kept.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        path(folder, self.number)
    }

    /// Gives an API this file, or none. The one that it had is answered.
    pub(super) fn set(&mut self, api: &ExternalRef, file: Option<String>) -> Option<String> {
        match file {
            Some(file) => self.apis.insert(api.clone(), file),
            None => self.apis.remove(api),
        }
    }

    /// The checksum in the first line, the list in the second.
    pub(super) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let content = serde_json::to_string(&Content {
            format: FORMAT,
            number: self.number,
            apis: &self.apis,
        })?;
        let Fingerprint(checksum) = Fingerprint::of_bytes(content.as_bytes());
        Ok(format!("{checksum}\n{content}\n").into_bytes())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        let (checksum, content) = text.split_once('\n').ok_or("it has no checksum")?;
        let content = content.strip_suffix('\n').ok_or("its end is missing")?;
        if Fingerprint::of_bytes(content.as_bytes()).0 != checksum {
            return Err("its content does not match its checksum".to_owned());
        }
        let content: Content<BTreeMap<ExternalRef, String>> =
            serde_json::from_str(content).map_err(|error| error.to_string())?;
        if content.format != FORMAT {
            return Err(format!("its format {} is not known", content.format));
        }
        match content.apis.values().all(|file| is_plain(file)) {
            true => Ok(Self {
                number: content.number,
                apis: content.apis,
            }),
            false => Err("it names a file outside its folder".to_owned()),
        }
    }
}

/// Whether a file's name is one of ours, and leads out of no folder.
pub(super) fn is_plain(file: &str) -> bool {
    file.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// The manifests and journals of a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest last. The one that a store begins with is empty and in no file.
    pub(super) undamaged: Vec<Manifest>,
    /// The changes in journals, by their numbers.
    pub(super) changes: BTreeMap<u64, Change>,
    /// The manifests whose journals are damaged.
    pub(super) damaged_journals: Vec<u64>,
    /// The highest number, damaged ones included.
    pub(super) highest: u64,
}

/// Reads all manifests of a folder.
pub(super) fn read_all(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some((number, kind)) = number(&path) else {
            continue;
        };
        found.highest = found.highest.max(number);
        match kind {
            Kind::Manifest => match Manifest::from_text(&String::from_utf8_lossy(&fs::read(&path)?)) {
                Ok(manifest) => found.undamaged.push(manifest),
                Err(reason) => set_aside(&path, &reason),
            },
            Kind::Damaged => {}
            Kind::Copy => drop(journal::read(&path, &mut found.changes)?),
            Kind::Journal => {
                if !journal::read(&path, &mut found.changes)? {
                    found.damaged_journals.push(number);
                }
                if number == 0 {
                    found.undamaged.push(Manifest::default());
                }
            }
        }
    }
    found.undamaged.sort_by_key(|manifest| manifest.number);
    let last = found.changes.keys().next_back();
    found.highest = found.highest.max(last.copied().unwrap_or_default());
    Ok(found)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Manifest,
    Journal,
    Copy,
    /// A manifest that was set aside.
    Damaged,
}

/// The number in the name of a manifest or its journal, and which it is.
fn number(path: &Path) -> Option<(u64, Kind)> {
    let name = path.file_name()?.to_str()?.strip_prefix("manifest-")?;
    let (number, kind) = name.split_once('.')?;
    let kind = match kind {
        "json" => Kind::Manifest,
        "journal" => Kind::Journal,
        "copy" => Kind::Copy,
        "damaged" => Kind::Damaged,
        _ => return None,
    };
    Some((number.parse().ok()?, kind))
}

/// Keeps a damaged manifest for whoever wants to know, out of the way of the next one.
fn set_aside(path: &Path, reason: &str) {
    warn!(file = %path.display(), reason, "A snapshot manifest is damaged: {reason}; using the one before it");
    if let Err(error) = fs::rename(path, path.with_extension("damaged")) {
        warn!(file = %path.display(), error = %error, "The damaged manifest cannot be set aside");
    }
}
