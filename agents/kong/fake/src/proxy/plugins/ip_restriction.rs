//! `ip-restriction`: only some addresses, or all but some.

use std::net::IpAddr;
use std::ops::ControlFlow;

use ipnet::IpNet;
use serde::Deserialize;

use super::{Plugin, or_default};
use crate::proxy::answer::Answer;
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;

/// Settings of `ip-restriction`.
#[derive(Debug, Deserialize)]
pub(super) struct IpRestriction {
    #[serde(default, deserialize_with = "or_default")]
    allow: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    deny: Vec<String>,
    status: Option<u16>,
    message: Option<String>,
}

impl Plugin for IpRestriction {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        let address = exchange.peer.ip();
        let denied = is_among(&self.deny, address);
        if !denied && (self.allow.is_empty() || is_among(&self.allow, address)) {
            return ControlFlow::Continue(());
        }
        let message = self
            .message
            .clone()
            .unwrap_or_else(|| format!("IP address not allowed: {address}"));
        ControlFlow::Break(Answer::error(
            self.status.unwrap_or(403),
            &message,
            &exchange.request_id,
        ))
    }
}

fn is_among(networks: &[String], address: IpAddr) -> bool {
    let network = |text: &String| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
    };
    networks
        .iter()
        .filter_map(|text| network(text).ok())
        .any(|network| network.contains(&address))
}
