//! What went wrong, told once, at the edge: a sentence for people, or a problem document for programs.

use std::io::{self, Write as _};

use gatehouse_control_plane_api::{
    client::ClientError,
    problem::{FieldError, PROBLEM_TYPE_PREFIX},
};
use serde::Serialize;

use crate::{exit::Exit, screen::Format};

/// Something the command line itself found to be wrong.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Failure {
    /// What a script learns.
    pub(crate) exit: Exit,
    /// What happened, to which object, what to do next.
    pub(crate) detail: String,
    /// The places that are wrong.
    pub(crate) places: Vec<Place>,
    /// The request at the control plane, if it was one that failed.
    pub(crate) request_id: Option<String>,
    /// What the control plane called it, if it was the one to find it.
    pub(crate) problem: Option<Box<ProblemName>>,
}

/// How the control plane names a problem.
#[derive(Debug)]
pub(crate) struct ProblemName {
    r#type: String,
    title: String,
    status: u16,
}

/// One wrong place in what was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// The file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The document in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<usize>,
    /// The line in the file, from 1, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Where in the document, as a JSON Pointer.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
}

impl From<&FieldError> for Place {
    fn from(error: &FieldError) -> Self {
        Self {
            file: None,
            document: error.document.map(|index| index + 1),
            line: None,
            pointer: error.pointer.clone(),
            detail: error.detail.clone(),
        }
    }
}

impl Failure {
    /// A failure that is told with one sentence.
    pub(crate) fn new(exit: Exit, detail: impl Into<String>) -> Self {
        Self {
            exit,
            detail: detail.into(),
            places: Vec::new(),
            request_id: None,
            problem: None,
        }
    }

    /// What was given is not valid.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, detail)
    }

    /// The command line is wrong.
    pub(crate) fn usage(detail: impl Into<String>) -> Self {
        Self::new(Exit::Usage, detail)
    }

    /// With the places that are wrong.
    pub(crate) fn at(mut self, places: Vec<Place>) -> Self {
        self.places = places;
        self
    }

    fn of_client(error: &ClientError) -> Self {
        let exit = error.status().map_or(Exit::Error, Exit::of_status);
        let mut failure = Self::new(exit, chain(error));
        if let Some(problem) = error.problem() {
            failure.places = problem.errors.iter().map(Place::from).collect();
            failure.request_id.clone_from(&problem.request_id);
            failure.problem = Some(Box::new(ProblemName {
                r#type: problem.r#type.clone(),
                title: problem.title.clone(),
                status: problem.status,
            }));
            if problem.status == 401 {
                failure.detail.push_str(LOGIN_HINT);
            }
        }
        failure
    }
}

const LOGIN_HINT: &str =
    " (the command line sends the token of `--token`, `GATEHOUSE_TOKEN` or the context, in this order)";

/// The failure an error stands for.
pub(crate) fn of(error: anyhow::Error) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => failure,
        Err(error) => match error.downcast_ref::<ClientError>() {
            Some(client) => Failure::of_client(client),
            None => Failure::new(Exit::Error, format!("{error:#}")),
        },
    }
}

/// Whether the reader of our output has gone away, as `head` does.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Tells a failure on standard error.
pub(crate) fn tell(failure: &Failure, format: Format) -> io::Result<()> {
    let text = match format {
        Format::Json => json(failure)?,
        _ => sentence(failure),
    };
    io::stderr().lock().write_all(text.as_bytes())
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    gatehouse_connector_sdk::error::chain(error)
}

fn sentence(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", failure.detail.trim_end());
    for place in &failure.places {
        text.push_str(&format!("  {}\n", place_line(place)));
    }
    if let Some(id) = &failure.request_id {
        text.push_str(&format!("  (request {id})\n"));
    }
    text
}

fn place_line(place: &Place) -> String {
    let mut parts = Vec::new();
    match (&place.file, place.line) {
        (Some(file), Some(line)) => parts.push(format!("{file}:{line}")),
        (Some(file), None) => parts.push(file.clone()),
        (None, _) => {}
    }
    if let Some(number) = place.document {
        parts.push(format!("document {number}"));
    }
    if !place.pointer.is_empty() {
        parts.push(place.pointer.clone());
    }
    if parts.is_empty() {
        place.detail.clone()
    } else {
        format!("{}: {}", parts.join(" "), place.detail)
    }
}

/// A problem document (RFC 9457) as the Admin API answers it, and the exit code.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemOutput<'a> {
    r#type: String,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Place]>::is_empty")]
    errors: &'a [Place],
    exit_code: u8,
}

fn json(failure: &Failure) -> io::Result<String> {
    let problem = failure.problem.as_deref();
    let own_type = || format!("{PROBLEM_TYPE_PREFIX}{}", failure.exit.slug());
    let output = ProblemOutput {
        r#type: problem.map_or_else(own_type, |problem| problem.r#type.clone()),
        title: problem.map_or(failure.exit.title(), |problem| &problem.title),
        status: problem.map(|problem| problem.status),
        detail: &failure.detail,
        request_id: failure.request_id.as_deref(),
        errors: &failure.places,
        exit_code: failure.exit.code(),
    };
    Ok(serde_json::to_string_pretty(&output)? + "\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use gatehouse_control_plane_api::problem::ProblemKind;

    use super::*;

    fn with_place() -> Failure {
        Failure::invalid("2 documents are not valid; nothing was sent").at(vec![Place {
            file: Some("orders.yaml".to_owned()),
            document: Some(2),
            line: Some(12),
            pointer: "/spec/basePath".to_owned(),
            detail: "must begin with `/`".to_owned(),
        }])
    }

    #[test]
    fn a_wrong_place_names_file_line_document_and_pointer() {
        expect![[r#"
            error: 2 documents are not valid; nothing was sent
              orders.yaml:12 document 2 /spec/basePath: must begin with `/`
        "#]]
        .assert_eq(&sentence(&with_place()));
    }

    #[test]
    fn the_same_for_programs_is_a_problem_document() {
        expect![[r#"
            {
              "type": "https://gatehouse.dev/problems/invalid",
              "title": "The input is not valid",
              "detail": "2 documents are not valid; nothing was sent",
              "errors": [
                {
                  "file": "orders.yaml",
                  "document": 2,
                  "line": 12,
                  "pointer": "/spec/basePath",
                  "detail": "must begin with `/`"
                }
              ],
              "exitCode": 3
            }
        "#]]
        .assert_eq(&json(&with_place()).unwrap());
    }

    #[test]
    fn a_problem_of_the_control_plane_decides_the_exit_code() {
        let problem = ProblemKind::NotFound.problem("there is no API `orders`");
        let failure = of(anyhow::Error::new(ClientError::from(problem)).context("while looking"));
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(sentence(&failure), "error: there is no API `orders`\n");
    }

    #[test]
    fn other_errors_are_told_with_their_causes() {
        let error = anyhow::anyhow!("permission denied").context("failed to read `orders.yaml`");
        let failure = of(error);
        assert_eq!(failure.exit, Exit::Error);
        assert_eq!(failure.detail, "failed to read `orders.yaml`: permission denied");
    }
}
