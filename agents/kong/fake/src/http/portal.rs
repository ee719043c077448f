//! Kong Enterprise: workspaces, and the specifications of its classic Dev Portal.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AdminRequest, Answer};
use crate::collections::Collection;
use crate::kong::Kong;
use crate::options::{Enterprise, PortalDocument};
use crate::store::id_of;

/// The call without the prefix of the node and without the workspace in its path; `None` when it has no such prefix.
pub(crate) fn without_workspace(kong: &Kong, request: &AdminRequest) -> Option<AdminRequest> {
    let request = request.beneath(&kong.options.path_prefix)?;
    let first = request.segments.first().cloned().unwrap_or_default();
    let known = |enterprise: &Enterprise| enterprise.workspaces.contains(&first);
    match kong
        .options
        .enterprise
        .as_ref()
        .filter(|enterprise| known(enterprise))
    {
        Some(_) => request.beneath(&format!("/{first}")),
        None => Some(request),
    }
}

/// What Enterprise alone answers.
pub(crate) fn answer(kong: &Kong, request: &AdminRequest) -> Option<Answer> {
    let enterprise = kong.options.enterprise.as_ref()?;
    let parts: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let body = match parts.as_slice() {
        ["workspaces"] => list(enterprise.workspaces.iter().map(|name| workspace(name)).collect()),
        ["services", service, "document_objects"] => list(document_objects(kong, enterprise, service)?),
        ["document_objects"] => list(
            enterprise
                .documents
                .iter()
                .filter_map(|one| document_object(kong, one))
                .collect(),
        ),
        ["files"] => list(enterprise.documents.iter().map(file).collect()),
        ["files", path @ ..] => file(
            enterprise
                .documents
                .iter()
                .find(|one| one.path == path.join("/"))?,
        ),
        _ => return None,
    };
    Some(Answer::json(StatusCode::OK, body))
}

fn list(data: Vec<Value>) -> Value {
    json!({ "data": data, "next": null })
}

/// The same name has the same id at all times.
fn id_for(what: &str, name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{what}:{name}").as_bytes()).to_string()
}

fn workspace(name: &str) -> Value {
    json!({ "id": id_for("workspace", name), "name": name, "comment": null, "config": {}, "meta": {},
        "created_at": 1_700_000_000 })
}

fn document_objects(kong: &Kong, enterprise: &Enterprise, service: &str) -> Option<Vec<Value>> {
    let wanted = service_id(kong, service)?;
    let about = |one: &&PortalDocument| service_id(kong, &one.service).as_ref() == Some(&wanted);
    Some(
        enterprise
            .documents
            .iter()
            .filter(about)
            .filter_map(|one| document_object(kong, one))
            .collect(),
    )
}

fn document_object(kong: &Kong, document: &PortalDocument) -> Option<Value> {
    let service = service_id(kong, &document.service)?;
    Some(
        json!({ "id": id_for("document", &document.path), "path": document.path, "service": { "id": service },
        "created_at": 1_700_000_000 }),
    )
}

fn file(document: &PortalDocument) -> Value {
    json!({ "id": id_for("file", &document.path), "path": document.path, "contents": document.contents,
        "checksum": id_for("checksum", &document.contents), "created_at": 1_700_000_000 })
}

fn service_id(kong: &Kong, service: &str) -> Option<String> {
    let services = Collection::named("services")?;
    kong.read(|store| store.find(services, service).and_then(id_of).map(str::to_owned))
}
