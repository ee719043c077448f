//! The calls about changes: plans, drift, tasks, and what was deployed before.

use gatehouse_schemas::identity::{DeploymentId, PlanId, ResourceName, TaskId};
use reqwest::Method;

use super::{Call, Client, ClientError, ListOptions};
use crate::admin::{
    ApplyPlanRequest, CreatePlanRequest, Deployment, DeploymentHistoryEntry, DriftReport, DriftResolution,
    Plan, ResolveDriftRequest, Task,
};

impl Client {
    /// Asks for a plan; the answer does not wait for the agents that look at the gateways.
    pub async fn create_plan(&self, request: &CreatePlanRequest) -> Result<Plan, ClientError> {
        self.send(Call::new(Method::POST, ["plans"]).json(request)?).await
    }

    /// Reads one plan.
    pub async fn plan(&self, id: PlanId) -> Result<Plan, ClientError> {
        self.get("plans", &id.to_string()).await
    }

    /// Reads all plans, newest first; `environment` and `state` narrow the list.
    pub async fn plans(&self, options: &ListOptions) -> Result<Vec<Plan>, ClientError> {
        self.list(&["plans"], options).await
    }

    /// Carries out a plan; the answer does not wait for the gateways.
    pub async fn apply_plan(&self, id: PlanId, request: &ApplyPlanRequest) -> Result<Plan, ClientError> {
        let path = ["plans".to_owned(), id.to_string(), "apply".to_owned()];
        self.send(Call::new(Method::POST, path).json(request)?).await
    }

    /// What was deployed in place of a deployment before, newest first.
    pub async fn deployment_history(
        &self,
        id: DeploymentId,
    ) -> Result<Vec<DeploymentHistoryEntry>, ClientError> {
        self.list(
            &["deployments", &id.to_string(), "history"],
            &ListOptions::default(),
        )
        .await
    }

    /// How gateways stand to what was deployed to them, as it was last seen.
    pub async fn drift(
        &self,
        environment: Option<&ResourceName>,
        api: Option<&ResourceName>,
    ) -> Result<Vec<DriftReport>, ClientError> {
        let options = ListOptions::default()
            .filter("environment", environment.map(ResourceName::as_str))
            .filter("api", api.map(ResourceName::as_str));
        self.list(&["drift"], &options).await
    }

    /// Has an agent look at all deployments of an environment; [`Client::task`] tells when it has.
    pub async fn observe(&self, environment: &ResourceName) -> Result<Task, ClientError> {
        self.post_below_environment(environment, "observations").await
    }

    /// Has an agent check the gateway and the credential of an environment; [`Client::task`] tells what it found.
    pub async fn check_environment(&self, environment: &ResourceName) -> Result<Task, ClientError> {
        self.post_below_environment(environment, "checks").await
    }

    async fn post_below_environment(
        &self,
        environment: &ResourceName,
        what: &str,
    ) -> Result<Task, ClientError> {
        let path = ["environments", environment.as_str(), what];
        self.send(Call::new(Method::POST, path)).await
    }

    /// Puts back what was applied, or makes what the gateway holds a new revision and desires that.
    pub async fn resolve_drift(
        &self,
        id: DeploymentId,
        resolution: DriftResolution,
    ) -> Result<Deployment, ClientError> {
        let path = [
            "deployments".to_owned(),
            id.to_string(),
            "drift-resolution".to_owned(),
        ];
        self.send(Call::new(Method::POST, path).json(&ResolveDriftRequest { resolution })?)
            .await
    }

    /// Reads one task.
    pub async fn task(&self, id: TaskId) -> Result<Task, ClientError> {
        self.get("tasks", &id.to_string()).await
    }
}
