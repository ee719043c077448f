//! Where each gateway type's agent stands with its control plane.

use std::collections::BTreeMap;

use gatehouse_schemas::identity::GatewayType;

/// Where an agent stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Session {
    /// It has not connected yet.
    NotYet,
    /// It has a session.
    Up,
    /// It has none, for this reason, and comes back by itself.
    Down(String),
    /// It ended, for this reason, and does not come back.
    Ended(String),
}

impl Session {
    /// Whether there is one.
    pub(crate) fn is_up(&self) -> bool {
        *self == Self::Up
    }

    fn explained(&self) -> String {
        match self {
            Self::NotYet => "it has not connected yet".to_owned(),
            Self::Up => "connected".to_owned(),
            Self::Down(reason) => format!("it has no session and comes back by itself: {reason}"),
            Self::Ended(reason) => format!("it ended and is not started again: {reason}"),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    of: BTreeMap<GatewayType, Session>,
}

impl Sessions {
    /// Takes in where an agent stands.
    pub(crate) fn set(&mut self, gateway_type: &GatewayType, session: Session) {
        self.of.insert(gateway_type.clone(), session);
    }

    /// Each gateway type's.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&GatewayType, &Session)> {
        self.of.iter()
    }

    /// Whether all are up; if not, a line for each gateway type.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        if self.of.is_empty() {
            return Err("no gateway type is served\n".to_owned());
        }
        if self.of.values().all(Session::is_up) {
            return Ok(());
        }
        let line = |(gateway_type, session): (&GatewayType, &Session)| {
            format!("{gateway_type}: {}\n", session.explained())
        };
        Err(self.of.iter().map(line).collect())
    }
}
