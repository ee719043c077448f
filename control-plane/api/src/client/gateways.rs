//! The calls about what gateways hold: ignored and missing APIs, permissions, policies in force.

use gatehouse_schemas::{
    environment::Mode,
    identity::{ExternalRef, ResourceName},
};
use reqwest::Method;

use super::{Call, Client, ClientError, ListOptions};
use crate::admin::{
    ApproveRemovalsRequest, IgnoreApiRequest, IgnoredApi, MissingApi, Page, Permissions, PolicyExplanation,
};

impl Client {
    /// What discoveries of an environment leave out.
    pub async fn ignored(&self, environment: &ResourceName) -> Result<Vec<IgnoredApi>, ClientError> {
        let path = ["environments", environment.as_str(), "ignored"];
        self.list(&path, &ListOptions::default()).await
    }

    /// Puts an API of a gateway on the ignore list; again, it replaces the reason.
    pub async fn ignore(
        &self,
        environment: &ResourceName,
        request: &IgnoreApiRequest,
    ) -> Result<IgnoredApi, ClientError> {
        let path = ["environments", environment.as_str(), "ignored"];
        self.send(Call::new(Method::POST, path).json(request)?).await
    }

    /// Takes an API of a gateway off the ignore list.
    pub async fn unignore(
        &self,
        environment: &ResourceName,
        external_ref: &ExternalRef,
    ) -> Result<(), ClientError> {
        let path = ["environments", environment.as_str(), "ignored"];
        let call = Call::new(Method::DELETE, path).query("externalRef", external_ref.0.as_str());
        self.send_for_nothing(call).await
    }

    /// What an environment's gateway does not show any more.
    pub async fn missing(&self, environment: &ResourceName) -> Result<Vec<MissingApi>, ClientError> {
        let path = ["environments", environment.as_str(), "missing"];
        self.list(&path, &ListOptions::default()).await
    }

    /// Approves removals; answers with what was approved, as it stands now.
    pub async fn approve_removals(
        &self,
        environment: &ResourceName,
        request: &ApproveRemovalsRequest,
    ) -> Result<Vec<MissingApi>, ClientError> {
        let path = ["environments", environment.as_str(), "removal-approvals"];
        let approved: Page<MissingApi> = self.send(Call::new(Method::POST, path).json(request)?).await?;
        Ok(approved.items)
    }

    /// What the gateway's own access control should allow an agent; without a mode, for the environment's own.
    pub async fn permissions(
        &self,
        environment: &ResourceName,
        mode: Option<Mode>,
    ) -> Result<Permissions, ClientError> {
        let path = ["environments", environment.as_str(), "permissions"];
        let mode = mode.map(|mode| match mode {
            Mode::ReadOnly => "read-only",
            Mode::WriteOnly => "write-only",
            Mode::ReadWrite => "read-write",
        });
        self.send(Call::new(Method::GET, path).query_if("mode", mode))
            .await
    }

    /// The policies in force for an API or one operation of it, in an environment or everywhere.
    pub async fn effective_policies(
        &self,
        api: &ResourceName,
        environment: Option<&ResourceName>,
        operation: Option<OperationChoice<'_>>,
    ) -> Result<PolicyExplanation, ClientError> {
        let call = Call::new(Method::GET, ["apis", api.as_str(), "effective-policies"])
            .query_if("environment", environment.map(ResourceName::as_str));
        let call = match operation {
            None => call,
            Some(OperationChoice::At(place)) => call.query("operation", place.to_string()),
            Some(OperationChoice::Named { method, path }) => call.query("method", method).query("path", path),
        };
        self.send(call).await
    }
}

/// Which operation of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationChoice<'a> {
    /// The one at this place in the revision, counted from 0.
    At(usize),
    /// By method and path below the base path, as a pattern or as a request has it.
    Named {
        /// The method.
        method: &'a str,
        /// The path.
        path: &'a str,
    },
}
