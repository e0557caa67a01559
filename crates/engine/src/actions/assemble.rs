//! `assemble` with `remote_src: false`: the fragments are put together here, and a `copy` step brings the whole.

use std::path::Path;

use jinja::SearchKind;

use model::Outcome;

use super::{Attempt, Call, Draft, Effect, Prepared, copy, failure, io_failure, single};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let src = call.required("src")?;
    call.required("dest")?;
    let mut args = call.json_args()?;
    if call.flag("remote_src", true)? {
        return Ok(super::module(args, "assemble"));
    }
    let directory = call.find(SearchKind::Files, &src)?;
    if !directory.is_dir() {
        return Err(failure(format!("Source ({}) is not a directory", directory.display())));
    }
    let content = content(call, &directory)?;
    for name in ["src", "remote_src", "delimiter", "regexp", "ignore_hidden"] {
        args.shift_remove(name);
    }
    copy::add_content(call, &mut args, &content)?;
    let draft = Draft { module: "copy".to_owned(), args };
    Ok(Prepared::Steps(vec![draft], Box::new(|outcomes| with_one_diff(single(outcomes)))))
}

/// What changed is one dictionary here, where `copy` gives a list.
fn with_one_diff((mut outcome, effects): (Outcome, Vec<Effect>)) -> (Outcome, Vec<Effect>) {
    let all = outcome.to_args().shift_remove("diff");
    if let Some(diff) = all.as_ref().and_then(|diff| diff.get(0)) {
        outcome.result.insert("diff".into(), diff.clone());
    }
    (outcome, effects)
}

/// The fragments with what goes between them.
fn content(call: &Call<'_>, directory: &Path) -> Attempt<Vec<u8>> {
    let delimiter = call.text("delimiter").filter(|text| !text.is_empty());
    let delimiter = delimiter.map(|text| text.replace("\\n", "\n").replace("\\t", "\t"));
    let ignore_hidden = call.flag("ignore_hidden", false)?;
    let regexp = call
        .text("regexp")
        .map(|text| {
            fancy_regex::Regex::new(&text)
                .map_err(|error| failure(format!("Invalid Regexp ({error}) in \"{text}\"")))
        })
        .transpose()?;
    let entries = std::fs::read_dir(directory)
        .map_err(|error| io_failure("read directory", directory, &error))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let decrypt = call.flag("decrypt", true)?;
    let read = |path: &Path| {
        jinja::read_regular(path).map_err(|error| io_failure("read fragment", path, &error))
    };
    let mut content = Vec::new();
    for name in names {
        let text = name.to_string_lossy();
        let fits = regexp.as_ref().is_none_or(|regexp| regexp.is_match(&*text).unwrap_or(false));
        let path = directory.join(&name);
        if !fits || (ignore_hidden && text.starts_with('.')) || !path.is_file() {
            continue;
        }
        let fragment = if decrypt { call.read(&path)?.0 } else { read(&path)? };
        if let Some(delimiter) = delimiter.as_ref().filter(|_| !content.is_empty()) {
            end_line(&mut content);
            content.extend_from_slice(delimiter.as_bytes());
        }
        end_line(&mut content);
        content.extend_from_slice(&fragment);
    }
    Ok(content)
}

fn end_line(content: &mut Vec<u8>) {
    if !content.is_empty() && !content.ends_with(b"\n") {
        content.push(b'\n');
    }
}
