//! `gatehouse whoami`: who one is to the control plane.

use gatehouse_control_plane_api::client::Client;

use crate::{exit::Exit, listed::word, screen::Screen};

pub(super) async fn run(client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let answer = client.whoami().await?;
    screen.show(&answer, &[format!("token/{}", answer.name)], || {
        format!(
            "{} with role {} at {} (version {})\n",
            answer.name,
            word(&answer.role),
            client.server().as_str().trim_end_matches('/'),
            answer.server_version
        )
    })?;
    Ok(Exit::Ok)
}
