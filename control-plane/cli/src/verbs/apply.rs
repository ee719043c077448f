//! `gatehouse apply`: documents become what is wanted, all of them or none.

use std::path::PathBuf;

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{ApplyAction, ApplyRequest, ApplyResponse, ApplyResult},
    client::Client,
};

use crate::{
    documents::Documents,
    exit::Exit,
    listed::word,
    screen::{self, Screen},
};

/// Which documents.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// A file of documents, a folder of such files, or `-` for standard input
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1..)]
    pub(crate) file: Vec<PathBuf>,
    /// Says what would happen, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(options: &ApplyArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let response = send(&options.file, options.dry_run, client).await?;
    let names: Vec<String> = response.results.iter().map(reference).collect();
    screen.show(&response, &names, || {
        response
            .results
            .iter()
            .map(|result| line(result, response.dry_run))
            .collect()
    })?;
    Ok(Exit::Ok)
}

/// Sends the documents; errors name the files they came from.
pub(super) async fn send(files: &[PathBuf], dry_run: bool, client: &Client) -> anyhow::Result<ApplyResponse> {
    let documents = Documents::read(files)?;
    let request = ApplyRequest {
        documents: documents.values(),
        dry_run,
    };
    let response = client
        .apply(&request)
        .await
        .map_err(|error| documents.locate(error))?;
    warn(&response.results);
    Ok(response)
}

/// Tells the warnings of all results.
pub(super) fn warn(results: &[ApplyResult]) {
    for result in results {
        for warning in &result.warnings {
            screen::note(&format!("warning: {}: {warning}", reference(result)));
        }
    }
}

/// `KIND/NAME` of a result.
pub(super) fn reference(result: &ApplyResult) -> String {
    format!("{}/{}", result.kind.as_str().to_lowercase(), result.name)
}

fn line(result: &ApplyResult, dry_run: bool) -> String {
    let revision = match result.revision {
        Some(revision) if result.action != ApplyAction::Unchanged => format!(" (revision {revision})"),
        _ => String::new(),
    };
    let dry_run = if dry_run { " (dry run)" } else { "" };
    format!(
        "{} {}{revision}{dry_run}\n",
        reference(result),
        word(&result.action)
    )
}
