//! The README's first command: the quickstart, twice, on this machine.

use std::path::Path;

use tests::programs::{expect, muster};

#[test]
fn the_second_run_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let playbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../playbooks/quickstart");
    let run = || {
        let mut command = muster(&directory.path().join("state"));
        command.env("MUSTER_QUICKSTART_DIR", directory.path().join("demo"));
        command
            .arg("playbook")
            .arg("-i")
            .arg(playbooks.join("inventory"))
            .arg(playbooks.join("site.yml"));
        expect(&mut command, 0)
    };
    let first = run();
    assert!(first.contains("RUNNING HANDLER [Reload the demo]"), "{first}");
    assert!(first.contains("localhost") && !first.contains("changed=0"), "{first}");
    assert!(directory.path().join("demo/etc/web.conf").exists());
    let second = run();
    assert!(second.contains("changed=0") && second.contains("failed=0"), "{second}");
    assert!(!second.contains("RUNNING HANDLER"), "{second}");
}
