//! `gatehouse serve`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use super::harness::{Home, Running, free_address, with_control_plane};

#[test]
fn serve_tells_where_it_is_keeps_the_token_private_and_stops_when_asked() {
    let (home, running) = with_control_plane();
    let mode = fs::metadata(home.path().join("data/admin-token"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let who = home.json("whoami");
    assert_eq!(who["role"], "admin");
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn serve_tells_programs_where_it_is_in_one_object() {
    let home = Home::new();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "-o",
        "json",
    ];
    let mut running = Running::start(home.command(&arguments));
    let ready: Value = serde_json::from_str(&running.line()).unwrap();
    assert!(
        ready["adminApi"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:"),
        "{ready}"
    );
    assert!(ready["health"].as_str().unwrap().ends_with("/healthz"), "{ready}");
    assert!(ready["docs"].as_str().unwrap().ends_with("/docs/"), "{ready}");
    let file = ready["adminTokenFile"].as_str().unwrap();
    assert!(
        file.starts_with(
            home.path()
                .join(".local/share/gatehouse/server")
                .to_str()
                .unwrap()
        ),
        "{ready}"
    );
}

#[test]
fn a_port_in_use_is_told_with_the_option_that_names_it() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for option in ["--listen", "--admin-listen"] {
        let other = if option == "--listen" {
            "--admin-listen"
        } else {
            "--listen"
        };
        let line = format!(
            "serve {option} {address} {other} {} --data-dir data-{option}",
            free_address()
        );
        let outcome = home.expect(&line.replace("data---", "data-"), 1);
        assert!(
            outcome
                .stderr
                .contains(&format!("port {} is in use", address.port())),
            "{}",
            outcome.stderr
        );
        assert!(
            outcome.stderr.contains(&format!("`{option} ADDRESS:PORT`")),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_data_folder_is_for_one_process() {
    let (home, _running) = with_control_plane();
    let outcome = home.expect(
        "serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir data",
        4,
    );
    assert!(
        outcome.stderr.contains("another gatehouse uses the data folder"),
        "{}",
        outcome.stderr
    );
}
