//! What `connector new` writes, and what it refuses.

use std::collections::BTreeSet;

use super::*;

fn arguments(name: &str, path: &Path) -> NewArguments {
    NewArguments {
        name: name.to_owned(),
        path: Some(path.to_owned()),
        sdk: None,
    }
}

fn refused(arguments: &NewArguments) -> (Exit, String) {
    let error = run(arguments, Screen::new(Format::Name)).unwrap_err();
    let failure = error.downcast::<Failure>().unwrap();
    (failure.exit, failure.detail)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_folder_holds_a_crate_that_stands_alone() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("deep/my-gateway");
    run(&arguments("my-gateway", &target), Screen::new(Format::Name)).unwrap();
    let expected = [
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "README.md",
        "rust-toolchain.toml",
        "src",
        "test.yaml",
        "tests",
    ];
    assert_eq!(names_in(&target), expected.map(str::to_owned).into());
    assert_eq!(
        names_in(&home.path().join("deep")).len(),
        1,
        "nothing is left beside it"
    );
    let manifest = fs::read_to_string(target.join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("workspace = true"), "{manifest}");
    assert!(
        manifest.contains("name = \"gatehouse-agent-my-gateway\""),
        "{manifest}"
    );
    assert!(manifest.contains("/connector-sdk\" }"), "{manifest}");
    assert!(
        manifest.contains("[profile.dev]\ndebug = \"line-tables-only\""),
        "{manifest}"
    );
    let library = fs::read_to_string(target.join("src/lib.rs")).unwrap();
    assert!(
        library.contains("pub use connector::MyGatewayConnector;"),
        "{library}"
    );
}

#[test]
fn an_empty_folder_is_taken_and_an_occupied_one_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("mine");
    fs::create_dir(&target).unwrap();
    run(&arguments("mine", &target), Screen::new(Format::Name)).unwrap();
    fs::write(target.join("README.md"), "written by hand").unwrap();
    let (exit, message) = refused(&arguments("mine", &target));
    assert_eq!(exit, Exit::Conflict);
    let shown = target.display();
    assert_eq!(
        message,
        format!(
            "`{shown}` is there already and not an empty folder; remove it, or choose another with `--path`"
        )
    );
    assert_eq!(
        fs::read_to_string(target.join("README.md")).unwrap(),
        "written by hand"
    );
    let (exit, _) = refused(&arguments("mine", &target.join("README.md")));
    assert_eq!(exit, Exit::Conflict, "a file is in the way, too");
}

#[test]
fn names_that_no_gateway_type_can_have_are_refused() {
    let home = tempfile::tempdir().unwrap();
    for (name, says) in [
        (
            "My_Gateway",
            "`My_Gateway` is not a valid name: use 1 to 63 lowercase letters, digits and `-`, starting and ending with a letter or digit",
        ),
        (
            "native",
            "the gateway type `native` is Gatehouse's own; choose another name",
        ),
    ] {
        assert_eq!(
            refused(&arguments(name, &home.path().join("it"))),
            (Exit::Invalid, says.to_owned())
        );
    }
    assert!(names_in(home.path()).is_empty());
}

#[test]
fn a_folder_without_the_sources_is_refused_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let mut arguments = arguments("mine", &home.path().join("mine"));
    arguments.sdk = Some(home.path().to_owned());
    let shown = home.path().display();
    let says = format!(
        "`{shown}` does not hold the sources of Gatehouse; `--sdk` names the folder that has `connector-sdk` in it"
    );
    assert_eq!(refused(&arguments), (Exit::Invalid, says));
    assert!(names_in(home.path()).is_empty());
}

#[test]
fn a_write_that_fails_leaves_nothing_half_written() {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("mine");
    // A file cannot be a folder of another one.
    let files = [("a".to_owned(), String::new()), ("a/b".to_owned(), String::new())];
    let error = write(&target, &files).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to write `{}`", target.display())
    );
    assert!(names_in(home.path()).is_empty());
}
