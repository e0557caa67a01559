//! The default routes, from /proc/net, and the address that they would send from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::host::Host;

/// A default route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface: String,
    pub(super) gateway: IpAddr,
    pub(super) source: Option<IpAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Routes {
    pub(super) v4: Option<Route>,
    pub(super) v6: Option<Route>,
}

pub(super) fn read(host: &Host<'_>) -> Routes {
    let with_source = |route: Route, to: &str, from: &str| {
        let source = source_towards(to, from).filter(|_| route.source.is_none());
        Route { source, ..route }
    };
    let v4 = host.text("/proc/net/route").and_then(|text| parse_v4(&text));
    let v6 = host.text("/proc/net/ipv6_route").and_then(|text| parse_v6(&text));
    Routes {
        v4: v4.map(|route| with_source(route, "8.8.8.8:53", "0.0.0.0:0")),
        v6: v6.map(|route| with_source(route, "[2404:6800:400a:800::1012]:53", "[::]:0")),
    }
}

/// The address that the kernel would send from. Connecting a datagram socket sends nothing.
fn source_towards(to: &str, from: &str) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let source = socket.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

/// The one of the lowest metric: `Iface Destination Gateway Flags RefCnt Use Metric Mask ...` in hexadecimal.
fn parse_v4(text: &str) -> Option<Route> {
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mask = *words.get(7)?;
        let is_default = words[1] == "00000000" && mask == "00000000";
        let gateway = u32::from_str_radix(words[2], 16).ok()?;
        let metric: u32 = words[6].parse().ok()?;
        let route = Route {
            interface: words[0].to_owned(),
            gateway: Ipv4Addr::from(gateway.to_ne_bytes()).into(),
            source: None,
        };
        (is_default && gateway != 0).then_some((metric, route))
    };
    text.lines().filter_map(of_line).min_by_key(|(metric, _)| *metric).map(|(_, route)| route)
}

/// `destination prefix source prefix gateway metric refs use flags interface`, all in hexadecimal.
fn parse_v6(text: &str) -> Option<Route> {
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let interface = (*words.get(9)?).to_owned();
        let is_default = words[0].bytes().all(|byte| byte == b'0') && words[1] == "00";
        let gateway = u128::from_str_radix(words[4], 16).ok()?;
        let metric = u32::from_str_radix(words[5], 16).ok()?;
        let route = Route { interface, gateway: Ipv6Addr::from(gateway).into(), source: None };
        (is_default && gateway != 0).then_some((metric, route))
    };
    text.lines().filter_map(of_line).min_by_key(|(metric, _)| *metric).map(|(_, route)| route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_route_with_the_lowest_metric_is_the_default() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                    eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                    eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nbroken\n";
        let route = parse_v4(text).expect("a default route");
        assert_eq!(route.interface, "eth0");
        assert_eq!(route.gateway.to_string(), "192.0.2.1");
        assert_eq!(parse_v4("Iface Destination\n"), None);
    }

    #[test]
    fn ipv6_has_one_too() {
        let zero = "0".repeat(32);
        let gateway = "fd000000000000000000000000000001";
        let text = format!(
            "{zero} 00 {zero} 00 {gateway} 00000400 00000001 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        );
        let route = parse_v6(&text).expect("a default route");
        assert_eq!(
            (route.interface.as_str(), route.gateway.to_string().as_str()),
            ("eth0", "fd00::1")
        );
    }
}
