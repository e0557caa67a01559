//! The table of commands, and the names of Ansible's programs under which they can be started.
//!
//! To add a command: write `cli/NAME.rs` with its clap arguments and a function from [`GlobalArgs`], arguments and
//! [`Environment`] to an exit code, and add its line to the table below. `as "ansible-NAME"` makes it the whole program
//! when the binary is started under that name (`muster compat install` makes the links).

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::{Cli, GlobalArgs};
use super::{
    agents, assess, compat, completion, config, console, doc, explain, facts, galaxy, inventory,
    ping, playbook, pull,
};
use super::{run, runs, serve, token, vault};
use crate::error::CliError;
use crate::settings::Environment;

/// Makes the list of commands, the way to their functions, and the list of programs, of one table.
macro_rules! commands {
    ($($(#[$meta:meta])* $name:ident($args:ty) => $run:path $(, as $program:literal)?;)*) => {
        #[derive(Debug, Subcommand)]
        pub(super) enum Command {
            $($(#[$meta])* $name($args),)*
        }

        impl Command {
            /// Carries the command out.
            pub(super) async fn run(
                self,
                global: &GlobalArgs,
                environment: &Environment,
            ) -> Result<ExitCode, CliError> {
                match self {
                    $(Self::$name(args) => $run(global, args, environment).await,)*
                }
            }
        }

        /// Ansible's programs that this binary can be.
        pub(super) const PROGRAMS: &[Program] = &[
            $($(Program {
                name: $program,
                command: stringify!($name),
                definition: definition::<$args>,
                parse: |matches| <$args>::from_arg_matches(matches).map(Command::$name),
            },)?)*
        ];
    };
}

commands! {
    /// Apply playbooks to hosts
    Playbook(playbook::PlaybookArgs) => playbook::playbook, as "ansible-playbook";
    /// Say which tasks of a project run natively, by Python or not at all
    Assess(assess::AssessArgs) => assess::assess;
    /// Say where a variable of a host comes from
    Explain(explain::ExplainArgs) => explain::explain;
    /// Run one module on the hosts of a pattern
    Run(run::RunArgs) => run::run, as "ansible";
    /// Encrypt and decrypt files and values
    Vault(vault::VaultCommandArgs) => vault::vault, as "ansible-vault";
    /// Ask the hosts of a pattern whether they can be managed
    Ping(ping::PingArgs) => ping::ping;
    /// Show hosts and groups as they are read
    Inventory(inventory::InventoryCommandArgs) => inventory::inventory, as "ansible-inventory";
    /// Make and revoke tokens with which hosts join
    Token(token::TokenArgs) => token::token;
    /// Show and revoke the agents of hosts
    Agents(agents::AgentsArgs) => agents::agents;
    /// Show what a host is
    Facts(facts::FactsArgs) => facts::facts;
    /// Show what was done, and how it went
    Runs(runs::RunsArgs) => runs::runs;
    /// Show what can be set, what is set, and where
    Config(config::ConfigArgs) => config::config, as "ansible-config";
    /// Run modules, one line after the other
    Console(console::ConsoleArgs) => console::console, as "ansible-console";
    /// Fetch a repository, and apply its playbooks to this machine
    Pull(pull::PullArgs) => pull::pull, as "ansible-pull";
    /// Show which modules there are, and what their arguments are
    Doc(doc::DocArgs) => doc::doc, as "ansible-doc";
    /// Install, build and list roles and collections
    Galaxy(galaxy::GalaxyArgs) => galaxy::galaxy, as "ansible-galaxy";
    /// Put Muster in Ansible's place: links under the names of its programs
    Compat(compat::CompatArgs) => compat::compat;
    /// Keep agents connected and carry out runs: the controller as a service
    Serve(serve::ServeArgs) => serve::serve;
    /// Print a script that completes commands and flags in your shell
    Completion(completion::CompletionArgs) => completion::completion;
}

/// A name of Ansible's under which the binary is one command of the table.
pub(super) struct Program {
    pub(super) name: &'static str,
    command: &'static str,
    definition: fn() -> clap::Command,
    parse: fn(&clap::ArgMatches) -> Result<Command, clap::Error>,
}

/// The command line of a program: what every command takes, and the command's own arguments.
#[derive(Debug, Parser)]
struct Whole<A: Args> {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    args: A,
}

fn definition<A: Args>() -> clap::Command {
    Whole::<A>::command()
}

impl Program {
    /// The program of Ansible's that this process was started as, if it was.
    pub(super) fn of(own_name: &str) -> Option<&'static Self> {
        let base = Path::new(own_name).file_name()?.to_str()?;
        PROGRAMS.iter().find(|program| program.name == base)
    }

    /// The command line, as clap knows it.
    fn clap(&self) -> clap::Command {
        let version =
            Arg::new("version").long("version").help("Show the version, and what was configured");
        lenient((self.definition)().name(self.name).bin_name(self.name).version("-"))
            .disable_version_flag(true)
            .arg(version.action(ArgAction::Version))
            .mut_args(|arg| match arg.get_id().as_str() {
                "state_dir" | "controller" => arg.hide(true),
                _ => arg,
            })
    }

    /// Reads the words after the name. An error may be no mistake, but a wish for help or the version.
    pub(super) fn parse(&self, words: &[OsString]) -> Result<Cli, clap::Error> {
        let all = std::iter::once(OsString::from(self.name)).chain(words.iter().cloned());
        let matches = self.clap().try_get_matches_from(all)?;
        let global = GlobalArgs::from_arg_matches(&matches)?;
        Ok(Cli { global, command: (self.parse)(&matches)? })
    }

    /// The same words for `muster`.
    pub(super) fn words_of_muster(&self, words: &[OsString]) -> Vec<OsString> {
        let command = OsString::from(self.command.to_lowercase());
        std::iter::once(command).chain(words.iter().cloned()).collect()
    }
}

/// Flags as Ansible's programs take them: shortened while they are unambiguous, and the last one counts.
pub(super) fn lenient(command: clap::Command) -> clap::Command {
    command.infer_long_args(true).args_override_self(true)
}

/// Whether the words asked for the version.
pub(super) fn wants_version(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayVersion
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_consistent() {
        for program in PROGRAMS {
            program.clap().debug_assert();
        }
    }

    #[test]
    fn names_are_those_of_the_file() {
        assert_eq!(Program::of("/usr/bin/ansible").unwrap().name, "ansible");
        assert_eq!(Program::of("ansible-playbook").unwrap().name, "ansible-playbook");
        assert!(Program::of("muster").is_none() && Program::of("").is_none());
    }

    #[test]
    fn flags_may_be_shortened_and_repeated() {
        let parse = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            Program::of("ansible-playbook").unwrap().parse(&words)
        };
        let cli = parse("--inv a -i b -l x -l y --lim z site.yml --forks 3").unwrap();
        let Command::Playbook(args) = cli.command else { panic!("another command") };
        assert_eq!(args.inventory.inventory, ["a", "b"]);
        assert_eq!(args.inventory.limit.as_deref(), Some("z"));
        assert!(wants_version(&parse("--version").unwrap_err()));
        assert_eq!(parse("--nonsense x").unwrap_err().exit_code(), 2);
    }
}
