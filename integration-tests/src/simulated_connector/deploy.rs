//! Deploying: what is to be served is prepared aside and checked; then the stage is pointed at it, in one call.
//!
//! Every object has a deterministic mark or name, recorded before it is made. An attempt that comes after a crash
//! finds by it what is there already, waiting as long as the vendor's readers may lag behind.

use std::{collections::BTreeMap, time::Instant};

use gatehouse_connector_sdk::{
    connector::{DeployRequest, Deployed},
    error::{Error, ErrorKind, Result, Retry},
    fidelity,
    journal::{Step, StepIntent},
};
use gatehouse_schemas::{
    desired::{DesiredApi, Mark},
    fidelity::losses,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::{Client, DeploymentEntry, Export, Listed, Request, Snapshot},
    form::Form,
    locate, observe, policies,
    translate::{self, API, ENVIRONMENT, FINGERPRINT, FORM, NAME, Wanted},
};

/// How often a reader that may lag behind is asked.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(50);

/// Makes the account serve what is desired.
pub(super) async fn deploy(client: &Client<'_>, request: &DeployRequest) -> Result<Deployed> {
    if let Some(refusal) = translate::refusal(&request.desired) {
        return Err(refusal);
    }
    refuse_unenforceable(&request.desired)?;
    let names = request.desired.content.secret_names();
    let names: Vec<_> = names.into_iter().cloned().collect();
    let values = match names.is_empty() {
        true => Default::default(),
        false => client.context.secrets.resolve(&names).await?,
    };
    let work = Work {
        client,
        request,
        wanted: Wanted::new(&request.desired, &values),
        recorded: client.context.journal.recorded(),
    };
    work.carry_out().await
}

fn refuse_unenforceable(desired: &DesiredApi) -> Result<()> {
    let report = fidelity::report(desired, &policies::support());
    let lost: Vec<String> = losses(desired, &report)
        .unenforceable
        .iter()
        .map(|entry| format!("`{}` at `{}`", entry.policy, entry.pointer))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "`{}` cannot be deployed here: the vendor would not enforce {}; take these policies away or choose another environment",
            desired.mark.api_name,
            lost.join(", ")
        ),
    ))
}

struct Work<'a> {
    client: &'a Client<'a>,
    request: &'a DeployRequest,
    wanted: Wanted,
    recorded: Vec<Step>,
}

/// Numbers the steps of this attempt after those of earlier ones.
struct Steps<'a> {
    client: &'a Client<'a>,
    next: u32,
}

impl Steps<'_> {
    /// Records a step; once this returns, it may be taken.
    async fn intend(&mut self, description: String, object: Option<String>) -> Result<u32> {
        let number = self.next;
        self.next += 1;
        let intent = StepIntent {
            number,
            of: None,
            description,
            object,
        };
        self.client.context.journal.intend(intent).await?;
        Ok(number)
    }

    /// Losing this does no harm.
    async fn done(&self, number: u32) {
        drop(self.client.context.journal.done(number).await);
    }
}

impl Work<'_> {
    async fn carry_out(&self) -> Result<Deployed> {
        let last = self.recorded.iter().map(|step| step.number).max();
        let mut steps = Steps {
            client: self.client,
            next: last.unwrap_or_default() + 1,
        };
        let object = match self.find(&mut steps).await? {
            Some(object) => object,
            None => self.create(&mut steps).await?,
        };
        let seen = if self.is_served_by(&object) && object.is_ours(self.mark()) {
            object
        } else {
            let object = self.taken_over(object, &mut steps).await?;
            let deployment = match self.prepared(&object, &mut steps).await? {
                Some(deployment) => deployment,
                None => self.prepare(&object, &mut steps).await?,
            };
            self.switch(&object, &deployment, &mut steps).await?;
            self.confirmed(&object.id).await?
        };
        self.tidy(&seen, &mut steps).await?;
        let observed = observe::observed(&seen, &self.client.context.environment.endpoints);
        Ok(Deployed {
            external_ref: observed.external_ref,
            endpoint_urls: observed.endpoint_urls,
            observed: observed.fingerprint,
        })
    }

    fn mark(&self) -> &Mark {
        &self.request.desired.mark
    }

    fn name(&self) -> &str {
        self.mark().api_name.as_str()
    }

    /// The object to deploy to: the one of the known identity, or else the one with our mark.
    async fn find(&self, steps: &mut Steps<'_>) -> Result<Option<Export>> {
        if let Some(reference) = &self.request.external_ref {
            match self.client.export(&reference.0, true).await {
                Ok(export) => return self.admitted(export).map(Some),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let marked = self.marked().await?;
        let mut marked = marked.into_iter();
        let Some(chosen) = marked.next() else {
            return Ok(None);
        };
        for spare in marked {
            self.remove_spare(&spare, steps).await?;
        }
        self.client.export(&chosen.id, true).await.map(Some)
    }

    /// What carries our mark. If an earlier attempt was about to make it, readers get the time to see it.
    async fn marked(&self) -> Result<Vec<Listed>> {
        let began = Instant::now();
        let may_appear = self.was_intended(&locate::object_of(self.mark()));
        loop {
            let found = locate::by_mark(self.client, self.mark()).await?;
            if !found.is_empty() || !may_appear || began.elapsed() > self.client.settings.consistency_window()
            {
                return Ok(found);
            }
            self.client.pause(LOOK_AGAIN).await?;
        }
    }

    fn was_intended(&self, object: &str) -> bool {
        self.recorded
            .iter()
            .any(|step| step.object.as_deref() == Some(object))
    }

    /// Lets through what is ours, and what we were told to take over.
    fn admitted(&self, export: Export) -> Result<Export> {
        if export.is_ours(self.mark()) || (self.request.adopt && !export.is_marked()) {
            return Ok(export);
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "API `{}` (`{}`) does not carry our mark for `{}` and stays as it is; adopt it, or remove it at the vendor",
                export.id,
                export.name,
                self.name()
            ),
        ))
    }

    /// Removes a second object with our mark, which nothing serves.
    async fn remove_spare(&self, spare: &Listed, steps: &mut Steps<'_>) -> Result<()> {
        if !spare.stages.is_empty() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "API `{}` carries the mark of `{}` and is served too; remove one of the two at the vendor",
                    spare.id,
                    self.name()
                ),
            ));
        }
        let number = steps
            .intend(format!("remove the unfinished API `{}`", spare.id), None)
            .await?;
        let path = format!("/apis/{}", spare.id);
        let removed = self
            .client
            .send(Request::new("DeleteApi", Method::DELETE, path, &spare.name))
            .await;
        gone_is_well(removed)?;
        steps.done(number).await;
        Ok(())
    }

    async fn create(&self, steps: &mut Steps<'_>) -> Result<Export> {
        let mark = self.mark();
        let number = steps
            .intend(
                format!("create the API `{}`", self.name()),
                Some(locate::object_of(mark)),
            )
            .await?;
        let body = json!({"name": self.name(), "tags": BTreeMap::from(marks(mark)), "settings": self.wanted.form.settings});
        let request = Request::new("CreateApi", Method::POST, "/apis".to_owned(), self.name());
        let created: Listed = self.client.read(request.with_body(&body)).await?;
        steps.done(number).await;
        let mut draft = Form::default();
        draft.settings.clone_from(&self.wanted.form.settings);
        Ok(Export::created(created, &draft))
    }

    /// The object with our mark on it and the settings in its draft.
    async fn taken_over(&self, mut object: Export, steps: &mut Steps<'_>) -> Result<Export> {
        let is_ours = object.is_ours(self.mark());
        if is_ours && self.drafted(&object).settings == self.wanted.form.settings && self.may_trust_draft() {
            return Ok(object);
        }
        let what = if is_ours { "change" } else { "mark and change" };
        let number = steps
            .intend(format!("{what} the settings of `{}`", self.name()), None)
            .await?;
        object.tags.retain(|name, _| !name.starts_with("vendor:"));
        for (name, value) in marks(self.mark()) {
            object.tags.insert(name.to_owned(), value);
        }
        let body = json!({"tags": object.tags, "settings": self.wanted.form.settings});
        self.change("UpdateApi", Method::PATCH, format!("/apis/{}", object.id), &body)
            .await?;
        steps.done(number).await;
        Ok(object)
    }

    fn drafted(&self, object: &Export) -> Form {
        object.draft.as_ref().map(Snapshot::form).unwrap_or_default()
    }

    /// After an attempt that was not finished, what readers see of the draft may be older than what it holds.
    fn may_trust_draft(&self) -> bool {
        self.recorded.is_empty()
    }

    async fn change(
        &self,
        operation: &'static str,
        method: Method,
        path: String,
        body: &Value,
    ) -> Result<Vec<u8>> {
        let request = Request::new(operation, method, path, self.name());
        self.client.send(request.with_body(body)).await
    }

    /// A deployment that holds just this: kept from before, or left by an attempt that was not finished.
    async fn prepared(&self, object: &Export, steps: &mut Steps<'_>) -> Result<Option<DeploymentEntry>> {
        let Some(entry) = self.named(object).await? else {
            return Ok(None);
        };
        let path = format!("/apis/{}/deployments/{}", object.id, entry.id);
        let snapshot: Snapshot = self
            .client
            .read(Request::new("GetDeployment", Method::GET, path, self.name()))
            .await?;
        if self.is_right(&snapshot) {
            return Ok(Some(entry));
        }
        self.remove(object, &entry, steps).await?;
        Ok(None)
    }

    async fn named(&self, object: &Export) -> Result<Option<DeploymentEntry>> {
        let wanted = |export: &Export| {
            export
                .deployments
                .iter()
                .find(|it| it.name == self.wanted.name)
                .cloned()
        };
        let began = Instant::now();
        let mut found = wanted(object);
        while found.is_none()
            && self.was_intended(&self.wanted.name)
            && began.elapsed() < self.client.settings.consistency_window()
        {
            self.client.pause(LOOK_AGAIN).await?;
            found = wanted(&self.client.export(&object.id, false).await?);
        }
        Ok(found)
    }

    /// Whether a snapshot holds what is wanted, all of it and nothing else.
    fn is_right(&self, snapshot: &Snapshot) -> bool {
        snapshot.form() == self.wanted.form && snapshot.tag(FORM) == self.wanted.tags[FORM]
    }

    /// Puts the draft in order, and takes a snapshot of it, which is looked at before anything serves it.
    async fn prepare(&self, object: &Export, steps: &mut Steps<'_>) -> Result<DeploymentEntry> {
        let draft = self.drafted(object);
        let path = |part: &str| format!("/apis/{}/{part}", object.id);
        if draft.routes != self.wanted.form.routes || !self.may_trust_draft() {
            let number = steps
                .intend(format!("put the routes of `{}`", self.name()), None)
                .await?;
            let body = json!({"routes": self.wanted.form.routes});
            self.change("PutRoutes", Method::PUT, path("routes"), &body)
                .await?;
            steps.done(number).await;
        }
        if draft.policies != self.wanted.form.policies || !self.may_trust_draft() {
            let number = steps
                .intend(format!("put the policies of `{}`", self.name()), None)
                .await?;
            self.change(
                "PutPolicies",
                Method::PUT,
                path("policies"),
                &self.wanted.policies,
            )
            .await?;
            steps.done(number).await;
        }
        let number = steps
            .intend(
                format!("take the snapshot `{}` of `{}`", self.wanted.name, self.name()),
                Some(self.wanted.name.clone()),
            )
            .await?;
        let body = json!({"name": self.wanted.name, "tags": self.wanted.tags});
        let request = Request::new("CreateDeployment", Method::POST, path("deployments"), self.name());
        let snapshot: Snapshot = self.client.read(request.with_body(&body)).await?;
        steps.done(number).await;
        let entry = DeploymentEntry {
            id: snapshot.id.clone(),
            name: snapshot.name.clone(),
            number: 0,
        };
        if self.is_right(&snapshot) {
            return Ok(entry);
        }
        self.remove(object, &entry, steps).await?;
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "somebody changed the draft of `{}` while it was prepared; it is tried again",
                self.name()
            ),
        )
        .with_retry(Retry::Backoff))
    }

    async fn remove(&self, object: &Export, entry: &DeploymentEntry, steps: &mut Steps<'_>) -> Result<()> {
        let number = steps
            .intend(
                format!("remove the snapshot `{}` of `{}`", entry.name, self.name()),
                None,
            )
            .await?;
        let path = format!("/apis/{}/deployments/{}", object.id, entry.id);
        let removed = self
            .client
            .send(Request::new(
                "DeleteDeployment",
                Method::DELETE,
                path,
                self.name(),
            ))
            .await;
        gone_is_well(removed)?;
        steps.done(number).await;
        Ok(())
    }

    /// Points the stage at a deployment, unless somebody else pointed it elsewhere meanwhile.
    async fn switch(
        &self,
        object: &Export,
        deployment: &DeploymentEntry,
        steps: &mut Steps<'_>,
    ) -> Result<()> {
        let stage = match &object.served {
            Some(Snapshot {
                stage: Some(stage), ..
            }) => stage.clone(),
            _ => self.client.settings.stage.clone(),
        };
        let number = steps
            .intend(
                format!("serve the snapshot `{}` at stage `{stage}`", deployment.name),
                None,
            )
            .await?;
        let body = json!({"deploymentId": deployment.id});
        let path = format!("/apis/{}/stages/{stage}", object.id);
        let mut request = Request::new("PutStage", Method::PUT, path, self.name()).with_body(&body);
        request.condition = Some(match object.stages.get(&stage) {
            Some(present) => ("if-match", present.etag.clone()),
            None => ("if-none-match", "*".to_owned()),
        });
        self.client.send(request).await?;
        steps.done(number).await;
        Ok(())
    }

    fn is_served_by(&self, export: &Export) -> bool {
        export.served.as_ref().is_some_and(|served| {
            served.name == self.wanted.name
                && served.tag(FINGERPRINT) == self.wanted.tags[FINGERPRINT]
                && self.is_right(served)
        })
    }

    /// Looks until what was switched to is seen.
    async fn confirmed(&self, id: &str) -> Result<Export> {
        let began = Instant::now();
        loop {
            match self.client.export(id, false).await {
                Ok(export) if self.is_served_by(&export) => return Ok(export),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if began.elapsed() > self.client.settings.consistency_window() {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the vendor took the deploy of `{}` and does not show it after {} ms; it is looked at again",
                        self.name(),
                        self.client.settings.consistency_window_ms
                    ),
                ));
            }
            self.client.pause(LOOK_AGAIN).await?;
        }
    }

    /// Removes old deployments, the oldest first, so that only so many remain.
    async fn tidy(&self, seen: &Export, steps: &mut Steps<'_>) -> Result<()> {
        let served = seen.served.as_ref().map(|served| served.id.as_str());
        let others: Vec<&DeploymentEntry> = seen
            .deployments
            .iter()
            .filter(|it| Some(it.id.as_str()) != served)
            .collect();
        let kept = usize::try_from(self.client.settings.keep_deployments.max(1)).unwrap_or(usize::MAX) - 1;
        for old in others.into_iter().skip(kept).rev() {
            self.remove(seen, old, steps).await?;
        }
        Ok(())
    }
}

/// Removing what is not there any more succeeds.
pub(super) fn gone_is_well(removed: Result<Vec<u8>>) -> Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn marks(mark: &Mark) -> [(&'static str, String); 3] {
    [
        (ENVIRONMENT, mark.environment_id.to_string()),
        (API, mark.api_id.to_string()),
        (NAME, mark.api_name.to_string()),
    ]
}
