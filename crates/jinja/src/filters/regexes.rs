//! Filters with regular expressions.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::regexes::{Anchor, Flags, escape, failed, regex};
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.filter("regex_search", PLAIN, search);
    environment.filter("regex_findall", PLAIN, find_all);
    environment.filter("regex_replace", PLAIN, replace);
    environment.filter("regex_escape", PLAIN, |_, value, mut args| {
        let kind = args.text("re_type")?.unwrap_or_else(|| "python".into());
        args.finish()?;
        let text = value.to_string();
        match kind.as_str() {
            "python" => Ok(escape(&text).into()),
            "posix_basic" => {
                let mut out = String::new();
                for letter in text.chars() {
                    if "[].^$*\\".contains(letter) {
                        out.push('\\');
                    }
                    out.push(letter);
                }
                Ok(out.into())
            }
            "posix_extended" => {
                Err(Error::value_error(format!("Regex type ({kind}) not yet implemented")))
            }
            _ => Err(Error::value_error(format!("Invalid regex type ({kind})"))),
        }
    });
}

fn flags(args: &mut Args) -> Flags {
    let mut flag = |name: &str| args.take_named(name).is_some_and(|flag| flag.is_true());
    Flags { ignore_case: flag("ignorecase"), multiline: flag("multiline"), dot_all: false }
}

fn pattern(args: &mut Args) -> Result<String, Error> {
    args.required("regex").map(|pattern| pattern.to_string())
}

fn search(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let pattern = pattern(&mut args)?;
    let flags = flags(&mut args);
    let wanted = args.rest();
    args.finish()?;
    let text = value.to_string();
    let compiled = regex(&pattern, flags, Anchor::None)?;
    let Some(captures) = compiled.captures(&text).map_err(|error| failed(&error))? else {
        return Ok(Value::none());
    };
    if wanted.is_empty() {
        return Ok(captures.get(0).map(|found| found.as_str()).into());
    }
    let groups = wanted.iter().map(|name| {
        let name = name.to_string();
        let found = if let Some(name) = name.strip_prefix("\\g<") {
            let name = name.trim_end_matches('>');
            if !compiled.capture_names().flatten().any(|known| known == name) {
                return Err(Error::value_error(format!("no such group: {name}")));
            }
            captures.name(name)
        } else if let Some(at) = name.strip_prefix('\\').and_then(|at| at.parse::<usize>().ok()) {
            if at >= captures.len() {
                return Err(Error::value_error("no such group"));
            }
            captures.get(at)
        } else {
            return Err(Error::value_error("Unknown argument"));
        };
        Ok(Value::from(found.map(|found| found.as_str())))
    });
    groups.collect::<Result<Vec<_>, _>>().map(Value::list)
}

fn find_all(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let pattern = pattern(&mut args)?;
    let mut flags = flags(&mut args);
    flags.multiline |= args.flag("multiline", false);
    flags.ignore_case |= args.flag("ignorecase", false);
    args.finish()?;
    let text = value.to_string();
    let compiled = regex(&pattern, flags, Anchor::None)?;
    let mut found = Vec::new();
    for captures in compiled.captures_iter(text.as_str()) {
        scope.step()?;
        let captures = captures.map_err(|error| failed(&error))?;
        let group = |at: usize| {
            Value::from(captures.get(at).map(|found| found.as_str()).unwrap_or_default())
        };
        found.push(match captures.len() {
            1 => group(0),
            2 => group(1),
            len => Value::tuple((1..len).map(group).collect()),
        });
    }
    Ok(Value::list(found))
}

fn replace(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let pattern = args.take("pattern").map(|value| value.to_string()).unwrap_or_default();
    let replacement = args.take("replacement").map(|value| value.to_string()).unwrap_or_default();
    let mut flags = flags(&mut args);
    flags.ignore_case |= args.flag("ignorecase", false);
    flags.multiline |= args.flag("multiline", false);
    let count = args.int("count")?.unwrap_or(0);
    let mandatory = args.int("mandatory_count")?.unwrap_or(0);
    args.finish()?;
    let text = value.to_string();
    let compiled = regex(&pattern, flags, Anchor::None)?;
    if let Some(fault) = pyregex::fault_of_template(&replacement, &compiled) {
        return Err(Error::value_error(fault));
    }
    let mut out = String::with_capacity(text.len());
    let (mut end, mut replaced) = (0, 0);
    for captures in compiled.captures_iter(text.as_str()) {
        if count > 0 && replaced >= count {
            break;
        }
        scope.step()?;
        let captures = captures.map_err(|error| failed(&error))?;
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(&text[end..whole.start()]);
        out.push_str(&pyregex::expand(&replacement, &captures));
        scope.check_size(out.len())?;
        end = whole.end();
        replaced += 1;
    }
    if mandatory > 0 && replaced != mandatory {
        return Err(Error::value_error(format!(
            "'{pattern}' should match {mandatory} times, but matches {replaced} times in '{text}'"
        )));
    }
    out.push_str(&text[end..]);
    Ok(out.into())
}
