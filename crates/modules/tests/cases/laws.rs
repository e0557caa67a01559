//! The laws, proved for one case.

use std::path::Path;
use std::time::SystemTime;

use model::{Args, Diff, DiffContent, Mode, Outcome, Step, StepId, Verdict};
use modules::{Answer, Purpose};
use serde_json::Value;
use system::{FakeSystem, RealSystem, System};

use crate::case::Case;
use crate::engine::Engine;
use crate::host;

type Proof = Result<(), String>;

/// Proves the laws for a case, in memory and, where that is possible, for real.
pub(crate) fn prove(module: &str, case: &Case) -> Proof {
    prove_in_memory(module, case).map_err(|complaint| format!("in memory: {complaint}"))?;
    if can_be_real(case) {
        prove_for_real(module, case).map_err(|complaint| format!("for real: {complaint}"))?;
    }
    Ok(())
}

fn step(module: &str, args: &Args, check: bool) -> Step {
    Step {
        id: StepId(0),
        module: module.to_owned(),
        args: args.clone(),
        mode: Mode { check, diff: true },
        run_as: None,
        environment: std::collections::BTreeMap::new(),
        timeout: None,
        no_log: false,
    }
}

fn prove_in_memory(module: &str, case: &Case) -> Proof {
    let fresh = || {
        let fake = FakeSystem::new();
        host::lay_over(&fake, &case.before);
        let engine = case.before.engine.as_ref().map(Engine::start);
        if let Some(engine) = &engine {
            fake.set_variable("DOCKER_HOST", &engine.address());
        }
        (fake, engine)
    };
    let told = |engine: &Option<Engine>| engine.as_ref().map(Engine::told).unwrap_or_default();
    let (fake, engine) = fresh();
    let before = fake.files();
    let predicted = modules::run(&step(module, &case.args, true), &fake);
    if fake.files() != before || !fake.effects().is_empty() || !told(&engine).is_empty() {
        return Err(format!("check wrote: {:?} {:?}", fake.effects(), told(&engine)));
    }

    let (fake, engine) = fresh();
    let examined = modules::examine(&step(module, &case.args, false), &fake, Purpose::Run);
    let outcome = examined.outcome;
    judge(case, &outcome)?;
    if let Some(wanted) = &case.told {
        same("told", wanted, &told(&engine))?;
    }
    if let Some(wanted) = &case.effects {
        same("effects", wanted, &fake.effects())?;
    } else if outcome.is_failed() && fake.files() != before {
        return Err(format!("it failed half-way: {:?}", fake.effects()));
    } else if matches!(outcome.verdict, Verdict::Ok) && !fake.effects().is_empty() {
        return Err(format!("it is `ok` and did {:?}", fake.effects()));
    }
    let files = fake.files();
    for (path, wanted) in &case.after {
        host::compare(path, wanted.as_ref(), files.get(Path::new(path)))?;
    }
    predicts(case, examined.answer, &predicted, &outcome)?;

    let (effects, requests) = (fake.effects().len(), told(&engine).len());
    let second = modules::examine(&step(module, &case.args, false), &fake, Purpose::Run);
    let again = second.outcome;
    settled(case, examined.answer, &outcome, &again)?;
    // Upkeep is done each time and counts as no change.
    let is_upkeep = second.answer == Some(Answer::Upkeep);
    if matches!(again.verdict, Verdict::Ok) && fake.effects().len() > effects && !is_upkeep {
        return Err(format!("the second run did {:?}", &fake.effects()[effects..]));
    }
    let requests = &told(&engine)[requests..];
    if matches!(again.verdict, Verdict::Ok)
        && !requests.is_empty()
        && !is_upkeep
        && second.answer != Some(Answer::CannotTell)
    {
        return Err(format!("the second run told {requests:?}"));
    }
    Ok(())
}

/// Outcome, result, warnings and diff are as the case wants them.
fn judge(case: &Case, outcome: &Outcome) -> Proof {
    let said = || format!("{:?} {}", outcome.verdict, Value::Object(outcome.result.clone()));
    if word(outcome) != case.expect {
        return Err(format!("expected {}, got {}", case.expect, said()));
    }
    if let Some(wanted) = &case.message {
        let message = match &outcome.verdict {
            Verdict::Failed { message } => message.as_str(),
            Verdict::Skipped { reason } => reason.as_str(),
            _ => outcome.result.get("msg").and_then(Value::as_str).unwrap_or_default(),
        };
        let fits = match (wanted.strip_suffix("..."), wanted.strip_prefix("...")) {
            (Some(beginning), _) => message.starts_with(beginning),
            (None, Some(end)) => message.ends_with(end),
            (None, None) => message == wanted,
        };
        if !fits {
            return Err(format!("the message is {message:?}"));
        }
    } else if case.expect == "failed" {
        return Err(format!("a case that fails says how: message: {:?}", outcome.verdict));
    }
    for (key, wanted) in &case.result {
        same(&format!("result.{key}"), wanted, outcome.result.get(key).unwrap_or(&Value::Null))?;
    }
    same("warnings", &case.warnings, &outcome.warnings)?;
    let Some(wanted) = &case.diff else { return Ok(()) };
    same("number of diffs", &wanted.len(), &outcome.diff.len())?;
    for (wanted, Diff { before, after, .. }) in wanted.iter().zip(&outcome.diff) {
        same("diff before", &wanted.before, &side(before))?;
        same("diff after", &wanted.after, &side(after))?;
    }
    Ok(())
}

/// Check mode said what then happened.
fn predicts(case: &Case, answer: Option<Answer>, predicted: &Outcome, outcome: &Outcome) -> Proof {
    let wanted = match (&case.check, answer) {
        (Some(word), _) => word.as_str(),
        (None, Some(Answer::CannotTell)) => "skipped",
        (None, _) => word(outcome),
    };
    if word(predicted) != wanted {
        return Err(format!("check mode: expected {wanted}, got {:?}", predicted.verdict));
    }
    if word(predicted) == word(outcome) && case.check.is_none() {
        same("diff in check mode", &outcome.diff, &predicted.diff)?;
    }
    Ok(())
}

/// There is nothing left to do the second time.
fn settled(case: &Case, answer: Option<Answer>, first: &Outcome, again: &Outcome) -> Proof {
    let acts = matches!(answer, Some(Answer::Act | Answer::CannotTell)) || first.is_failed();
    if case.again.is_some() && !acts {
        return Err("only a module that acts each time may do so `again`".into());
    }
    let wanted = match &case.again {
        Some(word) => word.as_str(),
        None if acts => word(first),
        None => "ok",
    };
    if word(again) != wanted {
        return Err(format!(
            "second run: expected {wanted}, got {:?} {:?}",
            again.verdict, again.diff
        ));
    }
    Ok(())
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Ok => "ok",
        Verdict::Changed => "changed",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Failed { .. } => "failed",
        Verdict::Unknown { .. } => "unknown",
    }
}

fn side(content: &DiffContent) -> Value {
    match content {
        DiffContent::Text(text) => text.clone().into(),
        DiffContent::State(state) => state.clone(),
        DiffContent::Binary(size) => format!("({size} bytes of binary data)").into(),
        DiffContent::TooLarge(size) => format!("({size} bytes, too large to show)").into(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: &T) -> Proof {
    if wanted == found { Ok(()) } else { Err(format!("{what}: {found:?}, not {wanted:?}")) }
}

fn can_be_real(case: &Case) -> bool {
    let host = &case.before;
    let plain = host.commands.is_empty()
        && host.users.is_empty()
        && host.groups.is_empty()
        && host.environment.is_empty()
        && host.blobs.is_empty()
        && host.engine.is_none()
        && host.faults.is_empty();
    let within = |path: &String| path.starts_with("/case");
    let text = Value::Object(case.args.clone()).to_string();
    let special = |file: &Option<crate::case::File>| {
        let described = format!("{file:?}");
        ["socket", "block", "char"].iter().any(|kind| described.contains(kind))
    };
    plain
        && text.contains("/case")
        && host.files.keys().chain(case.after.keys()).all(within)
        && !host.files.values().any(special)
}

fn prove_for_real(module: &str, case: &Case) -> Proof {
    let fresh = || {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().join("case");
        let root = root.to_str().expect("UTF-8").to_owned();
        let case = moved(case, &root);
        std::fs::create_dir(&root).expect("made");
        host::make_real(&case.before.files);
        (directory, case)
    };
    let real = RealSystem::default();
    let (directory, moved_case) = fresh();
    let before = listing(directory.path());
    let predicted = modules::run(&step(module, &moved_case.args, true), &real as &dyn System);
    same("check wrote", &before, &listing(directory.path()))?;
    drop(directory);

    let (directory, case) = fresh();
    let before = listing(directory.path());
    let examined = modules::examine(&step(module, &case.args, false), &real, Purpose::Run);
    let mut judged = case.clone();
    let (clock, sizes) = (["modified", "accessed"], ["size"]);
    judged.result.retain(|key, _| !clock.contains(&key.as_str()) && !sizes.contains(&key.as_str()));
    judge(&judged, &examined.outcome)?;
    if examined.outcome.is_failed() && case.effects.is_none() {
        same("it failed half-way", &before, &listing(directory.path()))?;
    }
    for (path, wanted) in &case.after {
        let found = host::read_real(Path::new(path));
        host::compare(path, wanted.as_ref(), found.as_ref())?;
    }
    if word(&predicted) != word(&examined.outcome) && case.check.is_none() {
        let skipped = examined.answer == Some(Answer::CannotTell);
        if !(skipped && word(&predicted) == "skipped") {
            return Err(format!("check mode: {:?}", predicted.verdict));
        }
    }
    let again = modules::run(&step(module, &case.args, false), &real);
    settled(&case, examined.answer, &examined.outcome, &again)
}

/// The case with another directory in the place of `/case`.
fn moved(case: &Case, root: &str) -> Case {
    let text = |text: &String| text.replace("/case", root);
    let files = |files: &std::collections::BTreeMap<String, Option<crate::case::File>>| {
        files
            .iter()
            .map(|(path, file)| {
                let mut file = file.clone();
                if let Some(crate::case::File::Described(described)) = &mut file {
                    described.target = described.target.as_ref().map(text);
                }
                (text(path), file)
            })
            .collect()
    };
    let value = |value: &Value| -> Value {
        serde_json::from_str(&text(&value.to_string())).expect("still JSON")
    };
    let mut moved = case.clone();
    let object = |args: &Args| match value(&Value::Object(args.clone())) {
        Value::Object(object) => object,
        _ => unreachable!("an object stays one"),
    };
    moved.args = object(&case.args);
    moved.result = object(&case.result);
    moved.message = case.message.as_ref().map(text);
    moved.warnings = case.warnings.iter().map(text).collect();
    moved.before.files = files(&case.before.files);
    moved.after = files(&case.after);
    for sides in moved.diff.iter_mut().flatten() {
        sides.before = value(&sides.before);
        sides.after = value(&sides.after);
    }
    moved
}

/// Every path below a directory, with what would show a write.
fn listing(directory: &Path) -> Vec<(std::path::PathBuf, SystemTime, u64)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(place) = left.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&place) else { continue };
        if meta.is_dir() {
            left.extend(
                std::fs::read_dir(&place)
                    .expect("readable")
                    .map(|entry| entry.expect("readable").path()),
            );
        }
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        found.push((place, meta.modified().expect("known"), inode));
    }
    found.sort();
    found
}
