//! What a document is taken for.

use serde_json::json;

use crate::portal::{Content, Document, Finding, Portal, catalogue, classic};

const OPENAPI: &str = r#"{"openapi": "3.0.3", "info": {"title": "Pets", "version": "1"}, "paths": {"/pets": {"get": {"responses": {}}}}}"#;

/// Where [`document`] says that it is.
const PLACE: &str = "API `Pets` (a) of Konnect's catalogue";

fn word(content: &Content) -> String {
    match content {
        Content::Definition(definition) => format!("definition {}", definition.title),
        Content::Other(language) => format!("other {language}"),
        Content::Unreadable(reason) => reason.clone(),
    }
}

fn document(content: Content) -> Document {
    Document {
        place: PLACE.to_owned(),
        content,
    }
}

#[test]
fn a_document_is_read_in_the_language_it_is_written_in() {
    let cases = [
        ("the portal's file `specs/pets.json`", OPENAPI, "definition Pets"),
        (
            "the portal's file `specs/old.yaml`",
            "swagger: '2.0'\ninfo: {title: Old, version: 1}\npaths: {}\n",
            "definition Old",
        ),
        (
            "the portal's file `specs/events.yaml`",
            "asyncapi: 2.6.0\ninfo: {title: Events, version: 1}\n",
            "other AsyncAPI",
        ),
        (
            "the portal's file `guides/start.md`",
            "# Start\n\nCall us: `now`",
            "other prose",
        ),
        (
            "the portal's file `specs/list.yaml`",
            "- 1\n",
            "the portal's file `specs/list.yaml` cannot be read: not an OpenAPI document: expected a field `openapi` (3.0 or 3.1) or `swagger` (2.0) at the top; it is not even an object",
        ),
        (
            "the portal's file `specs/next.yaml`",
            "openapi: 4.0.0\n",
            "the portal's file `specs/next.yaml` cannot be read: /openapi: OpenAPI `4.0.0` is not supported; convert the document to OpenAPI 3.0 or 3.1, or Swagger 2.0",
        ),
    ];
    for (place, text, expected) in cases {
        assert_eq!(word(&Content::read(place, text)), expected, "{place}");
    }
}

#[test]
fn a_text_that_is_neither_json_nor_yaml_says_so() {
    let Content::Unreadable(reason) = Content::read("the portal's file `specs/cut.json`", "{\"openapi\": ")
    else {
        panic!("it was read");
    };
    assert!(
        reason.starts_with("the portal's file `specs/cut.json` is neither JSON nor YAML: "),
        "{reason}"
    );
    assert!(reason.ends_with("; correct it there"), "{reason}");
}

#[test]
fn a_definition_comes_first_and_what_cannot_be_read_is_no_absence() {
    let other = || document(Content::Other("AsyncAPI".to_owned()));
    let broken = || document(Content::Unreadable("broken".to_owned()));
    let good = || document(Content::read("it", OPENAPI));
    let portal = Portal::of(vec![
        ("all".to_owned(), other()),
        ("all".to_owned(), broken()),
        ("all".to_owned(), good()),
        ("broken".to_owned(), other()),
        ("broken".to_owned(), broken()),
        ("other".to_owned(), other()),
    ]);
    assert!(matches!(portal.finding("all"), Finding::Definition(_)));
    assert_eq!(portal.documents("all").len(), 3);
    assert!(matches!(portal.finding("broken"), Finding::Unreadable(it, "broken") if it.place == PLACE));
    assert!(matches!(portal.finding("other"), Finding::Other(it, "AsyncAPI") if it.place == PLACE));
    assert!(matches!(portal.finding("unknown"), Finding::Nothing));
}

#[test]
fn a_file_without_contents_is_unreadable() {
    let content = classic::content("the portal's file `a.yaml`", &json!({"path": "a.yaml"}));
    assert_eq!(
        word(&content),
        "the portal's file `a.yaml` came without contents; upload it again"
    );
}

#[test]
fn a_version_without_a_text_says_nothing_yet() {
    for version in [None, Some(json!({})), Some(json!({"spec": {"content": " "}}))] {
        assert_eq!(
            word(&catalogue::content("it", version.as_ref())),
            "other nothing yet"
        );
    }
}

#[test]
fn services_are_found_on_our_control_plane_only_and_once() {
    let service = |plane: &str, id: &str, api: &str| json!({"api_id": api, "service": {"control_plane_id": plane, "id": id}});
    let implementations = [
        service("ours", "s1", "a"),
        service("ours", "s1", "a"),
        service("theirs", "s1", "b"),
        json!({"api_id": "c", "control_plane": {"control_plane_id": "ours"}}),
    ];
    let found = catalogue::implemented(&implementations, "ours");
    assert_eq!(found, [("s1".to_owned(), "a".to_owned())]);
}

#[test]
fn the_newest_version_stands_in_for_a_current_one() {
    let version = |id: &str, created: &str| json!({"id": id, "created_at": created});
    let versions = [
        version("old", "2023-01-01T00:00:00.000Z"),
        version("new", "2024-01-01T00:00:00.000Z"),
    ];
    assert_eq!(catalogue::newest(&versions).as_deref(), Some("new"));
    assert_eq!(catalogue::newest(&[]), None);
}
