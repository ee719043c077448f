//! What can be asked of the agent that acts in an environment: what its connector declares, and what the protocol that
//! was agreed with it has words for. Whatever it lacks is refused before it is offered to people or recorded.

use std::fmt;

use crate::{
    descriptor::{Capabilities, Descriptor},
    desired::DesiredApi,
    identity::ResourceName,
};

/// The first protocol of the Agent API with tasks, and with everything that came with them: plans, steps,
/// observations, the inventory, going on with an interrupted discovery.
pub const PROTOCOL_WITH_TASKS: u32 = 2;

/// Something that people, or a schedule, ask of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Bring an API there, or bring it up to date.
    Deploy,
    /// Take an API off.
    Undeploy,
    /// Work out what a deploy would change.
    PlanDeploy,
    /// Work out what taking an API off would change.
    PlanUndeploy,
    /// Go back to an earlier revision, or put back what was changed on the gateway, under an approved plan.
    PlanRollback,
    /// Take over an object that somebody else made, in place.
    Adopt,
    /// Put back what was changed on the gateway.
    Revert,
    /// Keep what was changed on the gateway, as it was seen.
    AdoptDrift,
    /// Look whether what is there is still what was deployed.
    Observe,
    /// List what is there.
    Discover,
    /// Look whether gateway and credential are good.
    Check,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Deploy,
        Self::Undeploy,
        Self::PlanDeploy,
        Self::PlanUndeploy,
        Self::PlanRollback,
        Self::Adopt,
        Self::Revert,
        Self::AdoptDrift,
        Self::Observe,
        Self::Discover,
        Self::Check,
    ];

    /// The capabilities it takes, by name, each with how to read it.
    fn needs(self) -> &'static [Need] {
        match self {
            Self::Deploy | Self::Revert | Self::AdoptDrift => &[DEPLOY],
            Self::Undeploy => &[UNDEPLOY],
            Self::PlanDeploy | Self::PlanRollback => &[DEPLOY, OBSERVE],
            Self::PlanUndeploy => &[UNDEPLOY, OBSERVE],
            Self::Adopt => &[DEPLOY, OBSERVE, ADOPT],
            Self::Observe => &[OBSERVE],
            Self::Discover => &[DISCOVER],
            Self::Check => &[CHECK],
        }
    }

    fn protocol(self) -> u32 {
        match self {
            Self::Deploy | Self::Undeploy | Self::Revert | Self::Discover => 1,
            Self::PlanDeploy
            | Self::PlanUndeploy
            | Self::PlanRollback
            | Self::Adopt
            | Self::AdoptDrift
            | Self::Observe
            | Self::Check => PROTOCOL_WITH_TASKS,
        }
    }

    /// As it goes on after "cannot".
    fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "be deployed to",
            Self::Undeploy => "have an API taken off",
            Self::PlanDeploy | Self::PlanUndeploy => "be planned for",
            Self::PlanRollback => "be rolled back under a plan",
            Self::Adopt => "have an API adopted in place",
            Self::Revert => "have a change on the gateway put back",
            Self::AdoptDrift => "have a change on the gateway kept",
            Self::Observe => "be looked at for drift",
            Self::Discover => "be discovered",
            Self::Check => "be checked",
        }
    }

    /// What people can do instead of it.
    fn instead(self) -> &'static str {
        match self {
            Self::Deploy | Self::PlanDeploy | Self::PlanRollback => {
                "deploy to an environment of a gateway type that can be written"
            }
            Self::Undeploy | Self::PlanUndeploy => "remove the API on the gateway itself",
            Self::Adopt => {
                "deploy the API beside it under another base path, and remove the old one on the gateway itself"
            }
            Self::Revert | Self::AdoptDrift => "change it on the gateway itself",
            Self::Observe => "deploy again what may have drifted",
            Self::Discover => "write its APIs as documents, and give them with `gatehouse apply`",
            Self::Check => "the first deploy or discovery shows whether gateway and credential are good",
        }
    }
}

/// A capability by its name in the descriptor, and how to read it.
type Need = (&'static str, fn(&Capabilities) -> bool);

const DEPLOY: Need = ("deploy", |capabilities| capabilities.deploy);
const UNDEPLOY: Need = ("undeploy", |capabilities| capabilities.undeploy);
const OBSERVE: Need = ("observe", |capabilities| capabilities.observe);
const DISCOVER: Need = ("discover", |capabilities| capabilities.discover);
const CHECK: Need = ("check", |capabilities| capabilities.check);
const ADOPT: Need = ("adopt", |capabilities| capabilities.adopt);

/// The agent that acts in an environment: it holds the lease or, if nobody does, was the last to open a session.
#[derive(Debug, Clone, Copy)]
pub struct Acting<'a> {
    /// The environment's name.
    pub environment: &'a ResourceName,
    /// The agent's name.
    pub agent: &'a str,
    /// The protocol that was agreed with it.
    pub protocol: u32,
    /// What its connector said of itself.
    pub descriptor: &'a Descriptor,
}

impl<'a> Acting<'a> {
    /// What is lacking for an action; none if it can be asked for.
    pub fn lacks(&self, action: Action) -> Option<Inability<'a>> {
        let mut needs = action.needs().iter();
        let undeclared = needs.find(|(_, has)| !has(&self.descriptor.capabilities));
        let lack = match undeclared {
            Some((name, _)) => Lack::Capability(name),
            None if self.protocol < action.protocol() => Lack::Protocol(action.protocol()),
            None => return None,
        };
        Some(Inability {
            acting: *self,
            action,
            lack,
        })
    }

    /// Why a gateway cannot hold an API beside `others` that are there already, as far as its limits are declared; a
    /// sentence that says what to do.
    pub fn exceeds(&self, desired: &DesiredApi, others: u64) -> Option<String> {
        let limits = &self.descriptor.capabilities.limits;
        let (api, operations) = (&desired.mark.api_name, desired.content.operations.len() as u64);
        let over = |number: u64, limit: Option<u32>| limit.filter(|limit| number > u64::from(*limit));
        if let Some(limit) = over(operations, limits.operations_per_api) {
            return Some(format!(
                "api `{api}` has {operations} operations, and {} takes at most {limit} of one API; split the API, or deploy it \
                 to a gateway that takes more",
                self.place()
            ));
        }
        let limit = over(others + 1, limits.apis)?;
        Some(format!(
            "{others} APIs are deployed there already, and {} takes at most {limit}; undeploy one that is not needed before \
             `{api}` is deployed, or deploy it elsewhere",
            self.place()
        ))
    }

    fn place(&self) -> String {
        format!(
            "the gateway of environment `{}` (gateway type `{}`, connector version {})",
            self.environment, self.descriptor.gateway_type, self.descriptor.version
        )
    }
}

/// What is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The connector does not declare this capability.
    Capability(&'static str),
    /// It takes this protocol.
    Protocol(u32),
}

/// Why an action cannot be asked for, in a sentence that says what to do.
#[derive(Debug, Clone, Copy)]
pub struct Inability<'a> {
    acting: Acting<'a>,
    action: Action,
    /// What is lacking.
    pub lack: Lack,
}

impl fmt::Display for Inability<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Acting {
            environment,
            agent,
            protocol,
            descriptor,
        } = self.acting;
        let (gateway_type, version) = (&descriptor.gateway_type, &descriptor.version);
        let what = self.action.as_str();
        let told = match self.lack {
            Lack::Capability(name) => format!(
                "environment `{environment}` cannot {what}: its agent `{agent}` (gateway type `{gateway_type}`, connector \
                 version {version}) does not declare the capability `{name}`; {}",
                self.action.instead()
            ),
            Lack::Protocol(needed) => format!(
                "environment `{environment}` cannot {what}: its agent `{agent}` (gateway type `{gateway_type}`, connector \
                 version {version}) speaks protocol {protocol}, and that takes protocol {needed}; update the agent"
            ),
        };
        formatter.write_str(&told)
    }
}

#[cfg(test)]
mod tests;
