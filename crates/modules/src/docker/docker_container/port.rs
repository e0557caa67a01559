//! Ports as Docker's command line writes them: `8080:80`, `127.0.0.1:53:53/udp`, `[::1]:8000-8009:80-89`, `80`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::contract::Failure;

/// Bindings by container port (`80/tcp`), as the engine takes them.
pub(super) fn bindings(ports: &[String], host_ip: &str) -> Result<Value, Failure> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for text in ports {
        let bound = Published::parse(text)?;
        let ip = bound.ip.as_deref().unwrap_or(host_ip);
        for (container, host) in bound.pairs(text)? {
            let key = format!("{container}/{}", bound.protocol);
            all.entry(key).or_default().push(json!({ "HostIp": ip, "HostPort": host }));
        }
    }
    Ok(json!(all))
}

/// `80`, `80/udp`, `8000-8010`: container ports with their protocols.
pub(super) fn exposed(ports: &[String]) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for text in ports {
        let (range, protocol) = protocol(text)?;
        let (from, to) = self::range(range, text)?;
        all.extend((from..=to).map(|port| format!("{port}/{protocol}")));
    }
    Ok(all)
}

struct Published<'a> {
    ip: Option<String>,
    host: Option<&'a str>,
    container: &'a str,
    protocol: &'a str,
}

impl<'a> Published<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let (ports, protocol) = protocol(text)?;
        let (rest, container) = match ports.rsplit_once(':') {
            None => (None, ports),
            Some((rest, container)) => (Some(rest), container),
        };
        let (ip, host) = match rest {
            None => (None, None),
            Some(rest) => match rest.rsplit_once(':') {
                None => (None, Some(rest)),
                Some((ip, host)) => (Some(ip), Some(host)),
            },
        };
        let ip = ip.map(|ip| ip.trim_start_matches('[').trim_end_matches(']').to_owned());
        if let Some(ip) = &ip
            && ip.parse::<IpAddr>().is_err()
        {
            return Err(Failure::new(format!(
                "Bind addresses for published ports must be IPv4 or IPv6 addresses, not hostnames. Use the dig lookup to resolve hostnames. (Found hostname: {ip})"
            )));
        }
        Ok(Self { ip, host: host.filter(|host| !host.is_empty()), container, protocol })
    }

    /// Each container port with its port of the host (empty: any).
    fn pairs(&self, text: &str) -> Result<Vec<(u16, String)>, Failure> {
        let (from, to) = range(self.container, text)?;
        let Some(host) = self.host else {
            return Ok((from..=to).map(|port| (port, String::new())).collect());
        };
        let (host_from, host_to) = range(host, text)?;
        if from == to && host_from < host_to {
            // Any free one of the range.
            return Ok(vec![(from, format!("{host_from}-{host_to}"))]);
        }
        Ok((from..=to).zip((host_from..=host_to).map(|port| port.to_string())).collect())
    }
}

fn protocol(text: &str) -> Result<(&str, &str), Failure> {
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    if matches!(protocol, "tcp" | "udp" | "sctp") {
        return Ok((ports, protocol));
    }
    Err(Failure::new(format!("Invalid port `{text}`: `{protocol}` is neither tcp, udp nor sctp")))
}

fn range(text: &str, whole: &str) -> Result<(u16, u16), Failure> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse::<u16>(), to.trim().parse::<u16>()) {
        (Ok(from), Ok(to)) if from > 0 && from <= to => Ok((from, to)),
        _ => Err(Failure::new(format!(
            "Invalid port `{whole}`: `{text}` is neither a port nor a range of ports"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let read = |text: &str| bindings(&[text.to_owned()], "0.0.0.0").expect(text);
        let one =
            |key: &str, ip: &str, port: &str| json!({ key: [{ "HostIp": ip, "HostPort": port }] });
        assert_eq!(read("8080:80"), one("80/tcp", "0.0.0.0", "8080"));
        assert_eq!(read("127.0.0.1:53:54/udp"), one("54/udp", "127.0.0.1", "53"));
        assert_eq!(read("[::1]:1:2"), one("2/tcp", "::1", "1"));
        assert_eq!(read("80"), one("80/tcp", "0.0.0.0", ""));
        assert_eq!(read("1.2.3.4::80"), one("80/tcp", "1.2.3.4", ""));
        assert_eq!(read("9000-9010:80"), one("80/tcp", "0.0.0.0", "9000-9010"));
        assert_eq!(read("7000-7001:1-5").as_object().expect("pairs").len(), 2);
        for odd in ["", "x", "80:x", "0:1", "host:1:2", "1:2/icmp", "5-4:1", "70000", "1:2:3:4"] {
            assert!(bindings(&[odd.to_owned()], "").is_err(), "{odd}");
        }
        assert_eq!(
            exposed(&["80".into(), "1-2/udp".into()]).expect("ports"),
            ["80/tcp", "1/udp", "2/udp"]
        );
    }
}
