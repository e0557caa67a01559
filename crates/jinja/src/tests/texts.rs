//! Tests of text against patterns.

use super::PLAIN;
use crate::args::Args;
use crate::environment::{Environment, Traits};
use crate::error::Error;
use crate::regexes::{Anchor, Flags, failed, regex};
use crate::value::{Marks, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.test("match", PLAIN, |_, value, args| matches(&value, args, Some("match")));
    environment.test("search", PLAIN, |_, value, args| matches(&value, args, Some("search")));
    environment.test("regex", PLAIN, |_, value, args| matches(&value, args, None));
    environment.test("uri", PLAIN, |_, value, mut args| {
        let schemes = args.take("schemes").and_then(|schemes| schemes.sequence());
        args.finish()?;
        Ok(is_uri(&value.to_string(), schemes.as_deref()).into())
    });
    environment.test("url", PLAIN, |_, value, mut args| {
        let schemes = args.take("schemes").and_then(|schemes| schemes.sequence());
        args.finish()?;
        let text = value.to_string();
        let has_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
        Ok((has_host && is_uri(&text, schemes.as_deref())).into())
    });
    environment.test("urn", PLAIN, |_, value, args| {
        args.finish()?;
        Ok(value.to_string().starts_with("urn:").into())
    });
    let on_sealed = Traits { takes_sealed: true, ..PLAIN };
    environment.test("vault_encrypted", on_sealed, |_, value, args| {
        args.finish()?;
        Ok(value.marks().has(Marks::SEALED).into())
    });
}

fn matches(value: &Value, mut args: Args, kind: Option<&str>) -> Result<Value, Error> {
    let pattern = args.take("pattern").map(|pattern| pattern.to_string()).unwrap_or_default();
    let flags = Flags {
        ignore_case: args.flag("ignorecase", false),
        multiline: args.flag("multiline", false),
        dot_all: false,
    };
    let kind = match kind {
        Some(kind) => kind.to_owned(),
        None => args.text("match_type")?.unwrap_or_else(|| "search".into()),
    };
    args.finish()?;
    let anchor = match kind.as_str() {
        "match" => Anchor::Start,
        "fullmatch" => Anchor::Both,
        "search" => Anchor::None,
        _ => return Err(Error::value_error(format!("unknown match_type '{kind}'"))),
    };
    let compiled = regex(&pattern, flags, anchor)?;
    compiled.is_match(&value.to_string()).map(Value::from).map_err(|error| failed(&error))
}

fn is_uri(text: &str, schemes: Option<&[Value]>) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let scheme = if is_scheme { scheme.to_ascii_lowercase() } else { String::new() };
    // Any text is a URI of some kind; brackets in a host are the one thing that can be wrong.
    let host = text.split_once("//").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
    if host.contains('[') != host.contains(']') {
        return false;
    }
    schemes.is_none_or(|known| known.iter().any(|known| known.as_str() == Some(&scheme)))
}
