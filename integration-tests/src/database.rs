//! A fresh database per test, of either kind.

use std::{path::Path, process::Command};

/// The kind of database a story runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The embedded default.
    Sqlite,
    /// The one for several replicas.
    Postgres,
}

impl Database {
    /// The URL of a new, empty database; a SQLite file goes into `folder`.
    pub fn fresh(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", folder.join("gatehouse.db").display()),
            Self::Postgres => fresh_postgres(),
        }
    }
}

fn fresh_postgres() -> String {
    let server = std::env::var("GATEHOUSE_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!("GATEHOUSE_TEST_POSTGRES is not set; `./test tests` starts a PostgreSQL and sets it")
    });
    let name = format!("story_{}", uuid::Uuid::now_v7().simple());
    execute(&server, &format!("CREATE DATABASE {name}"));
    let (base, _) = server
        .rsplit_once('/')
        .expect("the server's URL ends with /DATABASE");
    format!("{base}/{name}")
}

/// Carries out a statement on PostgreSQL.
pub fn execute(url: &str, statement: &str) {
    let output = Command::new("psql")
        .args([url, "--quiet", "--no-psqlrc", "--command", statement])
        .output()
        .expect("`psql` is installed");
    assert!(
        output.status.success(),
        "`{statement}` failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
