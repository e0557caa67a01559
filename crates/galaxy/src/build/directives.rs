//! `manifest: directives:`, lines of a MANIFEST.in: each adds files to the archive or takes them away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::metadata::{Manifest, Metadata};
use super::walk;
use crate::glob::{Star, matches};
use crate::{Error, Result};

/// Kinds of plugins whose documentation may stand in a file beside them.
const DOCUMENTED: [&str; 16] = [
    "become",
    "cache",
    "callback",
    "cliconf",
    "connection",
    "filter",
    "httpapi",
    "inventory",
    "lookup",
    "netconf",
    "shell",
    "strategy",
    "test",
    "vars",
    "modules",
    "module_utils",
];

/// The files that are chosen and the directories above them, parents first.
pub(super) fn choose(
    metadata: &Metadata,
    manifest: &Manifest,
    source: &Path,
) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    walk(source, Path::new(""), &|place| place == Path::new(".git"), &mut all)?;
    let all: Vec<(PathBuf, String)> = all
        .into_iter()
        .filter(|place| !source.join(place).is_dir())
        .map(|place| (place.clone(), place.to_string_lossy().into_owned()))
        .collect();
    let mut chosen = BTreeSet::new();
    for line in lines(metadata, manifest) {
        let directive = Directive::read(&line)?;
        for (place, name) in &all {
            if directive.means(name) {
                if directive.adds {
                    chosen.insert(place.clone())
                } else {
                    chosen.remove(place)
                };
            }
        }
    }
    let parents: Vec<PathBuf> =
        chosen.iter().flat_map(|place| place.ancestors().skip(1)).map(Path::to_owned).collect();
    chosen.extend(parents);
    chosen.remove(Path::new(""));
    Ok(chosen.into_iter().collect())
}

fn lines(metadata: &Metadata, manifest: &Manifest) -> Vec<String> {
    if manifest.omit_defaults {
        return manifest.directives.clone();
    }
    let mut lines: Vec<String> = [
        "include meta/*.yml",
        "include *.txt *.md *.rst *.license COPYING LICENSE",
        "recursive-include .reuse **",
        "recursive-include LICENSES **",
        "recursive-include tests **",
        "recursive-include docs **.rst **.yml **.yaml **.json **.j2 **.txt **.license",
        "recursive-include roles **.yml **.yaml **.json **.j2 **.license",
        "recursive-include playbooks **.yml **.yaml **.json **.license",
        "recursive-include changelogs **.yml **.yaml **.license",
        "recursive-include plugins */**.py */**.license",
    ]
    .map(str::to_owned)
    .into();
    lines.extend(DOCUMENTED.iter().map(|kind| {
        let patterns = match *kind {
            "modules" => "**.ps1 **.yml **.yaml **.license",
            "module_utils" => "**.ps1 **.psm1 **.cs **.license",
            _ => "**.yml **.yaml **.license",
        };
        format!("recursive-include plugins/{kind} {patterns}")
    }));
    lines.push(format!("include {}", metadata.readme));
    lines.extend(metadata.license_file.iter().map(|file| format!("include {file}")));
    lines.extend(manifest.directives.iter().cloned());
    lines.push(format!(
        "exclude galaxy.yml galaxy.yaml MANIFEST.json FILES.json {}-{}-*.tar.gz",
        metadata.namespace, metadata.name
    ));
    lines.push("recursive-exclude tests/output **".to_owned());
    lines.push("global-exclude /.* /__pycache__ *.pyc *.pyo *.bak *~ *.swp".to_owned());
    lines
}

struct Directive {
    adds: bool,
    /// Patterns of whole names, each with a slash before it.
    patterns: Vec<String>,
}

impl Directive {
    fn read(line: &str) -> Result<Self> {
        let refuse =
            |why: &str| Error::failed(format!("invalid manifest directive '{line}': {why}"));
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let words: Vec<&str> = words.collect();
        if words.is_empty() {
            return Err(refuse("it names no pattern"));
        }
        let (adds, patterns) = match verb {
            "include" | "exclude" => {
                (verb == "include", words.iter().map(|word| format!("/{word}")).collect())
            }
            "global-include" | "global-exclude" => {
                (verb == "global-include", words.iter().map(|word| format!("**{word}")).collect())
            }
            "recursive-include" | "recursive-exclude" => match &words[..] {
                [directory, patterns @ ..] if !patterns.is_empty() => (
                    verb == "recursive-include",
                    patterns.iter().map(|word| format!("/{directory}/**{word}")).collect(),
                ),
                _ => return Err(refuse("expected a directory and patterns")),
            },
            "graft" | "prune" => {
                (verb == "graft", words.iter().map(|word| format!("/{word}/**")).collect())
            }
            _ => {
                return Err(refuse(
                    "expected include, exclude, global-include, global-exclude, recursive-include, recursive-exclude, graft or prune",
                ));
            }
        };
        Ok(Self { adds, patterns })
    }

    fn means(&self, name: &str) -> bool {
        let name = format!("/{name}");
        self.patterns.iter().any(|pattern| matches(pattern, &name, Star::Stops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_mean_files() {
        for (line, name, means) in [
            ("include *.md", "README.md", true),
            ("include *.md", "docs/README.md", false),
            ("recursive-include plugins */**.py", "plugins/a/b/c.py", true),
            ("recursive-include plugins */**.py", "plugins/c.py", false),
            ("global-exclude /.*", "a/.hidden", true),
            ("global-exclude /.*", ".reuse/dep5", false),
            ("prune docs", "docs/a/b", true),
        ] {
            assert_eq!(Directive::read(line).unwrap().means(name), means, "{line} {name}");
        }
        for bad in ["", "include", "recursive-include docs", "destroy *"] {
            assert!(Directive::read(bad).is_err(), "{bad}");
        }
    }
}
