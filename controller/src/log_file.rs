//! `log_path`: what a run says, line by line, in a file, each line with the time and who said it. The format is Ansible's.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Zoned;

/// A file that lines are added to; clones write to the same one.
#[derive(Clone)]
pub(crate) struct LogFile {
    file: Arc<Mutex<File>>,
    user: Arc<str>,
    /// What has come of a line that has not ended.
    line: Vec<u8>,
}

impl LogFile {
    /// Opens the file, and makes it if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let user = user.map_or_else(|| "?".to_owned(), |user| user.name);
        Ok(Self { file: Arc::new(Mutex::new(file)), user: user.into(), line: Vec::new() })
    }

    fn end_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        if text.is_empty() {
            return Ok(());
        }
        let level = match &*text {
            text if text.starts_with("[ERROR]") => "ERROR",
            text if text.starts_with("[WARNING]") => "WARNING",
            _ => "INFO",
        };
        let (time, process) = (Zoned::now().strftime("%Y-%m-%d %H:%M:%S,%3f"), std::process::id());
        let user = &self.user;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{time} p={process} u={user} n=ansible {level}| {text}")
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                self.end_line()?;
            } else {
                self.line.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_dated_and_empty_ones_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = LogFile::open(&path).unwrap();
        let mut other = log.clone();
        log.write_all(b"\nTASK [a] *").unwrap();
        other.write_all(b"[WARNING]: w\n").unwrap();
        log.write_all(b"**\n[ERROR]: e\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let said: Vec<&str> =
            text.lines().map(|line| line.split_once(" n=ansible ").unwrap().1).collect();
        assert_eq!(said, ["WARNING| [WARNING]: w", "INFO| TASK [a] ***", "ERROR| [ERROR]: e"]);
        let date = text.split_once(" p=").unwrap().0;
        assert_eq!((date.len(), &date[4..5], &date[19..20]), (23, "-", ","));
        assert!(LogFile::open(directory.path()).is_err());
    }
}
