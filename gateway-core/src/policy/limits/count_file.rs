//! Counts of quotas on disk, so that a restart does not give everybody a new quota.
//!
//! The file is written whole, moved into place and has a checksum. It is written at most once a second, and less
//! often the larger it is; what was counted since is lost when the process is killed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::{task::spawn_blocking, time::sleep};
use tracing::{info, warn};

use super::counts::{Count, Counts};
use crate::{error::chain, snapshot::write};

/// Begins the file; the digit is the version of its form.
const MAGIC: &[u8; 8] = b"GHQUOTA1";

/// One count: its name, the end of the period, the two parts of the count.
const RECORD: usize = 16 + 8 + 8 + 8;

const CHECKSUM: usize = 32;

/// How much is written on average at most.
const BYTES_PER_SECOND: u64 = 2 * 1024 * 1024;

/// The file of one gateway.
#[derive(Debug)]
pub(crate) struct CountFile {
    path: PathBuf,
    counts: Arc<Counts>,
    /// Held while the file is written; whether the last time went well.
    well: Mutex<bool>,
}

impl CountFile {
    /// Takes in what the folder's file holds. A file that cannot be read is no reason not to serve.
    pub(crate) fn open(folder: &Path, counts: Arc<Counts>) -> Arc<Self> {
        let path = folder.join("quotas");
        match fs::read(&path).and_then(|bytes| decode(&bytes).ok_or_else(damaged)) {
            Ok(kept) => {
                info!(
                    counts = kept.len(),
                    "Quotas go on from {} kept counts",
                    kept.len()
                );
                counts.restore(kept);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => warn!(
                file = %path.display(), error = %error,
                "The counts of quotas in `{}` cannot be read; they begin at zero", path.display()
            ),
        }
        Arc::new(Self {
            path,
            counts,
            well: Mutex::new(true),
        })
    }

    /// Writes what changed, if something did.
    pub(crate) fn save(&self) {
        let mut well = self.well.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(counts) = self.counts.to_keep(unix_seconds()) else {
            return;
        };
        match self.write(&counts) {
            Ok(()) => *well = true,
            Err(error) => {
                self.counts.mark_changed();
                if std::mem::replace(&mut *well, false) {
                    warn!(
                        file = %self.path.display(), error = %chain(&error),
                        "The counts of quotas cannot be written to `{}`; a restart would forget them", self.path.display()
                    );
                }
            }
        }
    }

    fn write(&self, counts: &[(u128, Count)]) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            write::create_folder(folder)?;
        }
        write::durably(&self.path, &encode(counts))
    }

    fn pause(&self) -> Duration {
        let length = fs::metadata(&self.path).map_or(0, |file| file.len());
        Duration::from_secs((length / BYTES_PER_SECOND).max(1))
    }
}

/// Writes now and then, as long as the gateway is there.
pub(crate) async fn keep(file: Weak<CountFile>) {
    while let Some(pause) = file.upgrade().map(|file| file.pause()) {
        sleep(pause).await;
        let Some(file) = file.upgrade() else {
            return;
        };
        // The write cannot panic, and if the process ends there is nobody to tell.
        let _ = spawn_blocking(move || file.save()).await;
    }
}

/// Seconds since 1970-01-01 UTC.
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file is damaged")
}

fn encode(counts: &[(u128, Count)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + counts.len() * RECORD + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    for (name, count) in counts {
        bytes.extend_from_slice(&name.to_be_bytes());
        bytes.extend_from_slice(&count.end.to_be_bytes());
        bytes.extend_from_slice(&count.shared.to_be_bytes());
        bytes.extend_from_slice(&count.own.to_be_bytes());
    }
    let checksum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(checksum.as_ref());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<(u128, Count)>> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if digest(&SHA256, content).as_ref() != checksum {
        return None;
    }
    let records = content.strip_prefix(MAGIC)?;
    records.chunks(RECORD).map(record).collect()
}

fn record(bytes: &[u8]) -> Option<(u128, Count)> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (shared, rest) = rest.split_first_chunk()?;
    let (own, rest) = rest.split_first_chunk()?;
    let count = Count {
        end: i64::from_be_bytes(*end),
        shared: u64::from_be_bytes(*shared),
        own: u64::from_be_bytes(*own),
        // This process has not told anybody yet.
        told: 0,
    };
    rest.is_empty().then(|| (u128::from_be_bytes(*name), count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_and_no_damaged_byte_goes_unnoticed(
            counts in prop::collection::vec((any::<u128>(), any::<i64>(), any::<u64>(), any::<u64>()), 0..20),
            place in any::<prop::sample::Index>(),
        ) {
            let counts: Vec<(u128, Count)> = counts
                .into_iter()
                .map(|(name, end, shared, own)| (name, Count { end, shared, own, told: 0 }))
                .collect();
            let mut bytes = encode(&counts);
            prop_assert_eq!(decode(&bytes), Some(counts));
            let place = place.index(bytes.len());
            prop_assert_eq!(decode(&bytes[..place]), None);
            bytes[place] ^= 1;
            prop_assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn a_restart_goes_on_counting_and_a_damaged_file_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let end = unix_seconds() + 1_000;
        let counts = Arc::new(Counts::default());
        CountFile::open(folder.path(), Arc::clone(&counts));
        counts.take(1, end, 2, 1).expect("first");
        CountFile::open(folder.path(), Arc::clone(&counts)).save();
        let again = || {
            let counts = Arc::new(Counts::default());
            CountFile::open(folder.path(), Arc::clone(&counts));
            counts.take(1, end, 2, 1)
        };
        assert_eq!(again(), Ok(0));
        fs::write(folder.path().join("quotas"), b"GHQUOTA1").expect("written");
        assert_eq!(again(), Ok(1));
    }
}
