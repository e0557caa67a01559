//! Filters on URLs.

use std::fmt::Write as _;

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::{Error, nearest};
use crate::eval::Scope;
use crate::value::{Map, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("urlencode", PLAIN, url_encode);
    environment.filter("urldecode", PLAIN, |_, value, args| {
        args.finish()?;
        Ok(decode(&value.to_string().replace('+', " ")).into())
    });
    environment.filter("urlsplit", PLAIN, url_split);
}

fn quote(text: &str, safe: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || "_.-~".contains(letter) || safe.contains(letter) {
            out.push(letter);
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn url_encode(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let query = |text: &Value| quote(&text.to_string(), "").replace("%20", "+");
    let pairs: Vec<(Value, Value)> = match scope.entries(&value)? {
        Some(entries) => entries,
        None if value.sequence().is_some() => {
            crate::methods::pairs(scope, &value)?.into_iter().collect()
        }
        None => return Ok(quote(&value.to_string(), "/").into()),
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(key, item)| format!("{}={}", query(key), query(item))).collect();
    Ok(pairs.join("&").into())
}

const PARTS: [&str; 9] =
    ["fragment", "hostname", "netloc", "password", "path", "port", "query", "scheme", "username"];

fn url_split(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let wanted = args.text("query")?.filter(|wanted| !wanted.is_empty());
    args.finish()?;
    let url = value.to_string();
    let (rest, fragment) = url.split_once('#').unwrap_or((&url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = match rest.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (scheme.to_ascii_lowercase(), rest)
        }
        _ => (String::new(), rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host) = match netloc.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, netloc),
    };
    let (username, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
        Some(Ok((name, password))) => (Some(name), Some(password)),
        Some(Err(name)) => (Some(name), None),
        None => (None, None),
    };
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host, ""),
    };
    let port = match port {
        "" => None,
        port => Some(port.parse::<u16>().map_err(|_| {
            Error::value_error(format!("Port could not be cast to integer value as '{port}'"))
        })?),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let parts: [Value; 9] = [
        fragment.into(),
        (!host.is_empty()).then_some(host).into(),
        netloc.into(),
        password.into(),
        path.into(),
        port.into(),
        query.into(),
        scheme.into(),
        username.into(),
    ];
    let map: Map = PARTS.iter().map(|name| Value::from(*name)).zip(parts).collect();
    match wanted {
        None => Ok(Value::dict(map)),
        Some(wanted) => map.get(wanted.as_str()).cloned().ok_or_else(|| {
            Error::value_error(format!("urlsplit: unknown URL component: {wanted}"))
                .hinted(nearest(&wanted, PARTS.into_iter()))
        }),
    }
}
