//! `cargo xtask corpus DIR…`: does everything in code bases that `PyYAML` and `Jinja2` read parse here as well?
//!
//! YAML files, the templates in their strings, the bare expressions of `when` and its like, and `.j2` files are parsed, never
//! run. What we refuse is given to the stock parsers (`tests/corpus/stock.py`): only what they accept counts against us.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Args;
use jinja::Form;
use yaml::{Node, NodeValue, SourceFile, Tag};

/// Keywords whose strings are expressions without braces.
const CONDITIONS: &[&str] = &["when", "failed_when", "changed_when", "until", "that", "break_when"];

#[derive(Args)]
pub(crate) struct CorpusArgs {
    /// Code bases, unpacked
    #[arg(required = true)]
    directories: Vec<PathBuf>,
    /// A Python that has PyYAML and Jinja2
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

/// A text that was not understood.
struct Refusal {
    place: String,
    kind: &'static str,
    text: String,
    why: String,
}

#[derive(Default)]
struct Corpus {
    yaml: usize,
    files: usize,
    strings: usize,
    refusals: Vec<Refusal>,
}

pub(crate) fn run(args: &CorpusArgs) -> Result<()> {
    let mut corpus = Corpus::default();
    for directory in &args.directories {
        corpus.walk(directory).with_context(|| directory.display().to_string())?;
    }
    let ours = understood_elsewhere(&args.python, corpus.refusals)?;
    for refusal in &ours {
        println!("{} ({}): {}", refusal.place, refusal.kind, refusal.why);
    }
    println!(
        "{} YAML files, {} template files, {} templates in strings; refused here alone: {}",
        corpus.yaml,
        corpus.files,
        corpus.strings,
        ours.len()
    );
    ensure!(ours.is_empty(), "stock Ansible reads what is listed above");
    Ok(())
}

impl Corpus {
    fn walk(&mut self, directory: &Path) -> Result<()> {
        let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&path)?;
            }
            if !kind.is_file() {
                continue;
            }
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("yml" | "yaml") => self.document(&path)?,
                Some("j2") => self.template(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn document(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path)?;
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        self.yaml += 1;
        match yaml::load_all(&SourceFile::new(path, text)) {
            Ok(loaded) => loaded.documents.iter().for_each(|node| self.strings(node, Form::Value)),
            Err(why) => self.refusals.push(Refusal {
                place: path.display().to_string(),
                kind: "yaml",
                text: text.to_owned(),
                why: why.to_string(),
            }),
        }
        Ok(())
    }

    fn template(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path)?;
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(()) };
        self.files += 1;
        self.parse(text, Form::File, || path.display().to_string());
        Ok(())
    }

    fn strings(&mut self, node: &Node, form: Form) {
        if node.tag == Some(Tag::Unsafe) {
            return;
        }
        match &node.value {
            NodeValue::Str { text, .. } => {
                let braces = text.contains("{{") || text.contains("{%");
                let form = if braces { Form::Value } else { form };
                if braces || form == Form::Expression {
                    self.strings += 1;
                    let place = || {
                        let span = &node.span;
                        format!("{}:{}:{}", span.path().display(), span.line, span.column)
                    };
                    self.parse(text, form, place);
                }
            }
            NodeValue::Seq(items) => items.iter().for_each(|item| self.strings(item, form)),
            NodeValue::Map(pairs) => {
                for (key, value) in pairs {
                    let is_condition = matches!(&key.value,
                        NodeValue::Str { text, .. } if CONDITIONS.contains(&&**text));
                    let form = if is_condition { Form::Expression } else { Form::Value };
                    self.strings(value, form);
                }
            }
            _ => {}
        }
    }

    fn parse(&mut self, text: &str, form: Form, place: impl Fn() -> String) {
        let Err(why) = jinja::check(&Arc::from(text), form) else { return };
        let kind = match form {
            Form::Value => "value",
            Form::Expression => "expression",
            Form::File => "file",
        };
        let why = why.message().to_owned();
        self.refusals.push(Refusal { place: place(), kind, text: text.to_owned(), why });
    }
}

/// Those of the refusals that the stock parsers read.
fn understood_elsewhere(python: &Path, refusals: Vec<Refusal>) -> Result<Vec<Refusal>> {
    let mut questions = tempfile::tempfile()?;
    for refusal in &refusals {
        let row = serde_json::json!({"kind": refusal.kind, "text": refusal.text});
        writeln!(questions, "{row}")?;
    }
    std::io::Seek::rewind(&mut questions)?;
    let output = Command::new(python)
        .arg("tests/corpus/stock.py")
        .stdin(questions)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| python.display().to_string())?;
    ensure!(output.status.success(), "{} tests/corpus/stock.py failed", python.display());
    let answers = String::from_utf8(output.stdout)?;
    ensure!(answers.lines().count() == refusals.len(), "an answer is missing");
    let pairs = refusals.into_iter().zip(answers.lines());
    Ok(pairs.filter(|(_, answer)| *answer == "true").map(|(refusal, _)| refusal).collect())
}
