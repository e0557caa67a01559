//! `role`: install, list, remove, begin and show roles.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use galaxy::{How, Install, Installed, Requirement, Roles};

use super::{Screen, ServerArgs, failed, with_given};
use crate::error::CliError;
use crate::settings::Settings;
use crate::terminal;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Install roles, and the roles that they need
    Install {
        /// `source[,version[,name]]`: a name on the server, an archive, an address, `git+ADDRESS`
        #[arg(value_name = "ROLE")]
        roles: Vec<String>,
        /// A file that names roles
        #[arg(short = 'r', long, value_name = "FILE")]
        role_file: Option<PathBuf>,
        /// Where roles go, before the configured directories
        #[arg(short = 'p', long, value_name = "PATH")]
        roles_path: Vec<String>,
        /// Install again what is there
        #[arg(short, long)]
        force: bool,
        /// And what it needs
        #[arg(long)]
        force_with_deps: bool,
        /// Do not install what roles need
        #[arg(short, long)]
        no_deps: bool,
        /// Go on after failures
        #[arg(short, long)]
        ignore_errors: bool,
        /// Taken for Ansible's sake: archives of repositories are always made of the commit
        #[arg(short = 'g', long, hide = true)]
        keep_scm_meta: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Remove roles
    Remove {
        /// Their names
        #[arg(value_name = "ROLE", required = true)]
        roles: Vec<String>,
        /// Where they are, before the configured directories
        #[arg(short = 'p', long, value_name = "PATH")]
        roles_path: Vec<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show which roles are installed
    List {
        /// Only this one
        role: Option<String>,
        /// Where they are, before the configured directories
        #[arg(short = 'p', long, value_name = "PATH")]
        roles_path: Vec<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Begin a role
    Init {
        /// Its name
        role: String,
        /// The directory for it
        #[arg(long, default_value = "./", value_name = "DIRECTORY")]
        init_path: PathBuf,
        /// Write over what is there
        #[arg(short, long)]
        force: bool,
        /// Do not ask the server
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
}

impl Action {
    /// `both`: roles and collections are asked for in one.
    pub(super) fn run(self, settings: &Settings, both: bool) -> Result<ExitCode, CliError> {
        let paths = |given: &[String]| with_given(given, &settings.roles_path);
        match self {
            Self::Install {
                roles,
                role_file,
                roles_path,
                force,
                force_with_deps,
                no_deps,
                ignore_errors,
                server,
                ..
            } => {
                let both = both && roles_path.is_empty();
                let (wanted, has_collections) = wanted(&roles, role_file.as_deref())?;
                if let Some(file) = role_file.filter(|_| has_collections) {
                    if both {
                        let how = How { force, force_with_deps, no_deps, ..How::default() };
                        super::collection::install_listed(&file, how, &server, settings)?;
                        if wanted.is_empty() {
                            return Ok(ExitCode::SUCCESS);
                        }
                    } else {
                        warn_of_collections(&file);
                    }
                }
                terminal::print("Starting galaxy role install process\n")?;
                let client = server.client(&settings.configuration)?;
                let roles =
                    Roles { paths: paths(&roles_path)?, server: Some(client), talk: &Screen };
                let how = Install {
                    force: force || force_with_deps,
                    force_with_deps,
                    no_deps,
                    ignore_errors,
                };
                roles.install(wanted, how).map_err(failed)?;
            }
            Self::Remove { roles, roles_path, .. } => {
                Roles { paths: paths(&roles_path)?, server: None, talk: &Screen }
                    .remove(&roles)
                    .map_err(failed)?;
            }
            Self::List { role, roles_path, .. } => list(role.as_deref(), &paths(&roles_path)?)?,
            Self::Init { role, init_path, force, .. } => {
                galaxy::init_role(&role, &init_path, force).map_err(failed)?;
                terminal::print(&format!("- Role {role} was created successfully\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The roles that are asked for, and whether the file asks for collections, too.
fn wanted(words: &[String], file: Option<&Path>) -> Result<(Vec<Requirement>, bool), CliError> {
    if words.is_empty() && file.is_none() {
        return Err(CliError::options("- you must specify a user/role name or a roles file"));
    }
    let (mut wanted, mut has_collections) = (Vec::new(), false);
    if let Some(file) = file {
        let is_yaml =
            file.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if !is_yaml {
            return Err(CliError::failed(
                "Invalid role requirements file, it must end with a .yml or .yaml extension",
            ));
        }
        let (roles, collections) = galaxy::requirements(file).map_err(failed)?;
        has_collections = !collections.is_empty();
        wanted = roles;
    }
    for word in words {
        wanted.push(Requirement::of_word(word).map_err(failed)?);
    }
    Ok((wanted, has_collections))
}

fn warn_of_collections(file: &Path) {
    terminal::complain(
        "WARNING",
        &format!(
            "The requirements file '{}' contains collections which will be ignored. To install these collections run \
             'ansible-galaxy collection install -r' or to install both at the same time run 'ansible-galaxy install -r' \
             without a custom install path.",
            file.display()
        ),
    );
}

fn list(wanted: Option<&str>, paths: &[PathBuf]) -> Result<(), CliError> {
    let line = |role: &Installed| {
        format!(
            "- {}, {}\n",
            role.name,
            role.version().unwrap_or_else(|| "(unknown version)".to_owned())
        )
    };
    let mut warnings = Vec::new();
    let mut text = String::new();
    let mut is_any_there = false;
    for path in paths {
        if !path.exists() {
            warnings.push(format!("- the configured path {} does not exist.", path.display()));
        } else if !path.is_dir() {
            warnings.push(format!(
                "- the configured path {}, exists, but it is not a directory.",
                path.display()
            ));
        } else {
            is_any_there = true;
            let roles = match wanted {
                Some(name) => {
                    Installed::find(name, std::slice::from_ref(path)).into_iter().collect()
                }
                None => Installed::all(path).map_err(failed)?,
            };
            if wanted.is_none() || !roles.is_empty() {
                text += &format!("# {}\n", path.display());
            }
            roles.iter().for_each(|role| text += &line(role));
        }
    }
    terminal::print(&text)?;
    match wanted {
        Some(_) if !text.is_empty() => warnings.clear(),
        Some(name) => warnings.insert(0, format!("- the role {name} was not found")),
        None => {}
    }
    warnings.iter().for_each(|warning| terminal::complain("WARNING", warning));
    if is_any_there {
        Ok(())
    } else {
        Err(CliError::options(
            "- None of the provided paths were usable. Please specify a valid path with --roles-path",
        ))
    }
}
