//! Runs `cases/<module>.yml` and proves the three laws for every case: *check writes nothing; check predicts apply;
//! applied twice, it is in sync* (but for modules that answer `Act` or `CannotTell`).
//!
//! Every case runs on a host in memory. One that lives under `/case` and needs neither commands, accounts nor faults
//! runs on the real system, too, in a temporary directory that takes the place of `/case`.
//! `CASE=words cargo nextest run -p modules cases` runs the cases whose name contains the words.

#[path = "cases/case.rs"]
mod case;
#[path = "cases/engine.rs"]
mod engine;
#[path = "cases/host.rs"]
mod host;
#[path = "cases/laws.rs"]
mod laws;

use std::path::Path;

use case::Case;

fn case_files() -> Vec<(String, Vec<Case>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("cases/ is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("readable");
            let cases = serde_yaml::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (module, cases)
        })
        .collect()
}

#[test]
fn every_case_holds() {
    let only = std::env::var("CASE").unwrap_or_default();
    let mut broken = Vec::new();
    let mut count = 0;
    for (module, cases) in case_files() {
        for case in cases.iter().filter(|case| case.name.contains(&only)) {
            count += 1;
            if let Err(complaint) = laws::prove(&module, case) {
                broken.push(format!("{module}: {}\n{complaint}", case.name));
            }
        }
    }
    assert!(count > 0, "no case is named so");
    assert!(broken.is_empty(), "{} of {count} cases\n\n{}", broken.len(), broken.join("\n\n"));
}

#[test]
fn every_module_has_cases() {
    let with_cases: Vec<_> = case_files().into_iter().map(|(module, _)| module).collect();
    // Two names of one module share their cases.
    let has_cases = |entry: &modules::Entry| {
        modules::MODULES.iter().any(|other| {
            std::ptr::eq((other.spec)(), (entry.spec)())
                && with_cases.iter().any(|module| module == other.name)
        })
    };
    let without: Vec<_> =
        modules::MODULES.iter().filter(|entry| !has_cases(entry)).map(|entry| entry.name).collect();
    assert!(without.is_empty(), "no cases for {without:?}");
}
