//! Dumps, written and read by the servers' own programs. What they log in with is read by them from a pipe: it stands in
//! no argument and in no file.

use std::io::Read;
use std::path::Path;

use databases::mysql::Login;
use model::{Args, Secret};
use system::{Attributes, Command, System, WriteFile};

use super::MysqlDb;
use crate::contract::Failure;
use crate::tool;

impl MysqlDb {
    pub(super) fn dump(&self, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let target = self.target.as_deref().expect("it is required");
        let plain = host.scratch()?.join("dump.sql");
        let mut words = Vec::new();
        for (is_set, word) in [
            (self.force, "--force"),
            (self.quick, "--quick"),
            (self.single_transaction, "--single-transaction"),
            (self.skip_lock_tables, "--skip-lock-tables"),
            (self.hex_blob, "--hex-blob"),
        ] {
            words.extend(is_set.then(|| word.to_owned()));
        }
        if !self.encoding.is_empty() {
            words.push(format!("--default-character-set={}", self.encoding));
        }
        if self.master_data != 0 {
            words.push(format!("--master-data={}", self.master_data));
        }
        words.extend(self.ignore_tables.iter().map(|table| format!("--ignore-table={table}")));
        if let Some(text) = &self.dump_extra_args {
            words.extend(shlex::split(text).ok_or_else(|| {
                Failure::new(format!("dump_extra_args `{text}`: a quote is not closed"))
            })?);
        }
        words.push(format!("--result-file={}", plain.display()));
        if self.name.iter().any(|name| name == "all") {
            words.push("--all-databases".to_owned());
        } else if let [one] = self.name.as_slice() {
            words.extend(["--".to_owned(), one.clone()]);
        } else {
            words.extend(["--databases".to_owned(), "--".to_owned()]);
            words.extend(self.name.iter().cloned());
        }
        let command = self.program(host, &["mysqldump", "mariadb-dump"], words)?;
        let output = host.run(&command)?;
        tool::show(result, &output);
        if !output.is_success() {
            return Err(tool::failure(&output, ""));
        }
        let reader = host.open(&plain)?.ok_or_else(|| Failure::new("the program wrote no dump"))?;
        let mut packed = pack(target, reader)?;
        let attributes = Attributes::default();
        let content = &mut *packed;
        host.write(WriteFile {
            path: target,
            content,
            attributes,
            validate: None,
            in_place: false,
        })?;
        Ok(())
    }

    pub(super) fn import(&self, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        let target = self.target.as_deref().expect("it is required");
        let reader = host.open(target)?.ok_or_else(|| {
            Failure::new(format!("target {} does not exist on the host", target.display()))
        })?;
        let plain = host.scratch()?.join("import.sql");
        let content = &mut *unpack(target, reader)?;
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        host.write(WriteFile {
            path: &plain,
            content,
            attributes,
            validate: None,
            in_place: false,
        })?;
        let mut words = Vec::new();
        words.extend(self.force.then(|| "--force".to_owned()));
        if !self.encoding.is_empty() {
            words.push(format!("--default-character-set={}", self.encoding));
        }
        let switch = if self.sql_log_bin { "" } else { "SET SQL_LOG_BIN=0; " };
        words.push(format!("--execute={switch}source {}", plain.display()));
        words.extend(
            self.name
                .iter()
                .filter(|name| !self.is_all(name))
                .map(|name| format!("--database={name}")),
        );
        let output = host.run(&self.program(host, &["mysql", "mariadb"], words)?)?;
        tool::show(result, &output);
        if output.is_success() { Ok(()) } else { Err(tool::failure(&output, "")) }
    }

    /// One of the server's programs, which reads how it logs in.
    fn program(
        &self,
        host: &dyn System,
        names: &[&str],
        words: Vec<String>,
    ) -> Result<Command, Failure> {
        let program = names
            .iter()
            .find_map(|name| tool::find(host, name))
            .ok_or_else(|| Failure::new(format!("the program {} is not on the host", names[0])))?;
        let login = self.access.login(host, None, self.config_overrides_defaults)?;
        // This must be the first option.
        let first = "--defaults-file=/dev/stdin".to_owned();
        let mut command = Command::new(
            program.to_string_lossy().into_owned(),
            std::iter::once(first).chain(words),
        );
        command.stdin = Some(Secret::new(option_file(&login).into_bytes()));
        command.directory.clone_from(&self.chdir);
        Ok(command)
    }
}

/// How to log in, as an option file.
fn option_file(login: &Login) -> String {
    // In double quotes, a backslash escapes.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!("[client]\nuser={}\n", quoted(&login.user));
    if let Some(password) = &login.password {
        text.push_str(&format!("password={}\n", quoted(&password.0)));
    }
    match &login.socket {
        Some(socket) => text.push_str(&format!("socket={}\n", quoted(&socket.to_string_lossy()))),
        None => text.push_str(&format!(
            "host={}\nport={}\nprotocol=tcp\n",
            quoted(&login.host),
            login.port
        )),
    }
    text
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

/// Packed as the name of the file says.
fn pack(path: &Path, reader: Box<dyn Read>) -> Result<Box<dyn Read>, Failure> {
    const LEVEL: u32 = 6;
    Ok(match ending(path) {
        "gz" => Box::new(flate2::read::GzEncoder::new(reader, flate2::Compression::default())),
        "bz2" => Box::new(bzip2::read::BzEncoder::new(reader, bzip2::Compression::default())),
        "xz" => Box::new(liblzma::read::XzEncoder::new(reader, LEVEL)),
        "zst" => {
            Box::new(zstd::stream::read::Encoder::new(reader, 0).map_err(|error| {
                Failure::new(format!("cannot pack {}: {error}", path.display()))
            })?)
        }
        _ => reader,
    })
}

/// Unpacked as the name of the file says.
fn unpack(path: &Path, reader: Box<dyn Read>) -> Result<Box<dyn Read>, Failure> {
    Ok(match ending(path) {
        "gz" => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        "bz2" => Box::new(bzip2::read::MultiBzDecoder::new(reader)),
        "xz" => Box::new(liblzma::read::XzDecoder::new_multi_decoder(reader)),
        "zst" => {
            Box::new(zstd::stream::read::Decoder::new(reader).map_err(|error| {
                Failure::new(format!("cannot unpack {}: {error}", path.display()))
            })?)
        }
        _ => reader,
    })
}
