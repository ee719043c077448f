//! The documents of `-f`: read, checked here first, and made self-contained for the control plane.
//!
//! A file holds one or many documents, YAML or JSON; a folder stands for its `.yaml`, `.yml` and `.json`
//! files; `-` is standard input.

mod positions;
mod references;
pub(crate) mod sources;

use std::path::PathBuf;

use gatehouse_control_plane_api::client::ClientError;
use gatehouse_schemas::parse;
use serde_json::Value;

use self::sources::Source;
pub(crate) use self::sources::{read_standard_input, read_text};
use crate::failure::{self, Failure, Place};

/// The largest file whose lines are looked up for an error; beyond it only the pointer is told.
const LINES_LIMIT: usize = 4 * 1024 * 1024;

/// What was given with `-f`.
pub(crate) struct Documents {
    sources: Vec<Source>,
    documents: Vec<Located>,
}

/// One document and where it stands.
struct Located {
    source: usize,
    number: usize,
    value: Value,
}

impl Documents {
    /// Reads and checks everything; all that is wrong is told together.
    pub(crate) fn read(inputs: &[PathBuf]) -> anyhow::Result<Self> {
        let mut read = Self {
            sources: sources::read(inputs)?,
            documents: Vec::new(),
        };
        let mut places = read.parse();
        for index in 0..read.documents.len() {
            places.extend(read.complete(index));
        }
        if !places.is_empty() {
            return Err(not_valid(places).into());
        }
        if read.documents.is_empty() {
            let names: Vec<&str> = read.sources.iter().map(|source| source.name.as_str()).collect();
            let detail = format!("there are no documents in {}", names.join(", "));
            return Err(Failure::invalid(detail).into());
        }
        Ok(read)
    }

    /// The documents as the control plane takes them.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.documents
            .iter()
            .map(|document| document.value.clone())
            .collect()
    }

    /// An error of the control plane about these documents, with the places in the files.
    pub(crate) fn locate(&self, error: ClientError) -> anyhow::Error {
        let mut failure = failure::of(anyhow::Error::new(error));
        for place in &mut failure.places {
            let Some(index) = place
                .document
                .map(|number| number - 1)
                .filter(|index| *index < self.documents.len())
            else {
                continue;
            };
            *place = self.place(index, &place.pointer, &place.detail);
        }
        failure.into()
    }

    fn parse(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            match parse::documents(&source.text) {
                Ok(values) => {
                    let numbered = values.into_iter().enumerate();
                    let located = numbered.map(|(at, value)| Located {
                        source: index,
                        number: at + 1,
                        value,
                    });
                    self.documents
                        .extend(located.filter(|document| !source.skips(&document.value)));
                }
                Err(error) => places.push(Place {
                    file: Some(source.name.clone()),
                    document: None,
                    line: Some(error.line).filter(|line| *line > 0),
                    pointer: String::new(),
                    detail: format!("column {}: {}", error.column, error.message),
                }),
            }
        }
        places
    }

    /// Puts what the document refers to in place, then checks it.
    fn complete(&mut self, index: usize) -> Vec<Place> {
        let document = &mut self.documents[index];
        let folder = &self.sources[document.source].folder;
        let issues = references::resolve(&mut document.value, folder)
            .and_then(|()| parse::document(&document.value).map(drop));
        let issues = issues.err().unwrap_or_default();
        issues
            .iter()
            .map(|issue| self.place(index, &issue.pointer, &issue.detail))
            .collect()
    }

    fn place(&self, index: usize, pointer: &str, detail: &str) -> Place {
        let document = &self.documents[index];
        let source = &self.sources[document.source];
        let known = source.text.len() <= LINES_LIMIT;
        Place {
            file: Some(source.name.clone()),
            document: Some(document.number),
            line: known
                .then(|| positions::line(&source.text, document.number, pointer))
                .flatten(),
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

fn not_valid(places: Vec<Place>) -> Failure {
    let detail = match places.len() {
        1 => "the documents are not valid; nothing was sent".to_owned(),
        count => format!("the documents are not valid in {count} places; nothing was sent"),
    };
    Failure::invalid(detail).at(places)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};

    use super::*;

    fn check(files: &[(&str, &str)], expected: Expect) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let text = match Documents::read(&[folder.path().to_owned()]) {
            Ok(documents) => serde_json::to_string_pretty(&documents.values()).unwrap(),
            Err(error) => {
                let failure = failure::of(error);
                let places: Vec<String> = failure
                    .places
                    .iter()
                    .map(|place| format!("\n{place:?}"))
                    .collect();
                format!("{}{}", failure.detail, places.concat())
            }
        };
        let folder = folder.path().display().to_string();
        expected.assert_eq(&text.replace(&format!("{folder}/"), "").replace(&folder, "FOLDER"));
    }

    const ORDERS: &str = "
kind: Api
metadata: {name: orders}
spec:
  basePath: /orders
  upstreams: {main: {url: 'http://127.0.0.1:9'}}
";

    #[test]
    fn everything_that_is_wrong_is_told_with_file_document_and_line() {
        check(
            &[
                (
                    "a.yaml",
                    &format!(
                        "{ORDERS}---\nkind: Api\nmetadata: {{name: users}}\nspec:\n  basePath: /u\n  upsteams: {{}}\n"
                    ),
                ),
                ("b.yaml", "kind: [\n"),
            ],
            expect![[r#"
                the documents are not valid in 2 places; nothing was sent
                Place { file: Some("b.yaml"), document: None, line: Some(1), pointer: "", detail: "column 7: unclosed bracket '['" }
                Place { file: Some("a.yaml"), document: Some(2), line: Some(12), pointer: "/spec/upsteams", detail: "unknown field `upsteams`; did you mean `upstreams`?" }"#]],
        );
    }

    #[test]
    fn a_definition_file_is_put_in_place_and_not_taken_for_a_document() {
        let definition = r#"{"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"}, "paths": {}}"#;
        let orders = format!("{ORDERS}  definition: {{openapi: {{file: ./definition.json}}}}\n");
        check(
            &[("orders.yaml", &orders), ("definition.json", definition)],
            expect![[r#"
                [
                  {
                    "kind": "Api",
                    "metadata": {
                      "name": "orders"
                    },
                    "spec": {
                      "basePath": "/orders",
                      "definition": {
                        "openapi": {
                          "inline": {
                            "info": {
                              "title": "Orders",
                              "version": "1"
                            },
                            "openapi": "3.0.3",
                            "paths": {}
                          }
                        }
                      },
                      "upstreams": {
                        "main": {
                          "url": "http://127.0.0.1:9"
                        }
                      }
                    }
                  }
                ]"#]],
        );
    }

    #[test]
    fn a_missing_definition_file_is_told_where_it_is_named() {
        let orders = format!("{ORDERS}  definition: {{openapi: {{file: ./definition.json}}}}\n");
        check(
            &[("orders.yaml", &orders)],
            expect![[r#"
            the documents are not valid; nothing was sent
            Place { file: Some("orders.yaml"), document: Some(1), line: Some(7), pointer: "/spec/definition/openapi/file", detail: "there is no file `./definition.json`; check the path" }"#]],
        );
    }

    #[test]
    fn a_secret_takes_its_value_from_a_file() {
        check(
            &[
                ("key.txt", "s3cret\n"),
                (
                    "key.yaml",
                    "kind: Secret\nmetadata: {name: key}\nspec: {valueFrom: {file: key.txt}}\n",
                ),
            ],
            expect![[r#"
                [
                  {
                    "kind": "Secret",
                    "metadata": {
                      "name": "key"
                    },
                    "spec": {
                      "value": "s3cret"
                    }
                  }
                ]"#]],
        );
    }

    #[test]
    fn a_folder_without_documents_is_an_error() {
        check(
            &[("readme.txt", "hello")],
            expect!["the folder `FOLDER` has no `.yaml`, `.yml` or `.json` files"],
        );
    }
}
