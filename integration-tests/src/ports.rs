//! Free ports for processes that are restarted at the same address.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

/// Below the range from which Linux takes the ports of outgoing connections, so that none of those takes one
/// between the end of a process and the start of the next.
const FIRST: u64 = 20_000;
const COUNT: u64 = 12_000;

/// A loopback address that nobody listens at now.
pub fn free_address() -> SocketAddr {
    loop {
        let offset = RandomState::new().build_hasher().finish() % COUNT;
        let port = u16::try_from(FIRST + offset).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
