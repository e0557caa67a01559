//! `cargo xtask conformance`: ansible-core's own integration suite against the binary that is built here.
//!
//! The suite is downloaded from PyPI, never committed. Each target runs in a throw-away booted Debian (`tests/ansible/run.py`)
//! with our program under the names of Ansible's commands. `tests/ansible/targets.tsv` lists the targets to work through,
//! `tests/ansible/expected.txt` those that pass: one that stops passing is an error.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;

const VERSION: &str = "2.19.14";
const SHA256: &str = "1e7612788eaa6b3c87a3670ce86c64b830eba0ae2b3fcb25a772f276704163b4";

/// The names under which the suite calls the program.
const COMMANDS: &[&str] = &[
    "ansible",
    "ansible-config",
    "ansible-console",
    "ansible-doc",
    "ansible-galaxy",
    "ansible-inventory",
    "ansible-playbook",
    "ansible-pull",
    "ansible-vault",
];

#[derive(Args)]
pub(crate) struct ConformanceArgs {
    /// Targets to run [default: all of tests/ansible/targets.tsv]
    targets: Vec<String>,
    /// Run those that are expected to pass (tests/ansible/expected.txt), as CI does
    #[arg(long, conflicts_with = "targets")]
    expected: bool,
    /// How many at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seconds for one target
    #[arg(long, default_value_t = 400)]
    timeout: u32,
    /// Test the release build
    #[arg(long)]
    release: bool,
    /// Where results.jsonl and logs/ are put
    #[arg(long, default_value = "target/conformance")]
    out: PathBuf,
}

/// A line of targets.tsv.
struct Target {
    name: String,
    class: String,
    plugins: String,
}

/// What the harness says of a target.
#[derive(Deserialize)]
struct Report {
    target: String,
    result: String,
    seconds: f64,
}

pub(crate) fn run(args: &ConformanceArgs) -> Result<()> {
    let here = Path::new("tests/ansible");
    let known = targets(&fs::read_to_string(here.join("targets.tsv"))?)?;
    let expected = names(&fs::read_to_string(here.join("expected.txt"))?);
    let chosen: Vec<String> = if args.expected {
        expected.clone()
    } else if args.targets.is_empty() {
        known.iter().map(|target| target.name.clone()).collect()
    } else {
        args.targets.clone()
    };
    let cache = std::env::var_os("MUSTER_CACHE")
        .map_or_else(|| "/var/cache/muster-tests".into(), PathBuf::from);
    let suite = suite(&cache)?;
    let root = root(&cache, here)?;
    let programs = programs(args.release)?;
    let places = [suite.as_path(), &root, &programs];
    let mut results = play(args, args.jobs, &chosen, places)?;
    let broken = broken(&expected, &results);
    if args.expected && !broken.is_empty() {
        println!("== once more, one at a time (some of the suite's targets measure time)");
        let again = play(args, 1, &broken, places)?;
        results.retain(|result| !broken.contains(&result.target));
        results.extend(again);
    }
    summary(&known, &results);
    judge(&expected, &results)
}

fn targets(text: &str) -> Result<Vec<Target>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().with_context(|| format!("targets.tsv: {line}"));
            let (name, class, _tasks) = (next()?.to_owned(), next()?.to_owned(), next()?);
            Ok(Target { name, class, plugins: fields.next().unwrap_or_default().to_owned() })
        })
        .collect()
}

fn names(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The unpacked source distribution, downloaded when it is missing.
fn suite(cache: &Path) -> Result<PathBuf> {
    let place = cache.join(format!("ansible_core-{VERSION}"));
    if place.exists() {
        return Ok(place);
    }
    fs::create_dir_all(cache)?;
    let temporary = tempfile::tempdir_in(cache)?;
    let path = temporary.path();
    let wanted = path.join("wanted.txt");
    fs::write(&wanted, format!("ansible-core=={VERSION} --hash=sha256:{SHA256}\n"))?;
    println!("== downloading ansible-core {VERSION}");
    let venv = path.join("venv");
    done(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    done(
        Command::new(venv.join("bin/pip"))
            .args(["download", "-q", "--require-hashes", "--no-deps"])
            .args(["--no-binary", ":all:", "-d"])
            .arg(path)
            .arg("-r")
            .arg(&wanted),
    )?;
    let archive = path.join(format!("ansible_core-{VERSION}.tar.gz"));
    done(Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(path))?;
    fs::rename(path.join(format!("ansible_core-{VERSION}")), &place)?;
    Ok(place)
}

/// The Debian in which targets run, built when it is missing or its recipe has changed.
fn root(cache: &Path, here: &Path) -> Result<PathBuf> {
    let mut recipe = Vec::new();
    for name in ["debian.sh", "mkrootfs.sh", "mklocal.sh", "packages.txt"] {
        recipe.extend(fs::read(here.join(name))?);
    }
    let digest = model::Digest::of(&recipe).to_string();
    let place = cache.join(format!("ansible-root-{}", &digest[..12]));
    if !place.join(".ready").exists() {
        println!("== building {} (some minutes)", place.display());
        let log = cache.join("ansible-root.log");
        let output = fs::File::create(&log)?;
        let mut command = Command::new(here.join("mkrootfs.sh"));
        command.arg(&place).stdout(output.try_clone()?).stderr(output);
        done(&mut command).with_context(|| format!("see {}", log.display()))?;
    }
    Ok(place)
}

/// A directory with the programs, and a link to `muster` for each command.
fn programs(release: bool) -> Result<PathBuf> {
    let profile: &[&str] = if release { &["--release"] } else { &[] };
    done(Command::new("cargo").args(["build", "-p", "controller", "-p", "agent"]).args(profile))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let built = target.join(if release { "release" } else { "debug" });
    let place = target.join("conformance-bin");
    fs::create_dir_all(&place)?;
    for program in ["muster", "muster-agent"] {
        done(Command::new("strip").arg("-o").arg(place.join(program)).arg(built.join(program)))?;
    }
    for command in COMMANDS {
        let link = place.join(command);
        if fs::symlink_metadata(&link).is_err() {
            symlink("muster", link)?;
        }
    }
    Ok(place)
}

/// Runs the harness, and says what becomes of each target as it ends.
fn play(
    args: &ConformanceArgs,
    jobs: usize,
    chosen: &[String],
    [suite, root, programs]: [&Path; 3],
) -> Result<Vec<Report>> {
    let mut harness = Command::new("python3")
        .arg("tests/ansible/run.py")
        .args(["--jobs", &jobs.to_string(), "--timeout", &args.timeout.to_string()])
        .arg("--sdist")
        .arg(suite)
        .arg("--rootfs")
        .arg(root)
        .arg("--ansible-bin-dir")
        .arg(programs)
        .arg("--out")
        .arg(&args.out)
        .args(chosen)
        .stdout(Stdio::piped())
        .spawn()
        .context("python3")?;
    let lines = BufReader::new(harness.stdout.take().context("its output")?).lines();
    let mut results = Vec::new();
    for line in lines {
        let line = line?;
        let Ok(result) = serde_json::from_str::<Report>(&line) else { continue };
        println!("{:8} {:6.1} s  {}", result.result, result.seconds, result.target);
        results.push(result);
    }
    harness.wait()?;
    ensure!(
        results.len() == chosen.len(),
        "the harness ended after {} of {} targets",
        results.len(),
        chosen.len()
    );
    Ok(results)
}

fn summary(known: &[Target], results: &[Report]) {
    let mut classes: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for result in results {
        let target = known.iter().find(|target| target.name == result.target);
        let class = target.map_or_else(
            || "not in targets.tsv".to_owned(),
            |target| match target.plugins.as_str() {
                "" => target.class.clone(),
                _ => format!("{}, with Python plugins", target.class),
            },
        );
        let (passed, all) = classes.entry(class).or_default();
        *passed += usize::from(result.result == "pass");
        *all += 1;
    }
    for (class, (passed, all)) in &classes {
        println!("{passed:4} of {all:3} pass  {class}");
    }
    let passed: usize = classes.values().map(|(passed, _)| passed).sum();
    println!("{passed:4} of {:3} pass  in all", results.len());
}

/// The targets that are expected to pass and did not.
fn broken(expected: &[String], results: &[Report]) -> Vec<String> {
    let others = results.iter().filter(|result| result.result != "pass");
    others.map(|result| result.target.clone()).filter(|name| expected.contains(name)).collect()
}

/// Compares with what is expected.
fn judge(expected: &[String], results: &[Report]) -> Result<()> {
    let passed = results.iter().filter(|result| result.result == "pass");
    let news: Vec<&str> = passed
        .map(|result| result.target.as_str())
        .filter(|name| !expected.iter().any(|known| known == name))
        .collect();
    if !news.is_empty() {
        println!("pass, and are not in expected.txt yet: {}", news.join(" "));
    }
    let broken = broken(expected, results);
    ensure!(broken.is_empty(), "these passed before: {}", broken.join(" "));
    Ok(())
}

fn done(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}
