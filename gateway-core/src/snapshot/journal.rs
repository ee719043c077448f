//! Journals: the changes since a manifest, each a line with a checksum of its own.
//!
//! A journal has its whole length from the beginning, filled with zeros. Writing a change then alters no length, which
//! makes waiting for the disk short, and a journal that was cut off shows it.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use gatehouse_schemas::{canonical::Fingerprint, identity::ExternalRef};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::write;

/// How long a journal is; some hundred changes.
pub(super) const LENGTH: usize = 64 * 1024;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// One more than that of the manifest or the change before it.
    pub(super) number: u64,
    pub(super) api: ExternalRef,
    /// The API's file from now on; none if it is not served any more.
    pub(super) file: Option<String>,
}

/// The journal of the newest manifest.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Has the same lines, but nobody waits until they are on disk: for when the other one is damaged.
    copy: File,
    used: usize,
}

/// Where the journal of a manifest is kept, and its copy.
pub(super) fn paths(folder: &Path, manifest: u64) -> [PathBuf; 2] {
    let path = super::manifest::path(folder, manifest);
    [path.with_extension("journal"), path.with_extension("copy")]
}

impl Journal {
    /// An empty one.
    pub(super) fn create(folder: &Path, manifest: u64) -> io::Result<Self> {
        let [path, copy] = paths(folder, manifest);
        let create = |path: &Path| {
            write::durably(path, &vec![0; LENGTH])?;
            OpenOptions::new().write(true).open(path)
        };
        Ok(Self {
            copy: create(&copy)?,
            file: create(&path)?,
            used: 0,
        })
    }

    /// Writes a change and waits until it is on disk. False says that there is no room for it.
    pub(super) fn append(&mut self, change: &Change) -> io::Result<bool> {
        let line = change.to_line()?;
        let Some(place) = place(self.used, line.len()) else {
            return Ok(false);
        };
        let written = write_at(&mut self.file, place, line.as_bytes()).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // It was not made, so it should not come back either.
            let _ = write_at(&mut self.file, place, &vec![0; line.len()]);
        } else if let Err(error) = write_at(&mut self.copy, place, line.as_bytes()) {
            warn!(error = %error, "The copy of a snapshot journal cannot be written");
        }
        self.used = place + line.len();
        written.map(|()| true)
    }
}

fn write_at(file: &mut File, place: usize, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(place as u64))?;
    file.write_all(bytes)
}

/// Where a line goes: in one sector with nothing else torn, if it fits into one.
fn place(used: usize, length: usize) -> Option<usize> {
    let left = SECTOR - used % SECTOR;
    let place = match length <= SECTOR && length > left {
        true => used + left,
        false => used,
    };
    (place + length <= LENGTH).then_some(place)
}

impl Change {
    fn to_line(&self) -> io::Result<String> {
        let content = serde_json::to_string(self)?;
        let Fingerprint(checksum) = Fingerprint::of_bytes(content.as_bytes());
        Ok(format!("{checksum} {content}\n"))
    }

    fn from_line(line: &[u8]) -> Result<Self, String> {
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let (checksum, content) = line.split_once(' ').ok_or("a line has no checksum")?;
        if Fingerprint::of_bytes(content.as_bytes()).0 != checksum {
            return Err("a line does not match its checksum".to_owned());
        }
        let change: Self = serde_json::from_str(content).map_err(|error| error.to_string())?;
        match change
            .file
            .as_ref()
            .is_none_or(|file| super::manifest::is_plain(file))
        {
            true => Ok(change),
            false => Err("a line names a file outside its folder".to_owned()),
        }
    }
}

/// Adds the changes of a journal to others. False says that some of it is damaged.
pub(super) fn read(path: &Path, changes: &mut BTreeMap<u64, Change>) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    let mut whole = bytes.len() == LENGTH;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(start) = line.iter().position(|byte| *byte != 0) else {
            continue;
        };
        let (line, ended) = match line[start..].strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (&line[start..], false),
        };
        match Change::from_line(line) {
            Ok(change) if ended => drop(changes.insert(change.number, change)),
            _ => whole = false,
        }
    }
    if !whole {
        warn!(file = %path.display(), "A snapshot journal is damaged");
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_fit_into_a_sector_are_in_one() {
        for (used, length, expected) in [
            (0, 300, Some(0)),
            (300, 200, Some(300)),
            (300, 212, Some(300)),
            (300, 213, Some(512)),
            (300, 600, Some(300)),
            (LENGTH - 512, 512, Some(LENGTH - 512)),
            (LENGTH - 200, 201, None),
            (LENGTH - 200, 600, None),
        ] {
            assert_eq!(place(used, length), expected, "{length} after {used}");
        }
    }
}
