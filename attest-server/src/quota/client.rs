//! Whose address a request counts against.
//!
//! The peer of the connection, or, when that is a trusted proxy, what the proxy says of it in `X-Forwarded-For`: the
//! rightmost address there that is not itself a trusted proxy. Anything further to the left was written by the client and
//! is not looked at. IPv6 counts by /64, the smallest network that one subscriber is given.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// One subscriber, as far as addresses tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// An IPv4 address.
    V4(u32),
    /// An IPv6 network of 64 bits.
    V6(u64),
}

/// The proxies that are believed about who they speak for.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(address) => std::net::Ipv4Addr::from_bits(*address).fmt(f),
            Self::V6(network) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*network) << 64)),
        }
    }
}

impl TrustedProxies {
    /// These networks.
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whose connection this is; `None` where it is not counted: this machine's own, and a trusted proxy's, which speaks
    /// for many.
    pub fn connection(&self, peer: IpAddr) -> Option<Client> {
        (!peer.to_canonical().is_loopback() && !self.contains(peer)).then(|| Client::of(peer))
    }

    /// Whose request this is; `None` where it is not counted: this machine's own.
    pub fn request(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Client> {
        if self.contains(peer) {
            return Some(Client::of(self.forwarded(peer, headers)));
        }
        self.connection(peer)
    }

    /// Walks from the proxy that is nearest towards the client. What does not parse ends the walk: nobody vouches for what
    /// is beyond it.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        let values = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>();
        let hops = values.into_iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            let Some(address) = parse(hop) else { break };
            nearest = address;
            if !self.contains(address) {
                break;
            }
        }
        nearest
    }
}

/// An address, some proxies add the port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(trusted: &[&str], peer: &str, forwarded: &[&str]) -> Option<String> {
        let proxies = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        proxies.request(peer.parse().unwrap(), &headers).map(|client| client.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_says_who_it_speaks_for() {
        let proxy = ["10.0.0.0/8"];
        for (peer, forwarded, expected) in [
            // Nobody else is believed.
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What the client wrote itself is to the left.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["127.0.0.1, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),
            ("10.0.0.1", &["garbage, 198.51.100.7"], "198.51.100.7"),
            // Nothing usable: the proxy's clients share one place.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, garbage"], "10.0.0.1"),
            ("10.0.0.1", &[","], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, garbage, 10.2.3.4"], "10.2.3.4"),
            ("10.0.0.1", &["10.9.9.9"], "10.9.9.9"),
            // Forms.
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8:1:2:3::4]:4711"], "2001:db8:1:2::/64"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(whose(&proxy, peer, forwarded).as_deref(), Some(expected), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client_with_all_its_addresses() {
        let one = whose(&[], "2001:db8:1:2::1", &[]);
        assert_eq!(one, whose(&[], "2001:db8:1:2:ffff:ffff:ffff:ffff", &[]));
        assert_ne!(one, whose(&[], "2001:db8:1:3::1", &[]));
    }

    #[test]
    fn this_machine_is_not_counted_unless_it_is_a_proxy() {
        assert_eq!(whose(&[], "127.0.0.1", &["198.51.100.7"]), None);
        assert_eq!(whose(&[], "::1", &[]), None);
        let proxy = ["127.0.0.0/8"];
        assert_eq!(whose(&proxy, "127.0.0.1", &["198.51.100.7"]).as_deref(), Some("198.51.100.7"));
        // Not even then can a client pass for this machine.
        assert_eq!(whose(&proxy, "127.0.0.1", &["127.0.0.1"]).as_deref(), Some("127.0.0.1"));
    }
}
