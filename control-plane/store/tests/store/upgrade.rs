//! A database that the first schema made, with data in it, opened by this build.

use gatehouse_control_plane_store::{Desired, EncryptionKey, ItemFilter, PageRequest, Store};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ApiId, DeploymentId, DiscoveryId, EnvironmentId},
    resource::Kind,
};
use serde_json::json;
use sqlx::{
    AnyConnection, AssertSqlSafe, Connection as _, Executor as _,
    migrate::{Migrate as _, Migrator},
};
use uuid::Uuid;

use crate::harness::{content, fresh, metadata, on_every_url};

static MIGRATIONS: Migrator = sqlx::migrate!();

struct Old {
    environment_id: Uuid,
    api_id: Uuid,
    deployed: Uuid,
    pending: Uuid,
    discovery: Uuid,
    item: Uuid,
}

/// What the first build would have left there.
async fn first_build(url: &str) -> Old {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url).await.expect("a connection");
    connection
        .ensure_migrations_table("_sqlx_migrations")
        .await
        .expect("a table");
    let first = MIGRATIONS.iter().next().expect("the first migration");
    connection
        .apply("_sqlx_migrations", first)
        .await
        .expect("applied");
    let old = Old {
        environment_id: Uuid::now_v7(),
        api_id: Uuid::now_v7(),
        deployed: Uuid::now_v7(),
        pending: Uuid::now_v7(),
        discovery: Uuid::now_v7(),
        item: Uuid::now_v7(),
    };
    let Old {
        environment_id,
        api_id,
        deployed,
        pending,
        discovery,
        item,
    } = &old;
    let other = Uuid::now_v7();
    let desired = |api_id: &Uuid| {
        json!({
            "mark": {"environmentId": environment_id, "apiId": api_id, "apiName": "orders", "revision": 2},
            "content": content("/orders"), "secrets": [], "fingerprint": "sha256:1"
        })
    };
    let found = json!({"result": "Unreadable", "externalRef": "x", "name": "X", "reason": "odd"});
    let found = found.to_string().replace("Unreadable", "unreadable");
    let labels = serde_json::to_string(&metadata("orders", &[]).labels).expect("labels");
    for statement in [
        format!(
            "INSERT INTO resources VALUES ('{environment_id}', 'Environment', 'local', 'default', '{labels}', '{{\"gatewayType\":\"kong\"}}', 1, 1, 1)"
        ),
        format!(
            "INSERT INTO resources VALUES ('{api_id}', 'Api', 'orders', 'default', '{labels}', '{{}}', 1, 1, 1)"
        ),
        format!("INSERT INTO environment_states VALUES ('{environment_id}', 'local', 'kong', 1, NULL)"),
        format!(
            "INSERT INTO deployments VALUES ('{deployed}', '{api_id}', 'orders', '{environment_id}', 2, '/orders', 0, '{}', 7, 7, 'Deployed', '[]', 'svc-1', '[]', 5, 6)",
            desired(api_id)
        ),
        format!(
            "INSERT INTO deployments VALUES ('{pending}', '{other}', 'users', '{environment_id}', 2, '/users', 0, '{}', 9, 7, 'Deploying', '[]', NULL, '[]', 5, 6)",
            desired(&other)
        ),
        format!("INSERT INTO api_sources VALUES ('{api_id}', '{environment_id}', 'svc-1')"),
        format!(
            "INSERT INTO discoveries VALUES ('{discovery}', '{environment_id}', 'local', '{{}}', 'Complete', NULL, '{{\"new\":1,\"changed\":0,\"unchanged\":0,\"gone\":0,\"conflict\":0,\"error\":0}}', 3, 1, 'token/a', 2)"
        ),
        format!("INSERT INTO discovery_pages VALUES ('{discovery}', 1, 'attempt', 4)"),
        format!(
            "INSERT INTO discovered_items VALUES ('{item}', '{discovery}', 1, 'attempt', 'x', 'X', '{found}', 'error', '{{\"class\":\"error\",\"reason\":\"odd\"}}', NULL, NULL, 0)"
        ),
        "UPDATE counters SET value = 9 WHERE name = 'generation'".to_owned(),
    ] {
        connection
            .execute(AssertSqlSafe(statement.clone()))
            .await
            .expect(&statement);
    }
    connection.close().await.expect("closed");
    old
}

#[tokio::test]
async fn a_database_of_the_first_schema_goes_on_with_all_it_knew() {
    on_every_url(|url, folder| async move {
        let old = first_build(&url).await;
        let key = EncryptionKey::from_file_or_create(&folder.join("key")).expect("a key");
        let store = Store::connect(&url, key).await.expect("brought up to date");
        check(&store, &old).await;
        store.close().await;
        fresh(&url, &folder).await.close().await;
    })
    .await;
}

async fn check(store: &Store, old: &Old) {
    let (api_id, environment_id) = (ApiId(old.api_id), EnvironmentId(old.environment_id));
    let deployed = store
        .deployment(DeploymentId(old.deployed))
        .await
        .expect("a read")
        .expect("the deployment");
    assert!(deployed.confirmed);
    assert_eq!(deployed.requested_by, "system");
    let applied = store
        .applied(deployed.id)
        .await
        .expect("a read")
        .expect("applied");
    let desired = store.desired(deployed.id).await.expect("a read");
    assert_eq!(desired, Some(Desired::Present(Box::new(applied.api.clone()))));
    assert_eq!(applied.api.fingerprint, Fingerprint("sha256:1".to_owned()));
    let history = store
        .deployment_history(api_id, environment_id, &PageRequest::default())
        .await
        .expect("a page");
    assert_eq!(history.items.len(), 1);
    let pending = DeploymentId(old.pending);
    assert!(
        !store
            .deployment(pending)
            .await
            .expect("a read")
            .expect("one")
            .confirmed
    );
    assert_eq!(store.applied(pending).await.expect("a read"), None);
    let source = &store.api_sources(&[api_id]).await.expect("a read")[&api_id];
    assert_eq!((source.name.clone(), source.imported.clone()), (None, None));
    let discovery = store
        .discovery(DiscoveryId(old.discovery))
        .await
        .expect("a read")
        .expect("the discovery");
    assert_eq!((discovery.found, discovery.counts.ignored), (4, 0));
    let items = store
        .discovered_items(discovery.id, &ItemFilter::default(), &PageRequest::default())
        .await
        .expect("a page");
    assert_eq!(items.items[0].id.0, old.item);
    assert!(items.items[0].item.is_some());
    assert_eq!(store.generation().await.expect("a read").0, 9);
    assert_eq!(store.all_resources(Kind::Api).await.expect("a read").len(), 1);
}
