//! `gatehouse get`: lists of objects, or single ones.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{
        Agent, ApiResource, AuditEvent, Deployment, Discovery, EnvironmentResource, Import, Plan,
        PolicyResource, ProjectResource, Revision, SecretResource, Token,
    },
    client::{Client, ClientError, ListOptions},
    problem::ProblemKind,
};
use gatehouse_schemas::{
    identity::{ResourceName, RevisionNumber},
    resource::Kind,
};

use crate::{
    exit::Exit,
    failure::Failure,
    kinds::{Listing, kind_and_names},
    listed::{Listed, references, table_of},
    moment,
    screen::Screen,
};

/// Which objects.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// apis, environments, policies, projects, secrets, revisions, deployments, plans, agents,
    /// discoveries, imports, tokens or audit-events; also KIND/NAME
    kind: String,
    /// Only these: names, or ids of what has no name; deployments also as API/ENVIRONMENT, revisions as API@NUMBER
    names: Vec<String>,
    /// Only resources with these labels: `tier=public,team=payments`
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only resources of this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<ResourceName>,
    /// Only revisions, deployments or plans of this API
    #[arg(long, value_name = "API")]
    api: Option<ResourceName>,
    /// Only deployments, plans or discoveries of this environment
    #[arg(long, value_name = "ENVIRONMENT")]
    environment: Option<ResourceName>,
}

pub(super) async fn run(options: &GetArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let (listing, names) = kind_and_names(&options.kind, &options.names)?;
    options.check(listing, &names)?;
    let wish = Wish {
        options,
        client,
        screen,
        listing,
        names,
    };
    match listing {
        Listing::Resource(Kind::Api) => wish.show::<ApiResource>().await,
        Listing::Resource(Kind::Environment) => wish.show::<EnvironmentResource>().await,
        Listing::Resource(Kind::Policy) => wish.show::<PolicyResource>().await,
        Listing::Resource(Kind::Project) => wish.show::<ProjectResource>().await,
        Listing::Resource(Kind::Secret) => wish.show::<SecretResource>().await,
        Listing::Revision => wish.show_revisions().await,
        Listing::Deployment => wish.show_deployments().await,
        Listing::Plan => wish.show::<Plan>().await,
        Listing::Agent => wish.show::<Agent>().await,
        Listing::Discovery => wish.show::<Discovery>().await,
        Listing::Import => wish.show::<Import>().await,
        Listing::Token => wish.show::<Token>().await,
        Listing::AuditEvent => wish.show::<AuditEvent>().await,
    }?;
    Ok(Exit::Ok)
}

impl GetArguments {
    /// An option that would have no effect is a mistake.
    fn check(&self, listing: Listing, names: &[String]) -> Result<(), Failure> {
        let resource = matches!(listing, Listing::Resource(_));
        let deployment = listing == Listing::Deployment;
        let fits = [
            ("--selector", self.selector.is_some(), resource),
            (
                "--project",
                self.project.is_some(),
                resource && listing != Listing::Resource(Kind::Project),
            ),
            (
                "--api",
                self.api.is_some(),
                deployment || matches!(listing, Listing::Revision | Listing::Plan),
            ),
            (
                "--environment",
                self.environment.is_some(),
                deployment || matches!(listing, Listing::Discovery | Listing::Plan),
            ),
        ];
        for (option, given, has_effect) in fits {
            if given && (!has_effect || !names.is_empty()) {
                let what = if has_effect {
                    "an object that is named"
                } else {
                    listing.plural()
                };
                return Err(Failure::usage(format!(
                    "`{option}` has no meaning for {what}; leave it out"
                )));
            }
        }
        Ok(())
    }

    fn filters(&self) -> ListOptions {
        ListOptions::default()
            .filter("labelSelector", self.selector.as_deref())
            .filter("project", self.project.as_ref().map(ResourceName::as_str))
            .filter("api", self.api.as_ref().map(ResourceName::as_str))
            .filter("environment", self.environment.as_ref().map(ResourceName::as_str))
    }
}

struct Wish<'a> {
    options: &'a GetArguments,
    client: &'a Client,
    screen: Screen,
    listing: Listing,
    names: Vec<String>,
}

impl Wish<'_> {
    async fn show<T: Listed>(&self) -> anyhow::Result<()> {
        if self.names.is_empty() {
            let items: Vec<T> = self
                .client
                .list(&[self.listing.plural()], &self.options.filters())
                .await?;
            return self.list(&items);
        }
        let mut items = Vec::new();
        for name in &self.names {
            items.push(one::<T>(self.client, self.listing, name).await?);
        }
        self.named(&items)
    }

    async fn show_revisions(&self) -> anyhow::Result<()> {
        if let Some(api) = &self.options.api {
            let items: Vec<Revision> = self
                .client
                .list(&["apis", api.as_str(), "revisions"], &ListOptions::default())
                .await?;
            return self.list(&items);
        }
        if self.names.is_empty() {
            return Err(Failure::usage("say whose revisions: `gatehouse get revisions --api API`").into());
        }
        let mut items = Vec::new();
        for name in &self.names {
            items.push(revision(self.client, name).await?);
        }
        self.named(&items)
    }

    async fn show_deployments(&self) -> anyhow::Result<()> {
        if self.names.is_empty() {
            return self.show::<Deployment>().await;
        }
        let mut items = Vec::new();
        for name in &self.names {
            items.push(deployment(self.client, name).await?);
        }
        self.named(&items)
    }

    fn list<T: Listed>(&self, items: &[T]) -> anyhow::Result<()> {
        if items.is_empty() {
            crate::screen::note(&format!("there are no {}", self.listing.plural()));
        }
        self.screen.show_list(items, &references(items), || {
            if items.is_empty() {
                String::new()
            } else {
                table_of(items, moment::now())
            }
        })
    }

    /// One name gives one object, several give a list.
    fn named<T: Listed>(&self, items: &[T]) -> anyhow::Result<()> {
        match items {
            [item] => self
                .screen
                .show(item, &references(items), || table_of(items, moment::now())),
            _ => self.list(items),
        }
    }
}

/// One object of a kind that is read by its name or id.
pub(super) async fn one<T: Listed>(client: &Client, listing: Listing, name: &str) -> Result<T, ClientError> {
    client.get(listing.plural(), name).await
}

/// A revision by `API@NUMBER`.
pub(super) async fn revision(client: &Client, name: &str) -> anyhow::Result<Revision> {
    let wrong = || {
        Failure::usage(format!(
            "`{name}` is not a revision; write API@NUMBER, for example `orders@3`"
        ))
    };
    let (api, number) = name.split_once('@').ok_or_else(wrong)?;
    let number = RevisionNumber(number.parse().map_err(|_| wrong())?);
    let api: ResourceName = api.parse().map_err(|_| wrong())?;
    Ok(client.revision(&api, number).await?)
}

/// A deployment by its id or by `API/ENVIRONMENT`.
pub(super) async fn deployment(client: &Client, name: &str) -> anyhow::Result<Deployment> {
    let Some((api, environment)) = name.split_once('/') else {
        let id = name.parse().map_err(|_| {
            Failure::usage(format!(
                "`{name}` is not a deployment; write its id, or API/ENVIRONMENT"
            ))
        })?;
        return Ok(client.deployment(id).await?);
    };
    let (api, environment): (ResourceName, ResourceName) = (parse_name(api)?, parse_name(environment)?);
    let found = client.find_deployment(&api, &environment).await?;
    found.ok_or_else(|| not_deployed(&api, &environment))
}

/// The error of an API that is not deployed in an environment.
pub(super) fn not_deployed(api: &ResourceName, environment: &ResourceName) -> anyhow::Error {
    let detail = format!(
        "`{api}` is not deployed to `{environment}`; `gatehouse get deployments` shows what is deployed"
    );
    ClientError::from(ProblemKind::NotFound.problem(detail)).into()
}

fn parse_name(name: &str) -> Result<ResourceName, Failure> {
    name.parse()
        .map_err(|error: gatehouse_schemas::identity::InvalidName| Failure::usage(error.to_string()))
}
