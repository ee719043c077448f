//! The checked-in page is made of the checked-in reports.

use std::{fs, path::Path};

use expect_test::expect_file;
use gatehouse_connector_conformance::{Report, behaviours, page};

/// What descriptors say of the suite is what the reports say.
#[test]
fn descriptors_carry_the_summaries_of_the_reports() {
    let summary = |report: &str| {
        let report = Report::from_yaml(report).expect("a report");
        serde_json::to_string_pretty(&report.for_descriptor()).expect("JSON") + "\n"
    };
    let memory = include_str!("../../../../docs/conformance/memory.yaml");
    expect_file!["../../../src/memory/conformance.json"].assert_eq(&summary(memory));
    let native = include_str!("../../../../docs/conformance/native.yaml");
    expect_file!["../../../../agents/native/src/conformance.json"].assert_eq(&summary(native));
    let kong = include_str!("../../../../docs/conformance/kong.yaml");
    expect_file!["../../../../agents/kong/src/conformance.json"].assert_eq(&summary(kong));
    let aws = include_str!("../../../../docs/conformance/aws.yaml");
    expect_file!["../../../../agents/aws/src/conformance.json"].assert_eq(&summary(aws));
    let tiny = include_str!("../../../../docs/conformance/tiny.yaml");
    expect_file!["../../../../docs/examples/python-agent/conformance.json"].assert_eq(&summary(tiny));
}

#[test]
fn the_page_is_made_of_the_reports() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("a file");
        Report::from_yaml(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let reports: Vec<Report> = files.iter().map(read).collect();
    for report in &reports {
        let known = behaviours();
        let strange = report
            .behaviours
            .iter()
            .find(|tested| !known.iter().any(|it| it.id == tested.id));
        assert!(
            strange.is_none(),
            "{}: {strange:?} is no behaviour any more",
            report.gateway_type
        );
        assert!(
            report.passed(),
            "{} is checked in with failures",
            report.gateway_type
        );
    }
    expect_file!["../../../../docs/conformance/README.md"].assert_eq(&page(&reports));
}
