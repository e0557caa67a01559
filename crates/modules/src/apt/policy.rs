//! `policy-rc.d`: keeps packages from starting services while they are installed.

use std::path::Path;

use system::{Attributes, System, WriteFile};

use crate::contract::Failure;

const PATH: &str = "/usr/sbin/policy-rc.d";
const LIMIT: u64 = 1 << 20;

/// A policy in force, with what was there before.
pub(super) struct Policy {
    is_laid: bool,
    before: Option<(Vec<u8>, u32)>,
}

impl Policy {
    /// Puts a policy in force that answers with a number.
    pub(super) fn lay(answer: Option<i64>, host: &dyn System) -> Result<Self, Failure> {
        let Some(answer) = answer else { return Ok(Self { is_laid: false, before: None }) };
        let stat = host.stat(Path::new(PATH), true)?;
        let before = host.read(Path::new(PATH), LIMIT)?;
        let before = before.zip(stat.map(|stat| stat.mode));
        write(format!("#!/bin/sh\nexit {answer}\n").as_bytes(), 0o755, host)?;
        Ok(Self { is_laid: true, before })
    }

    /// Puts back what was there.
    pub(super) fn lift(self, host: &dyn System) -> Result<(), Failure> {
        match (self.is_laid, self.before) {
            (false, _) => Ok(()),
            (true, Some((content, mode))) => write(&content, mode, host),
            (true, None) => Ok(host.remove(Path::new(PATH))?),
        }
    }
}

fn write(mut content: &[u8], mode: u32, host: &dyn System) -> Result<(), Failure> {
    Ok(host.write(WriteFile {
        path: Path::new(PATH),
        content: &mut content,
        attributes: Attributes {
            mode: Some(mode),
            uid: Some(0),
            gid: Some(0),
            ..Attributes::default()
        },
        validate: None,
        in_place: false,
    })?)
}
