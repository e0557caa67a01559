//! `collection`: begin, build, install, list and verify collections.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use galaxy::{Collections, Found, How, Wanted};
use serde_json::{Map, Value as Json, json};

use super::{Screen, ServerArgs, failed, with_given};
use crate::error::CliError;
use crate::settings::Settings;
use crate::terminal;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Human,
    Json,
    Yaml,
}

/// Which collections, and which of their versions.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// A file that lists collections
    #[arg(short, long, value_name = "FILE")]
    requirements_file: Option<PathBuf>,
    /// Leave out what they depend on
    #[arg(short, long)]
    no_deps: bool,
    /// Take versions before a release
    #[arg(long)]
    pre: bool,
}

impl Choice {
    fn wanted(&self, words: &[String]) -> Result<Vec<Wanted>, CliError> {
        match &self.requirements_file {
            Some(_) if !words.is_empty() => Err(CliError::options(
                "The positional collection_name arg and --requirements-file are mutually exclusive.",
            )),
            Some(file) => of_file(file),
            None if words.is_empty() => {
                Err(CliError::failed("You must specify a collection name or a requirements file."))
            }
            None => words.iter().map(|word| Wanted::of_word(word).map_err(failed)).collect(),
        }
    }
}

/// The collections that a requirements file names. One that is a plain list names collections.
fn of_file(file: &Path) -> Result<Vec<Wanted>, CliError> {
    let entries = galaxy::collections_of(file).map_err(failed)?;
    let directory = file.parent().unwrap_or(Path::new(""));
    entries.iter().map(|entry| Wanted::of_entry(entry, directory).map_err(failed)).collect()
}

/// Installs what a requirements file names into the first of the configured directories.
pub(super) fn install_listed(
    file: &Path,
    how: How,
    server: &ServerArgs,
    settings: &Settings,
) -> Result<(), CliError> {
    let servers = server.clients(&settings.configuration)?;
    let root = first_root(&[], settings)?;
    Collections { servers: &servers, root: &root, talk: &Screen }
        .install(&of_file(file)?, how)
        .map_err(failed)
}

/// Runs look for collections in the configured directories, and beside their playbooks.
fn warn_of_path(root: &Path, settings: &Settings) {
    let configured: Vec<_> =
        settings.collections_path.iter().map(|path| self::root(path.clone())).collect();
    if configured.iter().any(|path| path == root) {
        return;
    }
    let shown: Vec<_> = configured.iter().map(|path| path.display().to_string()).collect();
    terminal::complain(
        "WARNING",
        &format!(
            "The specified collections path '{}' is not part of the configured Ansible collections paths '{}'. The \
             installed collection will not be picked up in an Ansible run, unless within a playbook-adjacent \
             collections directory.",
            root.display(),
            shown.join(":")
        ),
    );
}

/// Where collections are installed.
fn first_root(given: &[String], settings: &Settings) -> Result<PathBuf, CliError> {
    let roots = with_given(given, &settings.collections_path)?;
    let first = roots.into_iter().next().map(root);
    first.ok_or_else(|| CliError::options("there is no directory for collections"))
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Begin a collection
    Init {
        /// `namespace.name`
        collection: String,
        /// The directory for it
        #[arg(long, default_value = "./", value_name = "DIRECTORY")]
        init_path: PathBuf,
        /// Write over what is there
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Pack collections into archives
    Build {
        /// Directories with a `galaxy.yml`
        #[arg(default_value = ".", value_name = "DIRECTORY")]
        collections: Vec<PathBuf>,
        /// The directory for the archives
        #[arg(long, default_value = "./", value_name = "DIRECTORY")]
        output_path: PathBuf,
        /// Replace an archive that is there
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Install collections from a server, archives, directories, addresses and repositories
    #[command(after_help = "Examples:
  muster galaxy collection install community.general
  muster galaxy collection install 'community.general:>=9.0.0,<10.0.0'
  muster galaxy collection install ns-name-1.0.0.tar.gz ./sources/other
  muster galaxy collection install git+https://example.org/ns/name.git,v1.2.0
  muster galaxy collection install -r requirements.yml")]
    Install {
        /// Names with `:RANGE`, archives, directories, addresses, or repositories (`git+URL#/DIRECTORY,VERSION`)
        #[arg(value_name = "COLLECTION")]
        collections: Vec<String>,
        #[command(flatten)]
        choice: Choice,
        /// Where collections go
        #[arg(short = 'p', long, value_name = "DIRECTORY")]
        collections_path: Option<String>,
        /// Install again what is there
        #[arg(short, long)]
        force: bool,
        /// Install again what is there, and what it depends on
        #[arg(long)]
        force_with_deps: bool,
        /// Take newer versions than those that are installed
        #[arg(short = 'U', long)]
        upgrade: bool,
        /// Ask no server
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Fetch the archives of collections, to be installed elsewhere
    Download {
        /// What `install` takes
        #[arg(value_name = "COLLECTION")]
        collections: Vec<String>,
        #[command(flatten)]
        choice: Choice,
        /// The directory for the archives and their `requirements.yml`
        #[arg(short = 'p', long, default_value = "./collections", value_name = "DIRECTORY")]
        download_path: PathBuf,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show which collections are installed
    List {
        /// Only this one
        collection: Option<String>,
        /// Where they are, before the configured directories
        #[arg(short = 'p', long, value_name = "PATH")]
        collections_path: Vec<String>,
        /// How it is shown
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Compare installed collections with their own manifests
    Verify {
        /// Their names
        #[arg(value_name = "COLLECTION", required = true)]
        collections: Vec<String>,
        /// Where they are, before the configured directories
        #[arg(short = 'p', long, value_name = "PATH")]
        collections_path: Vec<String>,
        /// Ask no server
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        server: ServerArgs,
    },
}

impl Action {
    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, CliError> {
        let paths = |given: &[String]| {
            with_given(given, &settings.collections_path)
                .map(|paths| paths.into_iter().map(root).collect::<Vec<_>>())
        };
        match self {
            Self::Init { collection, init_path, force, .. } => {
                galaxy::init_collection(&collection, &init_path, force).map_err(failed)?;
                terminal::print(&format!("- Collection {collection} was created successfully\n"))?;
            }
            Self::Build { collections, output_path, force, .. } => {
                let output = std::path::absolute(output_path)?;
                for source in collections {
                    let built = galaxy::build(&std::path::absolute(source)?, &output, force)
                        .map_err(failed)?;
                    terminal::print(&format!(
                        "Created collection for {} at {}\n",
                        built.name,
                        built.archive.display()
                    ))?;
                }
            }
            Self::Install {
                collections,
                choice,
                collections_path,
                force,
                force_with_deps,
                upgrade,
                offline,
                server,
            } => {
                let given: Vec<String> = collections_path.into_iter().collect();
                let root = first_root(&given, settings)?;
                warn_of_path(&root, settings);
                let servers =
                    if offline { Vec::new() } else { server.clients(&settings.configuration)? };
                let Choice { no_deps, pre, .. } = choice;
                let how = How { force, force_with_deps, no_deps, upgrade, pre };
                Collections { servers: &servers, root: &root, talk: &Screen }
                    .install(&choice.wanted(&collections)?, how)
                    .map_err(failed)?;
            }
            Self::Download { collections, choice, download_path, server } => {
                let servers = server.clients(&settings.configuration)?;
                let how = How { no_deps: choice.no_deps, pre: choice.pre, ..How::default() };
                Collections { servers: &servers, root: Path::new(""), talk: &Screen }
                    .download(&choice.wanted(&collections)?, how, &download_path)
                    .map_err(failed)?;
            }
            Self::List { collection, collections_path, format, .. } => {
                terminal::print(&list(collection.as_deref(), &paths(&collections_path)?, format)?)?;
            }
            Self::Verify { collections, collections_path, offline, .. } => {
                if !offline {
                    return Err(CliError::options(
                        "collections are compared with their own manifests only",
                    )
                    .hint("say so with --offline"));
                }
                let paths = paths(&collections_path)?;
                let mut is_good = true;
                for name in &collections {
                    is_good &= verify(name, &paths)?;
                }
                return Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The directory that has `ansible_collections`, where that itself was named.
fn root(path: PathBuf) -> PathBuf {
    if path.ends_with("ansible_collections") {
        path.parent().map_or(path.clone(), Path::to_owned)
    } else {
        path
    }
}

fn list(wanted: Option<&str>, paths: &[PathBuf], format: Format) -> Result<String, CliError> {
    let found: Vec<(PathBuf, Vec<Found>)> = paths
        .iter()
        .map(|path| {
            let mut found = galaxy::find_collections(path);
            found.retain(|found| wanted.is_none_or(|name| found.name == name));
            (path.join("ansible_collections"), found)
        })
        .filter(|(_, found)| !found.is_empty())
        .collect();
    if let Some(name) = wanted.filter(|_| found.is_empty()) {
        return Err(CliError::failed(format!("unable to find {name} in collection paths")));
    }
    let all = || -> Map<String, Json> {
        let versions = |found: &[Found]| -> Map<String, Json> {
            found
                .iter()
                .map(|found| (found.name.clone(), json!({"version": found.version})))
                .collect()
        };
        found
            .iter()
            .map(|(path, found)| {
                (path.to_string_lossy().into_owned(), Json::Object(versions(found)))
            })
            .collect()
    };
    Ok(match format {
        Format::Json => Json::Object(all()).to_string() + "\n",
        Format::Yaml => serde_yaml::to_string(&all()).map_err(CliError::failed)?,
        Format::Human => found.iter().fold(String::new(), |mut text, (path, found)| {
            let name = found
                .iter()
                .map(|found| found.name.len())
                .max()
                .unwrap_or_default()
                .max("Collection".len());
            let version = found
                .iter()
                .map(|found| found.version.len())
                .max()
                .unwrap_or_default()
                .max("Version".len());
            let _ = writeln!(
                text,
                "\n# {}\n{:name$} {:version$}\n{} {}",
                path.display(),
                "Collection",
                "Version",
                "-".repeat(name),
                "-".repeat(version)
            );
            for found in found {
                let _ = writeln!(text, "{:name$} {:version$}", found.name, found.version);
            }
            text
        }),
    })
}

fn verify(name: &str, paths: &[PathBuf]) -> Result<bool, CliError> {
    let found = paths
        .iter()
        .flat_map(|path| galaxy::find_collections(path))
        .find(|found| found.name == name);
    let found = found.ok_or_else(|| {
        CliError::failed(format!(
            "Collection {name} is not installed in any of the collection paths."
        ))
    })?;
    let verified = galaxy::verify(&found.path).map_err(failed)?;
    let label = format!("{name}:{}", found.version);
    let mut text = format!(
        "Verifying '{label}'.\nInstalled collection found at '{}'\nMANIFEST.json hash: {}\n",
        found.path.display(),
        verified.manifest
    );
    if verified.modified.is_empty() {
        let _ = writeln!(
            text,
            "Successfully verified that checksums for '{label}' are internally consistent with its manifest."
        );
    } else {
        let _ =
            writeln!(text, "Collection {name} contains modified content in the following files:");
        verified.modified.iter().for_each(|file| text += &format!("    {file}\n"));
    }
    terminal::print(&text)?;
    Ok(verified.modified.is_empty())
}
