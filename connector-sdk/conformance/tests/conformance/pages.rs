//! The checked-in page is made of the checked-in reports.

use std::{fs, path::Path};

use expect_test::expect_file;
use gatehouse_connector_conformance::{Report, behaviours, page};

#[test]
fn the_page_is_made_of_the_reports() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
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
