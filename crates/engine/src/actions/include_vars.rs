//! `include_vars`: variables from files of the controller.

use std::path::{Path, PathBuf};

use fancy_regex::Regex;
use jinja::{Marks, SearchKind, Value};
use language::{Vars, merged};
use model::{Args, Outcome, Verdict};

use super::{Attempt, Call, Effect, HIDDEN, Prepared, failure, io_failure};
use crate::attributes::count;

const OF_DIRECTORIES: &[&str] =
    &["dir", "depth", "files_matching", "ignore_files", "ignore_unknown_extensions", "extensions"];
const OF_BOTH: &[&str] = &["name", "hash_behaviour"];

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    check_options(call)?;
    let mut read = Vec::new();
    match variables(call, &mut read) {
        Ok(vars) => done(call, vars, &read),
        Err(error) => {
            let message = error.message().to_owned();
            let mut result = included(&read);
            result.insert("ansible_facts".into(), Args::new().into());
            result.insert("message".into(), message.clone().into());
            Ok(Prepared::Done(Outcome::new(Verdict::Failed { message }, result), Vec::new()))
        }
    }
}

fn check_options(call: &Call<'_>) -> Attempt<()> {
    let has = |names: &[&str]| names.iter().any(|name| call.args.contains_key(*name));
    let is_known = |name: &str| {
        matches!(name, "file" | "_raw_params")
            || OF_DIRECTORIES.contains(&name)
            || OF_BOTH.contains(&name)
    };
    if let Some(name) = call.args.keys().find(|name| !is_known(name)) {
        return Err(failure(format!("{name} is not a valid option in include_vars")));
    }
    if has(&["file", "_raw_params"]) && has(OF_DIRECTORIES) {
        return Err(failure(
            "You are mixing file only and dir only arguments, these are incompatible",
        ));
    }
    Ok(())
}

fn included(read: &[PathBuf]) -> Args {
    let shown: Vec<String> = read.iter().map(|file| file.display().to_string()).collect();
    Args::from_iter([("ansible_included_var_files".to_owned(), shown.into())])
}

/// The variables of all files; `read` gets those that were read.
fn variables(call: &Call<'_>, read: &mut Vec<PathBuf>) -> Attempt<Vars> {
    let files = match call.text("dir") {
        Some(dir) => {
            let directory = directory(call, &dir)?;
            files_of(call, &directory)?
        }
        None => {
            let name = call.text("file").or(call.text("_raw_params"));
            let name =
                name.ok_or_else(|| failure("Could not find file on the Ansible Controller."))?;
            vec![call.find(SearchKind::Vars, name.trim())?]
        }
    };
    let mut vars = Vars::new();
    for file in files {
        let found = call.world.loader.vars_file(&file).map_err(|diagnostic| {
            if diagnostic.message().contains("must hold a mapping") {
                failure(format!("{} must be stored as a dictionary/hash", file.display()))
            } else {
                failure(diagnostic.render(yaml::Style::Plain))
            }
        })?;
        vars.extend(found);
        read.push(file);
    }
    Ok(vars)
}

/// Whether dictionaries are merged: the task says so, or else the setting.
fn merges(call: &Call<'_>) -> bool {
    let said = call.text("hash_behaviour");
    said.map_or(call.world.options.merge_hashes, |said| said == "merge")
}

fn done(call: &Call<'_>, mut vars: Vars, read: &[PathBuf]) -> Attempt<Prepared> {
    if let Some(name) = call.text("name") {
        let entries = vars.drain(..).map(|(key, value)| (Value::from(&*key), value));
        let dict = Value::dict(entries.collect());
        vars.insert(name.into(), dict);
    }
    if merges(call) {
        for (name, value) in &mut vars {
            if jinja::Variables::get(call.scope, name).is_some() {
                *value = merged(&call.templar.variable(name)?, value);
            }
        }
    }
    let mut result = included(read);
    // The variables as written, templates not evaluated.
    let raw = |value: &Value| value.to_json().unwrap_or_else(|_| value.to_string().into());
    let facts: Args = vars.iter().map(|(key, value)| (key.to_string(), raw(value))).collect();
    result.insert("ansible_facts".into(), facts.into());
    // What an encrypted file holds is not shown.
    let secret = Marks::SECRET | Marks::HOLDS_SECRET;
    result.insert(HIDDEN.into(), vars.values().any(|value| value.marks().any(secret)).into());
    let effects =
        vars.into_iter().map(|(key, value)| Effect::IncludeVar(key.to_string(), value)).collect();
    Ok(Prepared::Done(Outcome::ok(result), effects))
}

/// The directory that `dir` names: in a role its `vars/`, else beside the file of the task.
fn directory(call: &Call<'_>, dir: &str) -> Attempt<PathBuf> {
    let written = Path::new(dir);
    let task = call.planned.task.file.parent().unwrap_or(Path::new(""));
    let candidates = match &call.planned.role {
        Some(played) => {
            let path = &played.role.path;
            let own = if dir == "vars" { path.join("vars") } else { path.join("vars").join(dir) };
            vec![own, path.join(dir), task.join(dir)]
        }
        None => vec![task.join(dir)],
    };
    let candidates = if written.is_absolute() { vec![written.to_owned()] } else { candidates };
    match candidates.iter().find(|path| path.exists()) {
        Some(path) if path.is_dir() => Ok(crate::scope::absolute(path)),
        Some(path) => Err(failure(format!("{} is not a directory", path.display()))),
        None => Err(failure(format!("{} directory does not exist", candidates[0].display()))),
    }
}

/// The variable files of a directory and its subdirectories, in the order of their names.
fn files_of(call: &Call<'_>, directory: &Path) -> Attempt<Vec<PathBuf>> {
    let depth = call.args.get("depth").map_or(Ok(0), |value| count("depth", value))?;
    let pattern = |text: &str| {
        Regex::new(text)
            .map_err(|error| failure(format!("`{text}` is no regular expression: {error}")))
    };
    let matching = call.text("files_matching").map(|text| pattern(&text)).transpose()?;
    let ignored = texts(call, "ignore_files").unwrap_or_default();
    let ignored: Vec<Regex> =
        ignored.iter().map(|text| pattern(&format!("{text}$"))).collect::<Attempt<_>>()?;
    let extensions = texts(call, "extensions")
        .unwrap_or_else(|| ["yaml", "yml", "json"].map(ToOwned::to_owned).to_vec());
    let skips_unknown = call.flag("ignore_unknown_extensions", false)?;
    let holds = |regex: &Regex, name: &str| regex.is_match(name).unwrap_or(false);
    let own_main = call.planned.role.as_ref().map(|played| played.role.path.join("vars"));
    let mut found = Vec::new();
    collect(directory, 1, depth, &mut found)?;
    let mut files = Vec::new();
    for file in found {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        // A role's own `vars/main` has been read with the role.
        let is_main = name.starts_with("main.")
            && own_main
                .as_deref()
                .is_some_and(|own| Some(crate::scope::absolute(own).as_path()) == file.parent());
        if is_main
            || matching.as_ref().is_some_and(|matching| !holds(matching, &name))
            || ignored.iter().any(|regex| holds(regex, &name))
        {
            continue;
        }
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        if extensions.iter().any(|known| **known == *extension) {
            files.push(file);
        } else if !skips_unknown {
            return Err(failure(format!(
                "{} does not have a valid extension: {}",
                file.display(),
                extensions.join(", ")
            )));
        }
    }
    Ok(files)
}

fn texts(call: &Call<'_>, name: &str) -> Option<Vec<String>> {
    let value = call.args.get(name).filter(|value| !value.is_none())?;
    Some(match value.as_list() {
        Some(list) => list.snapshot().iter().map(ToString::to_string).collect(),
        None => value.to_string().split_whitespace().map(ToOwned::to_owned).collect(),
    })
}

/// Files first, then those of subdirectories.
fn collect(directory: &Path, level: u32, depth: u32, files: &mut Vec<PathBuf>) -> Attempt<()> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| io_failure("read directory", directory, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let (directories, own): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    files.extend(own);
    for path in directories {
        if depth == 0 || level < depth {
            collect(&path, level + 1, depth, files)?;
        }
    }
    Ok(())
}
