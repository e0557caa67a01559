//! Broken content never breaks the reader: every mutation of the good playbooks is a tree or an error that can be shown.

use std::path::Path;
use std::sync::Arc;

use language::{Loader, Memory};
use yaml::Style;

/// A small generator of numbers, so that every run tries the same mutations.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn mutate(text: &str, numbers: &mut Numbers) -> String {
    const PIECES: [&str; 24] = [
        "\n", "  ", "- ", ": ", "{", "}", "[", "]", "'", "\"", "{{", "}}", "&a ", "*a", "!unsafe ",
        "!!int ", "|", "\t", "<<: ", "é", "😀", "#", "=", "block:",
    ];
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(letters.len());
        match numbers.below(3) {
            0 => letters.truncate(at.max(1)),
            1 => {
                let end = (at + 1 + numbers.below(6)).min(letters.len());
                letters.drain(at..end);
            }
            _ => {
                letters.splice(at..at, PIECES[numbers.below(PIECES.len())].chars());
            }
        }
        letters.push('\n');
    }
    letters.into_iter().collect()
}

#[test]
fn mutated_playbooks_never_break_the_reader() {
    let rounds = std::env::var("ROUNDS").map_or(100, |rounds| rounds.parse().expect("a number"));
    let mut numbers = Numbers(1);
    let (mut trees, mut errors) = (0, 0);
    for case in include_str!("trees.txt").split("=== ").skip(1) {
        let (_, rest) = case.split_once('\n').expect("a case has a name");
        let (files, _) = rest.split_once(">>>\n").expect("a case has files");
        let files: Vec<_> = files
            .split("--- ")
            .skip(1)
            .map(|file| file.split_once('\n').expect("a file has a name"))
            .collect();
        for _ in 0..rounds {
            let victim = numbers.below(files.len());
            let files = files.iter().enumerate().map(|(index, (name, text))| {
                let text =
                    if index == victim { mutate(text, &mut numbers) } else { (*text).to_owned() };
                (*name, text)
            });
            let loader = Loader::new(Arc::new(Memory::new(files.collect::<Vec<_>>())))
                .with_roles_path(vec!["/etc/roles".into()]);
            match loader.playbook(Path::new("site.yml")) {
                Ok(_) => trees += 1,
                Err(error) => {
                    assert!(!error.render(Style::Plain).is_empty());
                    errors += 1;
                }
            }
        }
    }
    assert!(trees > 0 && errors > 0, "{trees} trees, {errors} errors");
}
