//! `muster vault`: `ansible-vault`, with its actions, flags and words.

mod editor;
mod files;
mod strings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use vault::{Envelope, Key, Keyring};

use super::GlobalArgs;
use super::options::VaultArgs;
use crate::error::CliError;
use crate::passwords::{self, Asking};
use crate::settings::{Environment, Settings, VaultSettings};
use crate::terminal;
use files::{Place, read};

/// `muster vault`.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  muster vault encrypt --vault-id prod@prompt group_vars/prod/secrets.yml
  muster vault edit --vault-password-file ~/.vault group_vars/prod/secrets.yml
  muster vault encrypt_string --vault-id prod@get-client.sh --name db_password s3cret"
)]
pub(crate) struct VaultCommandArgs {
    /// Show more; up to -vvvvvv
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create new vault encrypted file
    Create(CreateArgs),
    /// Decrypt vault encrypted file or string
    Decrypt(DecryptArgs),
    /// Edit vault encrypted file
    Edit(EditArgs),
    /// View vault encrypted file
    View(ViewArgs),
    /// Encrypt YAML file
    Encrypt(EncryptArgs),
    /// Encrypt a string
    #[command(name = "encrypt_string")]
    EncryptString(strings::StringArgs),
    /// Re-key a vault encrypted file
    Rekey(RekeyArgs),
}

/// Which password encrypts.
#[derive(Debug, Args)]
struct SealArgs {
    /// The vault id used to encrypt (required if more than one vault-id is provided)
    #[arg(long, value_name = "ID")]
    encrypt_vault_id: Option<String>,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    seal: SealArgs,
    /// Create the file also when no person sits at a terminal
    #[arg(long)]
    skip_tty_check: bool,
    /// The file
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct EditArgs {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    seal: SealArgs,
    /// The files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct ViewArgs {
    #[command(flatten)]
    vault: VaultArgs,
    /// The files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct DecryptArgs {
    #[command(flatten)]
    vault: VaultArgs,
    /// Where the result goes; - for standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The files; standard input when there are none
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct EncryptArgs {
    #[command(flatten)]
    decrypt: DecryptArgs,
    #[command(flatten)]
    seal: SealArgs,
}

#[derive(Debug, Args)]
struct RekeyArgs {
    #[command(flatten)]
    edit: EditArgs,
    /// Take the new password from this file; a program prints it
    #[arg(long, value_name = "FILE", conflicts_with = "new_vault_id")]
    new_vault_password_file: Option<String>,
    /// The new vault identity to use
    #[arg(long, value_name = "IDENTITY")]
    new_vault_id: Option<String>,
}

/// Does what the action says.
pub(crate) async fn vault(
    _global: &GlobalArgs,
    args: VaultCommandArgs,
    environment: &Environment,
) -> Result<ExitCode, CliError> {
    let settings = Settings::resolve(environment, Path::new(""))?;
    if args.verbose > 0 || settings.verbosity > 0 {
        terminal::print(&match &settings.config {
            Some(path) => format!("Using {} as config file\n", path.display()),
            None => "No config file found; using defaults\n".to_owned(),
        })?;
    }
    let settings = &settings.vault;
    match args.action {
        Action::Create(args) => create(&args, settings, environment),
        Action::Decrypt(args) => decrypt(&args, settings),
        Action::Edit(args) => edit(&args, settings, environment),
        Action::View(args) => view(&args, settings, environment),
        Action::Encrypt(args) => encrypt(&args, settings),
        Action::EncryptString(args) => strings::encrypt(&args, settings),
        Action::Rekey(args) => rekey(&args, settings),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Encrypts with one of the passwords.
struct Sealer<'a> {
    key: &'a Key,
    salt: Option<&'a str>,
}

impl<'a> Sealer<'a> {
    /// The password that flags and settings choose.
    fn choose(
        keyring: &'a Keyring,
        args: &SealArgs,
        settings: &'a VaultSettings,
    ) -> Result<Self, CliError> {
        let wanted = args.encrypt_vault_id.as_ref().or(settings.encrypt_identity.as_ref());
        let key = keyring.sealing_key(wanted.map(String::as_str)).map_err(|error| match error {
            vault::Error::Ambiguous(_) => CliError::options(error),
            _ => CliError::failed(error),
        })?;
        Ok(Self { key, salt: settings.encrypt_salt.as_deref() })
    }

    fn seal(&self, plain: &[u8]) -> String {
        self.seal_as(plain, &self.key.id)
    }

    fn seal_as(&self, plain: &[u8], id: &str) -> String {
        let password = self.key.password.reveal();
        Envelope::seal(plain, password, Some(id), self.salt.map(str::as_bytes))
    }
}

/// What an encrypted file hides.
fn open<'k>(
    keyring: &'k Keyring,
    content: &[u8],
    name: &str,
) -> Result<vault::Opened<'k>, CliError> {
    keyring.open(content).map_err(|error| CliError::failed(format!("{error} for {name}")))
}

/// The files of an action that reads standard input when there are none.
fn places(files: &[PathBuf], output: Option<&Path>) -> Result<Vec<(Place, Place)>, CliError> {
    if files.len() > 1 && output.is_some() {
        return Err(CliError::options(
            "At most one input file may be used with the --output option",
        ));
    }
    let stream = [PathBuf::from("-")];
    let files = if files.is_empty() { &stream } else { files };
    let target = |file| Place::of(output.unwrap_or(file));
    Ok(files.iter().map(|file| (Place::of(file), target(file))).collect())
}

fn encrypt(args: &EncryptArgs, settings: &VaultSettings) -> Result<(), CliError> {
    let DecryptArgs { vault, output, files } = &args.decrypt;
    let places = places(files, output.as_deref())?;
    for (_, to) in &places {
        to.check_writable()?;
    }
    let keyring = passwords::needed(vault, settings, Asking::New)?;
    let sealer = Sealer::choose(&keyring, &args.seal, settings)?;
    for (from, to) in &places {
        if from.is_stream() && terminal::is_typing() {
            terminal::tell("Reading plaintext input from stdin");
        }
        let content = from.read()?;
        if vault::is_encrypted(&content) {
            return Err(CliError::failed("input is already encrypted"));
        }
        to.write(sealer.seal(&content).as_bytes())?;
    }
    succeeded("Encryption");
    Ok(())
}

fn decrypt(args: &DecryptArgs, settings: &VaultSettings) -> Result<(), CliError> {
    let places = places(&args.files, args.output.as_deref())?;
    let keyring = passwords::needed(&args.vault, settings, Asking::Known)?;
    for (from, to) in &places {
        if from.is_stream() && terminal::is_typing() {
            terminal::tell("Reading ciphertext input from stdin");
        }
        let opened = open(&keyring, &from.read()?, &from.to_string())?;
        to.write(opened.plain.reveal())?;
    }
    succeeded("Decryption");
    Ok(())
}

fn view(
    args: &ViewArgs,
    settings: &VaultSettings,
    environment: &Environment,
) -> Result<(), CliError> {
    let keyring = passwords::needed(&args.vault, settings, Asking::Known)?;
    for file in &args.files {
        let opened = open(&keyring, &Place::of(file).read()?, &file.display().to_string())?;
        terminal::page(opened.plain.reveal(), environment)?;
    }
    Ok(())
}

fn create(
    args: &CreateArgs,
    settings: &VaultSettings,
    environment: &Environment,
) -> Result<(), CliError> {
    let [file] = &*args.files else {
        let text = "ansible-vault create can take only one filename argument";
        return Err(CliError::options(text));
    };
    if !args.skip_tty_check && !terminal::is_output_seen() {
        return Err(CliError::options("not a tty, editor cannot be opened"));
    }
    let keyring = passwords::needed(&args.vault, settings, Asking::New)?;
    let sealer = Sealer::choose(&keyring, &args.seal, settings)?;
    if file.exists() {
        let file = file.display();
        return Err(CliError::failed(format!("{file} exists, please use 'edit' instead")));
    }
    let written = editor::edit(b"", file, environment)?;
    let place = Place::of(file);
    place.create_directory()?;
    place.replace(sealer.seal(&written).as_bytes())
}

fn edit(
    args: &EditArgs,
    settings: &VaultSettings,
    environment: &Environment,
) -> Result<(), CliError> {
    let keyring = passwords::needed(&args.vault, settings, Asking::Known)?;
    for file in &args.files {
        let content = read(file)?;
        let opened = open(&keyring, &content, &file.display().to_string())?;
        let plain = opened.plain.reveal();
        let written = editor::edit(plain, file, environment)?;
        let sealed_anew = args.seal.encrypt_vault_id.is_some();
        if written == *plain && !sealed_anew {
            continue;
        }
        let sealed = if sealed_anew {
            Sealer::choose(&keyring, &args.seal, settings)?.seal(&written)
        } else {
            // Whoever could open it still can.
            let sealer = Sealer { key: opened.key, salt: settings.encrypt_salt.as_deref() };
            sealer.seal_as(&written, opened.id.as_deref().unwrap_or(vault::DEFAULT_ID))
        };
        Place::of(file).replace(sealed.as_bytes())?;
    }
    Ok(())
}

fn rekey(args: &RekeyArgs, settings: &VaultSettings) -> Result<(), CliError> {
    let files = &args.edit.files;
    if let Some(missing) = files.iter().find(|file| !file.is_file()) {
        let missing = missing.display();
        return Err(CliError::failed(format!("{missing} does not exist")));
    }
    let keyring = passwords::needed(&args.edit.vault, settings, Asking::Known)?;
    let file = args.new_vault_password_file.as_ref();
    let file = file.map(|file| format!("{}@{file}", settings.identity));
    let source = args.new_vault_id.clone().or(file);
    let source = source.unwrap_or_else(|| passwords::PROMPT_WITHOUT_ID.to_owned());
    let new = Keyring::new(passwords::only(&source, settings)?, false);
    let sealer = Sealer::choose(&new, &args.edit.seal, settings)?;
    for file in files {
        let opened = open(&keyring, &read(file)?, &file.display().to_string())?;
        Place::of(file).replace(sealer.seal(opened.plain.reveal()).as_bytes())?;
    }
    terminal::tell("Rekey successful");
    Ok(())
}

/// Said to a person, not to a program that reads the output.
fn succeeded(what: &str) {
    if terminal::is_output_seen() {
        terminal::tell(&format!("{what} successful"));
    }
}
