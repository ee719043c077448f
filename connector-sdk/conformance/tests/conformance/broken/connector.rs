//! A connector that breaks one promise of the contract and keeps all others.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{
        ApiReference, CheckReport, Connector, DeployRequest, Deployed, DiscoveryPage, Hints, PageRequest,
        Remarks, Translation,
    },
    context::{Context, EnvironmentContext},
    error::{Error, ErrorKind, Result},
    journal::{Journal, Step, StepIntent},
    memory::MemoryGateway,
    scheduler::{NoQuotas, call},
};
use gatehouse_control_plane_api::agent::{CheckFinding, CheckSeverity};
use gatehouse_schemas::{
    canonical::Fingerprint,
    descriptor::Descriptor,
    desired::DesiredApi,
    observed::{DiscoveredItem, Observation},
    plan::{Plan, plan},
    quota::VendorCalls,
    revision::RevisionContent,
};
use serde_json::{Map, json};

/// The promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breach {
    CheckLeavesSomethingBehind,
    CheckTakesOutageForFinding,
    CheckOverlooksMissingPermission,
    CheckOverlooksPermissionTooMany,
    PagesOverlap,
    ListingEndsAtTenPages,
    UnreadableIsLeftOut,
    OutageIsEmptyPage,
    KnownIsReadAgain,
    SelectorIsOverlooked,
    PositionsAreOfOneProcess,
    StrangePositionIsUnexpected,
    ListingLeavesSomethingBehind,
    ObservationForgetsRevisions,
    NothingIsUnknown,
    UnknownIsAbsent,
    IdentityIsOverlooked,
    LookPutsRight,
    TranslationCounts,
    ReportIsEmpty,
    EstimateIsEmpty,
    DeployAlwaysWrites,
    UpdateHasNoEffect,
    UpdateRemovesFirst,
    SecurityComesLast,
    TakesOverWhatIsInTheWay,
    FailureRemovesTheApi,
    DraftsHaveRandomNames,
    RefusedRecordsAreOverlooked,
    RecordsAreForgotten,
    TellsWhatWasAskedFor,
    TroubleIsUnexpected,
    SecretIsTold,
    GoneIsNotFound,
    UnfinishedStays,
    RemovesWhatTheIdentityNames,
    CutOffLeavesADraft,
    RivalsMakeTwo,
    EditMeanwhileIsHidden,
    ErrorsAreVague,
    SecretIsLogged,
    RefusalsForTheRateAreKeptBack,
    /// No breach: it makes refused calls again in their turn.
    WaitsForItsTurn,
}

/// What the connectors to one gateway share.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// How many deploys are under way.
    pub(super) under_way: AtomicU64,
    /// Whether somebody edits the API while the next deploy is under way.
    pub(super) is_edited: AtomicBool,
}

/// A deploy that is under way until this is dropped.
struct UnderWay<'a>(&'a Surroundings);

impl<'a> UnderWay<'a> {
    fn begin(surroundings: &'a Surroundings) -> (Self, u64) {
        let before = surroundings.under_way.fetch_add(1, Ordering::Relaxed);
        (Self(surroundings), before)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct BrokenConnector {
    inner: Arc<dyn Connector>,
    gateway: MemoryGateway,
    breach: Option<Breach>,
    given: Mutex<BTreeSet<String>>,
    surroundings: Arc<Surroundings>,
}

/// What litter is; its base path comes with its name.
fn draft() -> RevisionContent {
    let draft = json!({
        "displayName": "Draft", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/draft",
        "hostnames": [], "upstreams": {}, "policies": [], "operations": [],
    });
    serde_json::from_value(draft).expect("the content of an API")
}

/// Random enough: no two are the same in this process.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl BrokenConnector {
    pub(super) fn new(
        inner: Arc<dyn Connector>,
        gateway: MemoryGateway,
        breach: Option<Breach>,
        surroundings: Arc<Surroundings>,
    ) -> Self {
        Self {
            surroundings,
            inner,
            gateway,
            breach,
            given: Mutex::default(),
        }
    }

    fn is(&self, breach: Breach) -> bool {
        self.breach == Some(breach)
    }

    /// Leaves an object on the gateway that nobody asked for.
    fn litter(&self, word: &str) -> gatehouse_schemas::identity::ExternalRef {
        let name = format!("{word}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut content = draft();
        content.base_path = format!("/{name}");
        self.gateway
            .add_foreign(&name, content)
            .expect("no file is written")
    }

    fn soften(&self, finding: &mut CheckFinding) {
        let overlooked = match finding.severity {
            CheckSeverity::Error => self.is(Breach::CheckOverlooksMissingPermission),
            CheckSeverity::Warning => self.is(Breach::CheckOverlooksPermissionTooMany),
            CheckSeverity::Ok => false,
        };
        if overlooked {
            finding.severity = CheckSeverity::Ok;
        }
    }

    fn translate_position(&self, page: &mut PageRequest) -> Result<u32> {
        let Some(position) = page.position.clone() else {
            return Ok(1);
        };
        if self.is(Breach::StrangePositionIsUnexpected) && position.contains('\0') {
            return Err(Error::new(ErrorKind::Unexpected, "what is this?"));
        }
        if self.is(Breach::PositionsAreOfOneProcess)
            && !self.given.lock().expect("a lock").contains(&position)
        {
            return Err(Error::new(
                ErrorKind::Invalid,
                "this process gave no such position",
            ));
        }
        if self.is(Breach::ListingEndsAtTenPages)
            && let Some((count, inner)) = position.split_once('|')
        {
            page.position = Some(inner.to_owned());
            return Ok(count.parse().unwrap_or(1));
        }
        Ok(1)
    }

    async fn update_by_removal(&self, context: &Context, request: &DeployRequest) -> Result<()> {
        let Some(external_ref) = &request.external_ref else {
            return Ok(());
        };
        if request.plan.changes.is_empty() || request.adopt {
            return Ok(());
        }
        let api = ApiReference {
            external_ref: Some(external_ref.clone()),
            mark: request.desired.mark.clone(),
        };
        self.inner.undeploy(context, &api).await?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// The API without its policies first, to put them in place afterwards.
    async fn deploy_open(&self, context: &Context, request: &DeployRequest) -> Result<()> {
        let mut content = request.desired.content.clone();
        content.policies.clear();
        let desired = DesiredApi {
            fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": [] })),
            content,
            secrets: Vec::new(),
            mark: request.desired.mark.clone(),
        };
        let plan = plan(&desired, &Observation::Absent, None).expect("a plan");
        let open = DeployRequest {
            desired,
            plan,
            ..request.clone()
        };
        self.inner.deploy(context, &open).await.map(drop)
    }

    /// The attempt, and what comes of it if others are at the API, too.
    async fn beside_others(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let (_under_way, others) = UnderWay::begin(&self.surroundings);
        if self.is(Breach::RivalsMakeTwo) {
            tokio::task::yield_now().await;
            if others > 0 {
                self.litter("rival");
            }
        }
        let deployed = self.attempt(context, request).await?;
        let is_edited = self.surroundings.is_edited.swap(false, Ordering::Relaxed);
        if is_edited && self.is(Breach::EditMeanwhileIsHidden) {
            let edited = |content: &mut RevisionContent| "edited".clone_into(&mut content.display_name);
            let edited = self.gateway.edit(&deployed.external_ref, edited);
            edited.expect("it is there");
        }
        Ok(deployed)
    }

    async fn attempt(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        match self.breach {
            Some(Breach::UpdateRemovesFirst) => self.update_by_removal(context, request).await?,
            Some(Breach::SecurityComesLast) if request.external_ref.is_none() => {
                self.deploy_open(context, request).await?;
            }
            Some(Breach::UpdateHasNoEffect) => {
                if let Some(external_ref) = request.external_ref.clone().filter(|_| !request.adopt) {
                    let api = self.gateway.apis().remove(&external_ref).expect("it is there");
                    return Ok(Deployed {
                        external_ref,
                        endpoint_urls: vec![format!("memory://gateway{}", api.content.base_path)],
                        observed: api.fingerprint,
                    });
                }
            }
            _ => {}
        }
        let deployed = match self.breach {
            Some(Breach::WaitsForItsTurn) => {
                let attempt = || self.inner.deploy(context, request);
                call(context.quotas.as_ref(), "PutApi", attempt).await
            }
            Some(Breach::RefusalsForTheRateAreKeptBack) => self.hurry_on(context, request).await,
            _ => self.inner.deploy(context, request).await,
        };
        match deployed {
            Err(error) if self.is(Breach::TakesOverWhatIsInTheWay) => {
                let path = &request.desired.content.base_path;
                let apis = self.gateway.apis().into_iter();
                let mut in_the_way =
                    apis.filter(|(_, api)| api.mark.is_none() && api.content.base_path == *path);
                let Some((foreign, _)) = in_the_way.next() else {
                    return Err(error);
                };
                let request = DeployRequest {
                    external_ref: Some(foreign),
                    adopt: true,
                    ..request.clone()
                };
                self.inner.deploy(context, &request).await
            }
            Err(error) => {
                if self.is(Breach::FailureRemovesTheApi) {
                    let api = ApiReference {
                        external_ref: request.external_ref.clone(),
                        mark: request.desired.mark.clone(),
                    };
                    self.inner.undeploy(context, &api).await?;
                }
                Err(error)
            }
            deployed => deployed,
        }
    }

    /// Makes calls again that were refused for their rate, and the quotas hear nothing of it.
    async fn hurry_on(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let context = Context {
            quotas: Arc::new(NoQuotas),
            ..context.clone()
        };
        match self.inner.deploy(&context, request).await {
            Err(error) if error.kind() == ErrorKind::RateLimited => {
                self.inner.deploy(&context, request).await
            }
            deployed => deployed,
        }
    }

    async fn tell(&self, context: &Context, mut deployed: Deployed) -> Result<Deployed> {
        match self.breach {
            Some(Breach::TellsWhatWasAskedFor) => {
                deployed.observed = Fingerprint::of_value(&json!("what was asked for"));
            }
            Some(Breach::DeployAlwaysWrites) => {
                let written = self.gateway.edit(&deployed.external_ref, |_| ());
                written.expect("it is there");
            }
            Some(Breach::SecretIsLogged) => {
                let name = "conformance-key".parse().expect("a name");
                for value in context.secrets.resolve(&[name]).await?.values() {
                    tracing::debug!(key = secrecy::ExposeSecret::expose_secret(value), "Writing a key");
                }
            }
            Some(Breach::SecretIsTold) => {
                let name = "conformance-key".parse().expect("a name");
                for value in context.secrets.resolve(&[name]).await?.values() {
                    let value = secrecy::ExposeSecret::expose_secret(value);
                    deployed
                        .endpoint_urls
                        .push(format!("memory://gateway/?key={value}"));
                }
            }
            _ => {}
        }
        Ok(deployed)
    }
}

#[async_trait]
impl Connector for BrokenConnector {
    fn descriptor(&self) -> &Descriptor {
        self.inner.descriptor()
    }

    async fn check(&self, context: &Context) -> Result<CheckReport> {
        if self.is(Breach::CheckLeavesSomethingBehind) {
            self.litter("probe");
        }
        match self.inner.check(context).await {
            Ok(mut report) => {
                report
                    .findings
                    .iter_mut()
                    .for_each(|finding| self.soften(finding));
                Ok(report)
            }
            Err(error) if self.is(Breach::CheckTakesOutageForFinding) => Ok(CheckReport {
                gateway_version: None,
                findings: vec![CheckFinding {
                    severity: CheckSeverity::Error,
                    message: error.to_string(),
                }],
            }),
            Err(error) => Err(error),
        }
    }

    async fn discover(&self, context: &Context, mut page: PageRequest) -> Result<DiscoveryPage> {
        let number = self.translate_position(&mut page)?;
        if self.is(Breach::SelectorIsOverlooked) {
            page.filter.selector = Map::new();
        }
        if self.is(Breach::KnownIsReadAgain) {
            page.known = Arc::default();
        }
        let mut listed = match self.inner.discover(context, page.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.is(Breach::OutageIsEmptyPage) => {
                return Ok(DiscoveryPage {
                    items: Vec::new(),
                    next: None,
                });
            }
            listed => listed?,
        };
        match self.breach {
            Some(Breach::UnreadableIsLeftOut) => {
                listed
                    .items
                    .retain(|item| !matches!(item, DiscoveredItem::Unreadable { .. }));
            }
            Some(Breach::PagesOverlap) if page.position.is_some() => {
                listed.items.extend(listed.items.first().cloned());
            }
            Some(Breach::ListingEndsAtTenPages) => {
                let next = listed.next.filter(|_| number < 10);
                listed.next = next.map(|next| format!("{}|{next}", number + 1));
            }
            Some(Breach::ListingLeavesSomethingBehind) if listed.next.is_none() => {
                self.litter("probe");
            }
            _ => {}
        }
        self.given.lock().expect("a lock").extend(listed.next.clone());
        Ok(listed)
    }

    async fn observe(&self, context: &Context, api: &ApiReference) -> Result<Observation> {
        let mut api = api.clone();
        if self.is(Breach::IdentityIsOverlooked) {
            api.external_ref = None;
        }
        let observed = self.inner.observe(context, &api).await?;
        Ok(match (self.breach, observed) {
            (Some(Breach::ObservationForgetsRevisions), Observation::Present(mut found))
                if found.mark.as_ref().is_some_and(|mark| mark.revision.0 > 1) =>
            {
                found.fingerprint = Fingerprint::of_value(&json!("an older revision"));
                Observation::Present(found)
            }
            (Some(Breach::NothingIsUnknown), Observation::Absent) if api.external_ref.is_some() => {
                Observation::Unknown {
                    reason: "nothing is there".to_owned(),
                }
            }
            (Some(Breach::UnknownIsAbsent), Observation::Unknown { .. }) => Observation::Absent,
            (Some(Breach::LookPutsRight), Observation::Present(found))
                if found.content.display_name == "edited" =>
            {
                let right = found.content.base_path.trim_start_matches('/').to_owned();
                let edited = self
                    .gateway
                    .edit(&found.external_ref, |content| content.display_name = right);
                edited.expect("it is there");
                Observation::Present(found)
            }
            (_, observed) => observed,
        })
    }

    async fn hints(&self, context: &Context) -> Result<Hints> {
        self.inner.hints(context).await
    }

    fn translate(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Translation {
        let mut translation = self.inner.translate(environment, desired);
        match self.breach {
            Some(Breach::TranslationCounts) => {
                translation.vendor_form["number"] = json!(COUNT.fetch_add(1, Ordering::Relaxed));
            }
            Some(Breach::ReportIsEmpty) => translation.fidelity.clear(),
            _ => {}
        }
        translation
    }

    fn refusal(&self, environment: &EnvironmentContext, desired: &DesiredApi) -> Option<Error> {
        self.inner.refusal(environment, desired)
    }

    fn remarks(
        &self,
        environment: &EnvironmentContext,
        desired: &DesiredApi,
        observed: &Observation,
    ) -> Remarks {
        self.inner.remarks(environment, desired, observed)
    }

    fn estimate(
        &self,
        environment: &EnvironmentContext,
        desired: Option<&DesiredApi>,
        plan: Option<&Plan>,
    ) -> VendorCalls {
        match self.breach {
            Some(Breach::EstimateIsEmpty) => VendorCalls::new(),
            _ => self.inner.estimate(environment, desired, plan),
        }
    }

    async fn deploy(&self, context: &Context, request: &DeployRequest) -> Result<Deployed> {
        let context = self.misled(context);
        let has_draft = self.is(Breach::DraftsHaveRandomNames) || self.is(Breach::CutOffLeavesADraft);
        let draft = has_draft.then(|| self.litter("draft"));
        let deployed = self.beside_others(&context, request).await;
        if let Some(draft) = draft
            && (deployed.is_ok() || self.is(Breach::CutOffLeavesADraft))
        {
            self.gateway.delete(&draft).expect("it is there");
        }
        let deployed = match deployed {
            Ok(deployed) => deployed,
            Err(error) => return Err(self.reworded(error)),
        };
        self.tell(&context, deployed).await
    }

    async fn undeploy(&self, context: &Context, api: &ApiReference) -> Result<()> {
        let mut context = context.clone();
        if self.is(Breach::UnfinishedStays) || self.is(Breach::RecordsAreForgotten) {
            context.journal = Arc::new(ForgetfulJournal(context.journal));
        }
        if self.is(Breach::GoneIsNotFound) && self.inner.observe(&context, api).await? == Observation::Absent
        {
            return Err(Error::new(ErrorKind::NotFound, "there is nothing to remove"));
        }
        if self.is(Breach::RemovesWhatTheIdentityNames)
            && let Some(external_ref) = &api.external_ref
        {
            // One that is gone already is gone.
            let _ = self.gateway.delete(external_ref);
        }
        self.inner.undeploy(&context, api).await
    }
}

impl BrokenConnector {
    /// The context with a journal that is not listened to.
    fn misled(&self, context: &Context) -> Context {
        let mut context = context.clone();
        match self.breach {
            Some(Breach::RefusedRecordsAreOverlooked) => {
                context.journal = Arc::new(DeafJournal(context.journal));
            }
            Some(Breach::RecordsAreForgotten) => {
                context.journal = Arc::new(ForgetfulJournal(context.journal));
            }
            _ => {}
        }
        context
    }

    fn reworded(&self, error: Error) -> Error {
        match error.kind() {
            // A record that was refused is told as it is.
            kind if self.is(Breach::ErrorsAreVague) && !error.message().contains("records") => {
                Error::new(kind, "something went wrong").with_retry(error.retry())
            }
            ErrorKind::Unavailable if self.is(Breach::TroubleIsUnexpected) => {
                Error::new(ErrorKind::Unexpected, format!("something went wrong: {error}"))
            }
            _ => error,
        }
    }
}

/// A journal whose refusals nobody hears.
#[derive(Debug)]
struct DeafJournal(Arc<dyn Journal>);

#[async_trait]
impl Journal for DeafJournal {
    fn recorded(&self) -> Vec<Step> {
        self.0.recorded()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        self.0.intend(step).await.or(Ok(()))
    }

    async fn done(&self, number: u32) -> Result<()> {
        self.0.done(number).await
    }
}

/// A journal that nobody reads.
#[derive(Debug)]
struct ForgetfulJournal(Arc<dyn Journal>);

#[async_trait]
impl Journal for ForgetfulJournal {
    fn recorded(&self) -> Vec<Step> {
        Vec::new()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        self.0.intend(step).await
    }

    async fn done(&self, number: u32) -> Result<()> {
        self.0.done(number).await
    }
}
