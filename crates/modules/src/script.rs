//! `script`: a file of the controller is run on the host. The controller's half has found it and named it by digest.

use std::path::{Path, PathBuf};

use model::{Args, Digest};
use system::{Attributes, Command, FileKind, Probe, System, WriteFile};

use crate::arguments::arguments;
use crate::command::conclude;
use crate::contract::{Change, Check, Failure, Module};
use crate::glob::glob;

arguments! {
    /// Runs a script of the controller on the host.
    pub struct Script {
        /// The script on the controller, and its arguments.
        pub line: Option<String> { named: "_raw_params", aliases: ["free_form"] },
        /// The same.
        pub cmd: Option<String>,
        /// Where it runs.
        pub chdir: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is there.
        pub creates: Option<PathBuf>,
        /// Do nothing when this path (it may have wildcards) is not there.
        pub removes: Option<PathBuf>,
        /// The program that interprets it, with arguments.
        pub executable: Option<String>,
        /// A script that is encrypted by the vault is decrypted.
        pub decrypt: bool { default: true },
        /// The content.
        pub blob: Option<Digest> { named: "_blob", hidden },
        /// The content, when it is short.
        pub content: Option<String> { named: "_content", hidden },
        /// Its name.
        pub basename: String { named: "_original_basename", hidden, default: "script" },
        /// What follows the script's name, for the shell.
        pub arguments: String { named: "_arguments", hidden, default: "" },
    }
}

/// There is a script to run.
#[derive(Debug)]
pub(crate) struct Run;

impl Change for Run {}

impl Module for Script {
    type Change = Run;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Run>, Failure> {
        for (path, wanted, argument) in
            [(&self.creates, true, "creates"), (&self.removes, false, "removes")]
        {
            let Some(path) = path else { continue };
            let base = self.chdir.as_deref().unwrap_or(Path::new("/"));
            let is_there = !glob(host, &base.join(path))?.is_empty();
            if is_there == wanted {
                let verb = if is_there { "exists" } else { "does not exist" };
                let message = format!("{} {verb}, matching {argument} option", path.display());
                result.insert("msg".into(), message.into());
                // The controller's half makes a skipped task of it.
                result.insert("skipped".into(), true.into());
                return Ok(Check::InSync);
            }
        }
        if self.content.is_none() && self.blob.is_none() {
            return Err(Failure::new("the controller sent no script"));
        }
        if let Some(directory) = &self.chdir {
            let is_directory =
                host.stat(directory, true)?.is_some_and(|stat| stat.kind == FileKind::Directory);
            if !is_directory {
                let name = directory.display();
                return Err(Failure::new(format!("{name} is not a directory (chdir)")));
            }
        }
        if self.creates.is_some() || self.removes.is_some() {
            return Ok(Check::Drift(Run));
        }
        Ok(Check::CannotTell(Run))
    }

    fn apply(&self, _: Run, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let path = self.place(host)?;
        let mut line = String::new();
        if let Some(executable) = &self.executable {
            line.push_str(executable);
            line.push(' ');
        }
        let text = path.to_string_lossy();
        line.push_str(&shlex::try_quote(&text).map_err(|error| Failure::new(error.to_string()))?);
        if !self.arguments.is_empty() {
            line.push(' ');
            line.push_str(&self.arguments);
        }
        let mut command = Command::new("/bin/sh", ["-c", &line]);
        command.directory = self.chdir.clone();
        command.live = true;
        conclude(host.run(&command), false, result)
    }
}

impl Script {
    /// The script as a file that only the step's own user sees.
    fn place(&self, host: &dyn System) -> Result<PathBuf, Failure> {
        let path = host.scratch()?.join(&self.basename);
        let mut inline;
        let mut blob;
        let content: &mut dyn std::io::Read = match (&self.content, self.blob) {
            (Some(text), _) => {
                inline = text.as_bytes();
                &mut inline
            }
            (None, digest) => {
                blob = host.blob(digest.expect("one of them came: it was checked"))?;
                &mut blob
            }
        };
        host.write(WriteFile {
            path: &path,
            content,
            attributes: Attributes { mode: Some(0o700), ..Attributes::default() },
            validate: None,
            in_place: false,
        })?;
        Ok(path)
    }
}
