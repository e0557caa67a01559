//! `collection`: begin, build, install, list and verify collections.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use galaxy::Found;
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
    /// Install collections from archives
    Install {
        /// Archives that `build` made
        #[arg(value_name = "ARCHIVE")]
        collections: Vec<PathBuf>,
        /// Where collections go
        #[arg(short = 'p', long, value_name = "DIRECTORY")]
        collections_path: Option<String>,
        /// Install again what is there
        #[arg(short, long)]
        force: bool,
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
            Self::Install { collections, collections_path, force, .. } => {
                let given: Vec<String> = collections_path.into_iter().collect();
                let target = paths(&given)?.into_iter().next();
                install(
                    &collections,
                    &target.ok_or_else(|| {
                        CliError::options("there is no directory for collections")
                    })?,
                    force,
                )?;
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

fn install(archives: &[PathBuf], target: &Path, force: bool) -> Result<(), CliError> {
    if archives.is_empty() {
        return Err(CliError::failed("You must specify a collection name or a requirements file."));
    }
    terminal::print("Starting galaxy collection install process\n")?;
    let mut is_nothing = true;
    for archive in archives {
        if !archive.is_file() {
            let text = format!("'{}' is no archive of a collection", archive.display());
            return Err(CliError::failed(text)
                .hint("collections are installed from archives that `collection build` made"));
        }
        is_nothing &=
            galaxy::install_artifact(archive, target, force, &Screen).map_err(failed)?.is_none();
    }
    if is_nothing {
        terminal::print(
            "Nothing to do. All requested collections are already installed. If you want to reinstall them, consider using `--force`.\n",
        )?;
    }
    Ok(())
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
