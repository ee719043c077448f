//! The folder in which a control plane keeps its state, for one process at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{exit::Exit, failure::Failure, settings::base_dir};

/// A data folder that this process holds; it lets go when this is dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, makes it where it is missing, and keeps other processes out.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        make(path)?;
        let path = fs::canonicalize(path).with_context(|| unusable(path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_path);
        let lock = lock.with_context(|| unusable(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(in_use(&path).into()),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| unusable(&path)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The address of the SQLite database in it.
    pub(crate) fn database_url(&self) -> String {
        sqlite_url(&self.path)
    }
}

/// The folder used unless another is given: below `$XDG_DATA_HOME/gatehouse`, else `~/.local/share/gatehouse`.
pub(crate) fn default(name: &str) -> anyhow::Result<PathBuf> {
    Ok(base_dir("XDG_DATA_HOME", ".local/share")?
        .join("gatehouse")
        .join(name))
}

/// Makes a folder that only its owner enters.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| unusable(path))
}

/// The address of the SQLite database in a data folder.
pub(crate) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("gatehouse.db").display())
}

fn unusable(path: &Path) -> String {
    format!(
        "the data folder `{}` cannot be used; give one that this user can write to with `--data-dir`",
        path.display()
    )
}

fn in_use(path: &Path) -> Failure {
    let detail = format!(
        "another gatehouse uses the data folder `{}`; stop it, or give this one a folder of its own with `--data-dir`",
        path.display()
    );
    Failure::new(Exit::Conflict, detail)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_for_one_at_a_time_and_for_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let error = DataFolder::open(&path).unwrap_err();
        assert!(error.to_string().contains("another gatehouse uses"), "{error}");
        drop(first);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataFolder::open(&file.path().join("below")).unwrap_err();
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }
}
