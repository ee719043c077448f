//! Boundaries: the messages between processes, at which a crash can happen.
//!
//! Whatever a process does before it sends a message it may have done when it dies, and whatever it does after it
//! received the answer it may not have done. So killing each process before and after each message covers every order
//! in which a crash can leave the others.

use std::fmt;

/// Between whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hop {
    /// People and agents to the control plane.
    ControlPlane,
    /// The agent to the vendor.
    Vendor,
}

/// One message of a run, told from others by what it says and how often that was said before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// Between whom.
    pub hop: Hop,
    /// Method and path, without identities: `POST /agent/v1/deployments/*/status`.
    pub label: String,
    /// Which of those with this label, from 1.
    pub occurrence: u32,
}

impl fmt::Display for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} #{}", self.label, self.occurrence)
    }
}

/// When, as seen from the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It was sent, and the receiver has not seen it.
    Before,
    /// The receiver has done what it says, and the sender has not heard so.
    After,
}

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The agent.
    Agent,
    /// The control plane.
    ControlPlane,
}

/// A crash at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crash {
    /// At which message.
    pub message: Message,
    /// Before or after it.
    pub side: Side,
    /// Who dies.
    pub victim: Victim,
}

impl fmt::Display for Crash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let victim = match self.victim {
            Victim::Agent => "the agent",
            Victim::ControlPlane => "the control plane",
        };
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        write!(formatter, "{victim} dies {side} {}", self.message)
    }
}

/// Every crash at these messages: each process, before and after each.
///
/// Of a long poll that brings work, only the time after it is a place of its own: before it, nothing has happened.
pub fn crashes(messages: &[Message]) -> Vec<Crash> {
    let mut crashes = Vec::new();
    for message in messages {
        for side in [Side::Before, Side::After] {
            if side == Side::Before && message.label.ends_with(WITH_NEWS) {
                continue;
            }
            for victim in [Victim::Agent, Victim::ControlPlane] {
                crashes.push(Crash {
                    message: message.clone(),
                    side,
                    victim,
                });
            }
        }
    }
    crashes
}

/// What stands behind the label of a long poll that brought something.
pub const WITH_NEWS: &str = " (with news)";

/// Method and path with identities taken out: path segments that hold a digit, or that stand behind a collection.
pub fn label(method: &str, path: &str) -> String {
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| if is_identity(segment) { "*" } else { segment })
        .collect();
    format!("{method} {}", segments.join("/"))
}

fn is_identity(segment: &str) -> bool {
    let version = segment.len() == 2 && segment.starts_with('v');
    !version && segment.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_no_identities() {
        let path = "/agent/v1/deployments/01890a5d-ac96-774b-bcce-b302099a8057/status";
        assert_eq!(label("POST", path), "POST /agent/v1/deployments/*/status");
        assert_eq!(label("GET", "/api/v1/plans"), "GET /api/v1/plans");
    }

    #[test]
    fn every_message_is_a_place_to_die_at_twice_for_each_process() {
        let message = |label: &str| Message {
            hop: Hop::Vendor,
            label: label.to_owned(),
            occurrence: 1,
        };
        assert_eq!(crashes(&[message("PUT /x"), message("POST /y")]).len(), 8);
        assert_eq!(crashes(&[message("GET /agent/v1/work (with news)")]).len(), 2);
    }
}
