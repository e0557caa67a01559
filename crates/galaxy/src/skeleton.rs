//! The files that a new role or collection begins with.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Makes a role's directory, and gives it.
pub fn init_role(name: &str, root: &Path, force: bool) -> Result<PathBuf> {
    let path = root.join(name);
    let meta = "galaxy_info:\n  author: your name\n  description: what this role is for\n  license: GPL-2.0-or-later\n  \
                min_ansible_version: \"2.1\"\n  # Words under which people find it.\n  galaxy_tags: []\n\n\
                # Roles that are to run before this one.\ndependencies: []\n";
    let readme = format!("# {name}\n\nWhat the role does, its variables, and an example.\n");
    let test = format!("---\n- hosts: localhost\n  remote_user: root\n  roles:\n    - {name}\n");
    let main = |what: &str| format!("---\n# {what} of {name}\n");
    make(
        &path,
        force,
        &["files", "templates"],
        &[
            ("README.md", readme),
            ("defaults/main.yml", main("defaults")),
            ("handlers/main.yml", main("handlers")),
            ("meta/main.yml", meta.to_owned()),
            ("tasks/main.yml", main("tasks")),
            ("tests/inventory", "localhost\n\n".to_owned()),
            ("tests/test.yml", test),
            ("vars/main.yml", main("vars")),
        ],
    )?;
    Ok(path)
}

/// Makes a collection's directory, and gives it.
pub fn init_collection(name: &str, root: &Path, force: bool) -> Result<PathBuf> {
    let parts =
        name.split_once('.').filter(|(namespace, name)| is_name(namespace) && is_name(name));
    let Some((namespace, short)) = parts else {
        return Err(Error::failed(format!(
            "Invalid collection name '{name}', name must be in the format <namespace>.<collection>. \n\
             Please make sure namespace and collection name contains characters from [a-zA-Z0-9_] only."
        )));
    };
    let path = root.join(namespace).join(short);
    let galaxy = format!(
        "# Who and what; all of these are needed.\nnamespace: {namespace}\nname: {short}\n# A semantic version.\nversion: 1.0.0\n\
         readme: README.md\nauthors:\n- your name <example@domain.com>\n\n# What helps people to find and trust it.\n\
         description: your collection description\nlicense:\n- GPL-2.0-or-later\n# A file, instead of the names above.\nlicense_file: ''\n\
         tags: []\n# Other collections, each with a range of versions: `namespace.name: '>=1.0.0'`.\ndependencies: {{}}\n\
         repository: http://example.com/repository\ndocumentation: http://docs.example.com\nhomepage: http://example.com\n\
         issues: http://example.com/issue/tracker\n\n# Patterns of files that are not for others.\nbuild_ignore: []\n"
    );
    let readme = format!("# Ansible collection {name}\n\nWhat it is for.\n");
    let runtime = "---\n# Which versions of ansible-core it works with:\n# requires_ansible: '>=2.15.0'\n\n\
                   # What has moved, will go or has gone:\n# plugin_routing:\n#   modules:\n#     old_name:\n#       redirect: namespace.name.new_name\n";
    make(
        &path,
        force,
        &["docs", "roles"],
        &[
            ("README.md", readme),
            ("galaxy.yml", galaxy),
            ("meta/runtime.yml", runtime.to_owned()),
            (
                "plugins/README.md",
                "# Plugins\n\nOne directory a kind: `modules`, `filter`, `lookup` and so on.\n"
                    .to_owned(),
            ),
        ],
    )?;
    Ok(path)
}

/// Whether a word can be a namespace or a collection.
pub(crate) fn is_name(word: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !word.is_empty() && !word.as_bytes()[0].is_ascii_digit() && word.bytes().all(is_good)
}

fn make(path: &Path, force: bool, directories: &[&str], files: &[(&str, String)]) -> Result<()> {
    if path.is_file() {
        return Err(Error::failed(format!(
            "- the path {} already exists, but is a file - aborting",
            path.display()
        )));
    }
    if path.exists() && !force {
        return Err(Error::failed(format!(
            "- the directory {} already exists. You can use --force to re-initialize this directory,\n\
             however it will reset any main.yml files that may have\nbeen modified there already.",
            path.display()
        )));
    }
    let make = |path: &Path| {
        std::fs::create_dir_all(path).map_err(|error| Error::io("make", path, &error))
    };
    directories.iter().try_for_each(|directory| make(&path.join(directory)))?;
    for (name, text) in files {
        let file = path.join(name);
        make(file.parent().unwrap_or(path))?;
        std::fs::write(&file, text).map_err(|error| Error::io("write", &file, &error))?;
    }
    Ok(())
}
