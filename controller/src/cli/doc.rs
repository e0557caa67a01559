//! `muster doc` and `ansible-doc`: modules and actions, and the arguments of modules.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use modules::{Entry, Field};
use serde_json::{Map, Value as Json, json};

use super::GlobalArgs;
use crate::error::CliError;
use crate::settings::{Environment, definition};
use crate::terminal;

/// `muster doc`.
#[derive(Debug, Args)]
pub(crate) struct DocArgs {
    /// What to explain
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List what there is; names are collections
    #[arg(short, long)]
    list: bool,
    /// List what there is and where it comes from
    #[arg(short = 'F', long)]
    list_files: bool,
    /// The beginning of a task, to be filled in
    #[arg(short, long)]
    snippet: bool,
    /// Of which kind
    #[arg(short = 't', long = "type", value_name = "TYPE", default_value = "module")]
    kind: String,
    /// As JSON
    #[arg(short, long)]
    json: bool,
    /// Taken for Ansible's sake: modules are part of Muster
    #[arg(short = 'M', long, hide = true)]
    module_path: Vec<String>,
    /// Taken for Ansible's sake
    #[arg(long, hide = true)]
    playbook_dir: Option<std::path::PathBuf>,
    /// Show more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The names of all modules and actions, without their collection when that is Ansible's own.
pub(super) fn names() -> impl Iterator<Item = String> {
    engine::action_names().map(ToOwned::to_owned).chain(modules::MODULES.iter().map(full_name))
}

fn full_name(entry: &Entry) -> String {
    match entry.collection {
        "ansible.builtin" => entry.name.to_owned(),
        collection => format!("{collection}.{}", entry.name),
    }
}

/// Shows what is known.
pub(crate) async fn doc(
    _: &GlobalArgs,
    args: DocArgs,
    _: &Environment,
) -> Result<ExitCode, CliError> {
    let text = match (args.list || args.list_files, args.kind.as_str()) {
        (true, _) => args.listing(),
        (false, "module") if !args.names.is_empty() => args.modules()?,
        (false, _) if args.names.is_empty() => {
            return Err(CliError::options(
                "Incorrect options passed: name what is to be explained, or use --list",
            ));
        }
        (false, kind) => {
            let message = format!("only modules are explained, not plugins of the type `{kind}`");
            return Err(CliError::options(message).hint("--list lists them"));
        }
    };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl DocArgs {
    fn listing(&self) -> String {
        let mut all: Vec<(String, String)> = match self.kind.as_str() {
            "module" => names().map(|name| (qualified(&name), summary(&name))).collect(),
            kind => definition::plugins()
                .filter(|(known, _)| *known == kind)
                .map(|(_, name)| (qualified(name), String::new()))
                .collect(),
        };
        let wanted =
            |name: &String| self.names.iter().any(|prefix| name.starts_with(&format!("{prefix}.")));
        all.retain(|(name, _)| self.names.is_empty() || wanted(name));
        all.sort();
        all.dedup_by(|one, other| one.0 == other.0);
        if self.json {
            let all: Map<_, _> = all.into_iter().map(|(name, doc)| (name, json!(doc))).collect();
            return pretty(&Json::Object(all));
        }
        let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        all.iter().fold(String::new(), |text, (name, doc)| {
            text + format!("{name:width$} {doc}").trim_end() + "\n"
        })
    }

    fn modules(&self) -> Result<String, CliError> {
        let mut text = String::new();
        let mut all = Map::new();
        for name in &self.names {
            let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
            match modules::MODULES
                .iter()
                .find(|entry| full_name(entry) == short || entry.name == short)
            {
                Some(entry) if self.json => {
                    all.insert(qualified(short), json!({ "doc": described(entry) }));
                }
                Some(entry) if self.snippet => text += &snippet(entry),
                Some(entry) => text += &page(entry),
                None if names().any(|known| known == short) => {
                    let _ = writeln!(
                        text,
                        "> {}\n\n  an action of Muster's controller\n",
                        qualified(short)
                    );
                }
                None => {
                    let error = CliError::failed(format!("module {name} not found"));
                    return Err(match modules::nearest(short) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => error,
                    });
                }
            }
        }
        Ok(if self.json { pretty(&Json::Object(all)) } else { text })
    }
}

fn qualified(name: &str) -> String {
    if name.contains('.') { name.to_owned() } else { format!("ansible.builtin.{name}") }
}

fn summary(name: &str) -> String {
    let entry = modules::MODULES.iter().find(|entry| full_name(entry) == name);
    let doc = entry.map(|entry| (entry.spec)().doc.clone()).unwrap_or_default();
    doc.lines().next().unwrap_or_default().to_owned()
}

fn pretty(value: &Json) -> String {
    serde_json::to_string_pretty(value).expect("it is JSON already") + "\n"
}

fn shown(entry: &Entry) -> impl Iterator<Item = &'static Field> {
    (entry.spec)().fields.iter().filter(|field| !field.hidden)
}

fn described(entry: &Entry) -> Json {
    let options: Map<_, _> = shown(entry)
        .map(|field| {
            let choices: Vec<_> = field.choices.iter().map(|(choice, _)| choice).collect();
            let mut option = json!({
                "description": [field.doc], "type": field.type_name, "required": field.required,
            });
            if !choices.is_empty() {
                option["choices"] = json!(choices);
            }
            if let Some(default) = &field.default {
                option["default"] = default.clone();
            }
            if !field.aliases.is_empty() {
                option["aliases"] = json!(field.aliases);
            }
            (field.name.to_owned(), option)
        })
        .collect();
    json!({
        "module": entry.name, "collection": entry.collection,
        "short_description": summary(&full_name(entry)), "description": [(entry.spec)().doc],
        "options": options,
    })
}

fn page(entry: &Entry) -> String {
    let mut text = format!("> MODULE {}.{}\n\n", entry.collection, entry.name);
    let _ = writeln!(text, "  {}\n\nOPTIONS (= indicates it is required):\n", (entry.spec)().doc);
    for field in shown(entry) {
        let mark = if field.required { '=' } else { '-' };
        let _ = writeln!(text, "{mark} {}\n        {}", field.name, field.doc);
        if !field.choices.is_empty() {
            let choices: Vec<_> = field.choices.iter().map(|(choice, _)| *choice).collect();
            let _ = writeln!(text, "        choices: [{}]", choices.join(", "));
        }
        if let Some(default) = &field.default {
            let _ = writeln!(text, "        default: {default}");
        }
        if !field.aliases.is_empty() {
            let _ = writeln!(text, "        aliases: [{}]", field.aliases.join(", "));
        }
        let _ = writeln!(text, "        type: {}\n", field.type_name);
    }
    text
}

fn snippet(entry: &Entry) -> String {
    let head = format!("- name: {}\n  {}:\n", summary(&full_name(entry)), full_name(entry));
    shown(entry).fold(head, |text, field| {
        let note = if field.required { "(required) " } else { "" };
        let doc = field.doc.lines().next().unwrap_or_default();
        text + &format!(
            "      {}:{}# {note}{doc}\n",
            field.name,
            " ".repeat(18_usize.saturating_sub(field.name.len()).max(1))
        )
    })
}
