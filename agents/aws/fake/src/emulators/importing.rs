//! A MiniStack to which an OpenAPI document can be put, so that the connector can deploy there.
//!
//! MiniStack reads OpenAPI in stacks of CloudFormation only, and makes an API with an id of its own of it. A server in front
//! makes a stack of a `PutRestApi`, and from then on has that API stand for the one that the document was put to. A second
//! document for the same API is refused: it would lose its stages. It changes nothing else.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinSet};

use super::{RunningEmulator, stack};

/// A MiniStack with a server in front, which end when this is dropped.
#[derive(Debug)]
pub struct Importing {
    address: SocketAddr,
    _server: JoinSet<()>,
    _behind: RunningEmulator,
}

impl Importing {
    /// Puts the server in front.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn in_front_of(ministack: RunningEmulator) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let client = reqwest::Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none()).build();
        let front = Arc::new(Front {
            behind: ministack.endpoint().to_owned(),
            client: client.map_err(io::Error::other)?,
            imported: Mutex::default(),
        });
        let answer = move |request: Request| {
            let front = Arc::clone(&front);
            async move { front.answer(request).await.unwrap_or_else(failed) }
        };
        let mut server = JoinSet::new();
        server.spawn(async move {
            drop(axum::serve(listener, Router::new().fallback(answer)).await);
        });
        Ok(Self {
            address,
            _server: server,
            _behind: ministack,
        })
    }

    /// Where the API of every service is asked.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where a stage is served: a URL in which `{api}` and `{stage}` are to be replaced.
    pub fn data_plane(&self) -> String {
        format!("{}/_aws/execute-api/{{api}}/{{stage}}", self.endpoint())
    }
}

fn failed(error: io::Error) -> Response {
    (StatusCode::BAD_GATEWAY, format!("in front of MiniStack: {error}")).into_response()
}

/// What stands in front of a MiniStack.
#[derive(Debug)]
struct Front {
    behind: String,
    client: reqwest::Client,
    /// The id that a caller knows, and that of the API which stands for it.
    imported: Mutex<Vec<(String, String)>>,
}

impl Front {
    async fn answer(&self, request: Request) -> io::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
        match parts.uri.path().strip_prefix("/restapis/") {
            Some(api) if parts.method == Method::PUT && !api.contains('/') => self.import(api, &body).await,
            _ => {
                let path = parts.uri.to_string();
                self.forward(parts.method, &path, parts.headers, body).await
            }
        }
    }

    /// Makes a stack of the document in place of the API, and answers with what came of it.
    async fn import(&self, api: &str, document: &[u8]) -> io::Result<Response> {
        if self.names().iter().any(|(known, _)| known == api) {
            return Err(io::Error::other(format!("`{api}` has a document already")));
        }
        let made = stack::rest_api(&self.client, &self.behind, api, document).await?;
        let path = format!("/restapis/{api}");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, stack::signed_for("apigateway"))]);
        self.forward(Method::DELETE, &path, headers.clone(), Bytes::new())
            .await?;
        self.names().push((api.to_owned(), made));
        self.forward(Method::GET, &path, headers, Bytes::new()).await
    }

    async fn forward(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> io::Result<Response> {
        let url = format!(
            "{}{}",
            self.behind,
            self.renamed(path.as_bytes(), false).escape_ascii()
        );
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        let request = self.client.request(method, url).headers(headers);
        let sent = request.body(self.renamed(&body, false)).send().await;
        let response = sent.map_err(io::Error::other)?;
        let (status, mut headers) = (response.status(), response.headers().clone());
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let body = response.bytes().await.map_err(io::Error::other)?;
        Ok((status, headers, Body::from(self.renamed(&body, true))).into_response())
    }

    /// The text with the ids that MiniStack knows, or back with those that callers know; what is no text stays as it is.
    fn renamed(&self, bytes: &[u8], back: bool) -> Vec<u8> {
        let Ok(text) = str::from_utf8(bytes) else {
            return bytes.to_vec();
        };
        let mut text = text.to_owned();
        for (known, made) in self.names().iter() {
            let (from, to) = if back { (made, known) } else { (known, made) };
            text = text.replace(from, to);
        }
        text.into_bytes()
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Vec<(String, String)>> {
        self.imported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
