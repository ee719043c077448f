//! Manifests: which API files belong together, with a checksum over the list itself.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde::{Deserialize, Serialize};
use tracing::warn;

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

    /// The files that another one does not name for the same API.
    pub(super) fn not_in(&self, other: &Self) -> Vec<(ExternalRef, String)> {
        let own = self.apis.iter();
        own.filter(|(api, file)| other.apis.get(*api) != Some(*file))
            .map(|(api, file)| (api.clone(), file.clone()))
            .collect()
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
        let plain = |file: &String| {
            file.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
        };
        match content.apis.values().all(plain) {
            true => Ok(Self {
                number: content.number,
                apis: content.apis,
            }),
            false => Err("it names a file outside its folder".to_owned()),
        }
    }
}

/// The manifests of a folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest last.
    pub(super) undamaged: Vec<Manifest>,
    /// The highest number, damaged ones included.
    pub(super) highest: u64,
}

/// Reads all manifests of a folder.
pub(super) fn read_all(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some((number, is_whole)) = number(&path) else {
            continue;
        };
        found.highest = found.highest.max(number);
        if !is_whole {
            continue;
        }
        match Manifest::from_text(&String::from_utf8_lossy(&fs::read(&path)?)) {
            Ok(manifest) => found.undamaged.push(manifest),
            Err(reason) => set_aside(&path, &reason),
        }
    }
    found.undamaged.sort_by_key(|manifest| manifest.number);
    Ok(found)
}

/// The number in a manifest's name, and whether the manifest has not been set aside.
fn number(path: &Path) -> Option<(u64, bool)> {
    let name = path.file_name()?.to_str()?.strip_prefix("manifest-")?;
    let (number, kind) = name.split_once('.')?;
    matches!(kind, "json" | "damaged").then_some((number.parse().ok()?, kind == "json"))
}

/// Keeps a damaged manifest for whoever wants to know, out of the way of the next one.
fn set_aside(path: &Path, reason: &str) {
    warn!(file = %path.display(), reason, "A snapshot manifest is damaged: {reason}; using the one before it");
    if let Err(error) = fs::rename(path, path.with_extension("damaged")) {
        warn!(file = %path.display(), error = %error, "The damaged manifest cannot be set aside");
    }
}
