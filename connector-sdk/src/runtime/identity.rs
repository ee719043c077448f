//! Who the agent is: its id and its key, kept in the state folder, readable by nobody else.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use gatehouse_schemas::{canonical::hexadecimal, identity::AgentId};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::RunError;

const KEY_BYTES: usize = 32;

/// What the agent knows of itself.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// Who it is; none until the control plane has said so.
    pub(super) agent_id: Option<AgentId>,
    /// Its key, in hexadecimal.
    pub(super) key: SecretString,
}

impl Identity {
    /// An agent that nobody knows yet, with a fresh key.
    pub(super) fn unknown() -> Result<Self, RunError> {
        let mut key = [0_u8; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| RunError::NoRandomness)?;
        Ok(Self {
            agent_id: None,
            key: hexadecimal(&key).into(),
        })
    }

    /// The hash that the control plane keeps: SHA-256 of the key's text, in hexadecimal.
    pub(super) fn key_sha256(&self) -> String {
        let key = self.key.expose_secret().as_bytes();
        hexadecimal(digest::digest(&digest::SHA256, key).as_ref())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IdentityFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent_id: Option<AgentId>,
    key: String,
}

/// The state folder. As long as this lives, no other agent uses it.
#[derive(Debug)]
pub(super) struct StateFolder {
    folder: PathBuf,
    _lock: File,
}

impl StateFolder {
    /// Opens a folder, made if need be, for this process alone.
    pub(super) fn open(folder: &Path) -> Result<Self, RunError> {
        let unusable = |source| RunError::State {
            folder: folder.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(unusable)?;
        let lock = private().open(folder.join("agent.lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(RunError::StateInUse {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// Reads the identity, if there is one.
    pub(super) fn identity(&self) -> Result<Option<Identity>, RunError> {
        let bytes = match fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(error)),
        };
        let file: IdentityFile =
            serde_json::from_slice(&bytes).map_err(|error| self.unusable(io::Error::other(error)))?;
        Ok(Some(Identity {
            agent_id: file.agent_id,
            key: file.key.into(),
        }))
    }

    /// Keeps the identity: the old file or the new one is there, whenever the process ends.
    pub(super) fn keep(&self, identity: &Identity) -> Result<(), RunError> {
        self.write(identity).map_err(|error| self.unusable(error))
    }

    fn write(&self, identity: &Identity) -> io::Result<()> {
        let file = IdentityFile {
            agent_id: identity.agent_id,
            key: identity.key.expose_secret().to_owned(),
        };
        let part = self.path().with_extension("json.part");
        let mut writer = private().truncate(true).open(&part)?;
        writer.write_all(&serde_json::to_vec_pretty(&file)?)?;
        writer.sync_all()?;
        fs::rename(&part, self.path())?;
        File::open(&self.folder)?.sync_all()
    }

    fn path(&self) -> PathBuf {
        self.folder.join("identity.json")
    }

    fn unusable(&self, source: io::Error) -> RunError {
        RunError::State {
            folder: self.folder.clone(),
            source,
        }
    }
}

/// Files that only this user can read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_identity_survives_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        assert!(state.identity().unwrap().is_none());
        let identity = Identity::unknown().unwrap();
        state.keep(&identity).unwrap();
        let read = state.identity().unwrap().unwrap();
        assert_eq!(read.key_sha256(), identity.key_sha256());
        let mode = fs::metadata(folder.path().join("identity.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn two_agents_cannot_share_a_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateFolder::open(folder.path()).unwrap();
        assert!(matches!(
            StateFolder::open(folder.path()),
            Err(RunError::StateInUse { .. })
        ));
        drop(first);
        assert!(StateFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn every_key_is_another() {
        let keys: std::collections::BTreeSet<String> = (0..8)
            .map(|_| Identity::unknown().unwrap().key_sha256())
            .collect();
        assert_eq!(keys.len(), 8);
    }
}
