//! `bad-input/ROW/`: content that must be refused, or read in one defined way. The file `expected` holds the exit code
//! and below it texts that are all shown. `args`, if it is there, holds the arguments of `muster playbook`, one a line;
//! `make` is a shell script for what a repository cannot keep: FIFOs and large files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tests::programs::{expect, muster};

/// No row may take longer, on a machine that has other things to do as well.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_row_ends_as_expected() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("bad-input");
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in std::fs::read_dir(rows).expect("rows").flatten() {
        count += 1;
        let directory = row.path();
        let expected = std::fs::read_to_string(directory.join("expected")).expect("expected");
        let (code, texts) = expected.split_once('\n').expect("a code, then texts");
        let place = tempfile::tempdir().expect("a directory");
        let content = prepared(&directory, place.path());
        let args = std::fs::read_to_string(directory.join("args"));
        let args = args.as_deref().unwrap_or("-i\nlocalhost,\nsite.yml");
        let mut command = muster(&place.path().join("state"));
        command.current_dir(content).args(["playbook", "-c", "local"]).args(args.lines());
        let begin = Instant::now();
        let shown = expect(&mut command, code.parse().expect("an exit code"));
        let missing: Vec<_> = texts.lines().filter(|text| !shown.contains(*text)).collect();
        if !missing.is_empty() || begin.elapsed() > PATIENCE {
            let took = begin.elapsed();
            wrong.push(format!(
                "{}: {missing:?} is not in ({took:?}):\n{shown}",
                directory.display()
            ));
        }
    }
    assert!(count > 20, "the rows are there");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A copy of the row, with what its script makes.
fn prepared(row: &Path, place: &Path) -> PathBuf {
    let copy = place.join("row");
    let done = Command::new("cp").arg("-r").arg(row).arg(&copy).status().expect("cp");
    assert!(done.success());
    if copy.join("make").exists() {
        let made = Command::new("sh").arg("make").current_dir(&copy).status().expect("sh");
        assert!(made.success(), "{}", row.display());
    }
    copy
}
