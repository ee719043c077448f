//! What the five kinds of resources have in common: list, create, read, replace, delete.

use axum::{
    Json,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{
    admin::{ApplyAction, Page},
    problem::FieldError,
};
use gatehouse_control_plane_store::{Resource, ResourceFilter};
use gatehouse_schemas::{
    identity::ResourceName,
    resource::{API_VERSION, Kind},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::paging;
use crate::{
    extract::{Precondition, entity_tag},
    failure::{Answer, Failure},
    state::AppState,
    write::{self, Expect, Writer, Written},
};

/// Which resources, and which page of them.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ResourceQuery {
    /// Only those that this project owns.
    #[param(value_type = Option<String>)]
    project: Option<ResourceName>,
    /// Only those that carry all of these labels: `key=value,key2=value2`.
    label_selector: Option<String>,
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// How resources of a kind read back.
pub(crate) trait View: Serialize + Sized {
    /// The kind.
    const KIND: Kind;

    /// The resources with their statuses, in the same order.
    fn of(state: &AppState, resources: Vec<Resource>) -> impl Future<Output = Answer<Vec<Self>>> + Send;
}

/// A page of the resources of a kind.
pub(crate) async fn list<V: View>(state: &AppState, query: ResourceQuery) -> Answer<Json<Page<V>>> {
    let filter = ResourceFilter {
        project: query.project,
        labels: paging::label_selector(query.label_selector.as_deref())?,
    };
    let request = paging::request(query.limit, query.cursor)?;
    let found = state.store.resources(V::KIND, &filter, &request).await?;
    let items = V::of(state, found.items).await?;
    Ok(Json(paging::page(items, found.next_cursor)))
}

/// One resource.
pub(crate) async fn read<V: View>(state: &AppState, name: &ResourceName) -> Answer<Response> {
    let found = state.store.resource(V::KIND, name).await?;
    let found = found.ok_or_else(|| Failure::not_found(&word(V::KIND), name))?;
    respond::<V>(state, StatusCode::OK, found).await
}

/// Makes a resource that must not exist.
pub(crate) async fn create<V: View>(writer: &Writer, body: Value) -> Answer<Response> {
    let document = with_kind(body, V::KIND)?;
    let written = write::one(writer, document, Expect::New).await?;
    written_response::<V>(&writer.state, written).await
}

/// Makes a resource as the document says, whether it exists or not, if the precondition holds.
pub(crate) async fn replace<V: View>(
    writer: &Writer,
    name: &ResourceName,
    precondition: Precondition,
    body: Value,
) -> Answer<Response> {
    let document = with_kind(body, V::KIND)?;
    same_name(&document, name)?;
    let written = write::one(writer, document, Expect::Precondition(precondition)).await?;
    written_response::<V>(&writer.state, written).await
}

/// Deletes a resource that nothing depends on.
pub(crate) async fn delete(
    writer: &Writer,
    kind: Kind,
    name: &ResourceName,
    precondition: Precondition,
) -> Answer<StatusCode> {
    write::delete(writer, kind, name, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn written_response<V: View>(state: &AppState, written: Written) -> Answer<Response> {
    let created = written.result.action == ApplyAction::Created;
    let location = format!("/api/v1/{}/{}", V::KIND.plural(), written.resource.metadata.name);
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = respond::<V>(state, status, written.resource).await?;
    if created {
        set_location(response.headers_mut(), &location);
    }
    Ok(response)
}

/// Says where what was made is found.
pub(crate) fn set_location(headers: &mut HeaderMap, location: &str) {
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(header::LOCATION, location);
    }
}

async fn respond<V: View>(state: &AppState, status: StatusCode, resource: Resource) -> Answer<Response> {
    let tag = entity_tag(resource.version);
    let view = V::of(state, vec![resource]).await?.pop();
    let view = view.ok_or_else(|| Failure::internal("a resource went in and no view came out"))?;
    Ok((status, [(header::ETAG, tag)], Json(view)).into_response())
}

/// The path says the kind; a document may say it too, but not another.
fn with_kind(mut document: Value, kind: Kind) -> Answer<Value> {
    let Some(fields) = document.as_object_mut() else {
        return Ok(document);
    };
    fields.retain(|key, value| !(key == "apiVersion" && value.is_null()));
    match fields.get("kind") {
        None | Some(Value::Null) => {
            fields.insert("kind".into(), json!(kind));
            Ok(document)
        }
        Some(said) if *said == kind.as_str() => Ok(document),
        Some(said) => Err(wrong(
            "/kind",
            format!("this path takes the kind `{kind}`, not {said}"),
        )),
    }
}

fn same_name(document: &Value, name: &ResourceName) -> Answer<()> {
    match document.pointer("/metadata/name") {
        Some(Value::String(said)) if said != name.as_str() => Err(wrong(
            "/metadata/name",
            format!("the path says `{name}`, the document `{said}`; a resource cannot be renamed"),
        )),
        _ => Ok(()),
    }
}

fn wrong(pointer: &str, detail: String) -> Failure {
    Failure::invalid(vec![FieldError {
        document: None,
        pointer: pointer.to_owned(),
        detail,
    }])
}

/// A kind in sentences and paths of objects: `api`, `environment`.
pub(crate) fn word(kind: Kind) -> String {
    kind.as_str().to_lowercase()
}

/// The spec of a stored resource.
pub(crate) fn spec<T: DeserializeOwned>(resource: &Resource) -> Answer<T> {
    serde_json::from_value(resource.spec.clone()).map_err(Failure::internal)
}

/// `apiVersion` of everything that reads back.
pub(crate) fn api_version() -> String {
    API_VERSION.to_owned()
}
