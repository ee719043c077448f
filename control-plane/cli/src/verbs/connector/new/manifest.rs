//! The crate's `Cargo.toml`: the scaffold's, with what it inherits written out, so that it stands alone.

use std::path::Path;

use crate::failure::Failure;

use super::template::{MANIFEST, Names};

/// Profiles that the crate has in common with the sources of Gatehouse, so that what is built for one is good for both.
const PROFILES: [&str; 5] = [
    "[profile.dev]",
    "[profile.dev.package.\"*\"]",
    "[profile.dev.package.serde_json]",
    "[profile.dev.package.serde-saphyr]",
    "[profile.dev.package.gatehouse-schemas]",
];

/// The manifest for these names, with versions from the workspace's manifest at `root`.
pub(super) fn manifest(names: &Names, workspace: &str, root: &Path) -> anyhow::Result<String> {
    let mut out = String::from("# A workspace of its own, wherever its folder is.\n[workspace]\n\n");
    for line in MANIFEST.lines().filter(|line| !line.starts_with("[lints]")) {
        match line.strip_suffix(".workspace = true") {
            Some("license" | "rust-version") => continue,
            Some(key) => out.push_str(&inherited(key, workspace, root)?),
            None if line == "workspace = true" => continue,
            None => out.push_str(&names.put_into(line)),
        }
        if !out.ends_with("\n\n") {
            out.push('\n');
        }
    }
    for profile in PROFILES {
        out.push_str(&section(profile, workspace));
    }
    Ok(out.trim_end().to_owned() + "\n")
}

/// A line of the workspace's manifest, in which a path is from the crate's point of view.
fn inherited(key: &str, workspace: &str, root: &Path) -> anyhow::Result<String> {
    let begins = format!("{key} = ");
    let line = workspace.lines().find(|line| line.starts_with(&begins));
    let line = line.ok_or_else(|| {
        let root = root.display();
        Failure::invalid(format!("`{root}/Cargo.toml` does not say which `{key}` it uses; choose the sources of this version of Gatehouse with `--sdk`"))
    })?;
    let Some((before, rest)) = line.split_once("path = \"") else {
        return Ok(line.to_owned());
    };
    let (path, rest) = rest.split_once('"').unwrap_or((rest, ""));
    let path = serde_json::to_string(&root.join(path))?;
    Ok(format!("{before}path = {path}{rest}"))
}

/// A section of the workspace's manifest, without comments.
fn section(header: &str, workspace: &str) -> String {
    let lines = workspace.lines().skip_while(|line| *line != header);
    let lines = lines
        .enumerate()
        .take_while(|(index, line)| *index == 0 || !line.starts_with('['))
        .map(|(_, line)| line)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<_> = lines.collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", lines.join("\n")),
    }
}
