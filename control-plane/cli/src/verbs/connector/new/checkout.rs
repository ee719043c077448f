//! The sources of Gatehouse, whose connector SDK a new crate uses.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{manifest, template::Names};
use crate::failure::Failure;

/// Where this program was built.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A folder with the sources.
#[derive(Debug)]
pub(super) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// The sources that were named, else those this program was built from, else those around the current folder.
    pub(super) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(named) = named {
            return Self::at(named).ok_or_else(|| not_sources(named).into());
        }
        let current = std::env::current_dir().context("failed to find the current folder")?;
        let around = || current.ancestors().find_map(Self::at);
        let found = Self::at(Path::new(BUILT_FROM)).or_else(around);
        found.ok_or_else(|| no_sources().into())
    }

    fn at(folder: &Path) -> Option<Self> {
        let root = fs::canonicalize(folder).ok()?;
        let is_root = root.join("connector-sdk/Cargo.toml").is_file() && root.join("Cargo.lock").is_file();
        is_root.then_some(Self { root })
    }

    /// The connector SDK.
    pub(super) fn sdk(&self) -> PathBuf {
        self.root.join("connector-sdk")
    }

    /// The files that depend on the sources: the manifest, and what makes the crate use the same versions.
    pub(super) fn files(&self, names: &Names) -> anyhow::Result<Vec<(String, String)>> {
        let manifest = manifest::manifest(names, &self.read("Cargo.toml")?, &self.root)?;
        let mut files = vec![("Cargo.toml".to_owned(), manifest)];
        for same in ["Cargo.lock", "rust-toolchain.toml"] {
            files.push((same.to_owned(), self.read(same)?));
        }
        Ok(files)
    }

    fn read(&self, file: &str) -> anyhow::Result<String> {
        let path = self.root.join(file);
        fs::read_to_string(&path).with_context(|| format!("failed to read `{}`", path.display()))
    }
}

fn not_sources(named: &Path) -> Failure {
    let named = named.display();
    Failure::invalid(format!(
        "`{named}` does not hold the sources of Gatehouse; `--sdk` names the folder that has `connector-sdk` in it"
    ))
}

fn no_sources() -> Failure {
    Failure::usage(
        "the sources of Gatehouse are not where this program was built, nor around the current folder; name their folder with `--sdk`",
    )
}
