//! An address with its network: both versions as one number, and what can be asked about it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::value::Value;

/// What `ipaddr` can be asked for.
pub(super) const QUERIES: [&str; 36] = [
    "address",
    "bool",
    "broadcast",
    "cidr",
    "first_usable",
    "gateway",
    "gw",
    "host",
    "host/prefix",
    "hostmask",
    "int",
    "ip",
    "ip/prefix",
    "ip_netmask",
    "ipv4",
    "ipv6",
    "last_usable",
    "link-local",
    "loopback",
    "multicast",
    "net",
    "netmask",
    "network",
    "network/prefix",
    "network_netmask",
    "network_wildcard",
    "next_usable",
    "prefix",
    "previous_usable",
    "private",
    "public",
    "range_usable",
    "revdns",
    "size",
    "subnet",
    "type",
];

/// An address and the size of its network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    is_v6: bool,
    pub(super) ip: u128,
    pub(super) prefix: u8,
    /// A prefix was written.
    has_prefix: bool,
}

impl Network {
    /// `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fe80::1/64`, or a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        let (is_v6, ip) = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => (false, u128::from(u32::from(ip))),
            Ok(IpAddr::V6(ip)) => (true, u128::from(ip)),
            // A number of an address: small ones are IPv4.
            Err(_) => {
                let number = address.parse::<u128>().ok()?;
                (number > u128::from(u32::MAX), number)
            }
        };
        let bits: u8 = if is_v6 { 128 } else { 32 };
        let prefix = match mask {
            None => bits,
            Some(mask) => match mask.parse::<u8>() {
                Ok(prefix) if prefix <= bits => prefix,
                Ok(_) => return None,
                Err(_) => {
                    let mask = u32::from(mask.parse::<Ipv4Addr>().ok().filter(|_| !is_v6)?);
                    let ones = mask.leading_ones() as u8;
                    let inverse = (!mask).leading_ones() as u8;
                    match mask {
                        _ if mask.count_ones() == u32::from(ones) => ones,
                        _ if (!mask).count_ones() == u32::from(inverse) => inverse,
                        _ => return None,
                    }
                }
            },
        };
        Some(Self { is_v6, ip, prefix, has_prefix: mask.is_some() })
    }

    pub(super) fn version(&self) -> u8 {
        if self.is_v6 { 6 } else { 4 }
    }

    pub(super) fn bits(&self) -> u8 {
        if self.is_v6 { 128 } else { 32 }
    }

    fn host_mask(&self) -> u128 {
        let host_bits = u32::from(self.bits() - self.prefix);
        1_u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1)
    }

    /// The first address of the network.
    pub(super) fn first(&self) -> u128 {
        self.ip & !self.host_mask()
    }

    fn last(&self) -> u128 {
        self.ip | self.host_mask()
    }

    /// The network's first address, or the host's own.
    pub(super) fn first_of_host(&self) -> u128 {
        if self.is_network() { self.first() } else { self.ip }
    }

    pub(super) fn last_of_host(&self) -> u128 {
        if self.is_network() { self.last() } else { self.ip }
    }

    pub(super) fn contains(&self, other: &Self) -> bool {
        self.is_v6 == other.is_v6
            && self.first() <= other.first_of_host()
            && other.last_of_host() <= self.last()
    }

    /// Whether it names a network and no host in it.
    fn is_network(&self) -> bool {
        self.prefix < self.bits() && self.ip == self.first()
    }

    /// First and last address that hosts can have.
    pub(super) fn usable(&self) -> Option<(u128, u128)> {
        match self.bits() - self.prefix {
            0 => None,
            1 => Some((self.first(), self.last())),
            _ if self.is_v6 => Some((self.first() + 1, self.last())),
            _ => Some((self.first() + 1, self.last() - 1)),
        }
    }

    /// The address at an index in the network; negative ones count from its end.
    pub(super) fn nth(&self, index: i128) -> Option<u128> {
        let start = if index < 0 { self.last().checked_add(1)? } else { self.first() };
        let ip = start.checked_add_signed(index)?;
        (self.first()..=self.last()).contains(&ip).then_some(ip)
    }

    pub(super) fn resized(self, prefix: u8) -> Self {
        Self { prefix, has_prefix: true, ..self }
    }

    pub(super) fn address(&self, ip: u128) -> String {
        if self.is_v6 {
            Ipv6Addr::from(ip).to_string()
        } else {
            Ipv4Addr::from(ip as u32).to_string()
        }
    }

    pub(super) fn with_prefix(&self, ip: u128) -> String {
        format!("{}/{}", self.address(ip), self.prefix)
    }

    /// As it was written, in its usual form.
    pub(super) fn written(&self) -> String {
        if self.has_prefix { self.with_prefix(self.ip) } else { self.address(self.ip) }
    }

    pub(super) fn wrapped(&self) -> String {
        let suffix = if self.has_prefix { format!("/{}", self.prefix) } else { String::new() };
        format!("[{}]{suffix}", self.address(self.ip))
    }

    pub(super) fn subnet(&self) -> String {
        self.with_prefix(self.first())
    }

    #[expect(clippy::too_many_lines, reason = "a table of queries")]
    /// The answer to a query: `False` where it does not apply, `None` if there is no such query.
    pub(super) fn query(&self, query: &str) -> Option<Value> {
        let text = |ip: u128| Value::from(self.address(ip));
        let when = |holds: bool, value: Value| if holds { value } else { Value::from(false) };
        let own = || Value::from(self.written());
        let mask = !self.host_mask() & if self.is_v6 { u128::MAX } else { u128::from(u32::MAX) };
        let is_host = !self.is_network();
        let in_size = self.prefix < self.bits();
        let usable = self.usable();
        Some(match query {
            "" => own(),
            "bool" => true.into(),
            "address" | "ip" => when(is_host, text(self.ip)),
            "host" => when(is_host, self.with_prefix(self.ip).into()),
            "host/prefix" | "ip/prefix" | "gateway" | "gw" | "hostnet" | "router" => {
                when(is_host && in_size, self.with_prefix(self.ip).into())
            }
            "address/prefix" | "cidr" | "cidr_lookup" => self.with_prefix(self.ip).into(),
            "net" => when(self.is_network(), self.subnet().into()),
            "network" | "network_id" => text(self.first()),
            "subnet" | "network/prefix" => self.subnet().into(),
            "network_netmask" => {
                format!("{} {}", self.address(self.first()), self.address(mask)).into()
            }
            "network_wildcard" => {
                format!("{} {}", self.address(self.first()), self.address(self.host_mask())).into()
            }
            "ip_netmask" => {
                let both = format!("{} {}", self.address(self.ip), self.address(mask));
                when(is_host && in_size, both.into())
            }
            "ip_wildcard" => {
                let both = format!("{} {}", self.address(self.ip), self.address(self.host_mask()));
                when(is_host && in_size, both.into())
            }
            "prefix" => self.prefix.into(),
            "netmask" => text(mask),
            "hostmask" | "wildcard" => text(self.host_mask()),
            "broadcast" => when(in_size && !self.is_v6 && self.prefix < 31, text(self.last())),
            "size" => self.host_mask().checked_add(1).map(|size| size.to_string()).map_or_else(
                || "340282366920938463463374607431768211456".into(),
                |size| size.parse::<i128>().map_or_else(|_| Value::from(size), Value::from),
            ),
            "size_usable" => match usable {
                Some((first, last)) => i128::try_from(last - first + 1).unwrap_or(i128::MAX).into(),
                None => 0.into(),
            },
            "first_usable" => usable.map_or_else(|| false.into(), |(first, _)| text(first)),
            "last_usable" => usable.map_or_else(|| false.into(), |(_, last)| text(last)),
            "range_usable" => usable.map_or_else(
                || false.into(),
                |(first, last)| format!("{}-{}", self.address(first), self.address(last)).into(),
            ),
            "next_usable" => self.neighbour(1),
            "previous_usable" => self.neighbour(-1),
            "peer" => match self.bits() - self.prefix {
                1 => text(self.ip ^ 1),
                2 if self.ip & 3 == 1 || self.ip & 3 == 2 => text(self.ip ^ 3),
                _ => false.into(),
            },
            "int" if in_size => format!("{}/{}", self.ip, self.prefix).into(),
            "int" => {
                i128::try_from(self.ip).map_or_else(|_| self.ip.to_string().into(), Value::from)
            }
            "type" => if is_host { "address" } else { "network" }.into(),
            "version" => self.version().into(),
            "ipv4" | "v4" | "4" => when(!self.is_v6, own()),
            "ipv6" | "v6" | "6" => when(self.is_v6, own()),
            "wrap" => {
                if self.is_v6 {
                    self.wrapped().into()
                } else {
                    own()
                }
            }
            "revdns" => self.reverse_name().into(),
            "private" => when(self.is_private(), own()),
            "public" => when(self.is_public(), own()),
            "loopback" | "lo" => when(self.is_loopback(), own()),
            "link-local" => when(self.is_link_local(), own()),
            "multicast" => when(self.is_multicast(), own()),
            "unicast" => when(!self.is_multicast(), own()),
            _ => return None,
        })
    }

    fn neighbour(&self, step: i128) -> Value {
        let ip = self.ip.checked_add_signed(step);
        let usable = self.usable();
        ip.filter(|ip| usable.is_some_and(|(first, last)| (first..=last).contains(ip)))
            .map_or_else(|| false.into(), |ip| self.address(ip).into())
    }

    fn within(&self, networks: &[&str]) -> bool {
        networks.iter().filter_map(|text| Self::parse(text)).any(|outer| outer.contains(self))
    }

    fn is_private(&self) -> bool {
        self.within(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"])
    }

    fn is_loopback(&self) -> bool {
        self.within(&["127.0.0.0/8", "::1/128"])
    }

    fn is_link_local(&self) -> bool {
        self.within(&["169.254.0.0/16", "fe80::/10"])
    }

    fn is_multicast(&self) -> bool {
        self.within(&["224.0.0.0/4", "ff00::/8"])
    }

    fn is_public(&self) -> bool {
        let reserved = ["0.0.0.0/8", "192.0.2.0/24", "240.0.0.0/4", "::/128"];
        !(self.is_private()
            || self.is_loopback()
            || self.is_link_local()
            || self.is_multicast()
            || self.within(&reserved))
    }

    fn reverse_name(&self) -> String {
        if self.is_v6 {
            let digits = format!("{:032x}", self.ip);
            let names: Vec<String> = digits.chars().rev().map(String::from).collect();
            return format!("{}.ip6.arpa.", names.join("."));
        }
        let bytes = (self.ip as u32).to_be_bytes();
        let names: Vec<String> = bytes.iter().rev().map(ToString::to_string).collect();
        format!("{}.in-addr.arpa.", names.join("."))
    }
}
