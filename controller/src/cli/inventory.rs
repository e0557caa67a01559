//! `muster inventory`: `ansible-inventory`, hosts and groups as they are read.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use language::{Files, Format, Inventory, Listing, Unlocked};
use model::HostName;

use super::GlobalArgs;
use super::options::{Passwords, VaultArgs, read_limit};
use crate::content::{load_inventory, read_extra_vars};
use crate::error::CliError;
use crate::job::Surroundings;
use crate::settings::{Environment, Settings};
use crate::terminal;

/// `muster inventory`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  muster inventory -i hosts --graph             groups and hosts as a tree
  muster inventory -i hosts --graph web --vars  with the variables of a group's hosts
  muster inventory -i hosts --host web1         what one host has
  muster inventory -i hosts --list --yaml       everything")]
pub(crate) struct InventoryCommandArgs {
    /// With --graph: the group to begin with
    #[arg(value_name = "GROUP")]
    group: Option<String>,
    /// A file or directory with hosts, or a list of hosts with a comma in it; may be given again
    #[arg(short, long = "inventory", visible_alias = "inventory-file", value_name = "SOURCE")]
    inventory: Vec<String>,
    /// With --list: only these of the hosts
    #[arg(short, long, visible_alias = "subset", value_name = "PATTERN")]
    limit: Option<String>,
    /// Show everything
    #[arg(long)]
    list: bool,
    /// Show the variables of one host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Show groups and hosts as a tree
    #[arg(long)]
    graph: bool,
    /// With --graph: variables too
    #[arg(long)]
    vars: bool,
    /// As YAML instead of JSON
    #[arg(short, long)]
    yaml: bool,
    /// As TOML instead of JSON
    #[arg(long, conflicts_with = "yaml")]
    toml: bool,
    /// With --list: variables where they are set, not at every host
    #[arg(long)]
    export: bool,
    /// With --list: into this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The directory whose group_vars and host_vars count as those of a playbook [default: this one]
    #[arg(long, value_name = "DIRECTORY")]
    playbook_dir: Option<PathBuf>,
    /// Set variables: `name=value`, a YAML or JSON mapping, or @FILE; may be given again
    #[arg(short, long = "extra-vars", value_name = "VARIABLES")]
    extra_vars: Vec<String>,
    #[command(flatten)]
    vault: VaultArgs,
    /// Accepted for compatibility: nothing is cached between calls
    #[arg(long)]
    flush_cache: bool,
    /// Show more; up to -vvvv
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Shows it.
pub(crate) async fn inventory(
    _global: &GlobalArgs,
    args: InventoryCommandArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    args.check()?;
    let settings = Settings::resolve(environment, Path::new(""))?;
    let around = Surroundings::here(&settings, Passwords::of_content(&args.vault, &settings)?);
    let inventory = args.load(&around)?;
    let format = match (args.yaml, args.toml) {
        (true, _) => Format::Yaml,
        (_, true) => Format::Toml,
        _ => Format::Json,
    };
    let export = args.export || settings.inventory_export;
    if let Some(host) = &args.host {
        let host = one_host(&inventory, host)?;
        terminal::print(&inventory.show_host(&host, export, format)?)?;
    } else if args.graph {
        let group = args.group.as_deref().unwrap_or("all");
        let graph = inventory.graph(group, args.vars).ok_or_else(|| no_group(&inventory, group))?;
        terminal::print(&graph)?;
    } else {
        let listing = Listing { export, limit: args.limited(&inventory, &around)? };
        args.write(&inventory.list(&listing, format)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The host that a pattern means.
fn one_host(inventory: &Inventory, pattern: &str) -> Result<HostName, CliError> {
    let chosen = inventory.select(&[pattern.to_owned()], None).map_err(CliError::options)?;
    for warning in &chosen.warnings {
        terminal::complain("WARNING", warning);
    }
    match &chosen.hosts[..] {
        [host] => Ok(host.clone()),
        _ => Err(CliError::options("You must pass a single valid host to --host parameter")),
    }
}

fn no_group(inventory: &Inventory, group: &str) -> CliError {
    let error = CliError::options("Pattern must be valid group name when using --graph");
    let known = inventory.groups().map(|group| &*group.name);
    match language::nearest(group, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

impl InventoryCommandArgs {
    fn check(&self) -> Result<(), CliError> {
        let actions = [self.list, self.host.is_some(), self.graph];
        match actions.iter().filter(|is_wanted| **is_wanted).count() {
            1 => Ok(()),
            0 => Err(CliError::options(
                "No action selected, at least one of --host, --graph or --list needs to be specified.",
            )),
            _ => Err(CliError::options(
                "Conflicting options used, only one of --host, --graph or --list can be used at the same time.",
            )),
        }
    }

    fn load(&self, around: &Surroundings<'_>) -> Result<Inventory, CliError> {
        let (settings, vault) = (around.settings, &around.passwords.vault);
        let files = Arc::new(Unlocked::new(Files, vault.clone()));
        let sources = if self.inventory.is_empty() { &settings.inventory } else { &self.inventory };
        let extra = read_extra_vars(&self.extra_vars, vault, |path| around.place(path))?;
        let extra = extra.into_iter().map(|(name, value)| (name.into(), value)).collect();
        let mut inventory =
            load_inventory(files.clone(), sources.clone(), settings, vault.clone(), extra)?;
        let directory = self.playbook_dir.as_deref().unwrap_or(Path::new("."));
        inventory.add_vars_directory(&*files, directory, true)?;
        let warnings = settings.warnings.iter().chain(&inventory.warnings);
        warnings.for_each(|warning| terminal::complain("WARNING", warning));
        if self.verbose.max(settings.verbosity) >= 3 {
            inventory.notes.iter().for_each(|note| terminal::complain("NOTE", note));
        }
        Ok(inventory)
    }

    /// The hosts that `--limit` leaves.
    fn limited(
        &self,
        inventory: &Inventory,
        around: &Surroundings<'_>,
    ) -> Result<Option<indexmap::IndexSet<HostName>>, CliError> {
        let Some(limit) = &self.limit else { return Ok(None) };
        let limit = read_limit(limit, around)?;
        let chosen =
            inventory.select(&["all".to_owned()], Some(&limit)).map_err(CliError::failed)?;
        for warning in &chosen.warnings {
            terminal::complain("WARNING", warning);
        }
        Ok(Some(chosen.hosts.into_iter().collect()))
    }

    fn write(&self, text: &str) -> Result<(), CliError> {
        let Some(path) = &self.output else { return Ok(terminal::print(text)?) };
        std::fs::write(path, text.trim_end_matches('\n')).map_err(|error| {
            CliError::failed(format!(
                "Unable to write to destination file '{}': {error}",
                path.display()
            ))
        })
    }
}
