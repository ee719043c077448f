//! Networks of addresses (RFC 4632, RFC 4291): read, written and asked in one way everywhere.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// All addresses that begin with the same bits. An IPv4 address that is written within IPv6 is an IPv4 address.
///
/// ```
/// use gatehouse_schemas::policy::Network;
///
/// let network: Network = "10.0.0.0/8".parse().unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("11.0.0.1".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// With how many bits of that address all its addresses begin.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a network or address: write `10.0.0.0/8`, `192.0.2.7` or `2001:db8::/32`"
            )
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(length(prefix).ok_or_else(wrong)?)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| wrong())?;
        let (address, prefix) = canonical(written, prefix.unwrap_or(bits(written))).ok_or_else(wrong)?;
        let network = Self {
            address: masked(address, prefix),
            prefix,
        };
        if network.address != address {
            return Err(format!(
                "`{text}` has bits set behind its prefix; for the whole network write `{network}`"
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// Digits only, without leading zeros.
fn length(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text == "0" || !text.starts_with('0');
    (digits && plain).then(|| text.parse().ok()).flatten()
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// An IPv4 network that is written within IPv6 has 96 bits less.
fn canonical(address: IpAddr, prefix: u8) -> Option<(IpAddr, u8)> {
    if prefix > bits(address) {
        return None;
    }
    match (address.to_canonical(), address) {
        (inner @ IpAddr::V4(_), IpAddr::V6(_)) => prefix.checked_sub(96).map(|prefix| (inner, prefix)),
        _ => Some((address, prefix)),
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(prefix.min(128)))
                .unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_network_holds_exactly_the_addresses_that_begin_like_it() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"),
        ] {
            let network = network(text);
            assert!(
                network.contains(inside.parse().expect("an address")),
                "{text} {inside}"
            );
            assert!(
                !network.contains(outside.parse().expect("an address")),
                "{text} {outside}"
            );
        }
    }

    #[test]
    fn a_network_has_one_spelling() {
        for (written, canonical) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
        ] {
            assert_eq!(network(written).to_string(), canonical);
            assert_eq!(network(canonical).to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_to_write() {
        for (text, words) in [
            ("10.0.0.1/8", "for the whole network write `10.0.0.0/8`"),
            ("10.0.0.0/33", "is not a network"),
            ("10.0.0.0/08", "is not a network"),
            ("10.0.0.0/+8", "is not a network"),
            ("10.0.0/8", "is not a network"),
            ("::ffff:0.0.0.0/95", "is not a network"),
            ("example.com", "is not a network"),
            ("", "is not a network"),
        ] {
            let error = text.parse::<Network>().expect_err(text);
            assert!(error.contains(words), "{error}");
        }
    }
}
