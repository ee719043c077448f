//! The contract between Gatehouse and a gateway type.
//!
//! A connector makes one honest attempt. Loops, retries, deadlines, modes and bookkeeping belong to the
//! runtime around it. There are no default bodies: what a connector cannot do it says so, in its
//! descriptor and with [`ErrorKind::Unsupported`](crate::error::ErrorKind::Unsupported).

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::{Descriptor, Fidelity},
    desired::{DesiredApi, Mark},
    environment::DiscoveryFilter,
    identity::ExternalRef,
    observed::{DiscoveredItem, Observation},
    plan::Plan,
};
use serde_json::Value;

use crate::{context::Context, error::Result};

/// Speaks to gateways of one type.
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// What the connector says of itself. The same at every call.
    fn descriptor(&self) -> &Descriptor;

    /// Looks whether the gateway can be reached and the credential is good for the environment's mode.
    ///
    /// Requires `Capabilities::check`.
    ///
    /// # Behaviour
    ///
    /// - Nothing on the gateway changes.
    /// - A gateway that cannot be reached is an `Unavailable` error, not a failed check.
    async fn check(&self, context: &Context) -> Result<CheckReport>;

    /// Lists one page of the APIs the gateway has, ours and others.
    ///
    /// Requires `Capabilities::discover`.
    ///
    /// # Behaviour
    ///
    /// - Following `next` from the first page lists every API exactly once.
    /// - An API that cannot be read is an `Unreadable` item; the listing goes on.
    /// - A page that cannot be read is an error, never an empty page.
    /// - Nothing on the gateway changes.
    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage>;

    /// Looks at one API: by the gateway's own identity for it, or else by our mark.
    ///
    /// Requires `Capabilities::observe`.
    ///
    /// # Behaviour
    ///
    /// - After a deploy, the observation is `Present` and its fingerprint is the desired one.
    /// - `Absent` only when the gateway answered that it is not there.
    /// - A gateway that cannot be asked is `Unknown` or an error, never `Absent`.
    /// - Nothing on the gateway changes.
    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation>;

    /// Puts a desired API into the gateway's words, and says how faithfully. No effects.
    ///
    /// # Behaviour
    ///
    /// - The same input gives the same output.
    /// - Every policy of the desired API appears in the report.
    fn translate(&self, desired: &DesiredApi) -> Translation;

    /// Makes the gateway serve the desired API: one honest attempt.
    ///
    /// Requires `Capabilities::deploy`.
    ///
    /// # Behaviour
    ///
    /// - Deploying the same desired API again changes nothing and succeeds.
    /// - On success, requests are answered by the new revision.
    /// - While it runs, each request is answered by the old revision or the new one, never by a mixture.
    /// - The API is never reachable without its security policies.
    /// - What does not carry our mark stays untouched; if it is in the way, that is a `Conflict`.
    /// - After a failure, the old revision still serves.
    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed>;

    /// Removes the API from the gateway.
    ///
    /// Requires `Capabilities::undeploy`.
    ///
    /// # Behaviour
    ///
    /// - Removing an API that is already gone succeeds.
    /// - Resources that this environment does not manage stay untouched.
    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()>;
}

/// A shared connector is a connector.
#[async_trait]
impl<C: Connector + ?Sized> Connector for Arc<C> {
    fn descriptor(&self) -> &Descriptor {
        (**self).descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        (**self).check(context).await
    }

    async fn discover(&self, context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
        (**self).discover(context, page).await
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        (**self).observe(context, api).await
    }

    fn translate(&self, desired: &DesiredApi) -> Translation {
        (**self).translate(desired)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        (**self).deploy(context, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        (**self).undeploy(context, api).await
    }
}

/// Which API on a gateway is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReference {
    /// The gateway's own identity for it, once known.
    pub external_ref: Option<ExternalRef>,
    /// What it is marked with, whatever the revision.
    pub mark: Mark,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The gateway's version, as far as it tells.
    pub gateway_version: Option<String>,
    /// What is wrong or worth knowing, each with what to do; empty when all is well.
    pub findings: Vec<String>,
}

/// Asks for a page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The position that the page before gave; none for the first page.
    pub position: Option<String>,
    /// How many items are wanted at most; a connector may give fewer or more.
    pub limit: usize,
    /// Which APIs.
    pub filter: DiscoveryFilter,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryPage {
    /// The findings.
    pub items: Vec<DiscoveredItem>,
    /// The position of the next page; none after the last.
    pub next: Option<String>,
}

/// A desired API in the gateway's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The vendor's form, for plans and tests. Without secret values.
    pub vendor_form: Value,
    /// How faithfully each policy is expressed.
    pub fidelity: Vec<PolicyFidelity>,
}

/// How faithfully one policy at one place is expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFidelity {
    /// Where it stands in the desired API, as a JSON Pointer into its content.
    pub pointer: String,
    /// The policy type.
    pub policy: String,
    /// How faithfully.
    pub fidelity: Fidelity,
}

/// What to deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployRequest {
    /// What the gateway must serve.
    pub desired: DesiredApi,
    /// The changes from what was observed.
    pub plan: Plan,
    /// The gateway's own identity for the API, once known.
    pub external_ref: Option<ExternalRef>,
}

/// What was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Where consumers reach it, best first.
    pub endpoint_urls: Vec<String>,
    /// The fingerprint of what the gateway now holds, as an observation would give it.
    pub observed: Fingerprint,
}
