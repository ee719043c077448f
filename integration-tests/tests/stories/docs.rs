//! The documentation points at things that exist: pages, source files, tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gatehouse_integration_tests::documents::repository;

/// Files below a folder with an ending, without what builds leave behind.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in files(&repository(), ".md") {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            let outside = target.is_empty() || target.contains("://");
            if !outside && !page.parent().unwrap().join(target).exists() {
                wrong.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn source_files_that_pages_name_exist() {
    let mut wrong = Vec::new();
    for page in files(&repository(), ".md") {
        let text = fs::read_to_string(&page).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            if word.contains('/') && word.ends_with(".rs") && !repository().join(word).exists() {
                wrong.push(format!("{}: {word}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The table in `docs/testing.md` says which test proves which promise; each must be there.
#[test]
fn tests_that_the_testing_page_names_exist() {
    let sources: String = files(&repository(), ".rs")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let page = fs::read_to_string(repository().join("docs/testing.md")).unwrap();
    let (_, table) = page.split_once("## Which test proves what").unwrap();
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with('|')) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for test in cell.split('`').skip(1).step_by(2) {
            let name = test.rsplit("::").next().unwrap();
            assert!(
                sources.contains(&format!("fn {name}(")),
                "there is no test `{test}`"
            );
            named += 1;
        }
    }
    assert!(named >= 20, "the table names {named} tests; is its format right?");
}
