//! `gatehouse api import`: an OpenAPI document becomes an API of the catalog.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use gatehouse_control_plane_api::{
    admin::{ApiResource, ApplyRequest, ApplyResult},
    client::{BODY_LIMIT, Client, ClientError},
};
use gatehouse_schemas::{identity::ResourceName, openapi};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::apply;
use crate::{
    documents::{read_standard_input, read_text},
    exit::Exit,
    failure::{Failure, Place},
    listed::word,
    screen::Screen,
};

/// What to do with APIs.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiCommand {
    /// Takes an OpenAPI document (3.0, 3.1, Swagger 2.0; JSON or YAML) into the catalog
    Import(ImportArguments),
}

/// What to import, and as what.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The document; `-` is standard input
    file: PathBuf,
    /// The API's name
    #[arg(long)]
    name: ResourceName,
    /// The path below which it is reached; /NAME unless the API exists with another
    #[arg(long, value_name = "PATH")]
    base_path: Option<String>,
    /// Where requests go; the document's first absolute server unless given
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The version consumers see
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The project that owns it
    #[arg(long)]
    project: Option<ResourceName>,
    /// A host name it answers to; may be given several times
    #[arg(long = "hostname", value_name = "HOST")]
    hostnames: Vec<String>,
}

/// What became of it, as `-o json` shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported<'a> {
    #[serde(flatten)]
    result: &'a ApplyResult,
    latest_revision: u64,
    operations: u64,
    format: Value,
    title: &'a str,
}

pub(super) async fn run(command: ApiCommand, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let ApiCommand::Import(options) = command;
    let (document, definition) = read(&options)?;
    let existing = existing(&options.name, client).await?;
    let document = resource(&options, existing, document, &definition)?;
    let response = client
        .apply(&ApplyRequest {
            documents: vec![document],
            dry_run: false,
        })
        .await?;
    apply::warn(&response.results);
    let result = response
        .results
        .first()
        .context("the control plane gave no result for the API")?;
    let api: ApiResource = client.get("apis", options.name.as_str()).await?;
    let imported = Imported {
        result,
        latest_revision: api.status.latest_revision.0,
        operations: api.status.operations,
        format: serde_json::to_value(definition.format)?,
        title: &definition.title,
    };
    screen.show(&imported, &[format!("api/{}", options.name)], || {
        format!(
            "api/{} {}: revision {}, {} operations of {} ({})\n",
            options.name,
            word(&result.action),
            imported.latest_revision,
            imported.operations,
            definition.title,
            word(&definition.format),
        )
    })?;
    Ok(Exit::Ok)
}

/// Reads and checks the document here, where errors can name the file and the line.
fn read(options: &ImportArguments) -> Result<(Value, openapi::Definition), Failure> {
    let (name, text) = match options.file.to_str() {
        Some("-") => ("standard input".to_owned(), read_standard_input()?),
        _ => (options.file.display().to_string(), read_text(&options.file)?),
    };
    if text.len() > BODY_LIMIT {
        let size = text.len() / (1024 * 1024);
        return Err(Failure::invalid(format!(
            "{name} has {size} MiB, the control plane takes 32 MiB at most"
        )));
    }
    let place = |line, pointer: &str, detail: String| Place {
        file: Some(name.clone()),
        document: None,
        line,
        pointer: pointer.to_owned(),
        detail,
    };
    let document = openapi::parse(&text).map_err(|error| {
        let detail = format!("column {}: {}", error.column, error.message);
        let line = Some(error.line).filter(|line| *line > 0);
        Failure::invalid(format!("{name} is neither JSON nor YAML; nothing was sent"))
            .at(vec![place(line, "", detail)])
    })?;
    let definition = openapi::read(&document).map_err(|issues| {
        let places = issues
            .into_iter()
            .map(|issue| place(None, &issue.pointer, issue.detail))
            .collect();
        Failure::invalid(format!(
            "{name} is not an OpenAPI document that can be imported; nothing was sent"
        ))
        .at(places)
    })?;
    Ok((document, definition))
}

async fn existing(name: &ResourceName, client: &Client) -> Result<Option<ApiResource>, ClientError> {
    match client.get("apis", name.as_str()).await {
        Ok(api) => Ok(Some(api)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The API's document: what is there, with the new definition and what was given on the command line.
fn resource(
    options: &ImportArguments,
    existing: Option<ApiResource>,
    document: Value,
    definition: &openapi::Definition,
) -> anyhow::Result<Value> {
    let (mut metadata, mut spec) = match existing {
        Some(api) => (
            serde_json::to_value(api.metadata)?,
            serde_json::to_value(api.spec)?,
        ),
        None => {
            let upstream = options
                .upstream
                .clone()
                .or_else(|| server_of(definition))
                .ok_or_else(|| {
                    Failure::usage(
                        "the document names no absolute server; say where requests go: `--upstream URL`",
                    )
                })?;
            let base_path = format!("/{}", options.name);
            (
                json!({"name": options.name}),
                json!({"basePath": base_path, "upstreams": {"main": {"url": upstream}}}),
            )
        }
    };
    set(
        &mut metadata,
        "project",
        options.project.as_ref().map(|project| json!(project)),
    );
    set(
        &mut spec,
        "definition",
        Some(json!({"openapi": {"inline": document}})),
    );
    set(
        &mut spec,
        "basePath",
        options.base_path.as_ref().map(|path| json!(path)),
    );
    set(
        &mut spec,
        "version",
        options.version.as_ref().map(|version| json!(version)),
    );
    set(
        &mut spec,
        "hostnames",
        (!options.hostnames.is_empty()).then(|| json!(options.hostnames)),
    );
    if let (Some(url), Some(main)) = (&options.upstream, spec.pointer_mut("/upstreams/main")) {
        set(main, "url", Some(json!(url)));
    }
    Ok(json!({"kind": "Api", "metadata": metadata, "spec": spec}))
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        let fields: &mut Map<String, Value> = fields;
        fields.insert(field.to_owned(), value);
    }
}

fn server_of(definition: &openapi::Definition) -> Option<String> {
    let absolute = |server: &&String| server.starts_with("https://") || server.starts_with("http://");
    definition.servers.iter().find(absolute).cloned()
}
