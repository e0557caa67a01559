//! One module on some hosts: a playbook of one task, made in memory.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use language::Memory;
use report::{Minimal, OneLine, Reporter};
use serde_json::json;

use super::GlobalArgs;
use super::options::{
    BecomeArgs, ConnectionArgs, Flags, InventoryArgs, Passwords, RunFlags, engine_options,
};
use crate::content::{self, Content, Wanted};
use crate::error::CliError;
use crate::job::{Job, Surroundings};
use crate::settings::{Environment, Settings};
use crate::{reporters, runner, terminal};

/// The name of the playbook that is on no disk; in the directory of the command, so that relative files are found there.
const NAME: &str = "(command line)";

/// Flags of commands that run one module.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdHocArgs {
    /// Show one line a host
    #[arg(short, long)]
    pub(crate) one_line: bool,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    #[command(flatten)]
    pub(crate) inventory: InventoryArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) escalation: BecomeArgs,
}

/// What is to be run where.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) pattern: String,
    pub(crate) module: String,
    pub(crate) arguments: String,
    /// Keywords of the task.
    pub(crate) keywords: Vec<(&'static str, u64)>,
    /// The directory whose `roles/`, `group_vars/` and so on count.
    pub(crate) playbook_dir: Option<PathBuf>,
}

/// Runs a module and shows the results.
pub(crate) async fn ad_hoc(
    global: &GlobalArgs,
    job: Job,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let Job::AdHoc(args, call) = &job else {
        return runner::run(global, job, environment).await;
    };
    if !args.inventory.list_hosts {
        return runner::run(global, job, environment).await;
    }
    let settings = Settings::resolve(environment, Path::new(""))?;
    let passwords = Passwords::of_content(&args.run.vault, &settings)?;
    let content = args.load(call, Surroundings::here(&settings, passwords))?;
    let limit = content.options.limit.as_deref();
    let chosen = content.inventory.select(std::slice::from_ref(&call.pattern), limit)?;
    let head = format!("  hosts ({}):\n", chosen.hosts.len());
    let text = chosen.hosts.iter().fold(head, |text, host| text + &format!("    {host}\n"));
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

impl AdHocArgs {
    pub(crate) fn flags(&self) -> Flags<'_> {
        Flags {
            run: &self.run,
            inventory: &self.inventory,
            connection: &self.connection,
            escalation: &self.escalation,
        }
    }

    /// Reads the inventory, and makes the playbook.
    pub(crate) fn load(&self, call: &Call, around: Surroundings<'_>) -> Result<Content, CliError> {
        let options = engine_options(self.flags(), &around)?;
        let setting = around.settings.configuration.path("PLAYBOOK_DIR")?;
        let directory = call.playbook_dir.clone().or(setting).unwrap_or_default();
        let path = around.place(&directory).join(NAME);
        let path = std::path::absolute(&path).unwrap_or(path);
        let wanted = Wanted {
            playbooks: vec![path.clone()],
            texts: Memory::new([(path, call.playbook())]),
            inventory: self.inventory.sources(&around),
            pattern: call.pattern.clone(),
            options,
            vault: around.passwords.vault,
        };
        content::load(wanted, around.settings)
    }

    /// Shows results as Ansible's ad hoc command does.
    pub(crate) fn reporter(&self, settings: &Settings) -> Box<dyn Reporter> {
        let verbosity = self.run.verbose.max(settings.verbosity);
        let options = terminal::report_options(verbosity, self.run.diff || settings.diff);
        let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
        if settings.display.loads_callbacks {
            reporters::reporters(settings, options, "minimal")
        } else if self.one_line {
            Box::new(OneLine::new(out, err, options))
        } else {
            Box::new(Minimal::new(out, err, options))
        }
    }
}

impl Call {
    /// A call with nothing special about it.
    pub(crate) fn new(
        pattern: impl Into<String>,
        module: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        let (pattern, module, arguments) = (pattern.into(), module.into(), arguments.into());
        Self { pattern, module, arguments, keywords: Vec::new(), playbook_dir: None }
    }

    /// The playbook's text: JSON is YAML, and quotes everything.
    fn playbook(&self) -> String {
        let arguments = self.arguments.trim();
        let arguments = serde_json::from_str::<serde_json::Value>(arguments)
            .ok()
            .filter(serde_json::Value::is_object)
            .unwrap_or_else(|| json!(arguments));
        let mut task = match arguments.as_str() {
            Some("") => json!({ &self.module: null }),
            _ => json!({ &self.module: arguments }),
        };
        for (name, value) in &self.keywords {
            task[name] = json!(value);
        }
        let play = json!({
            "name": "Muster Ad-Hoc",
            "hosts": self.pattern,
            "gather_facts": false,
            "tasks": [task],
        });
        serde_json::json!([play]).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_typed_stays_inside_its_quotes() {
        let call = |arguments: &str| Call::new("web:&\"x", "command", arguments);
        for arguments in ["", "uptime", "echo \"a\": {b}\n- c", r#"{"cmd": "uptime"}"#] {
            let text = call(arguments).playbook();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read[0]["hosts"], "web:&\"x");
            let task = &read[0]["tasks"][0]["command"];
            match arguments {
                "" => assert!(task.is_null()),
                text if text.starts_with('{') => assert_eq!(task["cmd"], "uptime"),
                text => assert_eq!(task, text),
            }
        }
    }
}
