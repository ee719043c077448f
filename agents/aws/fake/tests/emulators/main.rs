//! The servers that others wrote start, answer, stay on this machine, and end with whoever started them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot do its work stops"
)]

mod importing;

use std::path::Path;

use gatehouse_fake_aws::emulators::Emulator;

#[tokio::test]
async fn localstack_starts_on_loopback_and_ends_with_its_owner() {
    starts_and_ends(Emulator::LocalStack).await;
}

#[tokio::test]
async fn ministack_starts_on_loopback_and_ends_with_its_owner() {
    starts_and_ends(Emulator::MiniStack).await;
}

async fn starts_and_ends(emulator: Emulator) {
    let Some(running) = emulator.start().await.unwrap() else {
        return;
    };
    let port = running.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(
        listeners(port),
        ["0100007F"],
        "it listens on loopback, and nowhere else"
    );
    let id = running.id();
    drop(running);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

/// The addresses, as Linux writes them, at which somebody listens at the port.
fn listeners(port: u16) -> Vec<String> {
    let port = format!("{port:04X}");
    let table =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let lines = table.iter().flat_map(|text| text.lines().skip(1));
    let mut found: Vec<String> = lines
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (address, at) = fields[1].split_once(':')?;
            (at == port && fields[3] == "0A").then(|| address.to_owned())
        })
        .collect();
    found.dedup();
    found
}
