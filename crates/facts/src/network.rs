//! Interfaces, addresses, routes and name servers.

mod interface;
mod route;

use std::net::IpAddr;

use model::Args;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use serde_json::{Value, json};

use crate::host::Host;

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    /// The interface, or for an alias its label such as `eth0:1`.
    label: String,
    ip: IpAddr,
    prefix: u32,
    broadcast: Option<IpAddr>,
}

impl Address {
    fn interface(&self) -> &str {
        self.label.split(':').next().unwrap_or_default()
    }

    fn network(&self) -> IpAddr {
        match self.ip {
            IpAddr::V4(address) => IpAddr::V4((address.to_bits() & mask_of(self.prefix)).into()),
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        }
    }

    fn v4_facts(&self) -> Args {
        let text = |value: String| Value::from(value);
        let netmask = std::net::Ipv4Addr::from_bits(mask_of(self.prefix));
        let broadcast = self.broadcast.map(|to| to.to_string()).unwrap_or_default();
        Args::from_iter([
            ("address".to_owned(), text(self.ip.to_string())),
            ("broadcast".to_owned(), text(broadcast)),
            ("netmask".to_owned(), text(netmask.to_string())),
            ("network".to_owned(), text(self.network().to_string())),
            ("prefix".to_owned(), text(self.prefix.to_string())),
        ])
    }

    fn v6_facts(&self) -> Args {
        Args::from_iter([
            ("address".to_owned(), self.ip.to_string().into()),
            ("prefix".to_owned(), self.prefix.to_string().into()),
            ("scope".to_owned(), scope(self.ip).into()),
        ])
    }
}

fn mask_of(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0)
}

fn scope(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V6(address) if address.is_loopback() => "host",
        IpAddr::V6(address) if address.is_unicast_link_local() => "link",
        IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0 => "site",
        _ => "global",
    }
}

pub(crate) fn interfaces(host: &Host<'_>, facts: &mut Args) {
    let addresses = addresses();
    let mut interfaces = Args::new();
    for name in host.names("/sys/class/net") {
        if host.exists(format!("/sys/class/net/{name}/flags")) {
            interfaces.insert(name.clone(), interface::describe(host, &name).into());
        }
    }
    for address in &addresses {
        place(&mut interfaces, address);
    }
    let routes = route::read(host);
    for (key, version) in [("default_ipv4", 4), ("default_ipv6", 6)] {
        let default = default_route(&interfaces, &addresses, &routes, version);
        facts.insert(key.to_owned(), default.into());
    }
    let all = |wanted: fn(&IpAddr) -> bool| -> Vec<String> {
        let of_kind = addresses.iter().map(|address| address.ip).filter(wanted);
        of_kind.filter(|address| !address.is_loopback()).map(|a| a.to_string()).collect()
    };
    facts.insert("all_ipv4_addresses".to_owned(), all(IpAddr::is_ipv4).into());
    facts.insert("all_ipv6_addresses".to_owned(), all(IpAddr::is_ipv6).into());
    facts.insert("locally_reachable_ips".to_owned(), reachable(&addresses));
    let names: Vec<String> = interfaces.keys().cloned().collect();
    facts.insert("interfaces".to_owned(), names.into());
    facts.extend(interfaces);
}

/// All addresses, in the kernel's order.
fn addresses() -> Vec<Address> {
    let ip = |address: Option<SockaddrStorage>| -> Option<IpAddr> {
        let address = address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let Ok(found) = getifaddrs() else { return Vec::new() };
    found
        .filter_map(|entry| {
            let prefix = match ip(entry.netmask)? {
                IpAddr::V4(mask) => mask.to_bits().count_ones(),
                IpAddr::V6(mask) => mask.to_bits().count_ones(),
            };
            let address = ip(entry.address)?;
            // The C library gives the address itself where there is none.
            let broadcast = ip(entry.broadcast).filter(|broadcast| *broadcast != address);
            Some(Address { label: entry.interface_name, ip: address, prefix, broadcast })
        })
        .collect()
}

/// Puts an address where Ansible has it: the first IPv4 one in `ipv4`, others in `ipv4_secondaries`.
fn place(interfaces: &mut Args, address: &Address) {
    let device = address.interface().to_owned();
    let of = |interfaces: &mut Args, name: &str, key: &str, value: Args| {
        let entry = interfaces.entry(name.to_owned()).or_insert_with(|| json!({}));
        match entry.get_mut(key).and_then(Value::as_array_mut) {
            Some(list) => list.push(value.into()),
            None => entry[key] = json!([value]),
        }
    };
    if address.ip.is_ipv6() {
        of(interfaces, &device, "ipv6", address.v6_facts());
        return;
    }
    let facts = address.v4_facts();
    if address.label != device {
        let alias = interfaces.entry(address.label.clone()).or_insert_with(|| json!({}));
        alias["ipv4"] = facts.clone().into();
        of(interfaces, &device, "ipv4_secondaries", facts);
        return;
    }
    let entry = interfaces.entry(device.clone()).or_insert_with(|| json!({}));
    if entry.get("ipv4").is_none() {
        entry["ipv4"] = facts.into();
    } else {
        of(interfaces, &device, "ipv4_secondaries", facts);
    }
}

fn default_route(
    interfaces: &Args,
    addresses: &[Address],
    routes: &route::Routes,
    version: u8,
) -> Args {
    let mut facts = Args::new();
    let route = if version == 4 { routes.v4.as_ref() } else { routes.v6.as_ref() };
    let Some(route) = route else { return facts };
    facts.insert("gateway".to_owned(), route.gateway.to_string().into());
    facts.insert("interface".to_owned(), route.interface.clone().into());
    let Some(source) = route.source else { return facts };
    facts.insert("address".to_owned(), source.to_string().into());
    let Some(address) = addresses.iter().find(|address| address.ip == source) else {
        return facts;
    };
    facts.extend(if version == 4 { address.v4_facts() } else { address.v6_facts() });
    if version == 4 {
        facts.insert("alias".to_owned(), address.label.clone().into());
    }
    let device = interfaces.get(address.interface());
    for (key, default) in [("macaddress", ""), ("mtu", ""), ("type", "unknown")] {
        let value = device.and_then(|device| device.get(key)).cloned();
        facts.insert(key.to_owned(), value.unwrap_or_else(|| default.into()));
    }
    facts
}

/// What the kernel answers to itself: each address, and the whole network of the loopback.
fn reachable(addresses: &[Address]) -> Value {
    let of = |v4: bool| -> Vec<String> {
        let of_kind = addresses.iter().filter(|address| address.ip.is_ipv4() == v4);
        of_kind
            .flat_map(|address| {
                let network = (v4 && address.ip.is_loopback() && address.prefix < 32)
                    .then(|| format!("{}/{}", address.network(), address.prefix));
                network.into_iter().chain([address.ip.to_string()])
            })
            .collect()
    };
    json!({"ipv4": of(true), "ipv6": of(false)})
}

pub(crate) fn dns(host: &Host<'_>, facts: &mut Args) {
    let text = host.text("/etc/resolv.conf").unwrap_or_default();
    facts.insert("dns".to_owned(), parse_resolv_conf(&text).into());
}

fn parse_resolv_conf(text: &str) -> Args {
    let mut dns = Args::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let values = |words: std::str::SplitWhitespace<'_>| -> Vec<String> {
            words.take_while(|word| !word.starts_with(['#', ';'])).map(str::to_owned).collect()
        };
        match words.next() {
            Some("nameserver") => {
                let list = dns.entry("nameservers").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.extend(values(words).into_iter().map(Value::from));
                }
            }
            Some("domain") => {
                if let Some(domain) = words.next() {
                    dns.insert("domain".to_owned(), domain.into());
                }
            }
            Some(key @ ("search" | "sortlist")) => {
                dns.insert(key.to_owned(), values(words).into());
            }
            Some("options") => {
                let options =
                    values(words).into_iter().map(|option| match option.split_once(':') {
                        Some((name, value)) => (name.to_owned(), value.into()),
                        None => (option, true.into()),
                    });
                let options: Args = options.collect();
                dns.insert("options".to_owned(), options.into());
            }
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(label: &str, address: &str, prefix: u32, broadcast: Option<&str>) -> Address {
        let ip = |text: &str| text.parse().expect("an address");
        let broadcast = broadcast.map(ip);
        Address { label: label.to_owned(), ip: ip(address), prefix, broadcast }
    }

    #[test]
    fn addresses_find_their_place() {
        let mut interfaces = Args::from_iter([("eth0".to_owned(), json!({"device": "eth0"}))]);
        for address in [
            address("eth0", "10.1.2.3", 20, Some("10.1.15.255")),
            address("eth0", "10.1.2.4", 20, None),
            address("eth0:1", "10.9.0.1", 32, None),
            address("eth0", "fe80::1", 64, None),
        ] {
            place(&mut interfaces, &address);
        }
        let eth0 = &interfaces["eth0"];
        assert_eq!(
            eth0["ipv4"],
            json!({
                "address": "10.1.2.3", "broadcast": "10.1.15.255", "netmask": "255.255.240.0",
                "network": "10.1.0.0", "prefix": "20",
            })
        );
        assert_eq!(eth0["ipv4_secondaries"][0]["address"], "10.1.2.4");
        assert_eq!(eth0["ipv4_secondaries"][1]["netmask"], "255.255.255.255");
        assert_eq!(eth0["ipv6"], json!([{"address": "fe80::1", "prefix": "64", "scope": "link"}]));
        assert_eq!(interfaces["eth0:1"]["ipv4"]["address"], "10.9.0.1");
    }

    #[test]
    fn the_default_route_takes_the_facts_of_its_interface() {
        let interfaces = Args::from_iter([(
            "eth0".to_owned(),
            json!({"mtu": 1400, "type": "ether", "macaddress": "02:fc:00:00:00:01"}),
        )]);
        let addresses = [address("eth0", "192.0.2.2", 24, Some("192.0.2.255"))];
        let default = route::Route {
            interface: "eth0".to_owned(),
            gateway: "192.0.2.1".parse().expect("an address"),
            source: Some("192.0.2.2".parse().expect("an address")),
        };
        let routes = route::Routes { v4: Some(default), v6: None };
        assert_eq!(
            Value::from(default_route(&interfaces, &addresses, &routes, 4)),
            json!({
                "address": "192.0.2.2", "alias": "eth0", "broadcast": "192.0.2.255",
                "gateway": "192.0.2.1", "interface": "eth0", "macaddress": "02:fc:00:00:00:01",
                "mtu": 1400, "netmask": "255.255.255.0", "network": "192.0.2.0", "prefix": "24",
                "type": "ether",
            })
        );
        assert!(default_route(&interfaces, &addresses, &routes, 6).is_empty());
    }

    #[test]
    fn resolv_conf_is_read() {
        let text = "# c\nnameserver 10.0.0.1\nnameserver fd00::1 # two\nsearch a.example b.example\n\
                    options ndots:2 rotate\ndomain example.com\nnameserver\n";
        assert_eq!(
            Value::from(parse_resolv_conf(text)),
            json!({
                "nameservers": ["10.0.0.1", "fd00::1"], "search": ["a.example", "b.example"],
                "options": {"ndots": "2", "rotate": true}, "domain": "example.com",
            })
        );
    }

    #[test]
    fn the_loopback_network_is_reachable() {
        let addresses = [address("lo", "127.0.0.1", 8, None), address("lo", "::1", 128, None)];
        let expected = json!({"ipv4": ["127.0.0.0/8", "127.0.0.1"], "ipv6": ["::1"]});
        assert_eq!(reachable(&addresses), expected);
    }
}
