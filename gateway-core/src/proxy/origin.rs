//! Where a request really came from, if a proxy that is believed passed it on.

use std::net::{IpAddr, SocketAddr};

use gatehouse_schemas::policy::Network;
use http::{HeaderMap, HeaderName, header};

use crate::options::{ClientAddressHeader, GatewayOptions};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is believed, and where they say it.
#[derive(Debug, Default)]
pub(crate) struct TrustedProxies {
    networks: Vec<Network>,
    header: ClientAddressHeader,
}

impl TrustedProxies {
    pub(crate) fn of(options: &GatewayOptions) -> Self {
        Self {
            networks: options.trusted_proxies.clone(),
            header: options.client_address_header,
        }
    }

    /// Whether what comes from this address is believed.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The address a trusted peer passes a request on for: from the right, the first that is not a trusted proxy's.
    /// Each of them is there because the one to its right says so; behind one that cannot be read, nobody says anything.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        for text in self.hops(headers) {
            let Some(address) = address(text) else {
                break;
            };
            client = address;
            if !self.contain(address) {
                break;
            }
        }
        client
    }

    /// The addresses of the header, the nearest first.
    fn hops<'h>(&self, headers: &'h HeaderMap) -> Box<dyn Iterator<Item = &'h str> + 'h> {
        let values = |name: HeaderName| {
            let values = headers.get_all(name).iter().rev();
            values.flat_map(|value| value.to_str().unwrap_or("").rsplit(','))
        };
        match self.header {
            ClientAddressHeader::XForwardedFor => Box::new(values(FORWARDED_FOR)),
            ClientAddressHeader::Forwarded => Box::new(values(header::FORWARDED).map(forwarded_for)),
        }
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239); empty if there is none.
fn forwarded_for(element: &str) -> &str {
    let mut found = "";
    for pair in element.split(';') {
        if let Some((name, value)) = pair.split_once('=')
            && name.trim().eq_ignore_ascii_case("for")
        {
            found = value.trim().trim_matches('"');
        }
    }
    found
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse().ok(),
        None => text
            .parse()
            .ok()
            .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip())),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(header: ClientAddressHeader, values: &[&str]) -> String {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            header,
        };
        let mut headers = HeaderMap::new();
        let name = match header {
            ClientAddressHeader::XForwardedFor => FORWARDED_FOR,
            ClientAddressHeader::Forwarded => header::FORWARDED,
        };
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        let other = match header {
            ClientAddressHeader::XForwardedFor => header::FORWARDED,
            ClientAddressHeader::Forwarded => FORWARDED_FOR,
        };
        headers.insert(other, HeaderValue::from_static("for=6.6.6.6, 6.6.6.6"));
        proxies.client("10.0.0.1".parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_nearest_address_that_is_not_a_trusted_proxy_is_the_client() {
        for (values, expected) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.7"], "192.0.2.7"),
            (&["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
            (&["6.6.6.6, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (&["6.6.6.6", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["192.0.2.7:1234"], "192.0.2.7"),
            (&["[2001:db9::7]:1234"], "2001:db9::7"),
            (&["[2001:db9::7]"], "2001:db9::7"),
            (&["2001:db9::7, 2001:db8::1"], "2001:db9::7"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&["192.0.2.7, unknown"], "10.0.0.1"),
            (&["192.0.2.7, unknown, 10.0.0.9"], "10.0.0.9"),
            (&["192.0.2.7,"], "10.0.0.1"),
            (&["\u{fe}"], "10.0.0.1"),
        ] {
            assert_eq!(
                client(ClientAddressHeader::XForwardedFor, values),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn the_standard_header_says_the_same() {
        for (values, expected) in [
            (&["for=192.0.2.7"][..], "192.0.2.7"),
            (&["for=6.6.6.6, for=192.0.2.7;proto=https"], "192.0.2.7"),
            (
                &["proto=https;For=\"[2001:db9::7]:80\";by=10.0.0.1"],
                "2001:db9::7",
            ),
            (&["for=6.6.6.6", "for=192.0.2.7", "for=10.0.0.2"], "192.0.2.7"),
            (&["for=192.0.2.7, for=_hidden"], "10.0.0.1"),
            (&["for=192.0.2.7, proto=https"], "10.0.0.1"),
        ] {
            assert_eq!(
                client(ClientAddressHeader::Forwarded, values),
                expected,
                "{values:?}"
            );
        }
    }
}
