//! Filters on network addresses, as the collection ansible.utils has them: `ipaddr` and its kin, `hwaddr`.

mod network;

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, nearest};
use crate::eval::Scope;
use crate::value::Value;
use network::Network;

type Filter = fn(&Scope<'_>, Value, Args) -> Result<Value, Error>;

const FILTERS: [(&str, Filter); 15] = [
    ("ipaddr", |scope, value, args| ip_addr(scope, &value, args, None)),
    ("ipv4", |scope, value, args| ip_addr(scope, &value, args, Some(4))),
    ("ipv6", |scope, value, args| ip_addr(scope, &value, args, Some(6))),
    ("ipwrap", ip_wrap),
    ("ipsubnet", ip_subnet),
    ("ipmath", ip_math),
    ("nthhost", nth_host),
    ("next_nth_usable", |_, value, args| nth_usable(&value, args, 1)),
    ("previous_nth_usable", |_, value, args| nth_usable(&value, args, -1)),
    ("network_in_network", network_in_network),
    ("network_in_usable", network_in_usable),
    ("reduce_on_network", reduce_on_network),
    ("hwaddr", hw_addr),
    ("macaddr", hw_addr),
    ("ip4_hex", |_, value, mut args| {
        let separator = args.text("delimiter")?.unwrap_or_default();
        args.finish()?;
        let address = network_of(&value, "ip4_hex")?;
        let bytes = (address.ip as u32).to_be_bytes().map(|byte| format!("{byte:02x}"));
        Ok(bytes.join(&separator).into())
    }),
];

pub(super) fn register(environment: &mut Environment) {
    for (name, run) in FILTERS {
        for prefix in ["", "ansible.utils.", "ansible.netcommon."] {
            environment.filter(&format!("{prefix}{name}"), PLAIN, run);
        }
    }
}

fn network_of(value: &Value, filter: &str) -> Result<Network, Error> {
    Network::parse(&value.to_string())
        .ok_or_else(|| Error::value_error(format!("{filter}: '{value}' is not an address")))
}

/// The value if it is an address as the query wants it, or the part that the query names; else `False`.
fn ip_addr(
    scope: &Scope<'_>,
    value: &Value,
    mut args: Args,
    version: Option<u8>,
) -> Result<Value, Error> {
    let query = args.text("query")?.unwrap_or_default();
    let version = match args.int("version")? {
        Some(6) => Some(6),
        Some(4) => Some(4),
        _ => version,
    };
    args.finish()?;
    if value.sequence().is_none() {
        return answer(value, &query, version);
    }
    let mut kept = Vec::new();
    for item in scope.iterate(value)? {
        let found = answer(&item, &query, version)?;
        if found.as_bool() != Some(false) {
            kept.push(found);
        }
    }
    Ok(Value::list(kept))
}

fn answer(value: &Value, query: &str, version: Option<u8>) -> Result<Value, Error> {
    let parsed = match value.as_bool() {
        Some(_) => None,
        None => Network::parse(&value.to_string()),
    };
    let Some(network) = parsed.filter(|n| version.is_none_or(|wanted| n.version() == wanted))
    else {
        return Ok(false.into());
    };
    if let Some(within) = query.contains(['.', ':']).then(|| Network::parse(query)).flatten() {
        let found = within.contains(&network);
        return Ok(if found { network.written().into() } else { false.into() });
    }
    if let Ok(index) = query.parse::<i128>() {
        let host = network.nth(index).map(|ip| network.with_prefix(ip));
        return Ok(host.map_or_else(|| false.into(), Value::from));
    }
    network.query(query).ok_or_else(|| {
        Error::value_error(format!("ipaddr: unknown filter type: {query}"))
            .hinted(nearest(query, network::QUERIES.into_iter()))
    })
}

/// IPv6 addresses in brackets, everything else as it is.
fn ip_wrap(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    args.take("query");
    args.finish()?;
    let wrapped = |value: &Value| match Network::parse(&value.to_string()) {
        Some(network) if network.version() == 6 && value.as_bool().is_none() => {
            Value::from(network.wrapped())
        }
        _ => value.clone(),
    };
    match value.sequence() {
        Some(_) => Ok(scope.iterate(&value)?.iter().map(wrapped).collect()),
        None => Ok(wrapped(&value)),
    }
}

fn ip_subnet(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let query = args.text("query")?.unwrap_or_default();
    let index = args.int("index")?;
    args.finish()?;
    let Some(network) = Network::parse(&value.to_string()) else { return Ok(false.into()) };
    if query.is_empty() {
        return Ok(network.subnet().into());
    }
    if let Some(outer) = query.contains(['.', ':']).then(|| Network::parse(&query)).flatten() {
        let inside = outer.contains(&network) && outer.prefix <= network.prefix;
        let rank = (network.first() - outer.first().min(network.first()))
            >> (u32::from(network.bits()) - u32::from(network.prefix)).min(127);
        return Ok(if inside { (rank + 1).to_string().into() } else { false.into() });
    }
    let bits = i64::from(network.bits());
    let prefix = query
        .parse::<i64>()
        .ok()
        .filter(|prefix| (0..=bits).contains(prefix))
        .ok_or_else(|| Error::value_error(format!("ipsubnet: unknown subnet type: {query}")))?;
    let own = i64::from(network.prefix);
    if own == bits {
        // An address: the networks around it, from the wanted size down.
        let wanted = match index {
            None => prefix,
            Some(index) if index < 0 => bits + index,
            Some(index) => prefix + index,
        };
        let found =
            (prefix..bits).contains(&wanted).then(|| network.resized(wanted as u8).subnet());
        return Ok(found.map_or_else(|| false.into(), Value::from));
    }
    if prefix < own {
        return Ok(network.resized(prefix as u8).subnet().into());
    }
    let count = 1_i128.checked_shl((prefix - own) as u32).unwrap_or(i128::MAX);
    let Some(index) = index.map(i128::from) else { return Ok(count.to_string().into()) };
    let at = if index < 0 { count + index } else { index };
    if !(0..count).contains(&at) {
        return Ok(false.into());
    }
    let ip = network.first() + ((at as u128) << (bits - prefix).min(127));
    Ok(network.resized(prefix as u8).with_prefix(ip).into())
}

fn ip_math(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let amount = args.int("amount")?.unwrap_or(0);
    args.finish()?;
    let network = network_of(&value, "ipmath")?;
    let ip = network.ip.checked_add_signed(amount.into());
    let limit = u128::MAX >> (128 - u32::from(network.bits()));
    ip.filter(|ip| *ip <= limit)
        .map(|ip| network.address(ip).into())
        .ok_or_else(|| Error::value_error("ipmath: the address is out of range"))
}

fn nth_host(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let index = args.int("query")?.unwrap_or(0);
    args.finish()?;
    let Some(network) = Network::parse(&value.to_string()) else { return Ok(false.into()) };
    let found = network.nth(index.into()).map(|ip| network.address(ip));
    Ok(found.map_or_else(|| false.into(), Value::from))
}

fn nth_usable(value: &Value, mut args: Args, sign: i128) -> Result<Value, Error> {
    let offset = args.int("offset")?.unwrap_or(1);
    args.finish()?;
    let network = network_of(value, "next_nth_usable")?;
    let ip = network.ip.checked_add_signed(sign * i128::from(offset));
    let usable = network.usable();
    let found = ip.filter(|ip| usable.is_some_and(|(first, last)| (first..=last).contains(ip)));
    Ok(found.map_or_else(|| false.into(), |ip| network.address(ip).into()))
}

fn network_in_network(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let test = args.required("test")?;
    args.finish()?;
    let outer = network_of(&value, "network_in_network")?;
    Ok(outer.contains(&network_of(&test, "network_in_network")?).into())
}

fn network_in_usable(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let test = args.required("test")?;
    args.finish()?;
    let outer = network_of(&value, "network_in_usable")?;
    let inner = network_of(&test, "network_in_usable")?;
    let inside = outer.version() == inner.version()
        && outer.usable().is_some_and(|(first, last)| {
            first <= inner.first_of_host() && inner.last_of_host() <= last
        });
    Ok(inside.into())
}

fn reduce_on_network(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let network = network_of(&args.required("network")?, "reduce_on_network")?;
    args.finish()?;
    let mut items = scope.iterate(&value)?;
    items.retain(|item| {
        Network::parse(&item.to_string()).is_some_and(|inner| network.contains(&inner))
    });
    Ok(Value::list(items))
}

/// A hardware address in another notation; `False` if it is none.
fn hw_addr(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let query = args.text("query")?.unwrap_or_default();
    args.finish()?;
    let digits: String =
        value.to_string().chars().filter(|letter| !":-.".contains(*letter)).collect();
    let number = u64::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 12);
    let Some(number) = number else { return Ok(false.into()) };
    let bytes = number.to_be_bytes();
    let joined = |separator: &str, text: fn(&u8) -> String| {
        bytes[2..].iter().map(text).collect::<Vec<_>>().join(separator)
    };
    let (lower, upper) = (|byte: &u8| format!("{byte:02x}"), |byte: &u8| format!("{byte:02X}"));
    let words: Vec<String> =
        bytes[2..].chunks(2).map(|pair| pair.iter().map(lower).collect()).collect();
    Ok(match query.as_str() {
        "" => value,
        "bool" => true.into(),
        "int" => number.into(),
        "bare" => joined("", upper).into(),
        "cisco" => words.join(".").into(),
        "eui48" | "win" => joined("-", upper).into(),
        "linux" | "unix" => joined(":", lower).into(),
        "pgsql" | "postgresql" | "psql" => {
            format!("{}:{}", joined("", lower).split_at(6).0, joined("", lower).split_at(6).1)
                .into()
        }
        _ => return Err(Error::value_error(format!("hwaddr: unknown filter type: {query}"))),
    })
}
