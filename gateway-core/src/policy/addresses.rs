//! `ip.filter`: who may call by the address of the connection.

use std::net::IpAddr;

use gatehouse_schemas::policy::{IpFilterPolicy, Network};

use crate::proxy::problem::Problem;

/// The networks of one policy.
#[derive(Debug)]
pub(crate) struct Addresses {
    allow: Vec<Network>,
    deny: Vec<Network>,
}

impl Addresses {
    /// Compiles the policy; a network that cannot be read is an error.
    pub(crate) fn compile(policy: &IpFilterPolicy) -> Result<Self, String> {
        if policy.allow.is_empty() && policy.deny.is_empty() {
            return Err("it neither allows nor denies a network".to_owned());
        }
        let networks = |texts: &[String]| texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        Ok(Self {
            allow: networks(&policy.allow)?,
            deny: networks(&policy.deny)?,
        })
    }

    /// Refuses an address that is denied, or that is not allowed where some are.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let allowed = self.allow.is_empty() || within(&self.allow);
        match allowed && !within(&self.deny) {
            true => Ok(()),
            false => Err(Problem::forbidden("This API cannot be called from this address.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn denied_outranks_allowed_and_nothing_allowed_means_all() {
        for (policy, address, admitted) in [
            (json!({"allow": ["10.0.0.0/8"]}), "10.1.2.3", true),
            (json!({"allow": ["10.0.0.0/8"]}), "::ffff:10.1.2.3", true),
            (json!({"allow": ["10.0.0.0/8"]}), "11.0.0.1", false),
            (json!({"allow": ["10.0.0.0/8"]}), "2001:db8::1", false),
            (
                json!({"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}),
                "10.1.2.3",
                false,
            ),
            (json!({"deny": ["2001:db8::/32"]}), "2001:db8::1", false),
            (json!({"deny": ["2001:db8::/32"]}), "2001:db9::1", true),
            (json!({"deny": ["2001:db8::/32"]}), "10.0.0.1", true),
        ] {
            let compiled = Addresses::compile(&serde_json::from_value(policy.clone()).expect("a policy"));
            let checked = compiled
                .expect("it compiles")
                .check(address.parse().expect("an address"));
            assert_eq!(checked.is_ok(), admitted, "{policy} {address}");
        }
    }

    #[test]
    fn what_names_no_network_does_not_compile() {
        for policy in [
            json!({}),
            json!({"allow": ["10.0.0.1/8"]}),
            json!({"deny": ["a"]}),
        ] {
            Addresses::compile(&serde_json::from_value(policy).expect("a policy")).expect_err("refused");
        }
    }
}
