//! Which tables of the database were written, by their contents before and after.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context as _, ensure};
use gatehouse_integration_tests::database::Database;

/// A digest of each table.
pub(crate) type Tables = BTreeMap<String, String>;

/// The contents of all tables. `url` is the database of the control plane whose data is in `folder`.
pub(crate) fn tables(database: Database, folder: &Path, url: &str) -> anyhow::Result<Tables> {
    let output = match database {
        Database::Sqlite => Command::new("python3")
            .args(["-c", SQLITE])
            .arg(folder.join("gatehouse.db"))
            .output(),
        Database::Postgres => Command::new("psql")
            .args([
                url,
                "--quiet",
                "--no-psqlrc",
                "--tuples-only",
                "--no-align",
                "--field-separator= ",
            ])
            .args(["--command", POSTGRES])
            .output(),
    };
    let output = output.context("failed to look into the database")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(table, digest)| (table.to_owned(), digest.to_owned()))
        .collect())
}

const SQLITE: &str = r#"
import hashlib, sqlite3, sys
database = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
for (name,) in names:
    digest = hashlib.sha256()
    for row in database.execute(f'SELECT * FROM "{name}"'):
        digest.update(repr(row).encode())
    print(name, digest.hexdigest())
"#;

/// PostgreSQL counts what is written itself.
const POSTGRES: &str = "SELECT relname, n_tup_ins || '/' || n_tup_upd || '/' || n_tup_del FROM pg_stat_user_tables ORDER BY relname";

/// The tables that differ.
pub(crate) fn changed(before: &Tables, after: &Tables) -> Vec<String> {
    let differs = |table: &&String| before.get(*table) != after.get(*table);
    after.keys().filter(differs).cloned().collect()
}
