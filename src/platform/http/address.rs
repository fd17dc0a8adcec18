//! Which address a request counts for: the peer's, or the one its trusted proxies tell.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpRequest;

use crate::platform::config::Network;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address as a key for counting: IPv4 whole, IPv6 by its /64, which is what one customer has.
pub fn client_address(request: &HttpRequest, trusted: &[Network]) -> String {
    let Some(peer) = request.peer_addr() else {
        return "unknown".to_owned();
    };
    let headers = request.headers().get_all(FORWARDED_FOR);
    let forwarded: Vec<&str> = headers.filter_map(|value| value.to_str().ok()).collect();
    let peer = peer.ip().to_canonical();
    if !forwarded.is_empty() && trusted.is_empty() && (peer.is_loopback() || is_private(peer)) {
        warn_once(peer);
    }
    key_of(origin(peer, &forwarded, trusted))
}

/// From right to left, as long as whoever wrote an entry is trusted: what stands further left, anybody can invent.
fn origin(peer: IpAddr, forwarded: &[&str], trusted: &[Network]) -> IpAddr {
    let mut origin = peer;
    let entries = forwarded
        .iter()
        .rev()
        .flat_map(|header| header.rsplit(',').map(str::trim));
    for entry in entries {
        if !trusted.iter().any(|network| network.contains(origin)) {
            break;
        }
        let Some(address) = parse(entry) else { break };
        origin = address;
    }
    origin
}

/// With a port or without.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare
        .parse()
        .or_else(|_| entry.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

fn key_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            format!("{}/64", std::net::Ipv6Addr::from(network))
        }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

fn warn_once(peer: IpAddr) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(%peer, "a proxy forwards requests but server.trusted_proxies does not name it: all its clients count as one address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &str) -> String {
        let trusted = Network::parse_list(trusted).unwrap();
        key_of(origin(peer.parse().unwrap(), forwarded, &trusted))
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_from_right_to_left() {
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], ""), "192.0.2.1");
        assert_eq!(seen("192.0.2.1", &["203.0.113.9"], "10.0.0.0/8"), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.9"], "10.0.0.0/8"), "203.0.113.9");
        // The client invented the left one; two proxies of ours wrote the rest.
        let chain = ["198.51.100.7, 203.0.113.9", "10.0.0.2"];
        assert_eq!(seen("10.0.0.1", &chain, "10.0.0.0/8"), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", &["rubbish"], "10.0.0.0/8"), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[], "10.0.0.0/8"), "10.0.0.1");
        for entry in ["203.0.113.9:4711", "::ffff:203.0.113.9"] {
            assert_eq!(seen("10.0.0.1", &[entry], "10.0.0.1"), "203.0.113.9", "{entry}");
        }
        for entry in ["2001:db8:1:2:3::4", "[2001:db8:1:2::9]", "[2001:db8:1:2::9]:80"] {
            assert_eq!(
                seen("10.0.0.1", &[entry], "10.0.0.1"),
                "2001:db8:1:2::/64",
                "{entry}"
            );
        }
    }
}
