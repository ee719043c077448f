//! Looks at what a Kong holds of an API of ours.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::{error::Result, schemas::desired::Mark};

use crate::{
    client::{Client, node::Node},
    entities::{Collection, Entity},
    holding::Holding,
    translate::tags,
};

/// Everything of an API, with the consumers of its environment if any may call it.
pub(super) async fn at_rest(client: &Client, node: &Node, mark: &Mark) -> Result<Holding> {
    holding(client, node, mark, false).await
}

/// Everything of an API, with what attempts to deploy it may have left.
pub(super) async fn at_work(client: &Client, node: &Node, mark: &Mark) -> Result<Holding> {
    holding(client, node, mark, true).await
}

async fn holding(client: &Client, node: &Node, mark: &Mark, with_callers: bool) -> Result<Holding> {
    let tags = tags(mark);
    let mut holding = match node.has_database {
        true => marked(client, &tags).await?,
        false => filtered(client, &tags).await?,
    };
    if with_callers || has_callers(&holding) {
        for collection in Collection::CALLERS {
            let entities = match node.has_database {
                true => client.list_tagged(collection, &[&tags[0], &tags[1]]).await?,
                false => with_tags(client.list(collection).await?, &tags[..2]),
            };
            holding.extend(collection, entities);
        }
    }
    Ok(holding)
}

/// Whether there is a plugin that knows consumers.
fn has_callers(holding: &Holding) -> bool {
    holding
        .all(Collection::Plugins)
        .any(|plugin| plugin.name() == Some("acl"))
}

async fn marked(client: &Client, tags: &[String; 3]) -> Result<Holding> {
    let mut holding = Holding::default();
    let services = client
        .list_tagged(Collection::Services, &[&tags[0], &tags[1], &tags[2]])
        .await?;
    for service in &services {
        below(client, service.id(), &mut holding).await?;
    }
    holding.extend(Collection::Services, services);
    Ok(holding)
}

/// Puts in what is below a service, whoever made it.
pub(super) async fn below(client: &Client, service: &str, holding: &mut Holding) -> Result<()> {
    let routes = client.list_below(Collection::Services, service, "routes").await?;
    let plugins = client
        .list_below(Collection::Services, service, "plugins")
        .await?;
    for route in &routes {
        let plugins = client
            .list_below(Collection::Routes, route.id(), "plugins")
            .await?;
        holding.extend(Collection::Plugins, plugins);
    }
    holding.extend(Collection::Plugins, plugins);
    holding.extend(Collection::Routes, routes);
    Ok(())
}

/// Without a database, lists are the node's own memory, and filters by tag fail (3.9.3).
async fn filtered(client: &Client, tags: &[String; 3]) -> Result<Holding> {
    let services = with_tags(client.list(Collection::Services).await?, tags);
    let ids: BTreeSet<&str> = services.iter().map(Entity::id).collect();
    let of_service = |entity: &Entity| entity.owner("service").is_some_and(|id| ids.contains(id));
    let mut routes = client.list(Collection::Routes).await?;
    routes.retain(of_service);
    let route_ids: BTreeSet<&str> = routes.iter().map(Entity::id).collect();
    let mut plugins = client.list(Collection::Plugins).await?;
    plugins.retain(|plugin| {
        of_service(plugin)
            || plugin
                .owner("route")
                .is_some_and(|route| route_ids.contains(route))
    });
    let mut holding = Holding::default();
    holding.extend(Collection::Plugins, plugins);
    holding.extend(Collection::Routes, routes.clone());
    holding.extend(Collection::Services, services.clone());
    Ok(holding)
}

fn with_tags(mut entities: Vec<Entity>, tags: &[String]) -> Vec<Entity> {
    entities.retain(|entity| tags.iter().all(|tag| entity.has_tag(tag)));
    entities
}
