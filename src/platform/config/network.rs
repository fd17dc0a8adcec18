//! An address or a network in a setting: `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`.

use std::net::IpAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Separated by commas; none for anything that is no address or network.
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
            None => most,
        };
        Some(Self { address, bits })
    }

    /// `address` as `IpAddr::to_canonical` gives it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - self.bits;
                u32::from(own).checked_shr(shift) == u32::from(other).checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - self.bits;
                u128::from(own).checked_shr(shift) == u128::from(other).checked_shr(shift)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_only() {
        let list = Network::parse_list("127.0.0.1, 10.0.0.0/8,fd00::/8,").unwrap();
        let holds = |address: &str| list.iter().any(|n| n.contains(address.parse().unwrap()));
        assert!(holds("127.0.0.1") && holds("10.255.0.1") && holds("fd12::1"));
        assert!(!holds("127.0.0.2") && !holds("11.0.0.1") && !holds("fe80::1") && !holds("::1"));
        let everybody = Network::parse_list("0.0.0.0/0").unwrap();
        assert!(everybody[0].contains("203.0.113.9".parse().unwrap()));
        for wrong in ["10.0.0.0/33", "::/129", "example.org", "10.0.0/8", "10.0.0.1:80"] {
            assert_eq!(Network::parse_list(wrong), None, "{wrong}");
        }
    }
}
