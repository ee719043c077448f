//! HTTPS and HTTP/2 towards callers.

use std::fs;

use gatehouse_gateway_core::{Gateway, GatewayOptions, StartError, TlsOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{api, echo, gateway};

async fn secure_gateway() -> (Gateway, reqwest::Certificate, TempDir) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let tls = TlsOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate_file: folder.path().join("cert.pem"),
        key_file: folder.path().join("key.pem"),
        certificate_dir: None,
    };
    fs::write(&tls.certificate_file, cert.pem()).expect("written");
    fs::write(&tls.key_file, signing_key.serialize_pem()).expect("written");
    let options = GatewayOptions {
        tls: Some(tls),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("the gateway starts");
    let certificate = reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate");
    (gateway, certificate, folder)
}

#[tokio::test]
async fn https_serves_http_2_and_http_1() {
    let (gateway, certificate, _folder) = secure_gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let port = gateway.tls_address().expect("an HTTPS listener").port();
    let url = format!("https://localhost:{port}/a/x");
    for (builder, version) in [
        (reqwest::Client::builder(), http::Version::HTTP_2),
        (reqwest::Client::builder().http1_only(), http::Version::HTTP_11),
    ] {
        let client = builder
            .tls_certs_only([certificate.clone()])
            .build()
            .expect("a client");
        let answer = client.post(&url).body("hello").send().await.expect("an answer");
        assert_eq!(answer.version(), version);
        let seen: Value = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
        assert_eq!((&seen["target"], &seen["body"]), (&json!("/x"), &json!("hello")));
        assert_eq!(seen["headers"]["x-forwarded-proto"], json!(["https"]));
        assert_eq!(
            seen["headers"]["x-forwarded-host"],
            json!([format!("localhost:{port}")])
        );
    }
}

#[tokio::test]
async fn http_2_without_tls_is_understood() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    let url = format!("http://{}/a", gateway.address());
    let calls = (0..20).map(|_| client.get(&url).header("cookie", "a=1").send());
    for answer in futures_util::future::join_all(calls).await {
        let answer = answer.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (200, http::Version::HTTP_2)
        );
    }
}

#[tokio::test]
async fn a_missing_certificate_is_named() {
    let options = GatewayOptions {
        tls: Some(TlsOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_file: "/nonexistent/cert.pem".into(),
            key_file: "/nonexistent/key.pem".into(),
            certificate_dir: None,
        }),
        ..GatewayOptions::default()
    };
    match Gateway::start(options).await.expect_err("no certificate") {
        StartError::Certificate { file, .. } => assert!(file.ends_with("cert.pem")),
        other => panic!("{other}"),
    }
}
