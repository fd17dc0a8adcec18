//! Where messages may go: to public addresses, over TLS. Else whoever sets a webhook up could have this server speak to
//! the machines behind its own walls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is wrong with the address of a webhook: a code and words.
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, (&'static str, &'static str)> {
    let url = Url::parse(text).map_err(|_| ("malformed", "is no address like https://example.org/hook"))?;
    let is_safe = url.scheme() == "https" || (allow_private && url.scheme() == "http");
    if !is_safe {
        return Err(("not_https", "does not begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(("malformed", "holds a user, a password or a fragment"));
    }
    let literal = url.host_str().and_then(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().ok()
    });
    if url.host_str().is_none_or(str::is_empty) {
        return Err(("malformed", "names no host"));
    }
    if !allow_private && literal.is_some_and(|address| !is_public(address)) {
        return Err(("not_public", "is no public address"));
    }
    Ok(url)
}

/// Resolves names to public addresses only. The connection goes to what was checked: there is no second look-up.
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// A client that follows no redirect, asks no proxy, and speaks to nobody behind our walls.
pub fn client(timeout: std::time::Duration, allow_private: bool) -> reqwest::Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("zhibu/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout);
    if !allow_private {
        client = client.dns_resolver(Arc::new(PublicOnly));
    }
    client.build()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocol = a == 192 && b == 0;
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || is_shared
        || is_protocol
        || is_benchmark
        || a == 0
        || a >= 240)
}

/// What is in the global range and not set aside for examples.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0x0db8 || second < 0x0200))
}

/// An IPv4 address in the clothes of IPv6: mapped, translated (64:ff9b::/96) or tunnelled (2002::/16).
fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = v6.to_ipv4_mapped() {
        return Some(mapped);
    }
    let [first, second, third, .., high, low] = v6.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (first, second) {
        (0x0064, 0xff9b) => Some(join(high, low)),
        (0x2002, _) => Some(join(second, third)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_behind_our_walls_is_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "114.114.114.114",
            "2400:3200::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn an_address_is_https_public_and_nothing_but_an_address() {
        let fault = |text: &str| check_url(text, false).map(|_| ()).map_err(|(code, _)| code);
        assert_eq!(fault("https://example.org/hook?x=1"), Ok(()));
        assert_eq!(fault("http://example.org/"), Err("not_https"));
        assert_eq!(fault("ftp://example.org/"), Err("not_https"));
        assert_eq!(fault("https://user:secret@example.org/"), Err("malformed"));
        assert_eq!(fault("https://example.org/#part"), Err("malformed"));
        assert_eq!(fault("nonsense"), Err("malformed"));
        for private in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://169.254.169.254/latest",
        ] {
            assert_eq!(fault(private), Err("not_public"), "{private}");
        }
        assert!(check_url("http://127.0.0.1:8/hook", true).is_ok());
    }
}
