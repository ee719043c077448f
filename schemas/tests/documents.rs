//! Real OpenAPI documents, read whole. The numbers were counted by another program.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test stops where something is wrong, and says what it leaves out"
)]

use std::{env, fs, path::PathBuf};

use gatehouse_schemas::{
    canonical::Fingerprint,
    openapi::{self, Definition},
    revision::DefinitionFormat::{self, OpenApi30, OpenApi31, Swagger20},
};

/// Document, format, operations written in it, routes they become, servers.
const SHARED: [(&str, DefinitionFormat, usize, usize, usize); 43] = [
    (
        "adyen.com-BalancePlatformTransferNotification-v3.json",
        OpenApi31,
        0,
        0,
        0,
    ),
    ("adyen.com-CheckoutService-v71.json", OpenApi31, 25, 25, 1),
    ("adyen.com-TfmAPIService.json", OpenApi31, 5, 5, 1),
    ("amazonaws.com-cloudtrail.json", OpenApi30, 46, 46, 4),
    ("amazonaws.com-importexport.json", OpenApi30, 12, 12, 4),
    ("amazonaws.com-networkmanager.json", OpenApi30, 85, 85, 4),
    ("apisetu.gov.in-duexam.json", OpenApi30, 1, 1, 1),
    ("apisetu.gov.in-hpbose.json", OpenApi30, 2, 2, 1),
    ("apisetu.gov.in-kotakgeneralinsurance.json", OpenApi30, 6, 6, 1),
    ("apisetu.gov.in-pblabour.json", OpenApi30, 3, 3, 1),
    ("autotask.net.json", OpenApi30, 2958, 2958, 1),
    ("azure.com-intune.json", OpenApi30, 33, 33, 1),
    (
        "azure.com-mediaservices-AssetsAndAssetFilters.json",
        OpenApi30,
        13,
        13,
        1,
    ),
    (
        "azure.com-network-applicationSecurityGroup.json",
        OpenApi30,
        6,
        6,
        1,
    ),
    ("box.com.json", OpenApi30, 260, 242, 1),
    ("codat.io-bank-feeds.json", OpenApi31, 6, 6, 1),
    ("codat.io-banking.json", OpenApi31, 8, 8, 1),
    ("codat.io-sync-for-expenses.json", OpenApi31, 13, 13, 1),
    ("digitalocean.com.json", OpenApi30, 290, 290, 1),
    ("dropx.io.json", OpenApi30, 7, 7, 1),
    ("easypdfserver.com.json", OpenApi30, 1, 1, 1),
    ("epa.gov-eff.json", OpenApi30, 8, 8, 1),
    ("googleapis.com-manufacturers.json", OpenApi30, 8, 8, 1),
    ("googleapis.com-workspaceevents.json", OpenApi30, 6, 6, 1),
    ("kubernetes-openapi-v2.json", Swagger20, 814, 814, 0),
    ("letmc.com-basic-tier.json", OpenApi30, 45, 45, 1),
    ("mastercard.com-BINTableResource.json", OpenApi30, 1, 1, 1),
    ("medcorder.com.json", OpenApi30, 1, 1, 1),
    ("netbox.dev.json", OpenApi30, 844, 844, 1),
    ("openai.com.json", OpenApi30, 28, 28, 1),
    ("slack.com.json", OpenApi30, 174, 174, 1),
    ("sonar.trading.json", OpenApi30, 4, 4, 1),
    ("spectrocoin.com.json", OpenApi30, 1, 1, 1),
    ("sportsdata.io-nhl-v3-stats.json", OpenApi30, 30, 30, 2),
    ("spotify.com.json", OpenApi30, 88, 88, 1),
    ("squareup.com.json", OpenApi30, 200, 200, 1),
    ("stripe.com.json", OpenApi30, 452, 452, 1),
    ("twilio.com-api.json", OpenApi30, 195, 195, 1),
    ("urlbox.io.json", OpenApi31, 1, 1, 1),
    ("vercel.com.json", OpenApi31, 113, 113, 1),
    ("visualstudio.com.json", OpenApi30, 142, 142, 1),
    ("vmware.local-vrni.json", OpenApi30, 161, 161, 2),
    ("xero.com-xero_accounting.json", OpenApi30, 224, 211, 1),
];

/// GitHub's description as the npm package `@octokit/openapi` 23.0.2 has it, and that of
/// the enterprise cloud.
const GITHUB: [(&str, DefinitionFormat, usize, usize, usize); 2] = [
    ("api.github.com.json", OpenApi30, 1223, 1223, 1),
    ("ghec.json", OpenApi30, 1471, 1471, 1),
];

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder(variable: &str, otherwise: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| workspace().join(otherwise), PathBuf::from)
}

fn shared() -> PathBuf {
    folder("GATEHOUSE_SHARED", "../shared").join("data/openapi")
}

fn github() -> PathBuf {
    let folder = folder("GATEHOUSE_TEST_DOCUMENTS", "target/test-documents");
    folder.join("octokit-openapi/generated")
}

/// The text of a document, or none with a line that says what was not checked.
fn text(folder: PathBuf, name: &str) -> Option<String> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        println!(
            "SKIPPED: {} is not there, so reading it was not checked",
            path.display()
        );
    }
    text
}

fn read(text: &str) -> Definition {
    let document = openapi::parse(text).expect("the document is JSON or YAML");
    openapi::read(&document).expect("the document is OpenAPI")
}

fn check(folder: PathBuf, expected: (&str, DefinitionFormat, usize, usize, usize)) {
    let (name, format, written, routes, servers) = expected;
    let Some(text) = text(folder, name) else { return };
    let definition = read(&text);
    assert_eq!(definition.format, format, "{name}");
    assert_eq!(definition.operations.len(), routes, "{name}: routes");
    assert_eq!(definition.servers.len(), servers, "{name}: servers");
    assert!(!definition.title.is_empty(), "{name}: title");
    assert!(!definition.version.is_empty(), "{name}: version");
    let merged = definition
        .warnings
        .iter()
        .any(|warning| warning.contains("tell the operation from another"));
    assert_eq!(merged, written != routes, "{name}: {:#?}", definition.warnings);
    let mut again = openapi::read(&definition.canonical).expect("the canonical form is OpenAPI");
    assert_eq!(
        Fingerprint::of_value(&definition.canonical),
        Fingerprint::of_value(&again.canonical),
        "{name}"
    );
    again.canonical = definition.canonical.clone();
    assert_eq!(again, definition, "{name}: the canonical form says the same");
}

#[test]
fn every_shared_document_is_read_with_all_its_operations() {
    for expected in SHARED {
        check(shared(), expected);
    }
}

#[test]
fn the_table_names_every_shared_document() {
    let Ok(entries) = fs::read_dir(shared()) else {
        println!("SKIPPED: {} is not there", shared().display());
        return;
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    assert_eq!(names, SHARED.map(|(name, ..)| name.to_owned()));
}

#[test]
fn githubs_description_is_read_with_all_its_operations() {
    for expected in GITHUB {
        check(github(), expected);
    }
}

#[test]
fn an_operation_of_github_is_as_its_description_says() {
    let Some(text) = text(github(), "api.github.com.json") else {
        return;
    };
    let definition = read(&text);
    let operation = definition
        .operations
        .iter()
        .find(|operation| operation.id.as_deref() == Some("repos/get-content"))
        .expect("the operation is there");
    assert_eq!(operation.r#match.method, "GET");
    assert_eq!(operation.r#match.path, "/repos/{owner}/{repo}/contents/{path}");
    assert_eq!(operation.summary.as_deref(), Some("Get repository content"));
    assert_eq!(definition.servers, ["https://api.github.com"]);
}

#[test]
fn a_real_document_written_as_yaml_is_the_same_document() {
    for name in ["squareup.com.json", "spotify.com.json"] {
        let Some(text) = text(shared(), name) else { return };
        let document = openapi::parse(&text).expect("the document is JSON");
        let yaml = serde_saphyr::to_string(&document).expect("the document can be written as YAML");
        assert_eq!(openapi::parse(&yaml), Ok(document), "{name}");
    }
}
