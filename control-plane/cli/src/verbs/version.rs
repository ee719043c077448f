//! `gatehouse version`: which program this is.

use serde::Serialize;

use crate::{exit::Exit, screen::Screen};

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

pub(super) fn run(screen: Screen) -> anyhow::Result<Exit> {
    let version = Version {
        version: env!("CARGO_PKG_VERSION"),
    };
    let text = format!("gatehouse {}\n", version.version);
    screen.show(&version, &[format!("version/{}", version.version)], || text)?;
    Ok(Exit::Ok)
}
