//! `bad-input/ROW/`: content that must be refused, or read in one defined way. The file `expected` holds the exit code
//! and below it texts that are all shown.

use std::path::Path;
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
        let state = tempfile::tempdir().expect("a directory");
        let mut command = muster(state.path());
        command.current_dir(&directory).args([
            "playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            "site.yml",
        ]);
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
