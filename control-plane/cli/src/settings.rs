//! The contexts: which control planes this person speaks to, with which tokens, and which one is current.
//!
//! Kept in `$XDG_CONFIG_HOME/gatehouse/config.yaml` (else `~/.config/gatehouse/config.yaml`), readable by
//! its owner only.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// All contexts of this person.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The context in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, ContextSettings>,
}

/// One control plane and the token for it. No `Debug`: the token is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContextSettings {
    /// The address of its Admin API.
    pub(crate) server: String,
    /// The API token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

impl Settings {
    /// Reads the contexts; there may be none yet.
    pub(crate) fn load() -> anyhow::Result<Self> {
        Self::load_from(&path()?)
    }

    /// Writes the contexts, in one step.
    pub(crate) fn save(&self) -> anyhow::Result<()> {
        self.save_to(&path()?)
    }

    fn load_from(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => return Ok(Self::default()),
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("failed to read the contexts in `{}`", path.display()));
            }
        };
        serde_saphyr::from_str(&text).map_err(|error| {
            let detail = format!(
                "the contexts in `{}` are not valid; correct the file or remove it: {error}",
                path.display()
            );
            Failure::invalid(detail).into()
        })
    }

    fn save_to(&self, path: &Path) -> anyhow::Result<()> {
        write_private(path, serde_saphyr::to_string(self)?.as_bytes())
            .with_context(|| format!("failed to write the contexts to `{}`", path.display()))
    }

    /// The context of this name.
    pub(crate) fn context(&self, name: &str) -> Result<&ContextSettings, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "there are none".to_owned()
            } else {
                known.join(", ")
            };
            let detail =
                format!("there is no context `{name}` (known: {known}); add it with `gatehouse context add`");
            Failure::new(crate::exit::Exit::NotFound, detail)
        })
    }
}

/// Where the contexts are kept.
pub(crate) fn path() -> anyhow::Result<PathBuf> {
    Ok(base_dir("XDG_CONFIG_HOME", ".config")?.join("gatehouse/config.yaml"))
}

/// A folder of the XDG Base Directory Specification: from the variable, else below the home folder.
pub(crate) fn base_dir(variable: &str, below_home: &str) -> anyhow::Result<PathBuf> {
    if let Some(folder) = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
    {
        return Ok(folder);
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let home =
        home.ok_or_else(|| Failure::new(crate::exit::Exit::Error, format!("set `HOME` or `{variable}`")))?;
    Ok(PathBuf::from(home).join(below_home))
}

/// Writes a file that only its owner reads: whole, or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Settings {
        let context = ContextSettings {
            server: "http://127.0.0.1:9090".to_owned(),
            token: Some("gth_x".to_owned()),
        };
        Settings {
            current: Some("dev".to_owned()),
            contexts: [("dev".to_owned(), context)].into(),
        }
    }

    #[test]
    fn what_was_saved_is_loaded_and_only_the_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gatehouse/config.yaml");
        example().save_to(&path).unwrap();
        assert!(Settings::load_from(&path).unwrap() == example());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn without_a_file_there_are_no_contexts() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::load_from(&folder.path().join("config.yaml")).unwrap();
        assert!(settings == Settings::default());
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, "contexts: [").unwrap();
        let error = Settings::load_from(&path).err().unwrap();
        assert!(error.to_string().contains("config.yaml"), "{error}");
    }
}
