//! `muster explain var`: where a variable of a host comes from, play by play, without running anything.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use engine::{Candidate, Explanation, Place, View};
use jinja::{Marks, Value};
use language::Memory;
use model::HostName;
use serde_json::json;
use tokio::sync::mpsc;

use super::GlobalArgs;
use super::options::{
    BecomeArgs, ConnectionArgs, Flags, InventoryArgs, Passwords, RunFlags, engine_options,
};
use crate::content::{self, Content, Wanted};
use crate::error::CliError;
use crate::job::Surroundings;
use crate::listing::shown;
use crate::settings::{Environment, Settings};
use crate::terminal;
use crate::ways::Ways;

/// So much of a value is shown on a line.
const WIDTH: usize = 60;
/// So many tasks are named for a view.
const NAMED: usize = 3;

/// `muster explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Where a variable of a host comes from
    Var(Box<VarArgs>),
}

/// `muster explain var`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  muster explain var http_port --host web1 -i hosts site.yml   as the plays of a playbook see it
  muster explain var http_port --host web1 -i hosts            what the inventory says
  muster explain var http_port --host web1 -i hosts --json     for programs

Everything that sets the variable is listed, the one that wins first. Nothing runs: tasks that would set it are named.
Exit codes: 0 something sets it, 1 nothing does, 4 the content cannot be read, 5 bad options.")]
struct VarArgs {
    /// The variable
    #[arg(value_name = "NAME")]
    name: String,
    /// The host, as the inventory names it
    #[arg(long, value_name = "HOST")]
    host: String,
    /// Playbooks whose plays are looked at [default: the inventory alone]
    #[arg(value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    escalation: BecomeArgs,
}

/// Explains something.
pub(super) async fn explain(
    _: &GlobalArgs,
    args: ExplainArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let What::Var(args) = args.what;
    let settings = Settings::resolve(environment, Path::new(""))?;
    let passwords = Passwords::of_content(&args.run.vault, &settings)?;
    let content = args.load(Surroundings::here(&settings, passwords))?;
    content.warnings.iter().for_each(|warning| terminal::complain("WARNING", warning));
    let host = args.known_host(&content)?;
    let explanation = explained(content, &host, &args.name)?;
    if explanation.views.is_empty() {
        let message = format!("no play is for the host {host}");
        return Err(
            CliError::failed(message).hint("see the patterns: muster playbook --list-hosts")
        );
    }
    if args.json {
        terminal::print(&format!("{:#}\n", as_json(&explanation, &host, &args.name)))?;
    } else {
        terminal::print(&as_text(&explanation, &host, &args.name))?;
    }
    let is_set = explanation.views.iter().any(|view| !view.candidates.is_empty());
    if is_set || !explanation.later.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let near = language::nearest(&args.name, explanation.names.iter().map(|name| &**name));
    if let Some(near) = near {
        terminal::tell(&format!("did you mean `{near}`?"));
    }
    Ok(ExitCode::FAILURE)
}

impl VarArgs {
    fn load(&self, around: Surroundings<'_>) -> Result<Content, CliError> {
        let flags = Flags {
            run: &self.run,
            inventory: &self.inventory,
            connection: &self.connection,
            escalation: &self.escalation,
        };
        let options = engine_options(flags, &around)?;
        let mut playbooks: Vec<PathBuf> =
            self.playbooks.iter().map(|path| around.place(path)).collect();
        let mut texts = Memory::default();
        if playbooks.is_empty() {
            let path = std::path::absolute(around.place(Path::new("inventory")))?;
            let play = json!([{ "name": "the inventory", "hosts": self.host }]);
            texts = Memory::new([(path.clone(), play.to_string())]);
            playbooks.push(path);
        }
        let wanted = Wanted {
            playbooks,
            texts,
            inventory: self.inventory.sources(&around),
            pattern: self.host.clone(),
            options,
            vault: around.passwords.vault,
        };
        content::load(wanted, around.settings)
    }

    /// The host, if the inventory has it.
    fn known_host(&self, content: &Content) -> Result<HostName, CliError> {
        if let Some(host) = content.inventory.host(&self.host) {
            return Ok(host.name.clone());
        }
        let error = CliError::failed(format!("the inventory has no host {}", self.host));
        let names = content.inventory.hosts().map(|host| host.name.as_str());
        Err(match language::nearest(&self.host, names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        })
    }
}

fn explained(content: Content, host: &HostName, name: &str) -> Result<Explanation, CliError> {
    let directory = tempfile::tempdir()?;
    let blobs = Arc::new(links::BlobDirectory::open(directory.path().join("blobs"))?);
    let ways = Arc::new(Ways::new(&blobs, None));
    let (events, mut said) = mpsc::unbounded_channel();
    let run = crate::runner::engine_run(content, ways, blobs, events);
    let explanation = run.explain(host, name)?;
    while let Ok(event) = said.try_recv() {
        if let model::EventKind::Warned { message } = event {
            terminal::complain("WARNING", &message);
        }
    }
    Ok(explanation)
}

fn as_text(explanation: &Explanation, host: &HostName, name: &str) -> String {
    let mut text = String::new();
    for view in &explanation.views {
        let _ = writeln!(
            text,
            "{name} on {host}, play \"{}\" ({}){}",
            clean(&view.play.name),
            at(&view.play),
            match &view.value {
                Some(Ok(value)) => format!(": {}", line(value)),
                Some(Err(_)) => ": cannot be evaluated".to_owned(),
                None => ": not set".to_owned(),
            }
        );
        if let Some(Err(error)) = &view.value {
            let _ = writeln!(text, "    {}", error.message());
        }
        for task in view.tasks.iter().take(NAMED) {
            let _ = writeln!(text, "  seen by  {} ({})", clean(&task.name), at(task));
        }
        if view.tasks.len() > NAMED {
            let _ = writeln!(text, "           and {} more tasks", view.tasks.len() - NAMED);
        }
        for (number, candidate) in view.candidates.iter().enumerate() {
            let mark = if number == 0 { "wins" } else { "" };
            let title = candidate.level.title();
            let _ = writeln!(
                text,
                "  {mark:<4}  {title:<36}  {}  [{}]",
                line(&candidate.value),
                origin(candidate)
            );
        }
        text.push('\n');
    }
    for (how, place) in &explanation.later {
        let _ =
            writeln!(text, "set when it runs, by {how}: {} ({})", clean(&place.name), at(place));
    }
    if let Some(first) = explanation.includes.first() {
        let _ = writeln!(
            text,
            "not looked into: {} includes whose tasks are known only when they run; the first is {} ({})",
            explanation.includes.len(),
            clean(&first.name),
            at(first)
        );
    }
    text
}

fn as_json(explanation: &Explanation, host: &HostName, name: &str) -> serde_json::Value {
    let place = |place: &Place| json!({ "name": place.name, "at": at(place) });
    let later = |(how, at): &(&str, Place)| json!({ "by": how, "task": place(at) });
    let candidate = |candidate: &Candidate| {
        json!({
            "level": candidate.level.title(),
            "source": &*candidate.source,
            "at": origin(candidate),
            "written": data(&candidate.value),
        })
    };
    let view = |view: &View| {
        json!({
            "play": place(&view.play),
            "tasks": view.tasks.iter().map(place).collect::<Vec<_>>(),
            "value": view.value.as_ref().and_then(|value| value.as_ref().ok()).map(data),
            "error": view.value.as_ref().and_then(|value| value.as_ref().err()).map(|error| error.message().to_owned()),
            "set_by": view.candidates.iter().map(candidate).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": name,
        "host": host.as_str(),
        "plays": explanation.views.iter().map(view).collect::<Vec<_>>(),
        "set_when_it_runs": explanation.later.iter().map(later).collect::<Vec<_>>(),
        "includes_not_looked_into": explanation.includes.iter().map(place).collect::<Vec<_>>(),
    })
}

/// Where a candidate is written: the place, or the source where there is none.
fn origin(candidate: &Candidate) -> String {
    match candidate.value.origin() {
        Some(span) => {
            format!("{}:{}:{}", shown(span.path()).display(), span.line, span.column)
        }
        None => clean(&candidate.source),
    }
}

fn at(place: &Place) -> String {
    let span = &place.span;
    format!("{}:{}:{}", shown(span.path()).display(), span.line, span.column)
}

/// A value as data, unless it is a secret.
fn data(value: &Value) -> serde_json::Value {
    let hidden = Marks::SECRET | Marks::HOLDS_SECRET | Marks::SEALED;
    if value.marks().any(hidden) {
        return json!("(secret)");
    }
    value.to_json().unwrap_or_else(|_| json!(value.to_string()))
}

/// A value on one line, shortened.
fn line(value: &Value) -> String {
    let text = clean(&data(value).to_string());
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Control characters do not reach the terminal.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}
