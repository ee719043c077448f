//! Opening databases: what is refused, what is made, and who is told of changes.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use gatehouse_control_plane_store::{AuditFilter, EncryptionKey, PageRequest, Store, StoreError};
use gatehouse_schemas::resource::Kind;
use serde_json::json;
use sqlx::Connection as _;
use tempfile::TempDir;

use crate::harness::{begin, create, environment, name, on_every_database};

fn key() -> EncryptionKey {
    EncryptionKey::generate().expect("a key")
}

#[tokio::test]
async fn the_database_file_and_the_key_file_are_private() {
    let folder = TempDir::new().expect("a folder");
    let url = format!("sqlite://{}/my%20data.db", folder.path().display());
    let path = folder.path().join("key");
    let key = EncryptionKey::from_file_or_create(&path).expect("a key");
    let id = key.id();
    let store = Store::connect(&url, key).await.expect("a database");
    create(&store, Kind::Api, "orders", json!({})).await;
    for file in ["my data.db", "my data.db-wal", "key"] {
        let mode = folder
            .path()
            .join(file)
            .metadata()
            .expect(file)
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(
        EncryptionKey::from_file_or_create(&path)
            .expect("the same key")
            .id(),
        id
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("key");
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    std::fs::write(draft, b"").expect("left by a process that was killed, in a container with the same id");
    EncryptionKey::from_file_or_create(&path).expect("a key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("opened to others");
    let error = EncryptionKey::from_file(&path).expect_err("others can read it");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
    std::fs::write(&path, b"short").expect("written");
    let error = EncryptionKey::from_file_or_create(&path).expect_err("too short");
    assert!(error.to_string().contains("exactly 32 bytes"), "{error}");
}

#[tokio::test]
async fn another_key_is_refused_at_start() {
    on_every_database(|database| async move {
        let error = Store::connect(&database.url, key())
            .await
            .expect_err("another key");
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
        assert!(error.to_string().contains(&database.key().id()), "{error}");
        database
            .open_again()
            .await
            .expect("the right key")
            .ping()
            .await
            .expect("an answer");
    })
    .await;
}

#[tokio::test]
async fn addresses_that_cannot_be_used_say_why() {
    for (url, reason) in [
        ("mysql://root:secret@host/db", "use `sqlite://PATH`"),
        ("gatehouse.db", "use `sqlite://PATH`"),
        ("sqlite:///no/such/folder/gatehouse.db", "folder does not exist"),
    ] {
        let error = Store::connect(url, key()).await.expect_err(url).to_string();
        assert!(error.contains(reason), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_database_in_memory_works() {
    let store = Store::connect("sqlite::memory:", key())
        .await
        .expect("a database");
    create(&store, Kind::Api, "orders", json!({})).await;
    assert!(
        store
            .resource(Kind::Api, &name("orders"))
            .await
            .expect("a read")
            .is_some()
    );
}

#[tokio::test]
async fn several_control_planes_may_bring_up_one_database() {
    on_every_database(|database| async move {
        if !database.is_postgres() {
            return;
        }
        // The harness has migrated it; a second database on the same server has not been.
        let (first, second, third) = tokio::join!(
            database.open_again(),
            database.open_again(),
            database.open_again()
        );
        for store in [first, second, third] {
            store.expect("opened").ping().await.expect("an answer");
        }
    })
    .await;
}

#[tokio::test]
async fn a_commit_wakes_whoever_waits_for_changes() {
    on_every_database(|database| async move {
        let mut here = database.store.changes();
        // SQLite has one control plane; PostgreSQL's other replicas are told through the database.
        let other = if database.is_postgres() {
            Some(database.open_again().await.expect("opened"))
        } else {
            None
        };
        let mut there = other.as_ref().map(Store::changes);
        environment(&database.store, "kong-eu", "kong").await;
        tokio::time::timeout(Duration::from_secs(10), here.changed())
            .await
            .expect("woken")
            .expect("open");
        if let Some(there) = &mut there {
            tokio::time::timeout(Duration::from_secs(10), there.changed())
                .await
                .expect("woken")
                .expect("open");
        }
    })
    .await;
}

#[tokio::test]
async fn a_rollback_wakes_nobody_and_leaves_nothing() {
    on_every_database(|database| async move {
        let store = &database.store;
        let before = store.generation().await.expect("a read");
        let changes = store.changes();
        let mut transaction = begin(store).await;
        transaction.next_generation().await.expect("a number");
        transaction.rollback().await.expect("undone");
        assert!(!changes.has_changed().expect("open"));
        assert_eq!(store.generation().await.expect("a read"), before);
    })
    .await;
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    on_every_database(|database| async move {
        database.store.close().await;
        let error = database.store.ping().await.expect_err("closed");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn broken_connections_to_postgresql_are_made_again() {
    on_every_database(|database| async move {
        if !database.is_postgres() {
            return;
        }
        let other = database.open_again().await.expect("opened");
        let mut changes = database.store.changes();
        let mut raw = sqlx::AnyConnection::connect(&database.url)
            .await
            .expect("a connection");
        let end_all = "SELECT COUNT(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query(end_all).fetch_one(&mut raw).await.expect("ended");
        database
            .store
            .ping()
            .await
            .expect("an answer over a new connection");
        // Whoever waits is woken, since something may have been missed, and then by every change again.
        tokio::time::timeout(Duration::from_secs(10), changes.changed())
            .await
            .expect("woken")
            .expect("open");
        changes.mark_unchanged();
        let before = database.store.generation().await.expect("a read");
        environment(&other, "kong-eu", "kong").await;
        tokio::time::timeout(Duration::from_secs(10), changes.changed())
            .await
            .expect("woken")
            .expect("open");
        assert!(database.store.generation().await.expect("a read") > before);
    })
    .await;
}

#[tokio::test]
async fn text_that_postgresql_cannot_hold_is_no_error() {
    on_every_database(|database| async move {
        let mut transaction = begin(&database.store).await;
        transaction
            .create_agent("nul \0 nul", &name("kong"), &"0".repeat(64))
            .await
            .expect("enrolled");
        transaction
            .audit("agent.enrolled", "agent/\0", &json!({"text": "\0"}))
            .await
            .expect("noted");
        transaction.commit().await.expect("committed");
        let filter = AuditFilter {
            actor: Some("\0".to_owned()),
            ..AuditFilter::default()
        };
        let none = database
            .store
            .audit_events(&filter, &PageRequest::default())
            .await
            .expect("a page");
        assert!(none.items.is_empty());
    })
    .await;
}
