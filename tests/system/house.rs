//! The rules of the house, as tests: imports, first lines, listed files, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The rows of the imports table in ARCHITECTURE.md: crate → what it may import.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table = text.lines().skip_while(|line| !line.starts_with("| crate | may import"));
    table
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let imports = cells[2]
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty());
            (cells[1].to_owned(), imports.collect())
        })
        .collect()
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let metadata =
        MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo metadata");
    let members: BTreeSet<String> =
        metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let allowed = allowed();
    assert_eq!(
        allowed.keys().cloned().collect::<BTreeSet<_>>(),
        members,
        "the table has a row for every crate"
    );
    for package in &metadata.packages {
        let imports: BTreeSet<String> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.clone())
            .filter(|name| members.contains(name))
            .collect();
        let may = &allowed[package.name.as_str()];
        let wrong: Vec<&String> = imports.difference(may).collect();
        assert!(
            wrong.is_empty(),
            "{} imports {wrong:?}; the table in ARCHITECTURE.md allows {may:?}",
            package.name
        );
    }
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    assert!(files.len() > 100, "the walk finds the sources");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//!"), "{} does not open with `//!`", file.display());
        assert!(!text.contains(concat!("FIX", "ME")), "{} has an open end", file.display());
        assert_ne!(
            file.file_name().expect("a name"),
            "mod.rs",
            "{}: foo.rs and foo/, never mod.rs",
            file.display()
        );
    }
}

#[test]
fn every_system_test_is_listed() {
    let folder = root().join("tests/system");
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(
            name == "main" || main.contains(&format!("mod {name};")),
            "{name} is not listed in main.rs"
        );
    }
}
