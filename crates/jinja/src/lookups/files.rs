//! Lookups that read the controller's files and run its commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use yaml::SourceFile;

use super::{failed, option, terms_of};
use crate::args::Args;
use crate::controller::SearchKind;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::methods::lines;
use crate::templar::{Overlay, Templar, TemplateOptions};
use crate::template_variables::template_variables;
use crate::value::{Map, Marks, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.lookup("file", file);
    environment.lookup("unvault", unvault);
    environment.lookup("template", template);
    environment.lookup("fileglob", file_glob);
    environment.lookup("first_found", first_found);
    environment.lookup_with_undefined("env", env);
    environment.lookup("pipe", |scope, terms, args| {
        args.finish()?;
        let outputs = terms_of(&terms).into_iter().map(|term| {
            let output = run(scope, &term.to_string(), "pipe")?;
            Ok(Value::from(output.trim_end().to_owned()))
        });
        outputs.collect::<Result<_, Error>>().map(Value::list)
    });
    environment.lookup("lines", |scope, terms, args| {
        args.finish()?;
        let mut all = Vec::new();
        for term in terms_of(&terms) {
            let output = run(scope, &term.to_string(), "lines")?;
            all.extend(lines(&output, false).into_iter().map(Value::from));
        }
        Ok(Value::list(all))
    });
}

fn run(scope: &Scope<'_>, command: &str, lookup: &str) -> Result<String, Error> {
    let result = scope
        .controller()
        .pipe(command)
        .map_err(|error| failed(format!("lookup_plugin.{lookup}({command}) failed: {error}")))?;
    if result.code != 0 {
        let stderr = String::from_utf8_lossy(&result.stderr);
        return Err(failed(format!(
            "lookup_plugin.{lookup}({command}) returned {}{}{}",
            result.code,
            if stderr.trim().is_empty() { "" } else { ": " },
            stderr.trim()
        )));
    }
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

/// The content of a file found on the search path; whether it was encrypted.
pub(super) fn read(
    scope: &Scope<'_>,
    kind: SearchKind,
    name: &str,
) -> Result<(PathBuf, Vec<u8>, bool), Error> {
    let path = scope.controller().find(kind, name).ok_or_else(|| {
        let searched = scope.controller().candidates(kind, name);
        let searched: Vec<String> =
            searched.iter().map(|path| path.display().to_string()).collect();
        failed(format!("Unable to access the file '{name}': File not found."))
            .hinted(Some(format!("searched: {}", searched.join(", "))))
    })?;
    let content = scope.controller().read(&path).map_err(|error| {
        failed(format!("Unable to access the file '{}': {error}", path.display()))
    })?;
    let (content, was_sealed) = scope.environment().vault().content(content).map_err(|error| {
        failed(format!("Unable to access the file '{}': {error}", path.display()))
    })?;
    Ok((path, content, was_sealed))
}

/// The mark of what was read from a file.
fn marks_of(was_sealed: bool) -> Marks {
    if was_sealed { Marks::SECRET } else { Marks::NONE }
}

fn file(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let right = args.take_named("rstrip").is_none_or(|flag| flag.is_true());
    let left = args.take_named("lstrip").is_some_and(|flag| flag.is_true());
    args.finish()?;
    let contents = terms_of(&terms).into_iter().map(|term| {
        let (_, content, was_sealed) = read(scope, SearchKind::Files, &term.to_string())?;
        let text = String::from_utf8_lossy(&content);
        let text = if right { text.trim_end() } else { &text };
        let text = if left { text.trim_start() } else { text };
        Ok(Value::from(text).marked(marks_of(was_sealed)))
    });
    contents.collect::<Result<_, Error>>().map(Value::list)
}

/// Like `file`, but every byte counts.
fn unvault(scope: &Scope<'_>, terms: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let contents = terms_of(&terms).into_iter().map(|term| {
        let (_, content, was_sealed) = read(scope, SearchKind::Files, &term.to_string())?;
        Ok(Value::from(&*String::from_utf8_lossy(&content)).marked(marks_of(was_sealed)))
    });
    contents.collect::<Result<_, Error>>().map(Value::list)
}

fn template(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let extra = args.take_named("template_vars");
    let extra: Vec<(Value, Value)> = match &extra {
        Some(extra) => scope.entries(extra)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut options =
        TemplateOptions { keep_trailing_newline: false, ..TemplateOptions::default() };
    for (name, slot) in [
        ("variable_start_string", &mut options.variable.0),
        ("variable_end_string", &mut options.variable.1),
        ("comment_start_string", &mut options.comment.0),
        ("comment_end_string", &mut options.comment.1),
    ] {
        if let Some(text) = option(&mut args, name) {
            *slot = text;
        }
    }
    if let Some(trim) = args.take_named("trim_blocks") {
        options.trim_blocks = trim.is_true();
    }
    args.take_named("convert_data");
    args.take_named("jinja2_native");
    args.finish()?;
    let texts = terms_of(&terms).into_iter().map(|term| {
        let name = term.to_string();
        if scope.controller().find(SearchKind::Templates, &name).is_none() {
            return Err(failed(format!(
                "the template file {name} could not be found for the lookup"
            )));
        }
        let (path, content, was_sealed) = read(scope, SearchKind::Templates, &name)?;
        let mut source: Arc<SourceFile> =
            SourceFile::from_bytes(&path, &content).map_err(|error| failed(error.to_string()))?;
        if was_sealed {
            source = source.into_secret();
        }
        let _depth = scope.templar().enter(8)?;
        let own =
            template_variables(scope.environment(), scope.templar().variables, &name, &path, "");
        let own = own.into_iter().map(|(name, value)| (Value::from(name), value));
        let vars: Map = own.chain(extra.iter().cloned()).collect();
        let overlay = Overlay::new(scope.templar(), &vars);
        let inner = Templar::new(scope.environment(), &overlay, scope.controller());
        inner.render_output(&source, &options, false).map_err(|error| {
            error.noted(format!("while rendering the template '{}'", path.display()), None)
        })
    });
    texts.collect::<Result<_, Error>>().map(Value::list)
}

fn file_glob(scope: &Scope<'_>, terms: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    let mut found: Vec<Value> = Vec::new();
    for term in terms_of(&terms) {
        let term = term.to_string();
        // The first directory of the search path that holds something counts.
        for candidate in scope.controller().candidates(SearchKind::Files, &term) {
            let mut files = glob(&candidate)?;
            files.retain(|path| path.is_file());
            if !files.is_empty() {
                found.extend(files.iter().map(|path| Value::from(path.to_string_lossy().as_ref())));
                break;
            }
        }
    }
    Ok(Value::list(found))
}

/// The paths that match a pattern with `*`, `?` and `[...]` in any of its parts, sorted.
pub(crate) fn glob(pattern: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy();
        if !part.contains(['*', '?', '[']) {
            for path in &mut found {
                path.push(component);
            }
            continue;
        }
        let mut next = Vec::new();
        for directory in &found {
            let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            let Ok(entries) = std::fs::read_dir(listed) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let hidden = name.starts_with('.') && !part.starts_with('.');
                if !hidden && matches_pattern(&part, &name) {
                    next.push(directory.join(&*name));
                }
            }
        }
        next.sort();
        if next.len() > 1_000_000 {
            return Err(Error::new(ErrorKind::Limit, "a file pattern matches too many files"));
        }
        found = next;
    }
    found.retain(|path| path.symlink_metadata().is_ok());
    Ok(found)
}

/// One name against one part of a pattern.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[at..], name[from]),
            Some(letter) if *letter == name[from] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                from += 1;
            }
            (None, Some((star_at, star_from))) => {
                star = Some((star_at, star_from + 1));
                (at, from) = (star_at + 1, star_from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// The length of a class (`[a-z]`) that the letter belongs to.
fn class(pattern: &[char], letter: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = if negated { 2 } else { 1 };
    let end = pattern.iter().skip(start + 1).position(|c| *c == ']').map(|at| at + start + 1);
    let Some(end) = end else { return (letter == '[').then_some(1) };
    let members = &pattern[start..end];
    let mut found = false;
    let mut at = 0;
    while at < members.len() {
        if members.get(at + 1) == Some(&'-') && at + 2 < members.len() {
            found |= (members[at]..=members[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= members[at] == letter;
            at += 1;
        }
    }
    (found != negated).then_some(end + 1)
}

fn env(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let default = args.take_named("default").unwrap_or_else(|| Value::from(""));
    args.finish()?;
    let unset = |name: &str| match default.as_undefined() {
        Some(why) if why.is_mandatory() => {
            Value::undefined_because(name, format!("The environment variable '{name}' is not set."))
        }
        _ => default.clone(),
    };
    let values = terms_of(&terms).into_iter().map(|term| {
        let term = term.to_string();
        let name = term.split_whitespace().next().unwrap_or_default();
        scope.controller().env(name).map_or_else(|| unset(name), Value::from)
    });
    Ok(values.collect())
}

/// A set of names to try: a term, or the lookup's own options.
fn first_found(scope: &Scope<'_>, terms: Value, mut args: Args) -> Result<Value, Error> {
    let own_files = args.take_named("files");
    let own_paths = args.take_named("paths");
    let mut skip = args.take_named("skip").is_some_and(|skip| skip.is_true());
    args.finish()?;
    let mut names = Vec::new();
    if let Some(files) = &own_files {
        names.extend(joined(files, own_paths.as_ref()));
    }
    for term in flat(terms_of(&terms)) {
        if term.as_dict().is_none() && term.as_str().is_none() {
            return Err(failed(format!(
                "Invalid term supplied. A string, dict or list is required, not '{}').",
                term.type_name()
            )));
        }
        if term.as_dict().is_some() {
            skip |= term.get("skip").is_some_and(|skip| skip.is_true());
            match term.get("files") {
                Some(files) => names.extend(joined(&files, term.get("paths").as_ref())),
                None => names.extend(term.get("paths").iter().flat_map(texts)),
            }
        } else if own_paths.is_some() && own_files.is_none() {
            names.extend(joined(&term, own_paths.as_ref()));
        } else {
            names.push(term.to_string());
        }
    }
    // A name that comes later and is among the files goes before one that is only among templates or variables.
    for kind in [SearchKind::Files, SearchKind::Templates, SearchKind::Vars] {
        for name in &names {
            if let Some(path) = scope.controller().find(kind, name) {
                return Ok(Value::list(vec![path.to_string_lossy().as_ref().into()]));
            }
        }
    }
    if skip {
        return Ok(Value::list(Vec::new()));
    }
    Err(failed("No file was found when using first_found.")
        .hinted((!names.is_empty()).then(|| format!("tried: {}", names.join(", ")))))
}

fn flat(items: Vec<Value>) -> Vec<Value> {
    items
        .into_iter()
        .flat_map(|item| match item.sequence() {
            Some(inner) => flat(inner),
            None => vec![item],
        })
        .collect()
}

/// A list of names, or one text with several between commas, semicolons (and colons, for paths).
fn texts(value: &Value) -> Vec<String> {
    match value.sequence() {
        Some(items) => items.iter().map(ToString::to_string).collect(),
        None => value
            .to_string()
            .split([',', ';'])
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
    }
}

fn joined(files: &Value, paths: Option<&Value>) -> Vec<String> {
    let files = texts(files);
    let paths = match paths {
        Some(paths) if paths.sequence().is_none() => {
            texts(paths).iter().flat_map(|p| p.split(':')).map(str::to_owned).collect()
        }
        Some(paths) => texts(paths),
        None => Vec::new(),
    };
    if paths.is_empty() {
        return files;
    }
    let join =
        |path: &String, file: &String| Path::new(path).join(file).to_string_lossy().into_owned();
    paths.iter().flat_map(|path| files.iter().map(move |file| join(path, file))).collect()
}
