//! The version packed into one file.

use std::path::Path;

use model::Args;
use system::{Attributes, System, WriteFile};

use super::{Git, run};
use crate::contract::Failure;
use crate::files::{Checksums, path_value};

impl Git {
    /// Makes the archive, if one is wanted; whether it is another than what was there.
    pub(super) fn make_archive(
        &self,
        host: &dyn System,
        result: &mut Args,
    ) -> Result<bool, Failure> {
        let Some(path) = &self.archive else { return Ok(false) };
        let packed = host.scratch()?.join("archive");
        let format = format_of(path)?;
        // The copy is at the version by now.
        let version = if self.update && !self.bare { "HEAD" } else { &self.version };
        let mut command = self.within(["archive", "--format", format])?;
        if let Some(prefix) = &self.archive_prefix {
            command.args.push(format!("--prefix={prefix}"));
        }
        command.args.push(format!("--output={}", packed.display()));
        command.args.push(version.to_owned());
        run(host, &command)?;
        let sum = |path: &Path| Checksums::of_file(host, path).map(|sums| sums.map(|s| s.sha1()));
        let differs = sum(&packed)? != sum(path)?;
        if differs {
            let mut content = host
                .open(&packed)?
                .ok_or_else(|| Failure::new(format!("git archive made no {}", packed.display())))?;
            host.write(WriteFile {
                path,
                content: &mut content,
                attributes: Attributes::default(),
                validate: None,
                in_place: false,
            })?;
            result.insert("archive".into(), path_value(path));
        }
        host.remove(&packed)?;
        Ok(differs)
    }
}

/// By the end of the file's name.
fn format_of(path: &Path) -> Result<&'static str, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let known = [
        (".zip", "zip"),
        (".tar", "tar"),
        (".tgz", "tgz"),
        (".tar.gz", "tar.gz"),
        (".gz", "tar.gz"),
    ];
    known.iter().find(|(end, _)| name.ends_with(end)).map(|(_, format)| *format).ok_or_else(|| {
        Failure::new(format!(
            "the archive {} ends in none of .zip, .tar, .tgz, .tar.gz",
            path.display()
        ))
    })
}
