//! Everything that listings say of the APIs of an account, page by page.

use aws_sdk_apigateway::{operation::get_rest_apis::GetRestApisOutput, types::EndpointConfiguration};
use aws_sdk_apigatewayv2::{
    operation::get_apis::GetApisOutput,
    types::{Cors, ProtocolType},
};
use gatehouse_connector_sdk::error::Result;
use serde_json::{Map, Value, json};

use super::{Api, ApiId, none_where_unknown, unless_missing};
use crate::{
    client::{Account, Clients, LONGEST_PAGE},
    read::{Kind, Snapshot},
    translate,
};

/// An API as AWS lists it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// What looking for an API of ours needs of it.
    pub(crate) api: Api,
    /// What is said of it, still without stage and export.
    pub(crate) snapshot: Snapshot,
}

/// A REST API, as two calls answer it in a type of its own.
macro_rules! rest {
    ($account:expr, $answer:expr) => {{
        let answer = $answer;
        let id = ApiId {
            kind: translate::Kind::Rest,
            id: answer.id.unwrap_or_default(),
        };
        let tags = answer.tags.unwrap_or_default();
        let endpoints = endpoint_ids(answer.endpoint_configuration.as_ref());
        let key_source = answer.api_key_source.map(|source| source.as_str().to_owned());
        Listed {
            snapshot: Snapshot {
                kind: Kind::Rest,
                id: id.id.clone(),
                name: answer.name.clone().unwrap_or_default(),
                version: answer.version,
                tags: tags.clone().into_iter().collect(),
                endpoint_types: endpoint_types(answer.endpoint_configuration),
                disable_execute_api_endpoint: answer.disable_execute_api_endpoint,
                policy: answer.policy,
                api_key_source: key_source,
                settings: settings(answer.binary_media_types, answer.minimum_compression_size),
                own_url: $account.settings.stage_url(&id.id),
                private_urls: match endpoints.is_empty() {
                    true => Vec::new(),
                    false => $account.settings.stage_urls(&id.id, &endpoints),
                },
                vpc_endpoint_ids: endpoints,
                ..Snapshot::default()
            },
            api: Api {
                id,
                name: answer.name.unwrap_or_default(),
                description: answer.description,
                tags,
                created: answer.created_date.map_or(0, |created| created.secs()),
                own_address_is_off: answer.disable_execute_api_endpoint,
            },
        }
    }};
}

/// An HTTP or WebSocket API, as two calls answer it in a type of its own.
macro_rules! second {
    ($account:expr, $answer:expr) => {{
        let answer = $answer;
        let id = ApiId {
            kind: translate::Kind::Http,
            id: answer.api_id.unwrap_or_default(),
        };
        let tags = answer.tags.unwrap_or_default();
        let is_socket = answer.protocol_type == Some(ProtocolType::Websocket);
        Listed {
            snapshot: Snapshot {
                kind: if is_socket { Kind::WebSocket } else { Kind::Http },
                id: id.id.clone(),
                name: answer.name.clone().unwrap_or_default(),
                version: answer.version,
                tags: tags.clone().into_iter().collect(),
                disable_execute_api_endpoint: answer.disable_execute_api_endpoint.unwrap_or(false),
                cors: answer.cors_configuration.map(cors),
                own_url: $account.settings.stage_url(&id.id),
                ..Snapshot::default()
            },
            api: Api {
                id,
                name: answer.name.unwrap_or_default(),
                description: answer.description,
                tags,
                created: answer.created_date.map_or(0, |created| created.secs()),
                own_address_is_off: answer.disable_execute_api_endpoint.unwrap_or(false),
            },
        }
    }};
}

/// Every REST, HTTP and WebSocket API of the account.
pub(crate) async fn all(account: &Account<'_>) -> Result<Vec<Listed>> {
    let mut all = rest_apis(account).await?;
    all.extend(none_where_unknown(second_apis(account).await)?);
    Ok(all)
}

/// Every API of a kind; WebSocket APIs are among the HTTP APIs.
pub(crate) async fn of_kind(account: &Account<'_>, kind: translate::Kind) -> Result<Vec<Listed>> {
    match kind {
        translate::Kind::Rest => rest_apis(account).await,
        translate::Kind::Http => second_apis(account).await,
    }
}

async fn rest_apis(account: &Account<'_>) -> Result<Vec<Listed>> {
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_rest_apis().limit(LONGEST_PAGE);
        call.set_position(position).send()
    };
    let page = |page: GetRestApisOutput| (page.items, page.position);
    let all = account.every("GetRestApis", "the REST APIs", send, page).await?;
    Ok(all.into_iter().map(|item| rest!(account, item)).collect())
}

async fn second_apis(account: &Account<'_>) -> Result<Vec<Listed>> {
    let send = |clients: &Clients, token| {
        let call = clients.http.get_apis().max_results(LONGEST_PAGE.to_string());
        call.set_next_token(token).send()
    };
    let page = |page: GetApisOutput| (page.items, page.next_token);
    let all = account.every("GetApis", "the HTTP APIs", send, page).await?;
    Ok(all.into_iter().map(|item| second!(account, item)).collect())
}

/// One API, as it would be listed.
pub(crate) async fn one(account: &Account<'_>, id: &ApiId, object: &str) -> Result<Option<Listed>> {
    match id.kind {
        translate::Kind::Rest => {
            let found = account.call("GetRestApi", object, |clients| {
                clients.rest.get_rest_api().rest_api_id(&id.id).send()
            });
            Ok(unless_missing(found.await)?.map(|found| rest!(account, found)))
        }
        translate::Kind::Http => {
            let found = account.call("GetApi", object, |clients| {
                clients.http.get_api().api_id(&id.id).send()
            });
            Ok(unless_missing(found.await)?.map(|found| second!(account, found)))
        }
    }
}

fn endpoint_ids(configuration: Option<&EndpointConfiguration>) -> Vec<String> {
    let mut ids = configuration.map_or_else(Vec::new, |it| it.vpc_endpoint_ids().to_vec());
    ids.sort();
    ids
}

fn endpoint_types(configuration: Option<EndpointConfiguration>) -> Vec<String> {
    let types = configuration.and_then(|configuration| configuration.types);
    let types = types.unwrap_or_default();
    types.iter().map(|kind| kind.as_str().to_owned()).collect()
}

fn settings(binary: Option<Vec<String>>, compression: Option<i32>) -> Map<String, Value> {
    let mut settings = Map::new();
    if let Some(binary) = binary.filter(|types| !types.is_empty()) {
        settings.insert("binaryMediaTypes".to_owned(), json!(binary));
    }
    if let Some(compression) = compression {
        settings.insert("minimumCompressionSize".to_owned(), json!(compression));
    }
    settings
}

fn cors(cors: Cors) -> Value {
    json!({
        "allowCredentials": cors.allow_credentials.unwrap_or(false),
        "allowHeaders": cors.allow_headers.unwrap_or_default(),
        "allowMethods": cors.allow_methods.unwrap_or_default(),
        "allowOrigins": cors.allow_origins.unwrap_or_default(),
        "exposeHeaders": cors.expose_headers.unwrap_or_default(),
        "maxAge": cors.max_age,
    })
}
