//! What lasts, in a file.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{accounts::Key, model::Api, vendor::Inner};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lasting {
    counter: u64,
    keys: std::collections::BTreeMap<String, Key>,
    objects: Vec<(String, Api)>,
}

/// Writes everything that lasts.
pub(super) fn save(inner: &Inner, path: &Path) -> io::Result<()> {
    let lasting = Lasting {
        counter: inner.store.counter(),
        keys: inner.keys.keys.clone(),
        objects: inner
            .store
            .all()
            .map(|(account, api)| (account.to_owned(), Api::clone(api)))
            .collect(),
    };
    let draft = path.with_extension("draft");
    fs::write(&draft, serde_json::to_vec(&lasting)?)?;
    fs::rename(draft, path)
}

/// Begins with what a file holds, if it is there.
pub(super) fn load(inner: &mut Inner, path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let lasting: Lasting = serde_json::from_slice(&fs::read(path)?)?;
    inner.keys.keys = lasting.keys;
    inner.store.restore(lasting.counter, lasting.objects);
    Ok(())
}
