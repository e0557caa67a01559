//! `encrypt_string`: values from the command line, standard input and prompts, as `!vault` blocks for YAML.

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::Args;

use super::files::Place;
use super::{SealArgs, Sealer, VaultArgs};
use crate::error::CliError;
use crate::passwords::{self, Asking};
use crate::settings::VaultSettings;
use crate::terminal;

#[derive(Debug, Args)]
pub(super) struct StringArgs {
    #[command(flatten)]
    vault: VaultArgs,
    #[command(flatten)]
    seal: SealArgs,
    /// Where the result goes; - for standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Prompt for the string to encrypt
    #[arg(short, long)]
    prompt: bool,
    /// Do not hide input when prompted for the string to encrypt
    #[arg(long)]
    show_input: bool,
    /// The name of the variable; may be given again
    #[arg(short, long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// The name of the variable that standard input is the value of
    #[arg(long, value_name = "NAME")]
    stdin_name: Option<String>,
    /// The strings; - reads standard input
    #[arg(value_name = "STRING")]
    strings: Vec<String>,
}

/// A value on its way.
struct Text {
    name: Option<String>,
    value: Vec<u8>,
    /// For the person, beside the result, when there are several.
    from: &'static str,
}

pub(super) fn encrypt(args: &StringArgs, settings: &VaultSettings) -> Result<(), CliError> {
    let has_dash = args.strings.iter().any(|text| text == "-");
    let has_other_text = args.prompt || !args.strings.is_empty();
    let from_stdin = has_dash || args.stdin_name.is_some() || !has_other_text;
    if args.prompt && from_stdin {
        let text = "The --prompt option is not supported if also reading input from stdin";
        return Err(CliError::options(text));
    }
    let keyring = passwords::needed(&args.vault, settings, Asking::New)?;
    let sealer = Sealer::choose(&keyring, &args.seal, settings)?;
    let texts = collect(args, from_stdin)?;
    let mut out = String::new();
    let many = texts.len() > 1;
    for (at, text) in texts.iter().enumerate() {
        if many {
            // Beside the result: whoever reads that wants YAML.
            let which = format!("the string #{} from {}", at + 1, text.from);
            let which = match &text.name {
                Some(name) => format!("variable (\"{name}\", {which})"),
                None => which,
            };
            terminal::tell(&format!("# The encrypted version of {which}."));
        }
        out.push_str(&block(text.name.as_deref(), &sealer.seal(&text.value)));
        out.push('\n');
    }
    match &args.output {
        Some(path) => Place::of(path).write(out.as_bytes())?,
        None => terminal::print(&out)?,
    }
    if terminal::is_output_seen() {
        terminal::tell("Encryption successful");
    }
    Ok(())
}

fn collect(args: &StringArgs, from_stdin: bool) -> Result<Vec<Text>, CliError> {
    let mut texts = Vec::new();
    if args.prompt {
        texts.push(ask(args)?);
    }
    if from_stdin {
        if terminal::is_typing() {
            terminal::tell(
                "Reading plaintext input from stdin. (ctrl-d to end input, twice if your content does not already have a newline)",
            );
        }
        let mut value = Vec::new();
        io::stdin().lock().read_to_end(&mut value)?;
        if value.is_empty() {
            return Err(CliError::options("stdin was empty, not encrypting"));
        }
        texts.push(Text { name: args.stdin_name.clone(), value, from: "stdin" });
    }
    let mut names = args.names.iter();
    for string in args.strings.iter().filter(|string| *string != "-") {
        if string.is_empty() {
            let text =
                "The plaintext provided from the command line args was empty, not encrypting";
            return Err(CliError::options(text));
        }
        let value = string.clone().into_bytes();
        texts.push(Text { name: names.next().cloned(), value, from: "the command line args" });
    }
    Ok(texts)
}

fn ask(args: &StringArgs) -> Result<Text, CliError> {
    let failed = |error: io::Error| CliError::failed(format!("cannot ask for a string: {error}"));
    let name = match args.names.first() {
        Some(name) => Some(name.clone()),
        None => {
            let typed = terminal::ask("Variable name (enter for no name): ").map_err(failed)?;
            Some(typed).filter(|name| !name.is_empty())
        }
    };
    let value = if args.show_input {
        terminal::ask("String to encrypt: ").map_err(failed)?
    } else {
        let value = terminal::ask_password("String to encrypt (hidden)").map_err(failed)?;
        let again = terminal::ask_password("Confirm String to encrypt (hidden)").map_err(failed)?;
        if value != again {
            return Err(CliError::failed("The strings that were typed do not match"));
        }
        value.reveal().clone()
    };
    if value.is_empty() {
        return Err(CliError::options(
            "The plaintext provided from the prompt was empty, not encrypting",
        ));
    }
    Ok(Text { name, value: value.into_bytes(), from: "the interactive prompt" })
}

/// The value as YAML has it.
fn block(name: Option<&str>, sealed: &str) -> String {
    const INDENT: &str = "          ";
    let head = name.map(|name| format!("{name}: ")).unwrap_or_default();
    let lines = sealed.lines().map(|line| format!("{INDENT}{line}"));
    format!("{head}!vault |\n{}", lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_blocks_that_yaml_reads() {
        let text = block(Some("x"), "$ANSIBLE_VAULT;1.1;AES256\n6162\n");
        assert_eq!(text, "x: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          6162");
        let file = yaml::SourceFile::new("t", &text);
        let (node, _) = yaml::load_one(&file).unwrap();
        let yaml::NodeValue::Map(entries) = node.value else { panic!("no mapping") };
        assert_eq!(entries[0].1.tag, Some(yaml::Tag::Vault));
        assert!(block(None, "a\n").starts_with("!vault |\n"));
    }
}
