//! `muster assess PROJECT`: before any run, which tasks of a project are native, which need Python on the host, and which
//! cannot run. Nothing is rendered or resolved: every task that is written in a file counts once.

mod scan;
mod verdict;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::GlobalArgs;
use crate::error::CliError;
use crate::settings::{Environment, Settings};
use crate::terminal;
use scan::{Found, Project};
use verdict::{Judge, Way};

/// The exit status when something in the project cannot run.
const UNSUPPORTED: u8 = 2;
/// The exit status when a file of the project cannot be read.
const UNREADABLE: u8 = 4;

/// `muster assess`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  muster assess .                      what of this project runs, and how
  muster assess roles/web --all        every task with its place
  muster assess . --format json        for programs

Exit codes: 0 everything runs, 2 some tasks do not, 4 a file cannot be read.")]
pub(crate) struct AssessArgs {
    /// The directory of a project, or one file of tasks or plays
    #[arg(value_name = "PROJECT", default_value = ".")]
    project: PathBuf,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also list the tasks that are native
    #[arg(short, long)]
    all: bool,
}

/// How an assessment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A task and what becomes of it.
struct Assessed {
    found: Found,
    way: Way,
}

/// Assesses a project.
pub(super) async fn assess(
    _: &GlobalArgs,
    args: AssessArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    if !args.project.exists() {
        return Err(CliError::failed(format!("there is no {}", args.project.display())));
    }
    let base =
        if args.project.is_dir() { args.project.as_path() } else { std::path::Path::new("") };
    let settings = Settings::resolve(environment, base)?;
    let project = Project::read(&args.project)?;
    let judge = Judge::new(&project, &settings);
    let tasks: Vec<Assessed> = project
        .tasks
        .into_iter()
        .map(|found| Assessed { way: judge.way(&found.action), found })
        .collect();
    for problem in &project.problems {
        terminal::complain("ERROR", problem);
    }
    let totals = Totals::of(&tasks);
    let text = match args.format {
        Format::Text => in_words(&tasks, &totals, args.all),
        Format::Json => in_json(&tasks, &totals, &project.problems),
    };
    terminal::print(&text)?;
    Ok(if !project.problems.is_empty() {
        ExitCode::from(UNREADABLE)
    } else if totals.unsupported > 0 {
        ExitCode::from(UNSUPPORTED)
    } else {
        ExitCode::SUCCESS
    })
}

#[derive(Debug, Default)]
struct Totals {
    native: usize,
    python: usize,
    unsupported: usize,
    /// Roles, and those of them that are native throughout.
    roles: usize,
    native_roles: usize,
    /// What is not native, by the action's name.
    others: BTreeMap<String, (usize, &'static str)>,
}

impl Totals {
    fn of(tasks: &[Assessed]) -> Self {
        let mut totals = Self::default();
        let mut roles: BTreeMap<&str, bool> = BTreeMap::new();
        for Assessed { found, way } in tasks {
            match way {
                Way::Native => totals.native += 1,
                Way::Python | Way::Program => totals.python += 1,
                Way::Unsupported(_) => totals.unsupported += 1,
            }
            if *way != Way::Native {
                let entry = totals.others.entry(found.action.clone()).or_insert((0, way.name()));
                entry.0 += 1;
            }
            if let Some(role) = &found.role {
                *roles.entry(role).or_insert(true) &= *way == Way::Native;
            }
        }
        totals.roles = roles.len();
        totals.native_roles = roles.values().filter(|native| **native).count();
        totals
    }

    fn all(&self) -> usize {
        self.native + self.python + self.unsupported
    }
}

fn in_words(tasks: &[Assessed], totals: &Totals, all: bool) -> String {
    let mut text = String::new();
    for Assessed { found, way } in tasks.iter().filter(|task| all || task.way != Way::Native) {
        let why = match way {
            Way::Unsupported(why) => format!(" ({why})"),
            _ => String::new(),
        };
        let Found { file, line, action, .. } = found;
        let _ = writeln!(text, "{file}:{line}: {action}: {}{why}", way.name());
    }
    if !totals.others.is_empty() {
        text.push_str("\nNot native, by how often:\n");
        let mut others: Vec<_> = totals.others.iter().collect();
        others.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (action, (count, way)) in others {
            let _ = writeln!(text, "{count:6}  {action}: {way}");
        }
        text.push('\n');
    }
    let share = |count: usize| percent(count, totals.all());
    let _ = writeln!(
        text,
        "{} tasks: {} native ({}), {} by Python or another interpreter ({}), {} unsupported ({})",
        totals.all(),
        totals.native,
        share(totals.native),
        totals.python,
        share(totals.python),
        totals.unsupported,
        share(totals.unsupported)
    );
    if totals.roles > 0 {
        let share = percent(totals.native_roles, totals.roles);
        let _ = writeln!(text, "{} roles: {} native ({share})", totals.roles, totals.native_roles);
    }
    text
}

fn percent(count: usize, of: usize) -> String {
    if of == 0 {
        return "0 %".to_owned();
    }
    let tenths = (count * 1000 + of / 2) / of;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn in_json(tasks: &[Assessed], totals: &Totals, problems: &[String]) -> String {
    let tasks: Vec<_> = tasks
        .iter()
        .map(|Assessed { found, way }| {
            let mut task = json!({
                "file": found.file, "line": found.line, "action": found.action, "way": way.name(),
            });
            if let Way::Unsupported(why) = way {
                task["why"] = why.as_str().into();
            }
            if let Some(role) = &found.role {
                task["role"] = role.as_str().into();
            }
            task
        })
        .collect();
    let shown = json!({
        "totals": {
            "tasks": totals.all(), "native": totals.native, "python": totals.python,
            "unsupported": totals.unsupported, "roles": totals.roles, "native_roles": totals.native_roles,
        },
        "tasks": tasks,
        "problems": problems,
    });
    format!("{shown:#}\n")
}
