//! Which tables of the database were written, by their contents before and after.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
};

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
        Database::Postgres => psql(url),
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

fn psql(url: &str) -> io::Result<Output> {
    let mut child = Command::new("psql")
        .args([
            url,
            "--quiet",
            "--no-psqlrc",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
        ])
        .arg("--field-separator= ")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(POSTGRES.as_bytes())?;
    }
    child.wait_with_output()
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

/// One question per table, which `psql` asks by itself.
const POSTGRES: &str = r"
SELECT format('SELECT %L, md5(coalesce(string_agg(md5(t::text), '''' ORDER BY md5(t::text)), '''')) FROM %I t', relname, relname)
FROM pg_stat_user_tables ORDER BY relname \gexec
";

/// The tables that differ.
pub(crate) fn changed(before: &Tables, after: &Tables) -> Vec<String> {
    let differs = |table: &&String| before.get(*table) != after.get(*table);
    after.keys().filter(differs).cloned().collect()
}
