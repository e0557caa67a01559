//! `muster playbook PLAYBOOK...`: `ansible-playbook`, with its flags.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use language::Memory;
use report::Console;

use super::GlobalArgs;
use super::options::{
    BecomeArgs, ConnectionArgs, InventoryArgs, Passwords, RunFlags, engine_options,
};
use crate::content::{self, Content, Wanted};
use crate::error::CliError;
use crate::listing::{What, listing};
use crate::settings::{Environment, Settings};
use crate::{runner, terminal};

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
    playbooks: Vec<PathBuf>,
    /// Only tasks with one of these tags (commas between, or given again)
    #[arg(short, long, value_name = "TAGS")]
    tags: Vec<String>,
    /// Not the tasks with one of these tags
    #[arg(long, value_name = "TAGS")]
    skip_tags: Vec<String>,
    /// Begin with the task of this name
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
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
    run: RunFlags,
    #[command(flatten)]
    inventory: InventoryArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    escalation: BecomeArgs,
}

/// Applies playbooks.
pub(crate) async fn playbook(
    _global: &GlobalArgs,
    args: PlaybookArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let base = Path::new("");
    let settings = Settings::resolve(environment, base)?;
    let is_listing = args.is_listing();
    let passwords = match is_listing {
        true => Passwords::default(),
        false => Passwords::ask(&args.connection, &args.escalation, &settings)?,
    };
    let content = args.load(&settings, passwords, base)?;
    if is_listing {
        return args.list(&content);
    }
    let mut options = terminal::report_options(content.options.verbosity, true);
    options.display_skipped = settings.display_skipped;
    options.display_ok = settings.display_ok;
    let console = Console::new(Box::new(io::stdout()), Box::new(io::stderr()), options);
    runner::play(content, Box::new(console)).await
}

impl PlaybookArgs {
    /// Nothing is to be run.
    fn is_listing(&self) -> bool {
        self.inventory.list_hosts || self.list_tasks || self.list_tags || self.syntax_check
    }

    /// Reads what the arguments name, relative to `base`.
    pub(crate) fn load(
        &self,
        settings: &Settings,
        passwords: Passwords,
        base: &Path,
    ) -> Result<Content, CliError> {
        let mut options = engine_options(
            &self.run,
            self.inventory.limit.as_deref(),
            &self.connection,
            &self.escalation,
            settings,
            passwords,
            base,
        )?;
        options.tags = words(&self.tags);
        options.skip_tags = words(&self.skip_tags);
        options.start_at_task.clone_from(&self.start_at_task);
        options.force_handlers |= self.force_handlers;
        let wanted = Wanted {
            playbooks: self.playbooks.iter().map(|path| base.join(path)).collect(),
            texts: Memory::default(),
            inventory: self.inventory.sources(settings, base),
            options,
        };
        content::load(wanted, settings)
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
            let names = content.playbooks.iter().map(|playbook| playbook.path.display());
            names.map(|name| format!("\nplaybook: {name}\n")).collect()
        };
        terminal::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl InventoryArgs {
    /// Sources as given, or as the settings say; relative ones are found from `base`.
    pub(crate) fn sources(&self, settings: &Settings, base: &Path) -> Vec<String> {
        if self.inventory.is_empty() {
            return settings.inventory.clone();
        }
        let place = |name: &String| {
            if name.contains(',') {
                name.clone()
            } else {
                base.join(name).to_string_lossy().into_owned()
            }
        };
        self.inventory.iter().map(place).collect()
    }
}

/// Tags in one list, commas taken apart.
fn words(texts: &[String]) -> Vec<String> {
    let parts = texts.iter().flat_map(|text| text.split(','));
    parts.map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect()
}
