//! Resources, secrets, definitions, revisions, audit events, pages.

use gatehouse_control_plane_store::{AuditFilter, PackedDefinition, PageRequest, ResourceFilter, StoreError};
use gatehouse_schemas::{
    canonical::{Fingerprint, canonical_json},
    identity::{ResourceVersion, RevisionNumber},
    resource::Kind,
    revision::{DefinitionFormat, DefinitionSummary},
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use sqlx::{Connection as _, Row as _};

use crate::harness::{begin, content, create, metadata, name, on_every_database};

#[tokio::test]
async fn a_resource_reads_back_as_written() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        let wanted = metadata("orders", &[("tier", "public")]);
        let spec = json!({"basePath": "/orders", "title": "Ümläut \u{1f600} \"quoted\""});
        let created = transaction
            .create_resource(Kind::Api, &wanted, &spec)
            .await
            .expect("created");
        transaction.commit().await.expect("committed");
        let read = store
            .resource(Kind::Api, &name("orders"))
            .await
            .expect("a read")
            .expect("a resource");
        assert_eq!(read, created);
        assert_eq!(read.spec, spec);
        assert_eq!(read.metadata.labels, wanted.labels);
        assert_eq!(read.version, ResourceVersion(1));
        assert_eq!(
            store.resource_by_id(Kind::Api, read.id).await.expect("a read"),
            Some(created)
        );
        assert_eq!(
            store
                .resource(Kind::Policy, &name("orders"))
                .await
                .expect("a read"),
            None
        );
    })
    .await;
}

#[tokio::test]
async fn a_name_is_taken_once_per_kind() {
    on_every_database(|database| async move {
        let store = &database.store;
        create(store, Kind::Api, "orders", json!({})).await;
        create(store, Kind::Policy, "orders", json!({})).await;
        let mut transaction = begin(store).await;
        let error = transaction
            .create_resource(Kind::Api, &metadata("orders", &[]), &json!({}))
            .await
            .expect_err("the name is taken");
        assert!(
            matches!(error, StoreError::AlreadyExists { ref object } if object == "api/orders"),
            "{error:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_update_of_another_version_is_refused() {
    on_every_database(|database| async move {
        let store = &database.store;
        let first = create(store, Kind::Api, "orders", json!({"a": 1})).await;
        let mut transaction = begin(store).await;
        let second = transaction
            .update_resource(
                Kind::Api,
                first.id,
                Some(first.version),
                &first.metadata,
                &json!({"a": 2}),
            )
            .await
            .expect("updated");
        assert_eq!(second.version, ResourceVersion(2));
        transaction.commit().await.expect("committed");
        let mut transaction = begin(store).await;
        let error = transaction
            .update_resource(
                Kind::Api,
                first.id,
                Some(first.version),
                &first.metadata,
                &json!({"a": 3}),
            )
            .await
            .expect_err("stale");
        assert!(
            matches!(
                error,
                StoreError::VersionConflict {
                    actual: ResourceVersion(2),
                    ..
                }
            ),
            "{error:?}"
        );
        let error = transaction
            .delete_resource(Kind::Api, first.id, Some(first.version))
            .await
            .expect_err("stale");
        assert!(matches!(error, StoreError::VersionConflict { .. }), "{error:?}");
        transaction
            .delete_resource(Kind::Api, first.id, Some(second.version))
            .await
            .expect("deleted");
        let error = transaction
            .delete_resource(Kind::Api, first.id, None)
            .await
            .expect_err("gone");
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn pages_stay_stable_while_rows_come_and_go() {
    on_every_database(|database| async move {
        let store = &database.store;
        for text in ["b", "d", "f", "h", "j"] {
            create(store, Kind::Api, text, json!({})).await;
        }
        let filter = ResourceFilter::default();
        let mut request = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let mut seen = Vec::new();
        loop {
            let page = store
                .resources(Kind::Api, &filter, &request)
                .await
                .expect("a page");
            assert!(page.items.len() <= 2);
            seen.extend(page.items.iter().map(|row| row.metadata.name.to_string()));
            if seen.len() == 2 {
                // Before and after the place where the reader stands; and the row the cursor points at goes.
                create(store, Kind::Api, "a", json!({})).await;
                create(store, Kind::Api, "e", json!({})).await;
                let gone = page.items[1].clone();
                let mut transaction = begin(store).await;
                transaction
                    .delete_resource(Kind::Api, gone.id, None)
                    .await
                    .expect("deleted");
                transaction.commit().await.expect("committed");
            }
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["b", "d", "e", "f", "h", "j"]);
    })
    .await;
}

#[tokio::test]
async fn a_page_that_is_exactly_full_is_the_last() {
    on_every_database(|database| async move {
        let store = &database.store;
        for text in ["a", "b"] {
            create(store, Kind::Api, text, json!({})).await;
        }
        let request = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let page = store
            .resources(Kind::Api, &ResourceFilter::default(), &request)
            .await
            .expect("a page");
        assert_eq!(page.next_cursor, None);
    })
    .await;
}

#[tokio::test]
async fn labels_and_projects_select() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        for number in 0..30 {
            let tier = if number % 10 == 0 { "public" } else { "internal" };
            let wanted = metadata(&format!("api-{number:02}"), &[("tier", tier)]);
            transaction
                .create_resource(Kind::Api, &wanted, &json!({}))
                .await
                .expect("created");
        }
        transaction.commit().await.expect("committed");
        let labels = [("tier".to_owned(), "public".to_owned())].into();
        let filter = ResourceFilter {
            labels,
            ..ResourceFilter::default()
        };
        let request = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let first = store
            .resources(Kind::Api, &filter, &request)
            .await
            .expect("a page");
        let names: Vec<_> = first.items.iter().map(|row| row.metadata.name.as_str()).collect();
        assert_eq!(names, ["api-00", "api-10"]);
        let request = PageRequest {
            limit: Some(2),
            cursor: first.next_cursor,
        };
        let second = store
            .resources(Kind::Api, &filter, &request)
            .await
            .expect("a page");
        assert_eq!(second.items.len(), 1);
        assert_eq!(second.next_cursor, None);
        let filter = ResourceFilter {
            project: Some(name("other")),
            ..ResourceFilter::default()
        };
        let none = store
            .resources(Kind::Api, &filter, &PageRequest::default())
            .await
            .expect("a page");
        assert!(none.items.is_empty());
        let counts = store.resource_counts(Kind::Api).await.expect("counts");
        assert_eq!(counts[&name("default")], 30);
    })
    .await;
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    on_every_database(|database| async move {
        let store = &database.store;
        for text in ["a", "b"] {
            create(store, Kind::Api, text, json!({})).await;
        }
        let one = PageRequest {
            limit: Some(1),
            cursor: None,
        };
        let page = store
            .resources(Kind::Api, &ResourceFilter::default(), &one)
            .await
            .expect("a page");
        let elsewhere = PageRequest {
            limit: None,
            cursor: page.next_cursor,
        };
        let refused = store
            .resources(Kind::Policy, &ResourceFilter::default(), &elsewhere)
            .await;
        assert!(matches!(refused, Err(StoreError::BadCursor)));
        for text in ["", "!", "AAAA", "YXBpcwphAGI"] {
            let request = PageRequest {
                limit: None,
                cursor: Some(text.to_owned()),
            };
            let refused = store
                .resources(Kind::Api, &ResourceFilter::default(), &request)
                .await;
            assert!(matches!(refused, Err(StoreError::BadCursor)), "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_encrypted_and_bound_to_its_row() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        for (text, value) in [("one", "the first value"), ("two", "the second value")] {
            let secret = transaction
                .create_resource(Kind::Secret, &metadata(text, &[]), &json!({}))
                .await
                .expect("created");
            transaction
                .set_secret_value(secret.secret_id(), secret.version, &value.into())
                .await
                .expect("set");
        }
        transaction.commit().await.expect("committed");
        let names = [name("one"), name("two"), name("three")];
        let values = store.secret_values(&names).await.expect("values");
        assert_eq!(values.len(), 2);
        assert_eq!(values[&name("one")].expose_secret(), "the first value");
        assert_eq!(
            store.secret_versions().await.expect("versions")[&name("two")],
            ResourceVersion(1)
        );

        let mut raw = sqlx::AnyConnection::connect(&database.url)
            .await
            .expect("a connection");
        let rows = sqlx::query("SELECT secret_id, sealed FROM secret_values")
            .fetch_all(&mut raw)
            .await
            .expect("rows");
        let sealed: Vec<Vec<u8>> = rows.iter().map(|row| row.get("sealed")).collect();
        assert!(
            sealed
                .iter()
                .all(|bytes| !bytes.windows(5).any(|window| window == b"value"))
        );
        sqlx::query("UPDATE secret_values SET sealed = $1")
            .bind(&sealed[0])
            .execute(&mut raw)
            .await
            .expect("moved");
        let id: String = rows[1].get("secret_id");
        let moved = store
            .secret_values(&names)
            .await
            .expect_err("a value of another row does not open");
        assert!(moved.to_string().contains(&id), "{moved}");
    })
    .await;
}

#[tokio::test]
async fn a_large_definition_is_kept_once_and_goes_with_its_last_revision() {
    on_every_database(|database| async move {
        let store = &database.store;
        let paths: serde_json::Map<_, _> = (0..100_000)
            .map(|number| {
                (
                    format!("/path/{number}"),
                    json!({"get": {"summary": "reads one of the things there are"}}),
                )
            })
            .collect();
        let text = canonical_json(&json!({"openapi": "3.1.0", "paths": paths}));
        assert!(text.len() > 6_000_000);
        let packed = PackedDefinition::of(text.clone()).await.expect("packed");
        assert_eq!(packed.fingerprint(), &Fingerprint::of_bytes(text.as_bytes()));
        let summary = DefinitionSummary {
            fingerprint: packed.fingerprint().clone(),
            format: DefinitionFormat::OpenApi31,
            title: "Things".to_owned(),
            version: "1".to_owned(),
        };
        let mut apis = Vec::new();
        for text in ["a", "b"] {
            apis.push(create(store, Kind::Api, text, json!({})).await);
            let mut content = content("/a");
            content.definition = Some(summary.clone());
            let mut transaction = begin(store).await;
            transaction.put_definition(&packed).await.expect("stored");
            let fingerprint = Fingerprint::of(&content).expect("a fingerprint");
            let api_id = apis.last().expect("one").api_id();
            let added = transaction
                .add_revision(api_id, &content, &fingerprint)
                .await
                .expect("added");
            assert_eq!(
                (added.number, added.definition),
                (RevisionNumber(1), Some(summary.fingerprint.clone()))
            );
            transaction.commit().await.expect("committed");
        }
        assert_eq!(
            store
                .definition(&summary.fingerprint)
                .await
                .expect("a read")
                .as_deref(),
            Some(text.as_str())
        );
        for (api, remains) in apis.iter().zip([true, false]) {
            let mut transaction = begin(store).await;
            transaction
                .delete_resource(Kind::Api, api.id, None)
                .await
                .expect("deleted");
            transaction.commit().await.expect("committed");
            assert_eq!(
                store.has_definition(&summary.fingerprint).await.expect("a read"),
                remains
            );
        }
    })
    .await;
}

#[tokio::test]
async fn revisions_count_up_and_keep_their_content() {
    on_every_database(|database| async move {
        let store = &database.store;
        let api = create(store, Kind::Api, "orders", json!({})).await;
        for number in 1..=3_u64 {
            let content = content(&format!("/v{number}"));
            let mut transaction = begin(store).await;
            let fingerprint = Fingerprint::of(&content).expect("a fingerprint");
            let added = transaction
                .add_revision(api.api_id(), &content, &fingerprint)
                .await
                .expect("added");
            assert_eq!(added.number, RevisionNumber(number));
            assert_eq!(added.created_by, "token/test");
            transaction.commit().await.expect("committed");
        }
        let old = store
            .revision_content(api.api_id(), RevisionNumber(1))
            .await
            .expect("a read")
            .expect("content");
        assert_eq!(old, content("/v1"));
        let newest = store.latest_revisions(&[api.api_id()]).await.expect("a read");
        assert_eq!(newest[&api.api_id()].number, RevisionNumber(3));
        let one = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let page = store.revisions(api.api_id(), &one).await.expect("a page");
        let rest = PageRequest {
            limit: Some(2),
            cursor: page.next_cursor.clone(),
        };
        let rest = store.revisions(api.api_id(), &rest).await.expect("a page");
        let numbers: Vec<_> = page
            .items
            .iter()
            .chain(&rest.items)
            .map(|revision| revision.number.0)
            .collect();
        assert_eq!(numbers, [3, 2, 1]);
    })
    .await;
}

#[tokio::test]
async fn an_audit_event_lives_and_dies_with_its_transaction() {
    on_every_database(|database| async move {
        let store = &database.store;
        let mut transaction = begin(store).await;
        transaction
            .audit("api.created", "api/lost", &json!({}))
            .await
            .expect("noted");
        transaction.rollback().await.expect("undone");
        let mut dropped = begin(store).await;
        dropped
            .audit("api.created", "api/dropped", &json!({}))
            .await
            .expect("noted");
        drop(dropped);
        for number in 0..3 {
            let mut transaction = begin(store).await;
            let object = format!("api/{}", number % 2);
            transaction
                .audit("api.created", &object, &json!({"number": number}))
                .await
                .expect("noted");
            transaction.commit().await.expect("committed");
        }
        let request = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let page = store
            .audit_events(&AuditFilter::default(), &request)
            .await
            .expect("a page");
        let request = PageRequest {
            limit: Some(2),
            cursor: page.next_cursor,
        };
        let rest = store
            .audit_events(&AuditFilter::default(), &request)
            .await
            .expect("a page");
        let events: Vec<_> = page.items.iter().chain(&rest.items).collect();
        assert_eq!(
            events
                .iter()
                .map(|event| &event.details["number"])
                .collect::<Vec<_>>(),
            [2, 1, 0]
        );
        assert_eq!(events[0].actor, "token/test");
        assert_eq!(events[0].request_id.as_deref(), Some("request-1"));
        let filter = AuditFilter {
            object: Some("api/1".to_owned()),
            ..AuditFilter::default()
        };
        let of_one = store
            .audit_events(&filter, &PageRequest::default())
            .await
            .expect("a page");
        assert_eq!(of_one.items.len(), 1);
    })
    .await;
}
