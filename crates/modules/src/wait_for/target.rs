//! One look at the port, file or connections that `wait_for` waits for.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

use pyregex::Regex;
use serde_json::Value;
use system::Probe;

use super::{Found, State, WaitFor};
use crate::contract::Failure;

/// Of a file or of what a port sends.
const SEARCH_LIMIT: u64 = 16 << 20;

/// States of TCP connections, as /proc/net/tcp numbers them.
pub(super) const STATES: &[(&str, &str)] = &[
    ("ESTABLISHED", "01"),
    ("SYN_SENT", "02"),
    ("SYN_RECV", "03"),
    ("FIN_WAIT1", "04"),
    ("FIN_WAIT2", "05"),
    ("TIME_WAIT", "06"),
];

pub(super) struct Target<'a> {
    pub(super) wanted: &'a WaitFor,
    pub(super) regex: Option<Regex>,
    pub(super) host: &'a dyn Probe,
}

impl Target<'_> {
    /// Looks once, for at most `left`; `None`: not yet.
    pub(super) fn look(&self, left: Duration) -> Result<Option<Found>, Failure> {
        let yes = |is: bool| is.then(Found::default);
        match (&self.wanted.path, self.wanted.port, self.wanted.state) {
            (Some(path), _, State::Absent | State::Stopped) => Ok(yes(self.file(path)?.is_none())),
            (Some(path), ..) => self.file(path),
            (None, Some(port), State::Absent | State::Stopped) => {
                Ok(yes(self.connect(port, left).is_none()))
            }
            (None, Some(port), State::Drained) => Ok(yes(!self.has_connections(port)?)),
            (None, Some(port), _) => Ok(self.port(port, left)),
            (None, None, _) => Ok(yes(true)),
        }
    }

    /// The file is there and, when something is searched, contains it.
    fn file(&self, path: &Path) -> Result<Option<Found>, Failure> {
        if self.host.stat(path, true)?.is_none() {
            return Ok(None);
        }
        let Some(regex) = &self.regex else { return Ok(Some(Found::default())) };
        let Some(reader) = self.host.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        reader
            .take(SEARCH_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
        Ok(search(regex, &bytes))
    }

    fn connect(&self, port: u16, left: Duration) -> Option<TcpStream> {
        let timeout = Duration::from_secs(self.wanted.connect_timeout)
            .min(left)
            .max(Duration::from_millis(50));
        let addresses = (self.wanted.host.as_str(), port).to_socket_addrs().ok()?;
        addresses.into_iter().find_map(|address| TcpStream::connect_timeout(&address, timeout).ok())
    }

    fn port(&self, port: u16, left: Duration) -> Option<Found> {
        let mut stream = self.connect(port, left)?;
        let Some(regex) = &self.regex else { return Some(Found::default()) };
        let end = Instant::now() + left;
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while heard.len() < SEARCH_LIMIT as usize {
            let left = end.saturating_duration_since(Instant::now());
            self.host.keep_going().ok()?;
            // Short waits, so that an end of the step is noticed.
            stream.set_read_timeout(Some(left.min(Duration::from_secs(1)))).ok()?;
            match stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(length) => heard.extend_from_slice(&buffer[..length]),
                Err(error) if is_timeout(&error) && !left.is_zero() => continue,
                Err(_) => return None,
            }
            if let Some(found) = search(regex, &heard) {
                return Some(found);
            }
        }
        None
    }

    fn has_connections(&self, port: u16) -> Result<bool, Failure> {
        let own = addresses(&self.wanted.host);
        let excluded: Vec<IpAddr> =
            self.wanted.exclude_hosts.iter().flat_map(|host| addresses(host)).collect();
        let active = &self.wanted.active_connection_states;
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let Some(bytes) = self.host.read(Path::new(table), SEARCH_LIMIT)? else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let is_active = |connection: &Connection| {
                let any = own
                    .iter()
                    .any(|address| address.is_unspecified() || *address == connection.local.ip());
                any && connection.local.port() == port
                    && !excluded.contains(&connection.remote.ip())
                    && STATES.iter().any(|(name, number)| {
                        *number == connection.state && active.iter().any(|wanted| wanted == name)
                    })
            };
            if text.lines().filter_map(Connection::parse).any(|connection| is_active(&connection)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

fn addresses(host: &str) -> Vec<IpAddr> {
    let found = (host, 0).to_socket_addrs();
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

fn search(regex: &Regex, bytes: &[u8]) -> Option<Found> {
    let text = String::from_utf8_lossy(bytes);
    let captures = regex.captures(text.as_ref()).ok()??;
    let value = |found: Option<pyregex::Match<'_>>| {
        found.map_or(Value::Null, |found| found.as_str().into())
    };
    Some(Found {
        groups: captures.iter().skip(1).map(value).collect(),
        named: regex
            .capture_names()
            .flatten()
            .map(|name| (name.to_owned(), value(captures.name(name))))
            .collect(),
    })
}

/// A line of /proc/net/tcp or tcp6.
#[derive(Debug, PartialEq)]
struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
    state: String,
}

impl Connection {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote) = (socket_address(words.next()?)?, socket_address(words.next()?)?);
        Some(Self { local, remote, state: words.next()?.to_owned() })
    }
}

/// `0100007F:1F90`: words of the machine's byte order in hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| {
        let word = u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            let v6 = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn connections_are_read() {
        let line =
            "   1: 0100007F:1F90 0200A8C0:C350 01 00000000:00000000 00:00000000 00000000 0 0";
        let found = Connection::parse(line).expect("a connection");
        assert_eq!(found.local, "127.0.0.1:8080".parse().expect("an address"));
        assert_eq!(found.remote, "192.168.0.2:50000".parse().expect("an address"));
        assert_eq!(found.state, "01");
        let mapped = socket_address("0000000000000000FFFF00000100007F:0050").expect("an address");
        assert_eq!(mapped, "127.0.0.1:80".parse().expect("an address"));
        for broken in ["", "1: x", "sl local_address rem_address st", "1: 01:1 02:2 01"] {
            assert_eq!(Connection::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn groups_are_told() {
        let regex = Regex::new("(?m)^(?P<word>b+)(c)?$").expect("compiles");
        let found = search(&regex, b"a\nbb\n\xff").expect("matches");
        assert_eq!(found.groups, ["bb".into(), Value::Null]);
        assert_eq!(found.named["word"], "bb");
        assert!(search(&regex, b"xyz").is_none());
    }
}
