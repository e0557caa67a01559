//! Lookups in INI and CSV files.

use super::files::read;
use super::{failed, option, terms_of};
use crate::args::Args;
use crate::controller::SearchKind;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::methods::decode;
use crate::regexes::{self, Anchor, Flags, regex};
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    environment.lookup("ini", ini);
    environment.lookup("csvfile", csv_file);
}

/// A term's key and its `name=value` words, which count before the named options.
fn words(term: &str) -> Result<(String, Vec<(String, String)>), Error> {
    let (mut key, mut options) = (Vec::new(), Vec::new());
    for word in words_as_written(term) {
        let Some((name, _)) = word.split_once('=') else {
            // Quotes in the key are part of what is searched.
            key.push(word);
            continue;
        };
        let plain =
            shlex::split(word).ok_or_else(|| failed(format!("unbalanced quotes in '{term}'")))?;
        let plain = plain.concat();
        options.push((name.to_owned(), plain[name.len() + 1..].to_owned()));
    }
    Ok((key.join(" "), options))
}

/// The words of a term; spaces within quotes part no words.
fn words_as_written(term: &str) -> Vec<&str> {
    let (mut words, mut start, mut quote) = (Vec::new(), None, None);
    for (at, letter) in term.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter.is_whitespace() => {
                words.extend(start.take().map(|start: usize| &term[start..at]));
                continue;
            }
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None => {}
        }
        start.get_or_insert(at);
    }
    words.extend(start.map(|start| &term[start..]));
    words
}

fn ini(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let mut file = option(&mut args, "file").unwrap_or_else(|| "ansible.ini".into());
    let mut kind = option(&mut args, "type").unwrap_or_else(|| "ini".into());
    let mut section = option(&mut args, "section").unwrap_or_else(|| "global".into());
    let mut default = args.take_named("default").unwrap_or_else(|| Value::from(""));
    let mut by_pattern = args.take_named("re").is_some_and(|flag| flag.is_true());
    let mut case_sensitive = args.take_named("case_sensitive").is_some_and(|flag| flag.is_true());
    let allow_none = ["allow_none", "allow_no_value"]
        .iter()
        .any(|name| args.take_named(name).is_some_and(|flag| flag.is_true()));
    let mut encoding = option(&mut args, "encoding").unwrap_or_else(|| "utf-8".into());
    let mut interpolates = args.take_named("interpolation").is_none_or(|flag| flag.is_true());
    args.finish()?;
    let mut found = Vec::new();
    for term in terms_of(&terms) {
        let (key, options) = words(&term.to_string())?;
        for (name, value) in options {
            match name.as_str() {
                "file" => file = value,
                "type" => kind = value,
                "section" => section = value,
                "encoding" => encoding = value,
                "re" => by_pattern = value.parse().unwrap_or(true),
                "case_sensitive" => case_sensitive = truth(&value),
                "default" => default = value.into(),
                "interpolation" => interpolates = truth(&value),
                _ => return Err(failed(format!("'{name}' is not a valid option"))),
            }
        }
        if key.is_empty() {
            return Err(failed(format!(
                "No key to look up was provided as first term within string inline options: {term}"
            )));
        }
        let (_, content, _) = read(scope, SearchKind::Files, &file)?;
        let text = decode(&content, &encoding, "strict")?;
        let source = IniFile { name: &file, kind: &kind, section: &section, case_sensitive };
        let entries = source.read(&text, allow_none)?;
        let value_of = |value: &str| {
            if !interpolates {
                return Ok(value.to_owned());
            }
            interpolated(&entries, value, 0)
                .ok_or_else(|| failed(format!("bad interpolation of '{value}' in '{file}'")))
        };
        let wanted = if case_sensitive { key.clone() } else { key.to_lowercase() };
        if by_pattern {
            let pattern = regex(&key, Flags::default(), Anchor::Start)?;
            for (name, value) in &entries {
                if pattern.is_match(name).map_err(|error| regexes::failed(&error))? {
                    let value = value.as_deref().map(value_of).transpose()?;
                    found.push(value.map_or_else(Value::none, Value::from));
                }
            }
            continue;
        }
        match entries.iter().rev().find(|(name, _)| *name == wanted) {
            Some((_, Some(value))) => found.push(value_of(value)?.into()),
            Some((_, None)) => {}
            None => found.push(default.clone()),
        }
    }
    Ok(Value::list(found))
}

fn truth(text: &str) -> bool {
    crate::filters::truth_of(&Value::from(text)).unwrap_or(false)
}

fn has_section(text: &str, wanted: &str) -> bool {
    wanted == "DEFAULT"
        || text.lines().any(|line| {
            line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) == Some(wanted)
        })
}

/// A file of entries, and which of them are wanted.
struct IniFile<'a> {
    name: &'a str,
    /// `ini` or `properties`.
    kind: &'a str,
    section: &'a str,
    case_sensitive: bool,
}

impl IniFile<'_> {
    /// Names with their values, as Python's configparser would accept them.
    fn read(&self, text: &str, allow_none: bool) -> Result<Vec<(String, Option<String>)>, Error> {
        let Self { name: file, kind, section, case_sensitive } = *self;
        if kind != "properties" && !has_section(text, section) {
            return Err(failed(format!("No section '{section}' in '{file}'.")));
        }
        let entries = entries(text, kind, section, case_sensitive);
        if let Some(name) = duplicate(&entries) {
            return Err(failed(format!("Duplicate option in '{file}': '{name}'")));
        }
        let bare = entries.iter().find(|(.., value)| value.is_none() && !allow_none);
        if let Some((_, name, _)) = bare {
            let message =
                format!("Source contains parsing errors: '{file}': '{name}' has no value");
            return Err(failed(message));
        }
        Ok(entries.into_iter().map(|(_, name, value)| (name, value)).collect())
    }
}

/// `%(name)s` is another value, `%%` is `%`; any other `%` is a mistake, as in Python's configparser.
fn interpolated(entries: &[(String, Option<String>)], text: &str, depth: usize) -> Option<String> {
    let mut pieces = text.split('%');
    let mut result = pieces.next()?.to_owned();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            result.push('%');
            result.push_str(pieces.next()?);
            continue;
        }
        let (name, rest) = piece.strip_prefix('(')?.split_once(")s")?;
        let name = name.to_lowercase();
        let found = entries.iter().rev().find(|(known, _)| known.to_lowercase() == name)?;
        let value = found.1.as_deref().filter(|_| depth < 10)?;
        result.push_str(&interpolated(entries, value, depth + 1)?);
        result.push_str(rest);
    }
    Some(result)
}

/// A name that stands twice in one section.
fn duplicate(entries: &[Entry]) -> Option<&str> {
    let mut seen = std::collections::HashSet::new();
    let twice = entries.iter().find(|(section, name, _)| !seen.insert((section, name)));
    twice.map(|(_, name, _)| name.as_str())
}

/// The section where it stands, a name and its value.
type Entry = (String, String, Option<String>);

/// The entries of a section, and those of `DEFAULT`; a properties file is one section.
fn entries(text: &str, kind: &str, wanted: &str, case_sensitive: bool) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = if kind == "properties" { wanted.to_owned() } else { String::new() };
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) && section == wanted && !entries.is_empty() {
            if let Some((_, _, Some(value))) = entries.last_mut() {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        if section != wanted && section != "DEFAULT" {
            continue;
        }
        let (name, value) = match trimmed.split_once(['=', ':']) {
            Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
            None => (trimmed, None),
        };
        let name = if case_sensitive { name.to_owned() } else { name.to_lowercase() };
        entries.push((section.clone(), name, value));
    }
    entries
}

fn csv_file(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let mut file = option(&mut args, "file").unwrap_or_else(|| "ansible.csv".into());
    let mut delimiter = option(&mut args, "delimiter").unwrap_or_else(|| "TAB".into());
    let mut column = option(&mut args, "col").unwrap_or_else(|| "1".into());
    let mut key_column = option(&mut args, "keycol").unwrap_or_else(|| "0".into());
    let mut default = args.take_named("default");
    let mut encoding = option(&mut args, "encoding").unwrap_or_else(|| "utf-8".into());
    args.finish()?;
    let mut found = Vec::new();
    let mut terms = terms_of(&terms);
    if terms.is_empty() {
        terms.push(Value::from(""));
    }
    for term in terms {
        let (key, options) = words(&term.to_string())?;
        for (name, value) in options {
            match name.as_str() {
                "file" => file = value,
                "delimiter" => delimiter = value,
                "col" => column = value,
                "keycol" => key_column = value,
                "default" => default = Some(value.into()),
                "encoding" => encoding = value,
                _ => return Err(failed(format!("'{name}' is not a valid option"))),
            }
        }
        if key.is_empty() {
            return Err(failed("Search key is required but was not found"));
        }
        let number = |name: &str, text: &str| {
            text.parse::<usize>().map_err(|_| {
                failed(format!(
                    "Config '{name}' for 'csvfile' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'int': '{text}'"
                ))
            })
        };
        if scope.controller().find(SearchKind::Files, &file).is_none() {
            return Err(failed(format!("No such file or directory: '{file}'")));
        }
        let (column, key_column) = (number("col", &column)?, number("keycol", &key_column)?);
        let separator = match delimiter.as_str() {
            "TAB" | "t" => '\t',
            other => match other.chars().collect::<Vec<_>>()[..] {
                [separator] => separator,
                _ => return Err(failed("\"delimiter\" must be a 1-character string")),
            },
        };
        let (_, content, _) = read(scope, SearchKind::Files, &file)?;
        let text = decode(&content, &encoding, "strict")?;
        let row = rows(&text, separator).into_iter().find(|row| row.get(key_column) == Some(&key));
        match (row, &default) {
            (Some(row), _) => {
                let cell = row
                    .get(column)
                    .ok_or_else(|| failed(format!("the row of '{key}' has no column {column}")))?;
                found.push(Value::from(cell.as_str()));
            }
            (None, Some(default)) => {
                found.extend(default.sequence().unwrap_or_else(|| vec![default.clone()]));
            }
            (None, None) => {}
        }
    }
    Ok(Value::list(found))
}

/// Rows and cells; quotes hold separators, newlines and doubled quotes.
fn rows(text: &str, separator: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ if letter == separator && !quoted => row.push(std::mem::take(&mut cell)),
            _ => cell.push(letter),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}
