//! Filters on text.

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::format;
use crate::methods::{capitalize, lines, padded};
use crate::value::{Value, char_count};

pub(super) fn register(environment: &mut Environment) {
    for (name, change) in [
        ("lower", (|text: &str| text.to_lowercase()) as fn(&str) -> String),
        ("upper", |text| text.to_uppercase()),
        ("capitalize", capitalize),
        ("title", title),
        ("escape", escape),
        ("e", escape),
        ("forceescape", escape),
        ("safe", str::to_owned),
        ("striptags", strip_tags),
    ] {
        environment.filter(name, PLAIN, move |_, value, args| {
            args.finish()?;
            Ok(change(&text_of(&value)).into())
        });
    }
    environment.filter("trim", PLAIN, trim);
    environment.filter("replace", PLAIN, replace);
    environment.filter("center", PLAIN, center);
    environment.filter("indent", PLAIN, indent);
    environment.filter("truncate", PLAIN, truncate);
    environment.filter("wordcount", PLAIN, |_, value, args| {
        args.finish()?;
        let text = text_of(&value);
        let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        Ok(words.filter(|word| !word.is_empty()).count().into())
    });
    environment.filter("wordwrap", PLAIN, word_wrap);
    environment.filter("format", PLAIN, format_filter);
    environment.filter("quote", PLAIN, |_, value, args| {
        args.finish()?;
        let text = if value.is_none() { String::new() } else { text_of(&value) };
        Ok(quote(&text).into())
    });
    environment.filter("comment", PLAIN, comment);
    environment.filter("xmlattr", PLAIN, xml_attributes);
}

/// The text of any value.
fn text_of(value: &Value) -> String {
    value.to_string()
}

/// Large after white space and opening brackets, as Jinja2 splits words.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for letter in text.chars() {
        if start {
            out.extend(letter.to_uppercase());
        } else {
            out.extend(letter.to_lowercase());
        }
        start = letter.is_whitespace() || "-([{<".contains(letter);
    }
    out
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(letter),
        }
    }
    out
}

fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let tag = &rest[at..];
        let end = if tag.starts_with("<!--") {
            tag.find("-->").map(|end| end + 3)
        } else {
            tag.find('>').map(|end| end + 1)
        };
        match end {
            Some(end) => rest = &tag[end..],
            None => {
                out.push_str(tag);
                rest = "";
            }
        }
    }
    out.push_str(rest);
    unescape(&out.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Entities as the letters that they stand for.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let entity = &rest[at + 1..];
        let end = entity.find(';').filter(|end| *end <= 10);
        match end.and_then(|end| Some((letter_of(&entity[..end])?, end))) {
            Some((letter, end)) => {
                out.push(letter);
                rest = &entity[end + 1..];
            }
            None => {
                out.push('&');
                rest = entity;
            }
        }
    }
    out.push_str(rest);
    out
}

fn letter_of(entity: &str) -> Option<char> {
    let code = match entity.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => {
            const NAMED: [(&str, char); 10] = [
                ("amp", '&'),
                ("lt", '<'),
                ("gt", '>'),
                ("quot", '"'),
                ("apos", '\''),
                ("nbsp", '\u{a0}'),
                ("copy", '©'),
                ("hellip", '…'),
                ("mdash", '—'),
                ("ndash", '–'),
            ];
            return NAMED.iter().find(|(name, _)| *name == entity).map(|(_, letter)| *letter);
        }
    };
    char::from_u32(code)
}

fn trim(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let letters = args.text("chars")?;
    args.finish()?;
    let text = text_of(&value);
    Ok(match letters {
        Some(letters) => text.trim_matches(|letter| letters.contains(letter)).into(),
        None => text.trim().into(),
    })
}

fn replace(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let (old, new) = (args.required("old")?.to_string(), args.required("new")?.to_string());
    let count = args.int("count")?.and_then(|count| usize::try_from(count).ok());
    args.finish()?;
    let text = text_of(&value);
    let result = match count {
        Some(count) => text.replacen(&old, &new, count),
        None => text.replace(&old, &new),
    };
    scope.check_size(result.len())?;
    Ok(result.into())
}

fn center(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let width = args.int("width")?.unwrap_or(80).max(0) as usize;
    args.finish()?;
    scope.check_size(width)?;
    Ok(padded(&text_of(&value), width, " ", "center").into())
}

fn indent(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let width = args.take("width").unwrap_or_else(|| Value::from(4));
    let first = args.flag("first", false);
    let blank = args.flag("blank", false);
    args.finish()?;
    let prefix = match (width.as_str(), width.as_i64()) {
        (Some(prefix), _) => prefix.to_owned(),
        (_, Some(width)) => {
            let width = width.max(0) as usize;
            scope.check_size(width)?;
            " ".repeat(width)
        }
        _ => return Err(Error::type_error("indent's width must be a number or a text")),
    };
    let text = text_of(&value);
    // Jinja2 adds a newline before it splits, so that one at the end stays.
    let text = format!("{text}\n");
    let all = lines(&text, false);
    scope.check_size(text.len() + all.len() * prefix.len())?;
    let mut out = String::with_capacity(text.len() + all.len() * prefix.len());
    for (at, line) in all.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let wanted = if at == 0 { first } else { blank || !line.is_empty() };
        if wanted {
            out.push_str(&prefix);
        }
        out.push_str(line);
    }
    Ok(out.into())
}

fn truncate(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let length = args.int("length")?.unwrap_or(255).max(0) as usize;
    let kill_words = args.flag("killwords", false);
    let end = args.text("end")?.unwrap_or_else(|| "...".into());
    let leeway = args.int("leeway")?.unwrap_or(5).max(0) as usize;
    args.finish()?;
    let text = text_of(&value);
    let room = length.checked_sub(char_count(&end)).ok_or_else(|| {
        Error::value_error(format!("expected length >= {}, got {length}", char_count(&end)))
    })?;
    if char_count(&text) <= length + leeway {
        return Ok(text.into());
    }
    let cut: String = text.chars().take(room).collect();
    let kept = if kill_words { &cut } else { cut.rsplit_once(' ').map_or(&*cut, |(kept, _)| kept) };
    Ok(format!("{kept}{end}").into())
}

fn word_wrap(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let width = args.int("width")?.unwrap_or(79).max(1) as usize;
    let break_long = args.flag("break_long_words", true);
    let separator = args.text("wrapstring")?.unwrap_or_else(|| "\n".into());
    let break_on_hyphens = args.flag("break_on_hyphens", true);
    args.finish()?;
    let text = text_of(&value);
    let wrapped: Vec<String> = lines(&text, false)
        .into_iter()
        .map(|line| wrapped_line(line, width, break_long, break_on_hyphens).join(&separator))
        .collect();
    Ok(wrapped.join(&separator).into())
}

/// Words and the spaces between them, filled up to the width; spaces at a line's end are dropped.
fn wrapped_line(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut pieces: Vec<String> = pieces(line, hyphens);
    pieces.reverse();
    while let Some(piece) = pieces.pop() {
        let room = width.saturating_sub(char_count(&row));
        if piece.trim().is_empty() && row.is_empty() && !rows.is_empty() {
            continue;
        }
        if char_count(&piece) <= room {
            row.push_str(&piece);
        } else if char_count(&piece) > width && break_long {
            let room = if room == 0 { 0 } else { room };
            row.extend(piece.chars().take(room));
            pieces.push(piece.chars().skip(room).collect());
            rows.push(std::mem::take(&mut row).trim_end().to_owned());
        } else if row.is_empty() {
            rows.push(piece);
        } else {
            rows.push(std::mem::take(&mut row).trim_end().to_owned());
            pieces.push(piece);
        }
    }
    let last = row.trim_end();
    if !last.is_empty() {
        rows.push(last.to_owned());
    }
    rows
}

fn pieces(line: &str, hyphens: bool) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut was_space = None;
    for letter in line.chars() {
        let is_space = letter.is_whitespace();
        let after_hyphen = hyphens
            && pieces.last().is_some_and(|piece| {
                piece.ends_with('-') && piece.trim_end_matches('-').ends_with(char::is_alphanumeric)
            });
        if was_space == Some(is_space) && !(after_hyphen && letter.is_alphanumeric()) {
            if let Some(piece) = pieces.last_mut() {
                piece.push(letter);
            }
        } else {
            pieces.push(letter.into());
        }
        was_space = Some(is_space);
    }
    pieces
}

fn format_filter(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let positional = args.rest();
    let named = args.rest_named();
    let argument = match (positional.is_empty(), named.is_empty()) {
        (false, false) => {
            return Err(Error::type_error(
                "can't handle positional and keyword arguments at the same time",
            ));
        }
        (true, false) => {
            Value::dict(named.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
        }
        _ => Value::tuple(positional),
    };
    format::percent(&text_of(&value), &argument).map(Value::from)
}

/// Python's `shlex.quote`.
pub(crate) fn quote(text: &str) -> String {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || "@%+=:,./-_".contains(letter);
    if !text.is_empty() && text.chars().all(is_safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn comment(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let style = args.text("style")?.unwrap_or_else(|| "plain".into());
    let (beginning, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        _ => {
            return Err(Error::value_error(format!("Invalid style '{style}'.")).hinted(
                crate::error::nearest(
                    &style,
                    ["plain", "erlang", "c", "cblock", "xml"].into_iter(),
                ),
            ));
        }
    };
    let mut option = |name: &str, default: &str| {
        args.take_named(name).map_or_else(|| default.to_owned(), |value| value.to_string())
    };
    let newline = option("newline", "\n");
    let decoration = option("decoration", decoration);
    let beginning = option("beginning", beginning);
    let end = option("end", end);
    let prefix = option("prefix", decoration.trim_end());
    let postfix = option("postfix", decoration.trim_end());
    let mut times = |name: &str| {
        args.take_named(name).and_then(|value| value.as_i64()).unwrap_or(1).clamp(0, 1000) as usize
    };
    let (prefix_count, postfix_count) = (times("prefix_count"), times("postfix_count"));
    args.finish()?;
    let mut out = String::new();
    if !beginning.is_empty() {
        out.push_str(&beginning);
        out.push_str(&newline);
    }
    if !prefix.is_empty() {
        let line = if prefix == newline { prefix } else { format!("{prefix}{newline}") };
        out.push_str(&line.repeat(prefix_count));
    }
    let text = text_of(&value);
    let body: Vec<String> = text
        .split(&*newline)
        .map(|line| format!("{decoration}{line}").trim_end().to_owned())
        .collect();
    out.push_str(&body.join(&newline));
    out.push_str(&newline);
    let mut after = vec![postfix; postfix_count];
    if !end.is_empty() {
        after.push(end);
    }
    out.push_str(&after.join(&newline));
    Ok(out.into())
}

fn xml_attributes(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let spaced = args.flag("autospace", true);
    args.finish()?;
    let entries =
        scope.entries(&value)?.ok_or_else(|| Error::type_error("xmlattr takes a dictionary"))?;
    let forbidden = |letter: char| letter.is_whitespace() || "/>=".contains(letter);
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.to_string().contains(forbidden)) {
        return Err(Error::value_error(format!(
            "Invalid character in attribute name: {}",
            key.repr()
        )));
    }
    let pairs: Vec<String> = entries
        .into_iter()
        .filter(|(_, value)| !value.is_none() && !value.is_undefined())
        .map(|(key, value)| {
            format!("{}=\"{}\"", escape(&key.to_string()), escape(&value.to_string()))
        })
        .collect();
    let text = pairs.join(" ");
    Ok(if spaced && !text.is_empty() { format!(" {text}") } else { text }.into())
}
