//! `ip.filter`: who may call by the address of the connection.

use std::net::IpAddr;

use gatehouse_schemas::policy::{IpFilterPolicy, Network};
use prefix_trie::PrefixSet;

use crate::proxy::problem::Problem;

/// The networks of one policy.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// Whether no network is named that may call.
    allows_all: bool,
    allow: Networks,
    deny: Networks,
}

/// A set of networks. Whether an address is in it takes as many steps as the address has bits, divided by five,
/// however many networks there are.
#[derive(Debug, Default)]
struct Networks {
    v4: PrefixSet<(u32, u8)>,
    v6: PrefixSet<(u128, u8)>,
}

impl Networks {
    fn read(texts: &[String]) -> Result<Self, String> {
        let mut networks = Self::default();
        for text in texts {
            let network: Network = text.parse()?;
            match network.address() {
                IpAddr::V4(address) => networks.v4.insert((address.to_bits(), network.prefix())),
                IpAddr::V6(address) => networks.v6.insert((address.to_bits(), network.prefix())),
            };
        }
        Ok(networks)
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.is_covered(&(address.to_bits(), 32)),
            IpAddr::V6(address) => self.v6.is_covered(&(address.to_bits(), 128)),
        }
    }
}

impl Addresses {
    /// Compiles the policy; a network that cannot be read is an error.
    pub(crate) fn compile(policy: &IpFilterPolicy) -> Result<Self, String> {
        if policy.allow.is_empty() && policy.deny.is_empty() {
            return Err("it neither allows nor denies a network".to_owned());
        }
        Ok(Self {
            allows_all: policy.allow.is_empty(),
            allow: Networks::read(&policy.allow)?,
            deny: Networks::read(&policy.deny)?,
        })
    }

    /// Refuses an address that is denied, or that is not allowed where some are.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Problem> {
        let allowed = self.allows_all || self.allow.contains(address);
        match allowed && !self.deny.contains(address) {
            true => Ok(()),
            false => Err(Problem::forbidden("This API cannot be called from this address.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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

    proptest! {
        #[test]
        fn a_set_holds_what_one_of_its_networks_holds(
            networks in prop::collection::vec((any::<bool>(), any::<u128>(), 0..=128_u8), 1..60),
            addresses in prop::collection::vec((any::<bool>(), any::<u128>()), 1..60),
        ) {
            // Few first bits, so that addresses and networks meet.
            let address = |v6: bool, bits: u128| -> IpAddr {
                let bits = bits & (u128::MAX >> 3);
                match v6 {
                    true => IpAddr::from(bits.to_be_bytes()),
                    #[allow(clippy::cast_possible_truncation, reason = "the first 32 of 128 bits")]
                    false => IpAddr::from(((bits >> 96) as u32).to_be_bytes()),
                }
            };
            let network = |(v6, bits, prefix): (bool, u128, u8)| {
                let prefix = if v6 { prefix } else { prefix / 4 };
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                format!("{}/{prefix}", address(v6, bits & mask))
            };
            let texts: Vec<String> = networks.into_iter().map(network).collect();
            // Some spell an IPv4 network in IPv6, and those are another matter.
            let texts: Vec<String> = texts.into_iter().filter(|text| text.parse::<Network>().is_ok()).collect();
            let set = Networks::read(&texts).expect("networks");
            for (v6, bits) in addresses {
                let address = address(v6, bits);
                let held = texts.iter().any(|text| text.parse::<Network>().expect("a network").contains(address));
                prop_assert_eq!(set.contains(address), held, "{} {:?}", address, &texts);
            }
        }
    }

    #[test]
    fn ten_thousand_networks_are_told_apart() {
        let texts: Vec<String> = (0..10_000_u32)
            .map(|number| format!("10.{}.{}.0/25", number / 256, number % 256))
            .collect();
        let set = Networks::read(&texts).expect("networks");
        for number in 0..10_000_u32 {
            let address = |last: u32| -> IpAddr {
                format!("10.{}.{}.{last}", number / 256, number % 256)
                    .parse()
                    .expect("an address")
            };
            assert!(
                set.contains(address(127)) && !set.contains(address(128)),
                "{number}"
            );
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
