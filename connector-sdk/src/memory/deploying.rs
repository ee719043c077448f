//! One deploy or undeploy on an in-memory gateway, step by step.

use std::{collections::BTreeSet, path::Path};

use gatehouse_schemas::{desired::DesiredApi, identity::ExternalRef, route};

use super::{Fault, MemoryGateway, MemorySettings, StoredApi, stored::endpoint_url};
use crate::{
    connector::{ApiReference, DeployRequest, Deployed},
    context::Context,
    error::{Error, ErrorKind, Result},
    journal::StepIntent,
    operation::Operation,
};

/// The vendor's name of the operation that makes a part.
pub(super) const PUT_PART: &str = "PutPart";
/// The vendor's name of the operation that puts an API in place.
pub(super) const PUT_API: &str = "PutApi";
/// The vendor's name of the operation that removes an API.
pub(super) const DELETE_API: &str = "DeleteApi";

/// One call on a gateway.
pub(super) struct Call<'a> {
    pub(super) gateway: MemoryGateway,
    pub(super) settings: MemorySettings,
    pub(super) operation: Operation,
    pub(super) fault: Option<Fault>,
    pub(super) context: &'a Context,
}

impl Call<'_> {
    pub(super) fn end<T>(&self, value: T) -> Result<T> {
        if self.fault == Some(Fault::LoseReply) {
            return Err(injected(self.context, self.operation, ErrorKind::Unavailable));
        }
        Ok(value)
    }

    /// Makes the gateway hold the desired API: its parts first, under names that another attempt makes the same, then
    /// the API in one go. Whatever earlier attempts left behind is used or removed.
    pub(super) async fn deploy(&self, request: &DeployRequest) -> Result<Deployed> {
        self.refuse_conflicts(request)?;
        let place = self.place(request)?;
        let desired = &request.desired;
        let is_there = place
            .as_ref()
            .is_some_and(|(_, present)| is_desired(present, desired));
        let parts = match is_there {
            true => Vec::new(),
            false => part_names(desired, self.settings.steps),
        };
        self.remove_leftovers(&parts)?;
        let external_ref = match place {
            Some((external_ref, _)) if is_there => external_ref,
            place => self.put(desired, place, &parts).await?,
        };
        Ok(Deployed {
            external_ref,
            endpoint_urls: vec![endpoint_url(&desired.content.base_path)],
            observed: desired.fingerprint.clone(),
        })
    }

    /// What a deploy without effect answers.
    pub(super) fn ignored(&self, request: &DeployRequest) -> Deployed {
        let external_ref = request.external_ref.clone();
        Deployed {
            external_ref: external_ref.unwrap_or_else(|| ExternalRef("memory-0".to_owned())),
            endpoint_urls: Vec::new(),
            observed: request.desired.fingerprint.clone(),
        }
    }

    /// Removes the API, and what interrupted deploys left behind.
    pub(super) async fn undeploy(&self, api: &ApiReference) -> Result<()> {
        match self.gateway.find(api.external_ref.as_ref(), &api.mark) {
            None => {}
            Some((external_ref, present)) if present.carries(&api.mark) => {
                self.context.quotas.acquire(DELETE_API).await?;
                self.gateway
                    .remove(&external_ref)
                    .map_err(|error| self.file_error(error))?;
                self.context.quotas.succeeded(DELETE_API);
            }
            Some((external_ref, present)) => return Err(not_ours(&external_ref.0, &present)),
        }
        self.remove_leftovers(&[])
    }

    /// Refuses when something that is not this API answers on the same host and path.
    fn refuse_conflicts(&self, request: &DeployRequest) -> Result<()> {
        let desired = &request.desired;
        for (external_ref, api) in self.gateway.apis() {
            let is_adopted = request.adopt && request.external_ref.as_ref() == Some(&external_ref);
            if api.carries(&desired.mark) || is_adopted {
                continue;
            }
            if let Some(conflict) = route::conflicts(&desired.content, &api.content).first() {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "`{}` is in the way of `{}`: {} `{}` is answered by `{external_ref}`; remove it there or choose another base path",
                        api.name, desired.mark.api_name, conflict.method, conflict.path
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What the API takes the place of; refused if it is neither ours nor to be adopted.
    fn place(&self, request: &DeployRequest) -> Result<Option<(ExternalRef, StoredApi)>> {
        let (external_ref, mark) = (request.external_ref.as_ref(), &request.desired.mark);
        let Some((found, present)) = self.gateway.find(external_ref, mark) else {
            return Ok(None);
        };
        let is_adopted = request.adopt && present.mark.is_none() && external_ref == Some(&found);
        match present.carries(mark) || is_adopted {
            true => Ok(Some((found, present))),
            false => Err(not_ours(&found.0, &present)),
        }
    }

    /// Removes what earlier attempts recorded, except for what this one uses again.
    fn remove_leftovers(&self, used: &[String]) -> Result<()> {
        let recorded = self.context.journal.recorded();
        let objects: BTreeSet<_> = recorded.into_iter().filter_map(|step| step.object).collect();
        let leftovers: Vec<_> = objects
            .into_iter()
            .filter(|object| !used.contains(object))
            .collect();
        self.gateway
            .remove_parts(&leftovers)
            .map_err(|error| self.file_error(error))
    }

    async fn put(
        &self,
        desired: &DesiredApi,
        place: Option<(ExternalRef, StoredApi)>,
        parts: &[String],
    ) -> Result<ExternalRef> {
        for (number, name) in (1..).zip(parts) {
            let intent = StepIntent {
                number,
                of: Some(self.settings.steps),
                description: format!("make part {number} of `{}`", desired.mark.api_name),
                object: Some(name.clone()),
            };
            self.step(intent, PUT_PART, || self.gateway.make_part(name))
                .await?;
        }
        if let (Some(Fault::EditFirst), Some((external_ref, _))) = (&self.fault, &place) {
            let edited = self.gateway.edit(external_ref, |content| {
                "edited".clone_into(&mut content.display_name);
            });
            edited.map_err(|error| self.file_error(error))?;
        }
        let stored = StoredApi::desired(desired, place.as_ref().map(|(_, present)| present));
        let publish = || match &place {
            Some((external_ref, _)) => self
                .gateway
                .replace(external_ref, stored, parts)
                .map(|()| external_ref.clone()),
            None => self.gateway.create(stored, parts),
        };
        if parts.is_empty() {
            return self.take(PUT_API, publish).await;
        }
        let intent = StepIntent {
            number: self.settings.steps,
            of: Some(self.settings.steps),
            description: format!("put `{}` in place", desired.mark.api_name),
            // It is found by its mark.
            object: None,
        };
        self.step(intent, PUT_API, publish).await
    }

    /// Takes a step once it is recorded.
    async fn step<T>(
        &self,
        intent: StepIntent,
        operation: &str,
        effect: impl FnOnce() -> std::io::Result<T>,
    ) -> Result<T> {
        let number = intent.number;
        self.context.journal.intend(intent).await?;
        self.at_boundary(&Fault::FailBeforeStep(number), &Fault::HangBeforeStep(number))
            .await?;
        let result = self.take(operation, effect).await?;
        self.at_boundary(&Fault::FailAfterStep(number), &Fault::HangAfterStep(number))
            .await?;
        self.context.journal.done(number).await?;
        Ok(result)
    }

    /// What goes wrong between two steps.
    async fn at_boundary(&self, fails: &Fault, hangs: &Fault) -> Result<()> {
        if self.fault.as_ref() == Some(hangs) {
            self.context.cancellation.cancelled().await;
        }
        match self.fault.as_ref() {
            Some(fault) if fault == fails || fault == hangs => {
                Err(injected(self.context, self.operation, ErrorKind::Unavailable))
            }
            _ => Ok(()),
        }
    }

    async fn take<T>(&self, operation: &str, effect: impl FnOnce() -> std::io::Result<T>) -> Result<T> {
        self.context.quotas.acquire(operation).await?;
        tokio::time::sleep(self.settings.delay_before_effect()).await;
        let result = effect().map_err(|error| self.file_error(error))?;
        tokio::time::sleep(self.settings.delay_after_effect()).await;
        self.context.quotas.succeeded(operation);
        Ok(result)
    }

    fn file_error(&self, error: std::io::Error) -> Error {
        file_error(self.settings.file.as_deref().unwrap_or(Path::new("")), error)
    }
}

/// Whether nothing needs to change.
fn is_desired(present: &StoredApi, desired: &DesiredApi) -> bool {
    *present == StoredApi::desired(desired, Some(present))
}

/// The names of the parts of a desired API: the same whenever and by whomever it is deployed.
fn part_names(desired: &DesiredApi, steps: u32) -> Vec<String> {
    let fingerprint = desired.fingerprint.to_string();
    let short: String = fingerprint
        .chars()
        .rev()
        .take(12)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let (environment, api) = (desired.mark.environment_id, desired.mark.api_id);
    (1..steps)
        .map(|number| format!("gatehouse/{environment}/{api}/{short}/{number}"))
        .collect()
}

pub(super) fn not_ours(external_ref: &str, api: &StoredApi) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "`{external_ref}` (`{}`) does not carry our mark and stays as it is; remove it on the gateway, or import and adopt it",
            api.name
        ),
    )
}

pub(super) fn injected(context: &Context, operation: Operation, kind: ErrorKind) -> Error {
    Error::new(
        kind,
        format!(
            "the {operation} in environment `{}` failed as the in-memory gateway was told to ({})",
            context.environment.name,
            kind.as_str()
        ),
    )
}

pub(super) fn file_error(path: &Path, error: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the in-memory gateway's file `{}` cannot be used; see that the agent may read and write it",
            path.display()
        ),
    )
    .with_source(error)
}
