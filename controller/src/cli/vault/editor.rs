//! The person's editor on something that must not lie about in the clear.

use std::fs::{self, File, Permissions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::error::CliError;
use crate::settings::Environment;

/// Lets the person change a text, and gives what was saved.
pub(super) fn edit(
    plain: &[u8],
    name: &Path,
    environment: &Environment,
) -> Result<Vec<u8>, CliError> {
    let failed =
        |error: std::io::Error| CliError::failed(format!("cannot make a file to edit: {error}"));
    // A directory of its own: editors leave backups and swap files beside what they edit.
    let directory = tempfile::Builder::new()
        .prefix("muster-vault-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(failed)?;
    let ending = name.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
    let path = directory.path().join(format!("vault{}", ending.unwrap_or_default()));
    let mut options = File::options();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o600);
    let mut file = options.open(&path).map_err(failed)?;
    file.write_all(plain).map_err(failed)?;
    drop(file);
    let edited = run(&path, environment).and_then(|()| fs::read(&path).map_err(CliError::failed));
    for entry in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
        shred(&entry.path());
    }
    edited
}

fn run(path: &Path, environment: &Environment) -> Result<(), CliError> {
    let set = |name: &str| environment.get(name).filter(|value| !value.trim().is_empty());
    let editor = set("ANSIBLE_EDITOR").or(set("EDITOR")).map_or("vi", String::as_str);
    let words = shlex::split(editor).filter(|words| !words.is_empty());
    let words = words
        .ok_or_else(|| CliError::options(format!("EDITOR is `{editor}`, which is no command")))?;
    let ended = Command::new(&words[0]).args(&words[1..]).arg(path).status().map_err(|error| {
        CliError::failed(format!("Unable to execute the command \"{editor}\": {error}"))
            .hint("EDITOR names the editor")
    })?;
    // An editor that was interrupted has saved what it has saved; Ansible does not ask either.
    if !ended.success() {
        crate::terminal::complain("WARNING", &format!("the editor ended with {ended}"));
    }
    Ok(())
}

/// Overwrites a file before its name goes. Best effort: not every file system writes where it wrote before.
fn shred(path: &Path) {
    let overwrite = || -> std::io::Result<()> {
        let length = path.symlink_metadata()?.len();
        let mut file = File::options().write(true).open(path)?;
        file.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), length), &mut file)?;
        file.sync_all()
    };
    if path.is_file() && !path.is_symlink() {
        let _ = overwrite();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(editor: &str) -> Result<Vec<u8>, CliError> {
        let environment = [("EDITOR".to_owned(), editor.to_owned())].into();
        edit(b"a: 1\n", Path::new("secrets.yml"), &environment)
    }

    #[test]
    fn what_the_editor_saves_comes_back() {
        assert_eq!(edited("sed -i s/1/2/").unwrap(), b"a: 2\n");
        assert_eq!(edited("true").unwrap(), b"a: 1\n");
        // The editor gets a private file with the ending that it knows.
        let shows = r#"sh -c 'stat -c %a "$0" > "$0.x"; echo "$0" >> "$0.x"; mv "$0.x" "$0"'"#;
        let text = String::from_utf8(edited(shows).unwrap()).unwrap();
        let (mode, path) = text.trim_end().split_once('\n').unwrap();
        assert_eq!((mode, Path::new(path).extension().unwrap().to_str()), ("600", Some("yml")));
        assert!(!Path::new(path).parent().unwrap().exists());
    }

    #[test]
    fn an_editor_that_is_none_is_named() {
        let text = |editor| edited(editor).unwrap_err().render(yaml::Style::Plain);
        assert!(text("/nowhere/vi -x").starts_with("Unable to execute the command \"/nowhere"));
        assert!(text("vi '").contains("which is no command"));
    }
}
