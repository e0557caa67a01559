//! What steps that change nothing cost a resident agent: CPU seconds, those of the programs that it runs included.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tests::controller::Controller;
use tests::fleet::Machine;
use tests::programs;

/// What one task looks like, and how many items its loop has.
struct Work {
    name: &'static str,
    items: usize,
    task: String,
}

/// Prints a line for each kind of work: CPU of the agent for one step, and the time of the play.
pub(super) fn run(
    controller: &Controller,
    machine: &Machine,
    project: &Path,
    inventory: &Path,
) -> Result<()> {
    fs::write(project.join("page.j2"), "page {{ item }} of {{ inventory_hostname }}\n")?;
    println!("steps that change nothing, in one loop over a resident agent:");
    for work in works(machine)? {
        let playbook = project.join("loop.yml");
        fs::write(&playbook, play(&work))?;
        let mut muster = controller.muster();
        muster.arg("playbook").arg("-i").arg(inventory).arg(&playbook);
        ensure!(muster.output()?.status.success(), "the first run of {}", work.name);
        let (before, start) = (cpu(machine)?, Instant::now());
        let output = muster.output()?;
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu(machine)? - before);
        let text = programs::text(&output);
        ensure!(output.status.success() && text.contains("changed=0"), "{}: {text}", work.name);
        println!(
            "  {:14} {:4} steps  {:7.3} ms of the agent's CPU each, {seconds:6.3} s the play",
            work.name,
            work.items,
            cpu * 1e3 / work.items as f64,
        );
    }
    Ok(())
}

fn works(machine: &Machine) -> Result<Vec<Work>> {
    let installed = machine.exec(&["dpkg-query", "--show", "--showformat=${Package}\n"])?;
    let fifty = installed.lines().take(50).collect::<Vec<_>>().join(", ");
    let work = |name, items, task: &str| Work { name, items, task: task.to_owned() };
    Ok(vec![
        work("copy", 500, "copy: { content: hello, dest: '/opt/loop-{{ item }}' }"),
        work("file", 500, "file: { path: '/opt/loop-{{ item }}', mode: '0644' }"),
        work("stat", 500, "stat: { path: '/opt/loop-{{ item }}' }"),
        work("template", 500, "template: { src: page.j2, dest: '/opt/page-{{ item }}' }"),
        work("lineinfile", 500, "lineinfile: { path: '/opt/loop-{{ item }}', line: hello }"),
        work("apt, 50 names", 20, &format!("apt: {{ name: [{fifty}], state: present }}")),
        work("package_facts", 20, "package_facts:"),
        work("setup", 20, "setup:"),
    ])
}

fn play(work: &Work) -> String {
    let mut text = String::from("- hosts: all\n  gather_facts: false\n  tasks:\n");
    let _ = writeln!(text, "    - {}\n      loop: '{{{{ range({}) }}}}'", work.task, work.items);
    text
}

/// Seconds of CPU that the agent and the programs that it ran have used: four fields of `/proc/PID/stat` (proc(5)).
fn cpu(machine: &Machine) -> Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = machine.exec(&["sh", "-c", "cat /proc/$(pidof muster-agent)/stat"])?;
    let rest = stat.rsplit_once(')').context("the name is in parentheses")?.1;
    let ticks = rest.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_A_SECOND)
}
