//! `--version` of Ansible's programs: their lines, with what they mean here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::settings::{Environment, Settings};

/// The release of Ansible whose behaviour this is.
pub(crate) const ANSIBLE: &str = "2.19.14";

/// What `NAME --version` prints.
pub(crate) fn version(name: &str, environment: &Environment) -> Result<String, CliError> {
    let settings = Settings::resolve(environment, Path::new(""))?;
    let own = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let config = settings.config.as_deref().map_or("None".to_owned(), absolute);
    let join = |paths: &[PathBuf]| paths.iter().map(absolute).collect::<Vec<_>>();
    let mut text = format!("{name} [core {ANSIBLE}]\n");
    let _ = writeln!(text, "  config file = {config}");
    let modules: Vec<_> =
        join(&settings.module_path).iter().map(|path| format!("'{path}'")).collect();
    let _ = writeln!(text, "  configured module search path = [{}]", modules.join(", "));
    let _ = writeln!(text, "  ansible python module location = None (modules are part of Muster)");
    let collections = join(&settings.collections_path).join(":");
    let _ = writeln!(text, "  ansible collection location = {collections}");
    let _ = writeln!(text, "  executable location = {own}");
    let _ = writeln!(text, "  muster version = {}", env!("CARGO_PKG_VERSION"));
    Ok(text)
}

fn absolute(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
