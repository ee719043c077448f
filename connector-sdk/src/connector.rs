//! The contract between Gatehouse and a gateway type.
//!
//! A connector makes one honest attempt. Loops, retries, deadlines, modes and bookkeeping belong to the
//! runtime around it. There are no default bodies: what a connector cannot do it says so, in its
//! descriptor and with [`ErrorKind::Unsupported`](crate::error::ErrorKind::Unsupported).
//!
//! What a connector is asked, and what it answers, is in the types of this module. The runtime drives it like this:
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! # acme::run(async {
//! use gatehouse_connector_sdk::{
//!     connector::Connector,
//!     memory::{MemoryConnector, MemoryGateway},
//!     schemas::{environment::Mode, observed::Observation},
//! };
//!
//! # let context = acme::context(Mode::ReadWrite);
//! # let (request, api) = (acme::first_deploy(), acme::orders_by_mark());
//! let connector = MemoryConnector::new(MemoryGateway::new());
//! assert_eq!(connector.observe(&context, &api).await?, Observation::Absent);
//!
//! let deployed = connector.deploy(&context, &request).await?;
//! assert_eq!(deployed.observed, request.desired.fingerprint, "the gateway holds what is desired");
//!
//! connector.undeploy(&context, &api).await?;
//! connector.undeploy(&context, &api).await?;
//! assert_eq!(connector.observe(&context, &api).await?, Observation::Absent);
//! # Ok(())
//! # });
//! ```

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
pub use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity};
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::Descriptor,
    desired::{DesiredApi, Mark},
    environment::DiscoveryFilter,
    fidelity::PolicyFidelity,
    identity::ExternalRef,
    observed::{DiscoveredItem, Observation},
    plan::Plan,
    quota::VendorCalls,
};
use serde_json::Value;

use crate::{
    context::{Context, EnvironmentContext},
    error::{Error, Result},
};

/// Speaks to gateways of one type.
///
/// # Limits
///
/// Each call has a deadline ([`Deadlines`](crate::layers::Deadlines), by default 30 to 300 seconds) that waiting for the
/// vendor's quotas does not count against. When it has passed, [`Context::cancellation`] is cancelled and the call is
/// dropped where it waits.
///
/// # Errors
///
/// An [`Error`] says what went wrong by its kind, and whether trying again can help by its
/// [`Retry`](crate::error::Retry). Unless a connector says otherwise, `RateLimited` and `Unavailable` are tried again, and
/// all others only once something has changed.
///
/// # Example
///
/// A connector to gateways of type `acme` that can only be read:
///
/// ```
/// use std::collections::BTreeMap;
///
/// use async_trait::async_trait;
/// use gatehouse_connector_sdk::{
///     connector::{
///         ApiReference, CheckFinding, CheckReport, CheckSeverity, Connector, DeployRequest, Deployed, DiscoveryPage,
///         Hints, PageRequest, Remarks, Translation,
///     },
///     context::{Context, EnvironmentContext},
///     error::{Error, ErrorKind, Result},
///     fidelity,
///     schemas::{
///         descriptor::{Capabilities, Descriptor},
///         desired::{DesiredApi, Mark},
///         identity::ExternalRef,
///         observed::{DiscoveredItem, Observation, ObservedApi},
///         plan::Plan,
///         quota::VendorCalls,
///     },
/// };
/// use serde_json::json;
///
/// #[derive(Debug)]
/// struct AcmeReader {
///     descriptor: Descriptor,
///     /// Stands for a client of Acme's admin API.
///     routes: BTreeMap<ExternalRef, ObservedApi>,
/// }
///
/// impl AcmeReader {
///     fn new(routes: BTreeMap<ExternalRef, ObservedApi>) -> Self {
///         let capabilities = Capabilities { check: true, discover: true, observe: true, ..Capabilities::default() };
///         let descriptor = Descriptor {
///             gateway_type: "acme".parse().unwrap(),
///             display_name: "Acme".to_owned(),
///             version: "0.1.0".to_owned(),
///             capabilities,
///             settings_schema: json!({"type": "object", "additionalProperties": false}),
///             policies: Vec::new(),
///             quotas: Vec::new(),
///             account_settings: Vec::new(),
///             permissions: Vec::new(),
///             credentials: Vec::new(),
///             conformance: None,
///         };
///         Self { descriptor, routes }
///     }
///
///     fn unsupported(&self, what: &str, mark: &Mark) -> Error {
///         let text = format!("Acme can only be read; {what} `{}` elsewhere", mark.api_name);
///         Error::new(ErrorKind::Unsupported, text)
///     }
/// }
///
/// fn is_same_api(route: &ObservedApi, mark: &Mark) -> bool {
///     let same = |own: &Mark| own.environment_id == mark.environment_id && own.api_id == mark.api_id;
///     route.mark.as_ref().is_some_and(same)
/// }
///
/// #[async_trait]
/// impl Connector for AcmeReader {
///     fn descriptor(&self) -> &Descriptor {
///         &self.descriptor
///     }
///
///     async fn check(&self, _context: &Context) -> Result<CheckReport> {
///         let message = format!("the token may list {} routes", self.routes.len());
///         let findings = vec![CheckFinding { severity: CheckSeverity::Ok, message }];
///         Ok(CheckReport { gateway_version: Some("3.1".to_owned()), findings })
///     }
///
///     async fn discover(&self, _context: &Context, page: PageRequest) -> Result<DiscoveryPage> {
///         let is_later = |id: &ExternalRef| page.position.as_ref().is_none_or(|position| id.0 > *position);
///         let mut rest = self.routes.iter().filter(|(id, _)| is_later(id));
///         let listed: Vec<_> = rest.by_ref().take(page.limit.max(1)).collect();
///         let next = rest.next().and(listed.last()).map(|(id, _)| id.0.clone());
///         let item = |route: &ObservedApi| DiscoveredItem::Api(Box::new(route.clone()));
///         let items = listed.into_iter().map(|(_, route)| item(route)).collect();
///         Ok(DiscoveryPage { items, next })
///     }
///
///     async fn observe(&self, _context: &Context, api: &ApiReference) -> Result<Observation> {
///         let by_identity = api.external_ref.as_ref().and_then(|id| self.routes.get(id));
///         let by_mark = || self.routes.values().find(|route| is_same_api(route, &api.mark));
///         let found = by_identity.or_else(by_mark);
///         Ok(found.map_or(Observation::Absent, |route| Observation::Present(Box::new(route.clone()))))
///     }
///
///     async fn hints(&self, _context: &Context) -> Result<Hints> {
///         // Acme tells nobody of changes; whoever wants to know has to look.
///         Ok(Hints::NotConfigured)
///     }
///
///     fn translate(&self, _environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
///         Translation {
///             vendor_form: json!({"path": desired.content.base_path}),
///             fidelity: fidelity::report(desired, &self.descriptor.policies),
///         }
///     }
///
///     fn refusal(&self, _environment: &EnvironmentContext, _desired: &DesiredApi) -> Option<Error> {
///         None
///     }
///
///     fn remarks(&self, _environment: &EnvironmentContext, _desired: &DesiredApi, _observed: &Observation) -> Remarks {
///         Remarks::default()
///     }
///
///     fn estimate(&self, _environment: &EnvironmentContext, _desired: Option<&DesiredApi>, _plan: Option<&Plan>) -> VendorCalls {
///         VendorCalls::new()
///     }
///
///     async fn deploy(&self, _context: &Context, request: &DeployRequest) -> Result<Deployed> {
///         Err(self.unsupported("deploy", &request.desired.mark))
///     }
///
///     async fn undeploy(&self, _context: &Context, api: &ApiReference) -> Result<()> {
///         Err(self.unsupported("undeploy", &api.mark))
///     }
/// }
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # use gatehouse_connector_sdk::schemas::{environment::Mode, canonical::Fingerprint};
/// # fn route(name: &str) -> (ExternalRef, ObservedApi) {
/// #     let external_ref = ExternalRef(name.to_owned());
/// #     let content = acme::content();
/// #     let route = ObservedApi {
/// #         external_ref: external_ref.clone(),
/// #         name: name.to_owned(),
/// #         version: None,
/// #         tags: Vec::new(),
/// #         mark: None,
/// #         endpoint_urls: Vec::new(),
/// #         fingerprint: Fingerprint::of_value(&json!(content)),
/// #         content,
/// #         definition: None,
/// #     };
/// #     (external_ref, route)
/// # }
/// # acme::run(async {
/// # let context = acme::context(Mode::ReadOnly);
///
/// let acme = AcmeReader::new(BTreeMap::from(["orders", "stock"].map(route)));
/// let first = acme.discover(&context, PageRequest { limit: 1, ..PageRequest::default() }).await?;
/// assert_eq!(first.items[0].name(), "orders");
///
/// let position = first.next;
/// let last = acme.discover(&context, PageRequest { position, limit: 1, ..PageRequest::default() }).await?;
/// assert_eq!((last.items[0].name(), last.next), ("stock", None));
///
/// let refused = acme.deploy(&context, &acme::first_deploy()).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::Unsupported);
/// # Ok(())
/// # });
/// ```
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// What the connector says of itself. The same at every call.
    fn descriptor(&self) -> &Descriptor;

    /// Looks whether the gateway can be reached and the credential is good for the environment's mode.
    ///
    /// Requires `Capabilities::check`. Whether the connector's capabilities serve the mode is added by the runtime.
    ///
    /// # Behaviour
    ///
    /// - Nothing on the gateway changes.
    /// - A gateway that cannot be reached is an `Unavailable` error, not a failed check.
    /// - A permission that the mode needs and the credential lacks is a finding of severity `Error` that names it.
    /// - A permission to change things that a read-only mode does not need is a `Warning`.
    async fn check(&self, context: &Context) -> Result<CheckReport>;

    /// Lists one page of the APIs the gateway has, ours and others.
    ///
    /// Requires `Capabilities::discover`.
    ///
    /// # Behaviour
    ///
    /// - Following `next` from the first page lists every API exactly once.
    /// - So it does when there are more than a thousand.
    /// - An API that cannot be read is an `Unreadable` item; the listing goes on.
    /// - A page that cannot be read is an error, never an empty page.
    /// - An API whose version in the listing is the one in `known` is `Unchanged` and not read, and costs no call but the
    ///   one that may tell its version. A version changes whenever anything about the API does, its name and tags included.
    /// - What the filter's `tags` and `selector` do not let through is left out; a selector that is not understood is
    ///   an `Invalid` error. `names` are applied by the runtime, too.
    /// - A page's `next` is good for going on in another process, as long as the gateway takes it.
    /// - A position that the gateway no longer takes is a `Conflict` error; the listing begins anew.
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
    /// - What the identity names is told as it is, whether it carries our mark or not; only if nothing is there does
    ///   the mark decide.
    /// - Nothing on the gateway changes.
    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation>;

    /// Waits until the gateway tells of changes, at most about 20 seconds, and says what they are about.
    ///
    /// Requires `Capabilities::hints`. The runtime calls it again and again, looks at what a hint is about, and believes
    /// nothing of it: a hint that is lost, comes twice or is made up does no harm, and everything works without any.
    ///
    /// What must hold, which no suite can see, as each gateway tells in a way of its own:
    ///
    /// - An environment whose settings name nothing that tells of changes is [`Hints::NotConfigured`], at once and
    ///   without a call.
    /// - A wait in which nothing was told ends without hints and without an error.
    /// - What cannot be asked is an error, never an empty answer.
    /// - What is not understood is [`Hint::Something`], or left out if it cannot be about an API.
    /// - No API on the gateway changes.
    async fn hints(&self, context: &Context) -> Result<Hints>;

    /// Puts a desired API into the gateway's words, and says how faithfully. No effects.
    ///
    /// # Behaviour
    ///
    /// - The same input gives the same output.
    /// - Every policy of the desired API appears in the report.
    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation;

    /// Why the gateway can serve a desired API in no way, whatever losses people accept: it is larger than the gateway takes, or
    /// asks for what it has no words for. None if it can. No effects.
    ///
    /// A plan says so instead of what would change; [`deploy`](Self::deploy) refuses the same before it changes anything.
    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error>;

    /// What people should know before a desired API is deployed over what was observed, beside what changes and what is
    /// lost: what it becomes there and why, what the gateway must be allowed to do, that its address changes. No effects.
    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks;

    /// Which calls of the vendor's operations carrying out a plan takes, by the names in the descriptor's quotas.
    /// Without a desired API it is a removal. No effects.
    ///
    /// # Behaviour
    ///
    /// - Carrying out the plan takes no more calls than this, retries aside.
    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls;

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
    /// - What does not carry our mark stays untouched; if it is in the way, that is a `Conflict`. The one exception
    ///   is the object that the request says to adopt, which is marked and changed in place; a connector that cannot
    ///   do so refuses it as `Unsupported`.
    /// - After a failure, the old revision still serves.
    /// - What one attempt made and did not finish, the next one finds, by mark, name or recorded step, and uses or
    ///   removes; there is never a second one of it.
    /// - With more than one step, each is recorded with `context.journal` before it is taken. When a record is refused,
    ///   the attempt ends there with that error.
    /// - What earlier attempts recorded and this one does not use is removed, whichever generation it was for.
    /// - Cut off anywhere, by its deadline or by the end of the agent, it leaves what the next attempt puts right.
    /// - Two attempts at once leave one object; the one that came too late finds its work done or ends in an error.
    /// - When somebody else changes the API meanwhile, that is a `Conflict`, or `Deployed::observed` tells what the
    ///   gateway holds in the end.
    /// - `Deployed::observed` is what the gateway holds, not what was asked for; if it is not the desired fingerprint,
    ///   the runtime looks once more, and tries again.
    /// - A gateway that cannot be reached or fails is an `Unavailable` error; one that asks to come back later is
    ///   `RateLimited`, with the time it says, unless the quotas are told of it and the call is made again in its turn.
    /// - An error says what it is about: the API's name, path or identity, or else the environment or the setting.
    /// - No secret's value appears in a translation, an observation, an error or the log, nor does a credential's.
    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed>;

    /// Removes the API from the gateway.
    ///
    /// Requires `Capabilities::undeploy`.
    ///
    /// # Behaviour
    ///
    /// - Removing an API that is already gone succeeds.
    /// - What deploys recorded with `context.journal` and did not finish is removed with it, also when the API itself
    ///   is not there.
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

    async fn hints(&self, context: &Context) -> Result<Hints> {
        (**self).hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        (**self).translate(environment, desired)
    }

    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        (**self).refusal(environment, desired)
    }

    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks {
        (**self).remarks(environment, desired, observed)
    }

    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        (**self).estimate(environment, desired, plan)
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        (**self).deploy(context, request).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        (**self).undeploy(context, api).await
    }
}

/// Which API on a gateway is meant.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::{connector::ApiReference, schemas::identity::ExternalRef};
///
/// // Before the first deploy, and after it.
/// let wanted = ApiReference { external_ref: None, mark: acme::mark() };
/// let known = ApiReference { external_ref: Some(ExternalRef("route/42".to_owned())), ..wanted.clone() };
/// assert_eq!(wanted.mark, known.mark);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiReference {
    /// The gateway's own identity for it, once known: what an earlier [`Deployed`] or a discovery said.
    pub external_ref: Option<ExternalRef>,
    /// What it is marked with, whatever the revision.
    pub mark: Mark,
}

/// What a check found.
///
/// ```
/// use gatehouse_connector_sdk::connector::{CheckFinding, CheckReport, CheckSeverity};
///
/// let report = CheckReport {
///     gateway_version: Some("3.1".to_owned()),
///     findings: vec![CheckFinding {
///         severity: CheckSeverity::Error,
///         message: "the token lacks `routes:write`; give it the role `deployer`".to_owned(),
///     }],
/// };
/// let worst = report.findings.iter().map(|finding| finding.severity).max();
/// assert_eq!(worst, Some(CheckSeverity::Error));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The gateway's version in the vendor's own notation, such as `3.9.1`, as far as it tells.
    pub gateway_version: Option<String>,
    /// What was looked at, one by one. If one is an `Error`, the environment's mode does not work; none at all says
    /// that all is well.
    pub findings: Vec<CheckFinding>,
}

/// Asks for a page of a listing.
///
/// ```
/// use gatehouse_connector_sdk::connector::PageRequest;
///
/// let first = PageRequest { limit: 100, ..PageRequest::default() };
/// let second = PageRequest { position: Some("offset=100".to_owned()), ..first.clone() };
/// assert!(first.position.is_none() && second.filter.is_empty());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next` that the page before gave, character by character; none for the first page. The connector's own
    /// words: nobody else reads them. It may be days old, and come from another process.
    pub position: Option<String>,
    /// How many items are wanted at most; a connector may give fewer or more. The runtime asks for 1 to 100: for
    /// fewer, the larger the items are, so that a page is around 2 MiB.
    pub limit: usize,
    /// Which APIs. By default all.
    pub filter: DiscoveryFilter,
    /// The versions that the control plane knows, as [`ObservedApi::version`] said them, by the gateway's own identity.
    /// Empty when everything is to be read anew.
    ///
    /// [`ObservedApi::version`]: gatehouse_schemas::observed::ObservedApi::version
    pub known: Arc<BTreeMap<ExternalRef, String>>,
}

/// A page of a listing.
///
/// ```
/// use gatehouse_connector_sdk::{
///     connector::DiscoveryPage,
///     schemas::{identity::ExternalRef, observed::DiscoveredItem},
/// };
///
/// let page = DiscoveryPage {
///     items: vec![DiscoveredItem::Unreadable {
///         external_ref: ExternalRef("route/42".to_owned()),
///         name: "orders".to_owned(),
///         reason: "its plugin `legacy-auth` is not known; upgrade the connector".to_owned(),
///     }],
///     next: Some("offset=100".to_owned()),
/// };
/// assert_eq!(page.items[0].name(), "orders");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryPage {
    /// The findings: each API of the page once. May be empty although there is a next page.
    pub items: Vec<DiscoveredItem>,
    /// The position of the next page; none after the last. One that is where this page began breaks the listing off,
    /// as it would never end.
    pub next: Option<String>,
}

/// What the gateway told of changes.
///
/// ```
/// use gatehouse_connector_sdk::{
///     connector::{Hint, Hints},
///     schemas::identity::ExternalRef,
/// };
///
/// let quiet = Hints::Heard(Vec::new());
/// let busy = Hints::Heard(vec![Hint::Api(ExternalRef("route/42".to_owned())), Hint::Something]);
/// assert!(quiet != busy && quiet != Hints::NotConfigured);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hints {
    /// The environment's settings name nothing that tells of changes; there is no use in asking again.
    NotConfigured,
    /// What was told since the last time; nothing if the wait is over.
    Heard(Vec<Hint>),
}

/// What changed on the gateway, as somebody says. It may be wrong.
///
/// ```
/// use gatehouse_connector_sdk::{connector::Hint, schemas::identity::ExternalRef};
///
/// let told = [Hint::Api(ExternalRef("route/42".to_owned())), Hint::Something];
/// assert!(told[0] < told[1]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// This API, ours or not, known or not.
    Api(ExternalRef),
    /// Something that may be about any API: everything that is deployed is looked at, though not often.
    Something,
}

/// A desired API in the gateway's words.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::{connector::Translation, fidelity};
/// use serde_json::json;
///
/// let desired = acme::orders();
/// let translation = Translation {
///     vendor_form: json!({"route": {"path": desired.content.base_path}}),
///     fidelity: fidelity::report(&desired, &fidelity::all_exact()),
/// };
/// assert_eq!(translation.vendor_form["route"]["path"], "/orders");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// The vendor's form, for plans and tests: any JSON that its users recognize. Without secret values.
    pub vendor_form: Value,
    /// How faithfully each policy is expressed, by its JSON pointer into the desired content (`/policies/0`,
    /// `/operations/3/policies/1`). A policy that is not told of counts as one that is not expressed.
    pub fidelity: Vec<PolicyFidelity>,
}

/// What people should know of a deploy, in sentences, as plans show them.
///
/// ```
/// use gatehouse_connector_sdk::connector::Remarks;
///
/// let remarks = Remarks {
///     notes: vec!["It becomes a route with a plugin.".to_owned()],
///     warnings: vec!["It moves to another node, where its address is another one.".to_owned()],
/// };
/// assert_ne!(remarks, Remarks::default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What is good to know.
    pub notes: Vec<String>,
    /// What to think about before.
    pub warnings: Vec<String>,
}

/// What to deploy.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::{
///     connector::DeployRequest,
///     schemas::{
///         observed::Observation,
///         plan::{PlanAction, plan},
///     },
/// };
///
/// let desired = acme::orders();
/// let plan = plan(&desired, &Observation::Absent, None).unwrap();
/// let request = DeployRequest { desired, plan, external_ref: None, adopt: false };
/// assert_eq!(request.plan.action, PlanAction::Create);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DeployRequest {
    /// What the gateway must serve.
    pub desired: DesiredApi,
    /// The changes from what was observed.
    pub plan: Plan,
    /// The gateway's own identity for the API, once known.
    pub external_ref: Option<ExternalRef>,
    /// Whether the object of that identity is to be taken over, although it does not carry our mark.
    pub adopt: bool,
}

/// What was deployed.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::{
///     connector::Deployed,
///     schemas::{canonical::Fingerprint, identity::ExternalRef},
/// };
/// use serde_json::json;
///
/// // Computed from what the gateway holds, not copied from what was asked for.
/// let held = json!({"content": acme::content(), "secrets": []});
/// let deployed = Deployed {
///     external_ref: ExternalRef("route/42".to_owned()),
///     endpoint_urls: vec!["https://api.example.com/orders".to_owned()],
///     observed: Fingerprint::of_value(&held),
/// };
/// assert_eq!(deployed.observed, acme::orders().fingerprint);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Where consumers reach it, best first: absolute URLs up to and with the base path. May be empty.
    pub endpoint_urls: Vec<String>,
    /// The fingerprint of what the gateway now holds, as an observation would give it: of the object
    /// `{"content": …, "secrets": …}`, see [`Fingerprint::of_value`].
    pub observed: Fingerprint,
}
