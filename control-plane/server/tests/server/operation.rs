//! What operators of the server use: health, metrics, starting and stopping.

use std::time::Duration;

use gatehouse_control_plane_server::{Server, StartError};
use reqwest::Method;

use crate::harness::{check, options, send};

#[tokio::test]
async fn health_and_metrics_need_no_token_and_have_their_own_listener() {
    check(|control_plane| async move {
        let http = reqwest::Client::new();
        let get = |path: &str| send(http.get(control_plane.admin_url(path)));
        assert_eq!(get("/healthz").await.expect(200), "ok\n");
        assert_eq!(get("/readyz").await.expect(200), "ready\n");
        get("/api/v1/apis").await.problem(404);
        send(control_plane.request(Method::GET, "/metrics"))
            .await
            .problem(404);
        control_plane
            .get("apis/a-name-that-must-not-be-a-label")
            .await
            .problem(404);
        control_plane.with_api("orders", "/orders").await;
        control_plane.with_environment("local", "read-write").await;
        control_plane.deploy("orders", "local").await.expect(202);
        let metrics = get("/metrics").await.expect(200);
        let text = metrics.as_str().expect("text");
        for line in [
            r#"gatehouse_http_requests_total{route="/api/v1/apis/{name}",method="GET",status_class="4xx"} 1"#,
            r#"gatehouse_deployments{phase="Pending"} 1"#,
            "gatehouse_agents_online 0",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("a-name-that-must-not-be-a-label"));
    })
    .await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    check(|control_plane| async move {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = options(&folder, None);
        options.listen = control_plane.server.address();
        let error = Server::start(options).await.expect_err("a taken address");
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&control_plane.server.address().to_string()),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_lost_or_damaged_key_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(options(&folder, None)).await.expect("a start");
    server.shutdown(Duration::from_secs(5)).await;
    std::fs::remove_file(folder.path().join("key")).expect("no key");
    let error = Server::start(options(&folder, None))
        .await
        .expect_err("another key");
    assert!(matches!(error, StartError::KeyMissing { .. }), "{error}");
    assert!(
        !folder.path().join("key").exists(),
        "a new key in the place of the lost one would hide that it is lost"
    );
    std::fs::write(folder.path().join("key"), "damaged").expect("a damaged key");
    for mode in [0o644, 0o600] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.path().join("key"), mode).expect("a mode");
        let error = Server::start(options(&folder, None)).await.expect_err("no key");
        assert!(matches!(error, StartError::Store(_)), "{error}");
        assert_eq!(
            std::fs::read(folder.path().join("key")).expect("a read"),
            b"damaged"
        );
    }
}

#[tokio::test]
async fn the_interactive_page_shows_both_documents() {
    check(|control_plane| async move {
        let get = |path: &str| send(control_plane.anonymous(Method::GET, path));
        let page = get("/docs").await.expect(200);
        assert!(page.as_str().expect("HTML").contains("swagger-ui"));
        let settings = get("/docs/swagger-initializer.js").await.expect(200);
        let settings = settings.as_str().expect("a script");
        for document in ["/api/v1/openapi.json", "/agent/v1/openapi.json"] {
            assert!(settings.contains(document), "{settings}");
            assert_eq!(get(document).await.expect(200)["openapi"], "3.1.0");
        }
        get("/docs/none.js").await.problem(404);
    })
    .await;
}

#[tokio::test]
async fn without_its_database_the_server_says_that_it_is_unavailable() {
    check(|control_plane| async move {
        control_plane.server.store().close().await;
        let (kind, detail) = control_plane.get("apis").await.problem(503);
        assert_eq!(kind, "unavailable");
        assert!(detail.contains("database"), "{detail}");
        control_plane
            .post("apply", serde_json::json!({"documents": []}))
            .await
            .problem(503);
        send(reqwest::Client::new().get(control_plane.admin_url("/readyz")))
            .await
            .problem(503);
    })
    .await;
}
