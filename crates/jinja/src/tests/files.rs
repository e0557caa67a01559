//! Tests of paths on the controller.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::PLAIN;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::Value;

type Check = fn(&Path) -> bool;

pub(super) fn register(environment: &mut Environment) {
    let checks: [(&[&str], Check); 7] = [
        (&["exists"], |path| path.exists()),
        (&["file", "is_file"], |path| path.is_file()),
        (&["directory", "is_dir"], |path| path.is_dir()),
        (&["link", "is_link"], |path| path.is_symlink()),
        (&["link_exists"], |path| fs::symlink_metadata(path).is_ok()),
        (&["mount", "is_mount"], is_mount),
        (&["abs", "is_abs"], |path| path.is_absolute()),
    ];
    for (names, check) in checks {
        for name in names {
            environment.test(name, PLAIN, move |scope, value, args| {
                args.finish()?;
                Ok(check(&path_of(scope, &value)).into())
            });
        }
    }
    environment.test("vaulted_file", PLAIN, |scope, value, args| {
        args.finish()?;
        let path = path_of(scope, &value);
        let mut start = Vec::new();
        File::open(&path).and_then(|file| file.take(64).read_to_end(&mut start)).map_err(
            |error| {
                let path = path.display();
                let message = format!("Cannot test if the file '{path}' is a vault: {error}");
                Error::new(ErrorKind::Filter, message)
            },
        )?;
        Ok(vault::is_encrypted(&start).into())
    });
    for name in ["same_file", "is_same_file"] {
        environment.test(name, PLAIN, |_, value, mut args| {
            let other = args.required("path2")?.to_string();
            args.finish()?;
            let identity =
                |path: &str| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
            let this = identity(&value.to_string());
            Ok(Value::from(this.is_some() && this == identity(&other)))
        });
    }
}

fn path_of(scope: &Scope<'_>, value: &Value) -> PathBuf {
    let text = value.to_string();
    match (text.strip_prefix("~/"), scope.controller().env("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(&text),
    }
}

fn is_mount(path: &Path) -> bool {
    let (Ok(here), Ok(above)) = (fs::symlink_metadata(path), fs::metadata(path.join(".."))) else {
        return false;
    };
    here.is_dir() && (here.dev() != above.dev() || here.ino() == above.ino())
}
