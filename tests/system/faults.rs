//! What happens when a program is killed in mid-run: nothing lost, nothing run twice, other hosts carry on.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use tests::controller::Controller;
use tests::fleet::Fleet;
use tests::fleet_or_skip;
use tests::programs::{expect, text};

/// Appends a line to a file outside our control, waits, appends another: executions can be counted.
const PLAYBOOK: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - name: count
      shell: echo began >> /root/count; sleep 6; echo ended >> /root/count
    - name: after
      copy: { content: done, dest: /root/after }
";

fn prepare(fleet: &Fleet) -> Result<(Controller, std::path::PathBuf)> {
    let controller = Controller::start(fleet.directory(), fleet.gateway())?;
    for machine in &fleet.machines {
        controller.enrol(machine)?;
    }
    let project = fleet.directory().join("project");
    std::fs::create_dir_all(&project)?;
    let names: Vec<String> = fleet.machines.iter().map(|machine| machine.name.clone()).collect();
    std::fs::write(project.join("hosts"), names.join("\n") + "\n")?;
    std::fs::write(project.join("site.yml"), PLAYBOOK)?;
    Ok((controller, project))
}

fn wait_for_file(controller: &Controller, fleet: &Fleet, path: &str) -> Result<()> {
    controller.wait_until(path, || {
        fleet.machines.iter().try_fold(true, |all, machine| {
            Ok(all && machine.sh(&format!("test -e {path}"))?.status.success())
        })
    })
}

#[test]
fn a_killed_agent_concerns_its_host_alone() -> Result<()> {
    let Some(fleet) = fleet_or_skip(2) else { return Ok(()) };
    let (controller, project) = prepare(&fleet)?;
    let mut command = controller.muster();
    command.arg("playbook").arg("-i").arg(project.join("hosts")).arg(project.join("site.yml"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait_for_file(&controller, &fleet, "/root/count")?;
    fleet.machines[0].exec(&[
        "systemctl",
        "kill",
        "--signal=SIGKILL",
        "--kill-whom=main",
        "muster-agent",
    ])?;
    let output = child.wait_with_output()?;
    let shown = text(&output);
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(shown.contains("UNKNOWN!") || shown.contains("UNREACHABLE!"), "{shown}");
    assert_eq!(
        fleet.machines[1].exec(&["cat", "/root/after"])?,
        "done",
        "the other host carried on"
    );
    assert!(
        !fleet.machines[0].sh("test -e /root/after")?.status.success(),
        "the killed host stopped"
    );
    std::thread::sleep(Duration::from_secs(7));
    let count = fleet.machines[0].exec(&["cat", "/root/count"])?;
    assert_eq!(count.matches("began").count(), 1, "the step did not run twice: {count}");

    let mut again = controller.muster();
    again.arg("playbook").arg("-i").arg(project.join("hosts")).arg(project.join("site.yml"));
    expect(&mut again, 0);
    assert_eq!(
        fleet.machines[0].exec(&["cat", "/root/after"])?,
        "done",
        "the next run completes it"
    );
    Ok(())
}

#[test]
fn a_killed_controller_loses_no_result() -> Result<()> {
    let Some(fleet) = fleet_or_skip(2) else { return Ok(()) };
    let (mut controller, project) = prepare(&fleet)?;
    let mut command = controller.muster();
    command.arg("playbook").arg("-i").arg(project.join("hosts")).arg(project.join("site.yml"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    wait_for_file(&controller, &fleet, "/root/count")?;
    controller.kill();
    let output = child.wait_with_output()?;
    assert_ne!(output.status.code(), Some(0), "{}", text(&output));
    controller.restart()?;
    let runs = || -> Result<String> { Ok(expect(controller.muster().args(["runs", "list"]), 0)) };
    controller.wait_until("the run is closed", || Ok(runs()?.contains("interrupted")))?;
    let list = runs()?;
    let line = list.lines().find(|line| line.contains("interrupted")).expect("the run");
    let id = line.split_whitespace().find(|word| word.len() == 36).expect("its id");
    let shown = expect(controller.muster().args(["runs", "show", id]), 0);
    for machine in &fleet.machines {
        let count = machine.exec(&["cat", "/root/count"])?;
        assert_eq!(count, "began\nended\n", "{}: the step ran once, to its end", machine.name);
        assert!(
            shown.contains(&format!("changed: [{}]", machine.name)),
            "its result was not lost:\n{shown}"
        );
    }
    Ok(())
}
