//! Where the recordings of a real Kong are: its schemas and its answers.
//!
//! They are no part of this repository. `GATEHOUSE_KONG_DATA` names their folder; without it, the folder
//! `shared/data/kong` beside the repository is taken.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::Value;

const VARIABLE: &str = "GATEHOUSE_KONG_DATA";
const NEIGHBOUR: &str = "shared/data/kong";

/// The folder with the recordings of a real Kong.
///
/// # Errors
///
/// When it is not there; the message says how to name it.
pub fn folder() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        return existing(PathBuf::from(named));
    }
    if let Some(shared) = env::var_os("GATEHOUSE_SHARED") {
        return existing(PathBuf::from(shared).join("data/kong"));
    }
    let starts = [
        PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        env::current_dir().unwrap_or_default(),
    ];
    let found = starts.iter().find_map(|start| upward(start));
    found.ok_or_else(|| missing(&format!("no folder `{NEIGHBOUR}` beside this repository")))
}

fn existing(folder: PathBuf) -> io::Result<PathBuf> {
    let there = folder.join("schemas").is_dir();
    if there {
        Ok(folder)
    } else {
        Err(missing(&format!(
            "`{}` has no folder `schemas`",
            folder.display()
        )))
    }
}

fn upward(start: &Path) -> Option<PathBuf> {
    let candidates = start.ancestors().map(|folder| folder.join(NEIGHBOUR));
    candidates
        .into_iter()
        .find(|folder| folder.join("schemas").is_dir())
}

fn missing(what: &str) -> io::Error {
    let message = format!("the recordings of Kong are missing: {what}; set {VARIABLE} to their folder");
    io::Error::new(io::ErrorKind::NotFound, message)
}

/// Reads a JSON file in the folder.
pub(crate) fn read(folder: &Path, name: &str) -> io::Result<Value> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| unusable(&path, &error.to_string()))
}

/// The schemas of one kind, `entity` or `plugin`: name and what Kong answers for `/schemas/…`.
pub(crate) fn schemas(folder: &Path, kind: &str) -> io::Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join("schemas"))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
        if let Some(name) = name.and_then(|rest| rest.strip_suffix(".json")) {
            found.push((name.to_owned(), read(folder, &format!("schemas/{file}"))?));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

/// The recorded answer to a GET in a transcript.
pub(crate) fn recorded_answer(folder: &Path, transcript: &str, path: &str) -> io::Result<Value> {
    let recording = read(folder, &format!("transcripts/{transcript}.json"))?;
    let exchanges = recording["exchanges"].as_array().into_iter().flatten();
    let mut asked =
        exchanges.filter(|one| one["request"]["path"] == path && one["request"]["method"] == "GET");
    let answer = asked.next().map(|exchange| exchange["response"]["json"].clone());
    answer.ok_or_else(|| missing(&format!("the transcript `{transcript}` has no GET {path}")))
}

fn unusable(path: &Path, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("cannot use the recording `{}`: {why}", path.display()),
    )
}
