//! The calls of the Admin API, each with its own types.

use gatehouse_schemas::identity::{
    AgentId, DeploymentId, DiscoveryId, ImportId, ResourceName, RevisionNumber, TokenId,
};
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{Call, Client, ClientError};
use crate::admin::{
    ApplyRequest, ApplyResponse, CreateDiscoveryRequest, CreateImportRequest, CreateJoinTokenRequest,
    CreateTokenRequest, CreatedJoinToken, CreatedToken, DeployRequest, Deployment, DiscoveredApi, Discovery,
    Import, Page, Revision, WhoAmI,
};

/// How many objects a client asks for at once.
const PAGE_SIZE: usize = 200;

/// Which objects of a list are wanted; all that is absent does not narrow it.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Query parameters that narrow the list: `project`, `labelSelector`, `api`, `environment`, …
    pub filters: Vec<(&'static str, String)>,
}

impl ListOptions {
    /// Narrowed by one more parameter, if there is a value for it.
    #[must_use]
    pub fn filter(mut self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        self.filters.extend(value.map(|value| (name, value.into())));
        self
    }
}

impl Client {
    /// Who this client is to the control plane.
    pub async fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.send(Call::new(Method::GET, ["whoami"])).await
    }

    /// Applies documents, all or none; or says what that would do.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyResponse, ClientError> {
        self.send(Call::new(Method::POST, ["apply"]).json(request)?).await
    }

    /// Reads one object of a collection: `apis`, `environments`, `deployments`, …
    pub async fn get<T: DeserializeOwned>(&self, collection: &str, name: &str) -> Result<T, ClientError> {
        self.send(Call::new(Method::GET, [collection, name])).await
    }

    /// Reads a whole list, page after page.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        options: &ListOptions,
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let mut call = Call::new(Method::GET, path.iter().copied())
                .query("limit", PAGE_SIZE.to_string())
                .query_if("cursor", cursor);
            for (name, value) in &options.filters {
                call = call.query(name, value);
            }
            let page: Page<T> = self.send(call).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Deletes one object of a collection.
    pub async fn delete(&self, collection: &str, name: &str) -> Result<(), ClientError> {
        self.send_for_nothing(Call::new(Method::DELETE, [collection, name]))
            .await
    }

    /// Reads one revision of an API, with its content.
    pub async fn revision(
        &self,
        api: &ResourceName,
        number: RevisionNumber,
    ) -> Result<Revision, ClientError> {
        let number = number.to_string();
        self.send(Call::new(
            Method::GET,
            ["apis", api.as_str(), "revisions", &number],
        ))
        .await
    }

    /// Asks for a deployment; the answer does not wait for the gateway.
    pub async fn deploy(&self, request: &DeployRequest) -> Result<Deployment, ClientError> {
        self.send(Call::new(Method::POST, ["deployments"]).json(request)?)
            .await
    }

    /// Reads one deployment.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Deployment, ClientError> {
        self.get("deployments", &id.to_string()).await
    }

    /// The deployment of an API in an environment, if there is one.
    pub async fn find_deployment(
        &self,
        api: &ResourceName,
        environment: &ResourceName,
    ) -> Result<Option<Deployment>, ClientError> {
        let options = ListOptions::default()
            .filter("api", Some(api.as_str()))
            .filter("environment", Some(environment.as_str()));
        let found: Vec<Deployment> = self.list(&["deployments"], &options).await?;
        Ok(found.into_iter().next())
    }

    /// Asks for an undeployment; the deployment goes away when the gateway confirms.
    pub async fn undeploy(&self, id: DeploymentId) -> Result<Deployment, ClientError> {
        self.send(Call::new(
            Method::DELETE,
            ["deployments".to_owned(), id.to_string()],
        ))
        .await
    }

    /// Starts a discovery.
    pub async fn discover(&self, environment: ResourceName) -> Result<Discovery, ClientError> {
        let request = CreateDiscoveryRequest { environment };
        self.send(Call::new(Method::POST, ["discoveries"]).json(&request)?)
            .await
    }

    /// Reads one discovery.
    pub async fn discovery(&self, id: DiscoveryId) -> Result<Discovery, ClientError> {
        self.get("discoveries", &id.to_string()).await
    }

    /// Reads all findings of a discovery.
    pub async fn discovery_items(&self, id: DiscoveryId) -> Result<Vec<DiscoveredApi>, ClientError> {
        self.list(
            &["discoveries", &id.to_string(), "items"],
            &ListOptions::default(),
        )
        .await
    }

    /// Takes findings of a discovery into the catalog.
    pub async fn import(
        &self,
        id: DiscoveryId,
        request: &CreateImportRequest,
    ) -> Result<Import, ClientError> {
        let path = ["discoveries".to_owned(), id.to_string(), "imports".to_owned()];
        self.send(Call::new(Method::POST, path).json(request)?).await
    }

    /// Reads one import.
    pub async fn import_result(&self, id: ImportId) -> Result<Import, ClientError> {
        self.get("imports", &id.to_string()).await
    }

    /// Makes a one-time token with which an agent joins.
    pub async fn create_join_token(
        &self,
        request: &CreateJoinTokenRequest,
    ) -> Result<CreatedJoinToken, ClientError> {
        self.send(Call::new(Method::POST, ["join-tokens"]).json(request)?)
            .await
    }

    /// Revokes an agent; its next request is refused.
    pub async fn revoke_agent(&self, id: AgentId) -> Result<(), ClientError> {
        self.delete("agents", &id.to_string()).await
    }

    /// Makes an API token.
    pub async fn create_token(&self, request: &CreateTokenRequest) -> Result<CreatedToken, ClientError> {
        self.send(Call::new(Method::POST, ["tokens"]).json(request)?)
            .await
    }

    /// Revokes an API token.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        self.delete("tokens", &id.to_string()).await
    }
}
