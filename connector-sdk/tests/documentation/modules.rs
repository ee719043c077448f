//! Follows a crate's modules to the items that its documentation shows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::items::{self, Item, Kind, Source};

/// The items that the documentation of the crate with this root shows: those of public modules, those that public
/// modules re-export from their private ones, the members of all these, and the modules themselves.
pub(crate) fn shown(root: &Path) -> Vec<Item> {
    let mut all = Vec::new();
    let folder = root.parent().expect("a file is in a folder");
    visit(root, folder, "crate", &Access::Public, &mut all);
    let types: Vec<String> = all
        .iter()
        .filter(|(item, is_shown)| *is_shown && item.kind == Kind::Item)
        .map(|(item, _)| item.name.clone())
        .collect();
    let is_shown = |item: &Item, is_shown| match &item.owner {
        Some(owner) => types.contains(owner),
        None => is_shown,
    };
    all.into_iter()
        .filter(|(item, shown)| is_shown(item, *shown))
        .map(|(item, _)| item)
        .collect()
}

/// Which items of a module the documentation shows.
enum Access {
    Public,
    /// Private, but for these names.
    Only(Vec<String>),
}

impl Access {
    fn shows(&self, name: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Only(names) => names.iter().any(|shown| shown == name),
        }
    }
}

fn visit(path: &Path, folder: &Path, name: &str, access: &Access, all: &mut Vec<(Item, bool)>) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = path.display().to_string();
    let source = items::read(&file, &text);
    for (child, is_public) in &source.modules {
        let access = match (is_public, access) {
            (true, Access::Public) => Access::Public,
            _ => Access::Only(exported(&source, child, access)),
        };
        let (path, folder) = find(folder, child);
        visit(&path, &folder, child, &access, all);
    }
    all.push((module(name, &source, file), matches!(access, Access::Public)));
    all.extend(source.items.into_iter().map(|item| {
        let is_shown = access.shows(&item.name);
        (item, is_shown)
    }));
}

fn module(name: &str, source: &Source, file: String) -> Item {
    Item {
        kind: Kind::Module,
        name: name.to_owned(),
        owner: None,
        docs: source.docs.clone(),
        file,
        line: 1,
    }
}

/// What a module re-exports from one of its own, as far as it is shown itself.
fn exported(source: &Source, child: &str, access: &Access) -> Vec<String> {
    let prefixes = [format!("use {child}::"), format!("use self::{child}::")];
    let paths = source.exports.iter().filter_map(|export| {
        let path = prefixes
            .iter()
            .find_map(|prefix| export.strip_prefix(prefix.as_str()))?;
        Some(path.trim_end_matches(';'))
    });
    paths
        .flat_map(|path| path.split(['{', '}', ',']))
        .map(str::trim)
        .filter(|name| access.shows(name))
        .map(str::to_owned)
        .collect()
}

/// The file of a module, and the folder of its own modules.
fn find(folder: &Path, module: &str) -> (PathBuf, PathBuf) {
    let own = folder.join(module);
    let file = folder.join(format!("{module}.rs"));
    match file.exists() {
        true => (file, own),
        false => (own.join("mod.rs"), own),
    }
}
