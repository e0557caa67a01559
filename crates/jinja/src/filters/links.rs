//! The filter `urlize`: addresses in a text become links.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::filters::texts::escape;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("urlize", PLAIN, urlize);
}

struct Options {
    limit: Option<usize>,
    attributes: String,
    schemes: Vec<String>,
}

fn urlize(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let limit = args.int("trim_url_limit")?.and_then(|limit| usize::try_from(limit).ok());
    let no_follow = args.flag("nofollow", false);
    let target = args.text("target")?;
    let rel = args.text("rel")?.unwrap_or_default();
    let schemes = args.take("extra_schemes").and_then(|schemes| schemes.sequence());
    args.finish()?;
    let mut words: Vec<&str> = rel.split_whitespace().collect();
    words.extend(no_follow.then_some("nofollow"));
    words.push("noopener");
    words.sort_unstable();
    words.dedup();
    let mut attributes = format!(" rel=\"{}\"", escape(&words.join(" ")));
    if let Some(target) = target {
        attributes.push_str(&format!(" target=\"{}\"", escape(&target)));
    }
    let schemes = schemes.unwrap_or_default().iter().map(ToString::to_string).collect();
    let options = Options { limit, attributes, schemes };
    let mut out = String::new();
    let text = value.to_string();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        out.push_str(&linked(&escape(&rest[..end]), &options));
        rest = &rest[end..];
        let end = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    Ok(out.into())
}

/// A word with the address in its middle as a link.
fn linked(word: &str, options: &Options) -> String {
    let mut middle = word;
    let mut head_len = 0;
    loop {
        let opening = ["(", "<", "&lt;"].into_iter().find(|open| middle.starts_with(open));
        let Some(open) = opening else { break };
        head_len += open.len();
        middle = &middle[open.len()..];
    }
    let head = &word[..head_len];
    let mut tail = String::new();
    let closing = [")", ">", ".", ",", "\n", "&gt;"];
    while let Some(close) = closing.into_iter().find(|close| middle.ends_with(close)) {
        middle = &middle[..middle.len() - close.len()];
        tail.insert_str(0, close);
    }
    // Brackets that the address opens itself belong to it.
    for (open, close) in [("(", ")"), ("<", ">"), ("&lt;", "&gt;")] {
        let missing = middle.matches(open).count().saturating_sub(middle.matches(close).count());
        for _ in 0..missing.min(tail.matches(close).count()) {
            let end = tail.find(close).map_or(0, |at| at + close.len());
            let taken = word.len() - tail.len() - head.len() + end;
            middle = &word[head.len()..head.len() + taken];
            tail.drain(..end);
        }
    }
    let href = match middle.split_once("://") {
        Some(("http" | "https", rest)) if has_host(rest) => Some(middle.to_owned()),
        Some(_) => None,
        None if middle.starts_with("www.") && has_host(middle) => Some(format!("https://{middle}")),
        None if middle.starts_with("mailto:") && is_mail(&middle[7..]) => Some(middle.to_owned()),
        None if is_mail(middle) => {
            return format!("{head}<a href=\"mailto:{middle}\">{middle}</a>{tail}");
        }
        None => has_host(middle)
            .then(|| {
                [".com", ".net", ".org"]
                    .iter()
                    .any(|top| middle.split('/').next().is_some_and(|host| host.ends_with(top)))
            })
            .filter(|known| *known)
            .map(|_| format!("https://{middle}")),
    };
    let href = href.or_else(|| {
        let extra = options.schemes.iter().any(|scheme| {
            middle.strip_prefix(scheme.as_str()).is_some_and(|rest| !rest.is_empty())
        });
        extra.then(|| middle.to_owned())
    });
    let Some(href) = href else { return word.to_owned() };
    let attributes = if href.starts_with("mailto:") { "" } else { options.attributes.as_str() };
    let shown = href.strip_prefix("mailto:").filter(|_| middle.starts_with("mailto:"));
    let shown = trimmed(shown.unwrap_or(middle), options.limit);
    format!("{head}<a href=\"{href}\"{attributes}>{shown}</a>{tail}")
}

fn trimmed(text: &str, limit: Option<usize>) -> String {
    match limit {
        Some(limit) if text.chars().count() > limit => {
            text.chars().take(limit).chain("...".chars()).collect()
        }
        _ => text.to_owned(),
    }
}

/// A host with a dot and a top-level name of two letters or more, or an address, in front of a path.
fn has_host(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let last = host.rsplit('.').next().unwrap_or_default();
    host.contains('.')
        && host.split('.').all(|part| !part.is_empty())
        && host.chars().all(|c| c.is_alphanumeric() || "-._%@".contains(c))
        && last.len() >= 2
        && last.chars().any(char::is_alphabetic)
}

fn is_mail(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && !user.contains(['/', ':'])
            && !host.contains(['/', ':'])
            && has_host(host)
    })
}
