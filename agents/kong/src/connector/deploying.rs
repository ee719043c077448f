//! One deploy to a Kong with a database, or to Konnect: a new generation beside the old one, then the switch, then the
//! old one goes.

use gatehouse_connector_sdk::{
    connector::DeployRequest,
    context::Context,
    error::{ErrorKind, Result},
    journal::Steps,
    schemas::{desired::Mark, identity::ExternalRef},
};
use serde_json::{Map, Value, json};

use super::{looking, probing, removing::Removal};
use crate::{
    client::{Client, Created, node::Node},
    config::KongSettings,
    entities::{Collection, Entity},
    holding::{Holding, STAGED, contains},
    record::Record,
    translate::{Form, Part, service_tags},
};

/// What a deploy has at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deploying<'a> {
    pub(super) client: &'a Client,
    pub(super) http: &'a reqwest::Client,
    pub(super) node: &'a Node,
    pub(super) context: &'a Context,
    pub(super) settings: &'a KongSettings,
    pub(super) request: &'a DeployRequest,
}

/// A generation that is to be made: with the values of secrets, and its record without.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) form: Form,
    /// What the proxy is asked for before the switch: empty where nothing needs it.
    pub(super) gate: Vec<Part>,
    pub(super) record: Record,
}

/// What is made, and beside what.
#[derive(Debug)]
struct Making<'a> {
    form: &'a Form,
    holding: &'a Holding,
}

impl Deploying<'_> {
    /// Makes the generation, switches it on, and removes everything else of the API.
    pub(super) async fn carry_out(self, generation: &Generation, holding: &Holding) -> Result<()> {
        let parts = generation.form.parts.len() + holding.all(Collection::Services).count();
        let mut steps = Steps::new(self.context, parts + 3);
        let making = Making {
            form: &generation.form,
            holding,
        };
        for part in &generation.form.parts {
            self.make(part, &making, &mut steps).await?;
        }
        let record = generation.record.part();
        let entity = record.entity();
        let put = self.client.put(record.collection, &entity);
        steps
            .take("record what is applied".to_owned(), Some(record.id.clone()), put)
            .await?;
        self.wait_for_plugins(generation, &mut steps).await?;
        self.switch_on(generation, &mut steps).await?;
        let main = generation.form.services().next().unwrap_or_default();
        probing::served(self.http, self.context, self.settings, main).await?;
        let removal = Removal {
            client: self.client,
            context: self.context,
            mark: &self.request.desired.mark,
            holding,
            begun: &generation.form,
        };
        let removal = removal.all_but(&generation.form);
        steps
            .take("remove what is not used any more".to_owned(), None, removal)
            .await?;
        self.wait_until_forgotten(&generation.form, holding).await?;
        let name = self.name(main);
        steps
            .take("give the service its name".to_owned(), None, name)
            .await
    }

    /// Ends when the proxy has the plugins of the generation, whose routes it does not know yet.
    async fn wait_for_plugins(&self, generation: &Generation, steps: &mut Steps<'_>) -> Result<()> {
        let Some(gate) = generation.gate.first() else {
            return Ok(());
        };
        for part in &generation.gate {
            let entity = part.entity();
            let written = self.client.put(part.collection, &entity);
            let description = "ask the proxy for its plugins".to_owned();
            steps.take(description, Some(part.id.clone()), written).await?;
        }
        let asked = probing::served(self.http, self.context, self.settings, &gate.id).await;
        let routes = generation
            .gate
            .iter()
            .filter(|part| part.collection == Collection::Routes);
        for part in routes.chain([gate]) {
            self.client.delete(part.collection, &part.entity()).await?;
        }
        asked
    }

    /// Makes one part, unless it is there from an earlier attempt.
    async fn make(&self, part: &Part, making: &Making<'_>, steps: &mut Steps<'_>) -> Result<()> {
        let held = making.holding.get(part.collection, &part.id);
        let is_service = part.collection == Collection::Services;
        // A service that is there may be serving already, and those who may call are shared with others.
        if held.is_some_and(|held| is_service || contains(&held.0, &part.fields)) {
            return Ok(());
        }
        let noun = part.collection.noun();
        let description = format!("make the {noun} of `{}`", self.request.desired.mark.api_name);
        let entity = match is_service {
            true => staged(part, &self.request.desired.mark),
            false => part.entity(),
        };
        let written = async {
            let written = match is_service {
                true => self.create(&entity).await,
                false => self.client.put(part.collection, &entity).await,
            };
            self.or_take_back(written, making).await
        };
        steps.take(description, Some(part.id.clone()), written).await
    }

    /// What Kong will not take later either leaves nothing behind.
    async fn or_take_back(&self, written: Result<()>, making: &Making<'_>) -> Result<()> {
        let Err(error) = written else { return Ok(()) };
        let is_final = matches!(
            error.kind(),
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Conflict
        );
        if is_final && let Err(left) = self.take_back(making).await {
            tracing::warn!(
                api = %self.request.desired.mark.api_name,
                error = %left,
                "what was begun could not be taken back; the next deploy or undeploy removes it"
            );
        }
        Err(error)
    }

    async fn take_back(&self, making: &Making<'_>) -> Result<()> {
        let mark = &self.request.desired.mark;
        let now = looking::at_work(self.client, self.node, mark).await?;
        let kept = making.holding.current().map(|current| current.record.form);
        let removal = Removal {
            client: self.client,
            context: self.context,
            mark,
            holding: &now,
            begun: making.form,
        };
        removal.all_but(&kept.unwrap_or_default()).await
    }

    /// Never changes a service that somebody else made meanwhile.
    async fn create(&self, service: &Entity) -> Result<()> {
        match self.client.create(Collection::Services, service).await? {
            Created::New => Ok(()),
            Created::Taken(error) => match self.client.get(Collection::Services, service.id()).await? {
                Some(_) => Ok(()),
                None => Err(error),
            },
        }
    }

    /// Every service but the first one takes part only together with it: their routes do not cross.
    async fn switch_on(&self, generation: &Generation, steps: &mut Steps<'_>) -> Result<()> {
        let services: Vec<&str> = generation.form.services().collect();
        let mut fields = Map::new();
        fields.insert("enabled".to_owned(), json!(true));
        let tags = service_tags(&self.request.desired.mark, &generation.record.external_ref);
        fields.insert("tags".to_owned(), json!(tags));
        for service in services.into_iter().rev() {
            let switch = self.client.patch(Collection::Services, service, &fields);
            steps
                .take("switch the new revision on".to_owned(), None, switch)
                .await?;
        }
        Ok(())
    }

    /// The name is for people. Where an API of another environment has it already, the service keeps its longer one.
    async fn name(&self, service: &str) -> Result<()> {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), json!(self.request.desired.mark.api_name));
        let named = self.client.patch(Collection::Services, service, &fields).await;
        match named {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            named => named,
        }
    }

    /// An attempt may have ended before its last step.
    pub(super) async fn name_anew(&self, record: &Record, holding: &Holding) -> Result<()> {
        let main = record.form.services().next().unwrap_or_default();
        let name = holding.get(Collection::Services, main).and_then(Entity::name);
        match name.is_some_and(|name| name.starts_with(&format!("{}.", self.request.desired.mark.api_name))) {
            true => self.name(main).await,
            false => Ok(()),
        }
    }

    /// The mark of a revision that differs in nothing else.
    pub(super) async fn mark_anew(self, record: Record) -> Result<()> {
        let record = Record {
            mark: self.request.desired.mark.clone(),
            ..record
        };
        let part = record.part();
        self.client.put(part.collection, &part.entity()).await
    }
}

/// A service as it is made: switched off, and under a name that nobody else has.
fn staged(part: &Part, mark: &Mark) -> Entity {
    let mut service = part.entity();
    let tags: Vec<&str> = service.tags().chain([STAGED]).collect();
    let tags = json!(tags);
    service.0.extend([
        ("enabled".to_owned(), Value::Bool(false)),
        ("name".to_owned(), json!(staged_name(part, mark))),
        ("tags".to_owned(), tags),
    ]);
    service
}

/// The name of a service that is not, or not yet, the one that has the API's name.
pub(super) fn staged_name(part: &Part, mark: &Mark) -> String {
    let short = part.id.split('-').next().unwrap_or_default();
    format!("{}.{short}", mark.api_name)
}

/// What the API is called by: as it was known before, or else by what can be computed.
pub(super) fn reference(request: &DeployRequest, current: Option<&Record>) -> ExternalRef {
    let computed = || ExternalRef(crate::translate::reference(&request.desired.mark));
    let adopted = request.external_ref.clone().filter(|_| request.adopt);
    let known = current.map(|record| record.external_ref.clone());
    adopted.or(known).unwrap_or_else(computed)
}
