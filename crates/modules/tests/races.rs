//! Modules that write files, as root, in a directory of another user who changes it all the time: names become symbolic
//! links, hard links, FIFOs and directories, and the directory itself becomes a link, while the module is at work.
//! Whatever the module answers: no file outside of that directory is touched, and nothing appears beside those files.
//!
//! `RACE_SECONDS` says for how long each module runs; 1 if it is not set, 10 in CI.

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use model::{Args, Mode, Step, StepId, Verdict};
use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};
use serde::Deserialize;
use system::{Context, RealSystem};

const OTHER: u32 = 65534;

/// Modules and their arguments: `{path}` is the name that is raced for, `{dir}` its directory, `{own}` a directory of ours.
const CALLS: &str = include_str!("races.yml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    module: String,
    args: Args,
}

/// A stage for one race: `safe` is ours, `field/dir` the other's.
struct Stage {
    root: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("made");
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).expect("set");
        let stage = Self { root };
        for name in ["safe", "own"] {
            fs::create_dir(stage.root.path().join(name)).expect("made");
        }
        for name in ["name", "other", "third", "fourth"] {
            let path = stage.root.path().join("safe").join(name);
            fs::write(&path, "precious = 1\n").expect("written");
            fs::set_permissions(path, Permissions::from_mode(0o640)).expect("set");
        }
        fs::create_dir(stage.root.path().join("own/parts")).expect("made");
        fs::write(stage.root.path().join("own/parts/a"), "precious = 2\n").expect("written");
        let packed = std::process::Command::new("tar")
            .arg("-C")
            .arg(stage.root.path().join("own/parts"))
            .args(["--transform", "s/^a$/name/", "-cf"])
            .arg(stage.root.path().join("own/parts.tar"))
            .arg("a")
            .status();
        assert!(packed.expect("tar runs").success());
        for name in ["field", "field/dir"] {
            let path = stage.root.path().join(name);
            fs::create_dir(&path).expect("made");
            chown(path, Some(OTHER), Some(OTHER)).expect("given");
        }
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What must not change: the names in `safe`, and of each all but when it was read.
    fn precious(&self) -> Vec<String> {
        let mut all: Vec<String> = fs::read_dir(self.path("safe"))
            .expect("readable")
            .map(|entry| {
                let path = entry.expect("readable").path();
                let about = fs::metadata(&path).expect("there");
                let content = fs::read_to_string(&path).expect("readable");
                let (mode, time) = (about.mode(), (about.mtime(), about.mtime_nsec()));
                let (uid, gid) = (about.uid(), about.gid());
                format!("{} {content:?} {mode:o} {uid} {gid} {time:?}", path.display())
            })
            .collect();
        all.sort();
        all
    }
}

/// The other user, until it is told to stop. What fails is tried again: a root of the same stage is at work there, too.
fn interfere(stage: &Stage, stop: &AtomicBool) -> u64 {
    setfsgid(Gid::from_raw(OTHER));
    setfsuid(Uid::from_raw(OTHER));
    let [field, safe] = ["field", "safe"].map(|name| stage.path(name));
    let (dir, aside) = (field.join("dir"), field.join("aside"));
    let name = dir.join("name");
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        if fs::remove_file(&name).is_err() && fs::remove_dir_all(&name).is_err() {
            let _ = fs::rename(&name, dir.join(format!("gone{turn}")));
        }
        match turn % 7 {
            0 => drop(symlink(safe.join("name"), &name)),
            1 => drop(fs::hard_link(safe.join("other"), &name)),
            2 => drop(nix::unistd::mkfifo(&name, nix::sys::stat::Mode::S_IRWXU)),
            3 => drop(fs::write(&name, "precious = 3\n")),
            4 => {
                let _ = fs::rename(&dir, &aside);
                let _ = symlink(&safe, &dir);
                std::thread::yield_now();
                let _ = fs::remove_file(&dir);
                let _ = fs::rename(&aside, &dir);
            }
            5 => {
                let _ = fs::DirBuilder::new().mode(0o755).create(&name);
                let _ = symlink(&safe, name.join("deep"));
                let _ = fs::hard_link(safe.join("third"), name.join("hard"));
            }
            _ => replace_temporaries(&dir, &safe.join("fourth")),
        }
        if turn % 3 == 0 {
            std::thread::yield_now();
        }
    }
    turn
}

/// Whatever the module has just made under a name of its own becomes a link.
fn replace_temporaries(dir: &Path, victim: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name() != "name" && fs::remove_file(entry.path()).is_ok() {
            let _ = symlink(victim, entry.path());
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Runs a module again and again; how often, and how often it changed something.
fn work(stage: &Stage, call: &Call, until: Instant) -> (u64, u64) {
    let mut text = serde_json::to_string(&call.args).expect("JSON");
    for (mark, name) in [("{path}", "field/dir/name"), ("{dir}", "field/dir"), ("{own}", "own")] {
        text = text.replace(mark, &stage.path(name).display().to_string());
    }
    let step = Step {
        id: StepId(0),
        module: call.module.clone(),
        args: serde_json::from_str(&text).expect("still JSON"),
        mode: Mode { check: false, diff: true },
        run_as: None,
        environment: std::collections::BTreeMap::default(),
        timeout: None,
        no_log: false,
    };
    let (mut calls, mut changed) = (0, 0);
    while Instant::now() < until {
        let context = Context {
            deadline: Some(Instant::now() + Duration::from_secs(20)),
            ..Context::default()
        };
        let outcome = modules::run(&step, &RealSystem::new(context));
        calls += 1;
        changed += u64::from(matches!(outcome.verdict, Verdict::Changed));
    }
    (calls, changed)
}

fn seconds() -> u64 {
    let usual = if std::env::var_os("CI").is_some() { 10 } else { 1 };
    std::env::var("RACE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// How often the module changed something, or what it should not have touched.
fn race(call: &Call) -> Result<u64, String> {
    let stage = Stage::new();
    let before = stage.precious();
    let stop = AtomicBool::new(false);
    let ((calls, changed), turns) = std::thread::scope(|scope| {
        let other = scope.spawn(|| interfere(&stage, &stop));
        let worked = work(&stage, call, Instant::now() + Duration::from_secs(seconds()));
        stop.store(true, Ordering::Relaxed);
        (worked, other.join().expect("no panic"))
    });
    let (what, after) = (format!("{} {:?}", call.module, call.args), stage.precious());
    if before != after {
        return Err(format!("{what}\n{before:#?}\n{after:#?}"));
    }
    if calls < 10 || turns < 100 {
        return Err(format!("{what}: no race: {calls} calls in {turns} turns"));
    }
    Ok(changed)
}

#[test]
fn nobody_leads_a_module_astray() {
    if !geteuid().is_root() {
        return;
    }
    let calls: Vec<Call> = serde_yaml::from_str(CALLS).expect("races.yml");
    let (mut changes, mut lost) = (0, Vec::new());
    for call in &calls {
        match race(call) {
            Ok(changed) => changes += changed,
            Err(complaint) => lost.push(complaint),
        }
    }
    assert!(lost.is_empty(), "{} of {}:\n{}", lost.len(), calls.len(), lost.join("\n"));
    assert!(changes > 100, "the modules did their work only {changes} times");
}
