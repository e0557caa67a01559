//! `include_vars`: variables from files of the controller.

use std::path::{Path, PathBuf};

use jinja::{SearchKind, Value};
use language::Vars;
use model::{Args, Outcome};

use super::{Attempt, Call, Effect, Prepared, failure, io_failure};

const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    call.only(&[
        "file",
        "dir",
        "name",
        "depth",
        "files_matching",
        "ignore_files",
        "ignore_unknown_extensions",
        "extensions",
        "hash_behaviour",
        "_raw_params",
    ])?;
    let files = match call.text("dir") {
        Some(dir) => files_of(call, &call.find(SearchKind::Vars, &dir)?)?,
        None => {
            let name = call.text("file").or(call.text("_raw_params"));
            let name =
                name.ok_or_else(|| failure("one of the following is required: file, dir"))?;
            vec![call.find(SearchKind::Vars, &name)?]
        }
    };
    let mut vars = Vars::new();
    for file in &files {
        vars.extend(
            call.world
                .loader
                .vars_file(file)
                .map_err(|diagnostic| failure(diagnostic.render(yaml::Style::Plain)))?,
        );
    }
    let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let mut result = Args::new();
    let effects = match call.text("name") {
        Some(name) => {
            let entries = vars.iter().map(|(key, value)| (Value::from(&**key), value.clone()));
            let dict = Value::dict(entries.collect());
            result.insert("ansible_facts".into(), serde_json::json!({ &*name: raw_json(&dict) }));
            vec![Effect::IncludeVar(name, dict)]
        }
        None => {
            let facts: Args =
                vars.iter().map(|(key, value)| (key.to_string(), raw_json(value))).collect();
            result.insert("ansible_facts".into(), facts.into());
            vars.into_iter()
                .map(|(key, value)| Effect::IncludeVar(key.to_string(), value))
                .collect()
        }
    };
    result.insert("ansible_included_var_files".into(), shown.into());
    Ok(Prepared::Done(Outcome::ok(result), effects))
}

/// The variables as written, templates not evaluated.
fn raw_json(value: &Value) -> serde_json::Value {
    value.to_json().unwrap_or_else(|_| value.to_string().into())
}

/// The variable files of a directory and its subdirectories, in the order of their names.
fn files_of(call: &Call<'_>, directory: &Path) -> Attempt<Vec<PathBuf>> {
    let depth =
        call.args.get("depth").map_or(Ok(0), |value| crate::attributes::count("depth", value))?;
    let pattern = call.text("files_matching");
    let pattern = pattern
        .map(|text| {
            fancy_regex::Regex::new(&text)
                .map_err(|error| failure(format!("files_matching: {error}")))
        })
        .transpose()?;
    let mut files = Vec::new();
    collect(directory, 1, depth, &mut files)?;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let known = file
            .extension()
            .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        known && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&*name).unwrap_or(false))
    });
    Ok(files)
}

fn collect(directory: &Path, level: u32, depth: u32, files: &mut Vec<PathBuf>) -> Attempt<()> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| io_failure("read directory", directory, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if !path.is_dir() {
            files.push(path);
        } else if depth == 0 || level < depth {
            collect(&path, level + 1, depth, files)?;
        }
    }
    Ok(())
}
