//! The texts of `-f`: files, folders, standard input.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::failure::Failure;

/// One text and where it came from.
pub(super) struct Source {
    /// Its name as people know it.
    pub(super) name: String,
    /// The folder that relative paths in it start from.
    pub(super) folder: PathBuf,
    /// Whether it was found in a folder rather than named.
    pub(super) found: bool,
    /// The text.
    pub(super) text: String,
}

impl Source {
    /// A folder may hold the definitions that its documents refer to; those are not documents.
    pub(super) fn skips(&self, value: &Value) -> bool {
        let has = |key| value.get(key).is_some();
        self.found && !has("kind") && (has("openapi") || has("swagger"))
    }
}

/// Reads all inputs, in their order; the files of a folder by name.
pub(super) fn read(inputs: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for input in inputs {
        if input == Path::new("-") {
            sources.push(standard_input()?);
        } else if input.is_dir() {
            for file in files_of(input)? {
                sources.push(file_source(&file, true)?);
            }
        } else {
            sources.push(file_source(input, false)?);
        }
    }
    Ok(sources)
}

/// Reads a text file; an error says which, and what to do.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|_| Failure::invalid(format!("`{}` is not UTF-8 text", path.display())))
}

/// Reads standard input to its end.
pub(crate) fn read_standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    match io::stdin().lock().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::invalid(format!(
            "failed to read standard input: {error}"
        ))),
    }
}

fn standard_input() -> Result<Source, Failure> {
    let text = read_standard_input()?;
    Ok(Source {
        name: "standard input".to_owned(),
        folder: PathBuf::from("."),
        found: false,
        text,
    })
}

fn file_source(path: &Path, found: bool) -> Result<Source, Failure> {
    Ok(Source {
        name: path.display().to_string(),
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        found,
        text: read_text(path)?,
    })
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let is_document = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_document)
        .collect();
    files.sort();
    if files.is_empty() {
        let detail = format!(
            "the folder `{}` has no `.yaml`, `.yml` or `.json` files",
            folder.display()
        );
        return Err(Failure::invalid(detail));
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let detail = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file `{}`; check the path", path.display()),
        _ => format!("failed to read `{}`: {error}", path.display()),
    };
    Failure::invalid(detail)
}
