//! `cargo xtask figures`: what a task costs on each link, and what the programs weigh, measured on one booted host.

mod controller;
mod modules;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tests::controller::Controller;
use tests::fleet::{Fleet, Machine, missing};
use tests::programs;

/// Tasks of the playbook that is timed.
const TASKS: usize = 100;

/// Times each link is timed; the median counts.
const ROUNDS: usize = 5;

pub(crate) fn run() -> Result<()> {
    if let Some(why) = missing() {
        bail!("no fleet here: {why}");
    }
    let fleet = Fleet::up(1)?;
    let machine = &fleet.machines[0];
    let controller = Controller::start(fleet.directory(), fleet.gateway())?;
    controller.enrol(machine)?;
    let state = fleet.directory().join("embedded");
    let project = fleet.directory().join("project");
    std::fs::create_dir(&project)?;
    let playbook = project.join("hundred.yml");
    std::fs::write(&playbook, hundred_tasks())?;
    let by_ssh = project.join("hosts");
    std::fs::write(&by_ssh, fleet.inventory())?;
    let by_agent = project.join("names");
    std::fs::write(&by_agent, format!("{}\n", machine.name))?;

    let play = |mut muster: Command, inventory: &str, flags: &[&str]| -> Result<f64> {
        muster.arg("playbook").arg("-i").arg(inventory).args(flags).arg(&playbook);
        median(&mut muster)
    };
    let (ssh, agents) = (by_ssh.display().to_string(), by_agent.display().to_string());
    println!("{TASKS} tasks on one host, median of {ROUNDS} runs, start of the program included:");
    let seconds = play(programs::muster(&state), "localhost,", &["-c", "local"])?;
    println!("  in process      {seconds:6.3} s");
    println!("  resident agent  {:6.3} s", play(controller.muster(), &agents, &[])?);
    println!("  over ssh        {:6.3} s", play(programs::muster(&state), &ssh, &[])?);
    println!("agent at rest     {:6.1} MB resident", resident_memory(machine)?);
    for name in ["muster", "muster-agent"] {
        let path = programs::directory().join(name);
        println!("{name:16}  {:6.1} MB, {:.1} MB stripped", megabytes(&path)?, stripped(&path)?);
    }
    modules::run(&controller, machine, &project, &by_agent)?;
    controller::run(&fleet.directory().join("large"))
}

/// No-change tasks of five kinds.
fn hundred_tasks() -> String {
    let mut text = "- hosts: all\n  gather_facts: false\n  tasks:\n".to_owned();
    for number in 0..TASKS / 5 {
        let path = format!("/tmp/hundred-{number}");
        let _ = write!(
            text,
            "    - file: {{ path: {path}, state: directory }}\n    \
             - copy: {{ content: hello, dest: {path}/hello }}\n    \
             - lineinfile: {{ path: {path}/hello, line: hello }}\n    \
             - stat: {{ path: {path}/hello }}\n    \
             - command: /bin/true\n      changed_when: false\n",
        );
    }
    text
}

fn median(command: &mut Command) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let output = command.output()?;
        seconds.push(start.elapsed().as_secs_f64());
        ensure!(output.status.success(), "{command:?}\n{}", programs::text(&output));
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[ROUNDS / 2])
}

fn resident_memory(machine: &Machine) -> Result<f64> {
    let status = machine.exec(&["sh", "-c", "cat /proc/$(pidof muster-agent)/status"])?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kilobytes / 1024.0)
}

fn megabytes(path: &Path) -> Result<f64> {
    Ok(std::fs::metadata(path)?.len() as f64 / 1e6)
}

fn stripped(path: &Path) -> Result<f64> {
    let file = tempfile::NamedTempFile::new()?;
    let status = Command::new("strip").arg("-o").arg(file.path()).arg(path).status()?;
    ensure!(status.success(), "strip failed");
    megabytes(file.path())
}
