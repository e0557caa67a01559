//! Methods of text.

use crate::args::Args;
use crate::error::Error;
use crate::eval::Scope;
use crate::format;
use crate::methods::bytes;
use crate::value::{Map, Value, char_count};

pub(super) const NAMES: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "maketrans",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
    "__contains__",
    "__len__",
];

pub(super) fn call(
    scope: &Scope<'_>,
    text: &str,
    name: &str,
    args: &mut Args,
) -> Result<Value, Error> {
    if name.starts_with("is") {
        return Ok(is(text, name).into());
    }
    Ok(match name {
        "lower" => text.to_lowercase().into(),
        "casefold" => text.to_lowercase().replace('ß', "ss").into(),
        "upper" => text.to_uppercase().into(),
        "capitalize" => capitalize(text).into(),
        "title" => title(text).into(),
        "swapcase" => text.chars().map(swap_case).collect::<String>().into(),
        "strip" | "lstrip" | "rstrip" => strip(text, name, args)?.into(),
        "split" | "rsplit" => split(text, name == "rsplit", args)?,
        "splitlines" => {
            let keep = args.flag("keepends", false);
            lines(text, keep).into_iter().collect()
        }
        "partition" | "rpartition" => partition(text, name, args)?,
        "startswith" | "endswith" => starts_or_ends(scope, text, name, args)?.into(),
        "removeprefix" => {
            let prefix = string(args, "prefix")?;
            text.strip_prefix(&*prefix).unwrap_or(text).into()
        }
        "removesuffix" => {
            let suffix = string(args, "suffix")?;
            text.strip_suffix(&*suffix).unwrap_or(text).into()
        }
        "replace" => {
            let (old, new) = (string(args, "old")?, string(args, "new")?);
            let count = args.int("count")?.and_then(|count| usize::try_from(count).ok());
            let result = match count {
                Some(count) => text.replacen(&*old, &new, count),
                None => text.replace(&*old, &new),
            };
            scope.check_size(result.len())?;
            result.into()
        }
        "find" | "rfind" | "index" | "rindex" | "count" | "__contains__" => {
            search(text, name, args)?
        }
        "join" => join(scope, text, args)?,
        "center" | "ljust" | "rjust" | "zfill" => pad(scope, text, name, args)?.into(),
        "expandtabs" => {
            let width = args.int("tabsize")?.unwrap_or(8).clamp(0, 1000) as usize;
            expand_tabs(text, width).into()
        }
        "format" => {
            let args = std::mem::take(args);
            format::braces(scope, text, args)?.into()
        }
        "format_map" => {
            let named = scope.entries(&args.required("mapping")?)?.unwrap_or_default();
            let named = named.into_iter().map(|(key, value)| (key.to_string().into(), value));
            format::braces(scope, text, Args::new(Vec::new(), named.collect()))?.into()
        }
        "encode" => {
            let encoding = args.text("encoding")?.unwrap_or_else(|| "utf-8".into());
            args.take("errors");
            bytes::encode(text, &encoding)?.into()
        }
        "maketrans" => make_translation(scope, args)?,
        "translate" => translate(scope, text, &args.required("table")?)?.into(),
        "__len__" => char_count(text).into(),
        _ => return Err(Error::no_attribute("str", &Value::from(name))),
    })
}

fn string(args: &mut Args, name: &str) -> Result<std::sync::Arc<str>, Error> {
    let value = args.required(name)?;
    value.as_arc_str().cloned().ok_or_else(|| {
        Error::type_error(format!("argument '{name}' must be str, not {}", value.type_name()))
    })
}

fn is(text: &str, name: &str) -> bool {
    let cased = || text.chars().any(|letter| letter.is_uppercase() || letter.is_lowercase());
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" | "isdigit" => all(|letter| letter.is_ascii_digit()),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            all(|letter| letter.is_alphanumeric() || letter == '_')
                && !text.starts_with(|letter: char| letter.is_numeric())
        }
        "islower" => cased() && !text.chars().any(char::is_uppercase),
        "isupper" => cased() && !text.chars().any(char::is_lowercase),
        "isprintable" => !text.chars().any(char::is_control),
        "isspace" => all(char::is_whitespace),
        "istitle" => cased() && title(text) == text,
        _ => false,
    }
}

/// The first letter large, the others small.
pub(crate) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => {
            first.to_uppercase().chain(letters.as_str().to_lowercase().chars()).collect()
        }
        None => String::new(),
    }
}

fn title(text: &str) -> String {
    let mut inside = false;
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_alphabetic() {
            inside = false;
            result.push(letter);
        } else if inside {
            result.extend(letter.to_lowercase());
        } else {
            inside = true;
            result.extend(letter.to_uppercase());
        }
    }
    result
}

fn swap_case(letter: char) -> String {
    if letter.is_uppercase() {
        letter.to_lowercase().collect()
    } else {
        letter.to_uppercase().collect()
    }
}

fn strip(text: &str, name: &str, args: &mut Args) -> Result<String, Error> {
    let letters = args.text("chars")?;
    let matches = |letter: char| match &letters {
        Some(letters) => letters.contains(letter),
        None => letter.is_whitespace(),
    };
    Ok(match name {
        "lstrip" => text.trim_start_matches(matches),
        "rstrip" => text.trim_end_matches(matches),
        _ => text.trim_matches(matches),
    }
    .to_owned())
}

fn split(text: &str, from_right: bool, args: &mut Args) -> Result<Value, Error> {
    let separator = args.text("sep")?;
    let limit = args.int("maxsplit")?.and_then(|limit| usize::try_from(limit).ok());
    split_text(text, separator.as_deref(), limit, from_right)
}

/// `split` and `rsplit`; without a separator, any white space separates.
pub(crate) fn split_text(
    text: &str,
    separator: Option<&str>,
    limit: Option<usize>,
    from_right: bool,
) -> Result<Value, Error> {
    let limit = limit.unwrap_or(usize::MAX - 1) + 1;
    Ok(match separator {
        Some("") => return Err(Error::value_error("empty separator")),
        Some(separator) if from_right => {
            let mut parts: Vec<&str> = text.rsplitn(limit, separator).collect();
            parts.reverse();
            parts.into_iter().collect()
        }
        Some(separator) => text.splitn(limit, separator).collect(),
        None => split_space(text, limit, from_right).into_iter().collect(),
    })
}

fn split_space(text: &str, limit: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = if from_right { text.trim_end() } else { text.trim_start() };
    while !rest.is_empty() {
        let cut = match (parts.len() + 1 < limit, from_right) {
            (false, _) => None,
            (true, false) => rest.find(char::is_whitespace),
            (true, true) => rest.rfind(char::is_whitespace),
        };
        let Some(cut) = cut else {
            parts.push(if from_right { rest.trim_start() } else { rest });
            break;
        };
        if from_right {
            let width = rest[cut..].chars().next().map_or(1, char::len_utf8);
            parts.push(&rest[cut + width..]);
            rest = rest[..cut].trim_end();
        } else {
            parts.push(&rest[..cut]);
            rest = rest[cut..].trim_start();
        }
    }
    if from_right {
        parts.reverse();
    }
    parts
}

/// Python's `splitlines`, which knows more ends of lines than the newline.
pub(crate) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if !matches!(
            letter,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ) {
            continue;
        }
        let mut end = at + letter.len_utf8();
        if letter == '\r'
            && let Some((_, '\n')) = letters.peek()
        {
            letters.next();
            end += 1;
        }
        lines.push(&text[start..if keep_ends { end } else { at }]);
        start = end;
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    lines
}

fn partition(text: &str, name: &str, args: &mut Args) -> Result<Value, Error> {
    let separator = string(args, "sep")?;
    if separator.is_empty() {
        return Err(Error::value_error("empty separator"));
    }
    let cut = if name == "partition" {
        text.split_once(&*separator)
    } else {
        text.rsplit_once(&*separator)
    };
    let parts = match (cut, name) {
        (Some((before, after)), _) => [before, &separator, after],
        (None, "partition") => [text, "", ""],
        (None, _) => ["", "", text],
    };
    Ok(Value::tuple(parts.into_iter().map(Value::from).collect()))
}

fn starts_or_ends(
    scope: &Scope<'_>,
    text: &str,
    name: &str,
    args: &mut Args,
) -> Result<bool, Error> {
    let wanted = args.required("prefix")?;
    let (text, _) = window(text, args)?;
    let candidates = match wanted.as_str() {
        Some(_) => vec![wanted],
        None if wanted.as_tuple().is_some() => scope.iterate(&wanted)?,
        None => {
            return Err(Error::type_error(format!(
                "{name} first arg must be str or a tuple of str, not {}",
                wanted.type_name()
            )));
        }
    };
    Ok(candidates.iter().filter_map(Value::as_str).any(|part| {
        if name == "startswith" { text.starts_with(part) } else { text.ends_with(part) }
    }))
}

/// The part between the arguments `start` and `end`, and how many letters come before it.
fn window<'t>(text: &'t str, args: &mut Args) -> Result<(&'t str, usize), Error> {
    let (start, end) = (args.int("start")?, args.int("end")?);
    if start.is_none() && end.is_none() {
        return Ok((text, 0));
    }
    let len = char_count(text) as i64;
    let clamp = |at: i64| (if at < 0 { at + len } else { at }).clamp(0, len) as usize;
    let (start, end) = (start.map_or(0, clamp), end.map_or(len as usize, clamp));
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    Ok((text.get(byte(start)..byte(end)).unwrap_or_default(), start))
}

fn search(text: &str, name: &str, args: &mut Args) -> Result<Value, Error> {
    let wanted = string(args, "sub")?;
    let (part, skipped) = window(text, args)?;
    let found = match name {
        "count" if wanted.is_empty() => return Ok((char_count(part) + 1).into()),
        "count" => return Ok(part.matches(&*wanted).count().into()),
        "__contains__" => return Ok(part.contains(&*wanted).into()),
        "find" | "index" => part.find(&*wanted),
        _ => part.rfind(&*wanted),
    };
    match found {
        Some(byte) => Ok((skipped + char_count(&part[..byte])).into()),
        None if name.ends_with("find") => Ok(Value::from(-1)),
        None => Err(Error::value_error("substring not found")),
    }
}

fn join(scope: &Scope<'_>, separator: &str, args: &mut Args) -> Result<Value, Error> {
    let items = scope.iterate(&args.required("iterable")?)?;
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        let piece = item.as_str().ok_or_else(|| {
            Error::type_error(format!(
                "sequence item {at}: expected str instance, {} found",
                item.type_name()
            ))
        })?;
        if at > 0 {
            text.push_str(separator);
        }
        text.push_str(piece);
        scope.check_size(text.len())?;
    }
    Ok(text.into())
}

fn pad(scope: &Scope<'_>, text: &str, name: &str, args: &mut Args) -> Result<String, Error> {
    let width = args.int("width")?.unwrap_or(0).max(0) as usize;
    scope.check_size(width)?;
    if name == "zfill" {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text),
        };
        let zeros = width.saturating_sub(char_count(text));
        return Ok(format!("{sign}{}{digits}", "0".repeat(zeros)));
    }
    let fill = args.text("fillchar")?.unwrap_or_else(|| " ".into());
    if fill.chars().count() != 1 {
        return Err(Error::type_error("The fill character must be exactly one character long"));
    }
    Ok(padded(text, width, &fill, name))
}

/// `center`, `ljust` or `rjust`.
pub(crate) fn padded(text: &str, width: usize, fill: &str, how: &str) -> String {
    let missing = width.saturating_sub(char_count(text));
    let left = match how {
        "ljust" => 0,
        "rjust" => missing,
        // Python gives the odd space to the left if the width is odd.
        _ => missing / 2 + (missing & width & 1),
    };
    format!("{}{text}{}", fill.repeat(left), fill.repeat(missing - left))
}

fn expand_tabs(text: &str, width: usize) -> String {
    let mut result = String::with_capacity(text.len());
    let mut column = 0;
    for letter in text.chars() {
        match letter {
            '\t' if width > 0 => {
                let spaces = width - column % width;
                result.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\t' => {}
            _ => {
                column = if matches!(letter, '\n' | '\r') { 0 } else { column + 1 };
                result.push(letter);
            }
        }
    }
    result
}

fn make_translation(scope: &Scope<'_>, args: &mut Args) -> Result<Value, Error> {
    let from = args.required("x")?;
    let code = |letter: char| Value::from(letter as u32);
    let Some(to) = args.text("y")? else {
        let entries = scope.entries(&from)?.unwrap_or_default().into_iter();
        let entries = entries.map(|(key, value)| {
            let letter = key.as_str().and_then(|text| text.chars().next());
            (letter.map_or(key, code), value)
        });
        return Ok(Value::dict(entries.collect()));
    };
    let from = from.to_string();
    if char_count(&from) != char_count(&to) {
        return Err(Error::value_error("the first two maketrans arguments must have equal length"));
    }
    let mut map: Map = from.chars().map(code).zip(to.chars().map(code)).collect();
    if let Some(removed) = args.text("z")? {
        map.extend(removed.chars().map(|letter| (code(letter), Value::none())));
    }
    Ok(Value::dict(map))
}

fn translate(scope: &Scope<'_>, text: &str, table: &Value) -> Result<String, Error> {
    let mut result = String::with_capacity(text.len());
    for letter in text.chars() {
        let found = scope.item(table, &Value::from(letter as u32))?;
        match (found.as_int(), found.as_str()) {
            (Some(code), _) => {
                result.extend(u32::try_from(code).ok().and_then(char::from_u32));
            }
            (_, Some(text)) => result.push_str(text),
            _ if found.is_none() => {}
            _ => result.push(letter),
        }
    }
    Ok(result)
}
