//! `muster playbook PLAYBOOK...`: `ansible-playbook`, with its flags.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use language::Memory;
use report::Reporter;

use super::GlobalArgs;
use super::options::{
    BecomeArgs, ConnectionArgs, Flags, InventoryArgs, Passwords, RunFlags, engine_options,
};
use crate::content::{self, Content, Wanted};
use crate::error::CliError;
use crate::job::{Job, Surroundings};
use crate::listing::{What, listing, shown};
use crate::settings::{Environment, Settings};
use crate::{reporters, runner, terminal};

/// `muster playbook`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  muster playbook -i hosts site.yml                     all hosts of the inventory
  muster playbook -i hosts site.yml -l web --tags deploy -e version=1.4.2
  muster playbook -i hosts site.yml --check --diff      what would change, and how
  muster playbook -i localhost, -c local setup.yml      this machine
  muster playbook --controller ctl:7420 -i hosts site.yml   on a controller with agents

Exit codes: 0 all well, 2 a host failed, 4 a host did not answer or the content cannot be read,
5 bad options, 99 interrupted.")]
pub(crate) struct PlaybookArgs {
    /// The playbooks, applied in order
    #[arg(required = true, value_name = "PLAYBOOK")]
    pub(crate) playbooks: Vec<PathBuf>,
    /// Only tasks with one of these tags (commas between, or given again)
    #[arg(short, long, value_name = "TAGS")]
    tags: Vec<String>,
    /// Not the tasks with one of these tags
    #[arg(long, value_name = "TAGS")]
    skip_tags: Vec<String>,
    /// Begin with the task of this name
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
    /// Ask before each task whether to run it
    #[arg(long)]
    step: bool,
    /// Run notified handlers also on hosts where a task failed
    #[arg(long)]
    force_handlers: bool,
    /// Only list the tasks that would run
    #[arg(long)]
    list_tasks: bool,
    /// Only list the tags that there are
    #[arg(long)]
    list_tags: bool,
    /// Only read the playbooks, and say what is wrong with them
    #[arg(long)]
    syntax_check: bool,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    #[command(flatten)]
    pub(crate) inventory: InventoryArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) escalation: BecomeArgs,
}

/// Applies playbooks.
pub(crate) async fn playbook(
    global: &GlobalArgs,
    args: PlaybookArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    if !args.is_listing() {
        return runner::run(global, Job::Playbook(Box::new(args)), environment).await;
    }
    let settings = Settings::resolve(environment, Path::new(""))?;
    let passwords = Passwords::of_content(&args.run.vault, &settings)?;
    let content = args.load(Surroundings::here(&settings, passwords))?;
    args.list(&content)
}

impl PlaybookArgs {
    /// Nothing is to be run.
    fn is_listing(&self) -> bool {
        self.inventory.list_hosts || self.list_tasks || self.list_tags || self.syntax_check
    }

    pub(crate) fn flags(&self) -> Flags<'_> {
        Flags {
            run: &self.run,
            inventory: &self.inventory,
            connection: &self.connection,
            escalation: &self.escalation,
        }
    }

    /// Reads what the arguments name.
    pub(crate) fn load(&self, around: Surroundings<'_>) -> Result<Content, CliError> {
        let mut options = engine_options(self.flags(), &around)?;
        let words =
            |given: &[String], set: &[String]| words(if given.is_empty() { set } else { given });
        options.tags = words(&self.tags, &around.settings.tags);
        options.skip_tags = words(&self.skip_tags, &around.settings.skip_tags);
        options.start_at_task.clone_from(&self.start_at_task);
        options.force_handlers |= self.force_handlers;
        options.step = self.step;
        let wanted = Wanted {
            playbooks: self.playbooks.iter().map(|path| around.place(path)).collect(),
            texts: Memory::default(),
            inventory: self.inventory.sources(&around),
            pattern: "all".to_owned(),
            options,
            vault: around.passwords.vault,
        };
        content::load(wanted, around.settings)
    }

    /// Shows a run as Ansible does.
    pub(crate) fn reporter(&self, settings: &Settings) -> Box<dyn Reporter> {
        let mut options = terminal::report_options(self.run.verbose.max(settings.verbosity), true);
        options.debug = settings.debug;
        options.show_custom_stats = settings.show_custom_stats;
        reporters::reporters(settings, options, "default")
    }

    fn list(&self, content: &Content) -> Result<ExitCode, CliError> {
        for warning in &content.warnings {
            terminal::complain("WARNING", warning);
        }
        let text = if self.inventory.list_hosts || self.list_tasks || self.list_tags {
            let what = What {
                hosts: self.inventory.list_hosts,
                tasks: self.list_tasks,
                tags: self.list_tags,
            };
            listing(content, what)?
        } else {
            let names = content.playbooks.iter().map(|playbook| shown(&playbook.path).display());
            names.fold(String::new(), |text, name| text + &format!("\nplaybook: {name}\n"))
        };
        terminal::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Tags in one list, commas taken apart.
fn words(texts: &[String]) -> Vec<String> {
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
}
