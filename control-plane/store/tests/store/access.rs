//! API tokens, join tokens, agents.

use gatehouse_control_plane_store::{AgentFilter, PageRequest, StoreError};
use gatehouse_schemas::identity::AgentId;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{NOW, after, agent, begin, begin_at, kong, name, on_every_database};

#[tokio::test]
async fn a_token_is_found_by_its_hash_until_long_after_it_was_revoked() {
    on_every_database(|database| async move {
        let store = &database.store;
        assert!(!store.has_tokens().await.expect("a read"));
        let mut transaction = begin(store).await;
        let made = transaction
            .create_token(&name("ci"), "publisher", "aa", Some(after(1)))
            .await
            .expect("made");
        let taken = transaction.create_token(&name("ci"), "viewer", "bb", None).await;
        assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
        drop(transaction);
        let mut transaction = begin(store).await;
        let made_again = transaction
            .create_token(&name("ci"), "publisher", "aa", Some(after(1)))
            .await
            .expect("made");
        assert_ne!(made.id, made_again.id);
        transaction.commit().await.expect("committed");
        let read = store.token_by_hash("aa").await.expect("a read").expect("a token");
        assert_eq!(
            (read.role.as_str(), read.expires_at, read.revoked_at),
            ("publisher", Some(after(1)), None)
        );

        let mut transaction = begin(store).await;
        transaction.revoke_token(read.id).await.expect("revoked");
        let again = transaction.revoke_token(read.id).await;
        assert!(matches!(again, Err(StoreError::NotFound { .. })));
        transaction
            .create_token(&name("ci"), "viewer", "cc", None)
            .await
            .expect("the name is free");
        transaction.commit().await.expect("committed");
        assert_eq!(
            store
                .token_by_hash("aa")
                .await
                .expect("a read")
                .expect("a token")
                .revoked_at,
            Some(NOW)
        );
        let listed = store.tokens(&PageRequest::default()).await.expect("a page");
        assert_eq!(listed.items.len(), 1);
        assert!(store.has_tokens().await.expect("a read"));
    })
    .await;
}

#[tokio::test]
async fn a_join_token_is_spent_once() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        let id = transaction
            .create_join_token("aa", &kong(), after(10))
            .await
            .expect("made");
        transaction.commit().await.expect("committed");
        let read = store.join_token("aa").await.expect("a read").expect("a token");
        assert_eq!(
            (read.id, read.gateway_type, read.expires_at, read.spent_at),
            (id, kong(), after(10), None)
        );
        let mut transaction = begin(store).await;
        let someone = AgentId(Uuid::now_v7());
        assert!(transaction.spend_join_token(id, someone).await.expect("spent"));
        assert!(!transaction.spend_join_token(id, someone).await.expect("asked"));
    })
    .await;
}

#[tokio::test]
async fn an_agent_keeps_what_it_said_of_itself() {
    on_every_database(|database| async move {
        let store = &database.store;
        let (first, second) = (agent(store, "one").await, agent(store, "two").await);
        assert_eq!(store.descriptor(&kong()).await.expect("a read"), None);
        for (moment, id, version) in [(1, second, "1.0.0"), (2, first, "1.1.0")] {
            let descriptor = serde_json::from_value(json!({
                "gatewayType": "kong", "displayName": "Kong", "version": version, "capabilities": {"deploy": true},
                "settingsSchema": {}, "policies": []
            }))
            .expect("a descriptor");
            let mut transaction = begin_at(store, after(moment)).await;
            transaction.begin_session(id, &descriptor, 1).await.expect("begun");
            transaction.commit().await.expect("committed");
        }
        assert_eq!(store.descriptor(&kong()).await.expect("a read").expect("one").version, "1.1.0");
        let read = store.agent(first).await.expect("a read").expect("an agent");
        assert_eq!((read.protocol, read.last_seen_at, read.revoked_at), (Some(1), Some(after(2)), None));

        let mut transaction = begin(store).await;
        transaction.revoke_agent(first).await.expect("revoked");
        transaction.commit().await.expect("committed");
        let active = store.agents_of_type(&kong()).await.expect("a read");
        assert_eq!(active.iter().map(|agent| agent.id).collect::<Vec<_>>(), [second]);
        let all = store.agents(&AgentFilter::default(), &PageRequest::default()).await.expect("a page");
        assert_eq!(all.items.len(), 2);
        assert_eq!(store.descriptor(&kong()).await.expect("a read").expect("one").version, "1.0.0");
    })
    .await;
}
