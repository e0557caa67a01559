//! Filters on paths, on text alone or on the controller's disk.

use std::path::{Component, Path, PathBuf};

use super::PLAIN;
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::lookups::glob;
use crate::value::Value;

pub(super) fn register(environment: &mut Environment) {
    for (name, run) in [
        ("basename", basename as fn(&str) -> Value),
        ("dirname", |path| dirname(path).into()),
        ("normpath", |path| normal(path).into()),
        ("splitext", |path| {
            let (root, extension) = split_extension(path);
            Value::tuple(vec![root.into(), extension.into()])
        }),
        ("win_basename", |path| path.rsplit(['\\', '/']).next().unwrap_or_default().into()),
        ("win_dirname", |path| {
            let end = path.rfind(['\\', '/']).unwrap_or(0);
            path[..end].trim_end_matches(['\\', '/']).into()
        }),
        ("win_splitdrive", |path| {
            let end = if path.as_bytes().get(1) == Some(&b':') { 2 } else { 0 };
            Value::tuple(vec![path[..end].into(), path[end..].into()])
        }),
    ] {
        environment.filter(name, PLAIN, move |_, value, args| {
            args.finish()?;
            Ok(run(path_of(&value)?))
        });
    }
    environment.filter("expanduser", PLAIN, |scope, value, args| {
        args.finish()?;
        Ok(expand_user(scope, path_of(&value)?).into())
    });
    environment.filter("expandvars", PLAIN, |scope, value, args| {
        args.finish()?;
        Ok(expand_vars(scope, path_of(&value)?).into())
    });
    environment.filter("realpath", PLAIN, |_, value, args| {
        args.finish()?;
        Ok(real(path_of(&value)?).into())
    });
    environment.filter("relpath", PLAIN, relative);
    environment.filter("path_join", PLAIN, |scope, value, args| {
        args.finish()?;
        let parts = match value.as_str() {
            Some(_) => vec![value],
            None if value.sequence().is_some() => scope.iterate(&value)?,
            None => return Err(unfit("|path_join expects string or sequence", &value)),
        };
        let mut path = PathBuf::new();
        for part in &parts {
            path.push(path_of(part)?);
        }
        Ok(path.to_string_lossy().as_ref().into())
    });
    environment.filter("commonpath", PLAIN, common);
    environment.filter("fileglob", PLAIN, |scope, value, args| {
        args.finish()?;
        let files = glob(Path::new(&expand_user(scope, path_of(&value)?)))?;
        Ok(files
            .into_iter()
            .filter(|path| path.is_file())
            .map(|p| Value::from(p.to_string_lossy().as_ref()))
            .collect())
    });
}

fn path_of(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| {
        Error::type_error(format!(
            "expected str, bytes or os.PathLike object, not {}",
            value.type_name()
        ))
    })
}

fn basename(path: &str) -> Value {
    path.rsplit('/').next().unwrap_or_default().into()
}

/// Everything before the last slash, as Python cuts it.
pub(crate) fn dirname(path: &str) -> String {
    let Some(end) = path.rfind('/') else { return String::new() };
    let head = &path[..=end];
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head.to_owned() } else { trimmed.to_owned() }
}

fn split_extension(path: &str) -> (&str, &str) {
    let name_start = path.rfind('/').map_or(0, |at| at + 1);
    let name = &path[name_start..];
    let dots = name.len() - name.trim_start_matches('.').len();
    match name[dots..].rfind('.') {
        Some(at) => path.split_at(name_start + dots + at),
        None => (path, ""),
    }
}

/// Without `.`, `..` and double slashes.
fn normal(path: &str) -> String {
    if path.is_empty() {
        return ".".into();
    }
    let mut out = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { ".".into() } else { out.to_string_lossy().into_owned() }
}

fn absolute(path: &str) -> String {
    let full = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    normal(&full.to_string_lossy())
}

/// The path with links followed as far as it exists.
fn real(path: &str) -> String {
    let full = PathBuf::from(absolute(path));
    for ancestor in full.ancestors() {
        if let Ok(resolved) = std::fs::canonicalize(ancestor) {
            let rest = full.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return normal(&resolved.join(rest).to_string_lossy());
        }
    }
    full.to_string_lossy().into_owned()
}

fn expand_user(scope: &Scope<'_>, path: &str) -> String {
    match (path.strip_prefix('~'), scope.controller().env("HOME")) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.trim_end_matches('/'))
        }
        _ => path.to_owned(),
    }
}

/// `$NAME` and `${NAME}`; unknown ones stay.
fn expand_vars(scope: &Scope<'_>, path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, len) = match after.strip_prefix('{') {
            Some(inside) => match inside.find('}') {
                Some(end) => (&inside[..end], end + 2),
                None => ("", 0),
            },
            None => {
                let end = after
                    .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                    .unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match scope.controller().env(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[at..at + 1 + len]),
        }
        rest = &after[len..];
    }
    out.push_str(rest);
    out
}

fn relative(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let start = args.text("start")?.unwrap_or_else(|| ".".into());
    args.finish()?;
    let (path, start) = (absolute(path_of(&value)?), absolute(&start));
    let (path, start): (Vec<_>, Vec<_>) =
        (Path::new(&path).components().collect(), Path::new(&start).components().collect());
    let shared = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Component::ParentDir, start.len() - shared);
    let out: PathBuf = up.chain(path[shared..].iter().copied()).collect();
    let text = out.to_string_lossy();
    Ok(if text.is_empty() { "." } else { &*text }.into())
}

fn unfit(wanted: &str, value: &Value) -> Error {
    Error::type_error(format!("{wanted}, got <class '{}'> instead.", value.type_name()))
}

fn common(scope: &Scope<'_>, value: Value, args: Args) -> Result<Value, Error> {
    args.finish()?;
    if value.sequence().is_none() {
        return Err(unfit("|commonpath expects sequence", &value));
    }
    let paths = scope.iterate(&value)?;
    let mut paths = paths.iter().map(path_of);
    let first = paths
        .next()
        .ok_or_else(|| Error::value_error("commonpath() arg is an empty sequence"))??;
    let mut shared: Vec<Component<'_>> = Path::new(first).components().collect();
    let all = paths.collect::<Result<Vec<_>, _>>()?;
    for path in all {
        if path.starts_with('/') != first.starts_with('/') {
            return Err(Error::value_error("Can't mix absolute and relative paths"));
        }
        let same = Path::new(path).components().zip(&shared).take_while(|(a, b)| a == *b).count();
        shared.truncate(same);
    }
    let out: PathBuf = shared.into_iter().collect();
    Ok(out.to_string_lossy().as_ref().into())
}
