//! Every case of `errors.txt`: a bad text, and exactly what is said about it. `UPDATE=1` rewrites the file.

use std::fmt::Write;
use yaml::{SourceFile, Style, load_one};

#[test]
fn bad_texts_are_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/errors.txt");
    let cases = std::fs::read_to_string(path).unwrap();
    let mut actual = String::new();
    for case in cases.split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (text, _) = rest.split_once("---\n").unwrap();
        let error = load_one(&SourceFile::new("site.yml", text)).expect_err(name);
        write!(actual, "=== {name}\n{text}---\n{}\n\n", error.render(Style::Plain)).unwrap();
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &actual).unwrap();
    }
    assert_eq!(actual, cases);
}
