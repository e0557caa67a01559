//! Which way leads to another user: decided from the request and from who we are, before anything is started.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use model::{BecomeMethod, RunAs, Secret};
use nix::unistd::{Uid, User};

/// What sudo prints when it wants the password; nothing else on its way prints this.
pub(crate) const SUDO_PROMPT: &str = "[sudo via muster] password:";
const SUDO_FLAGS: [&str; 3] = ["-H", "-S", "-n"];

/// A way to another user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Way {
    /// We are that user.
    Here,
    /// We are root: `setuid` before the worker is executed.
    Direct(User),
    /// A program that asks for a password and then becomes our worker.
    Ask(Ask),
}

/// A program that leads to another user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    /// Which kind.
    pub(crate) method: BecomeMethod,
    /// The program and its arguments; the worker's command line is added by [`Ask::command_line`].
    pub(crate) words: Vec<String>,
    /// The password, if one was given.
    pub(crate) password: Option<Secret<String>>,
    /// Where it is started.
    pub(crate) chdir: Option<String>,
    /// What its question begins with; empty: whatever it asks.
    pub(crate) prompts: Vec<String>,
    /// How long it may take.
    pub(crate) patience: Option<Duration>,
}

/// Chooses the way. The error is a message for people.
pub(crate) fn way(
    request: &RunAs,
    own: Uid,
    look_up: impl Fn(&str) -> Result<Option<User>, String>,
) -> Result<Way, String> {
    let plain = request.exe.is_none() && request.flags.is_none();
    let name = if request.user.is_empty() { "root" } else { &request.user };
    if plain && let Some(user) = look_up(name)? {
        if user.uid == own {
            return Ok(Way::Here);
        }
        if own.is_root() {
            return Ok(Way::Direct(user));
        }
    } else if plain {
        return Err(format!(
            "cannot become `{}`: there is no such user on this host",
            request.user
        ));
    }
    Ok(Way::Ask(Ask {
        method: request.method,
        words: match request.method {
            BecomeMethod::Sudo => sudo_words(request),
            BecomeMethod::Su => su_words(request),
        },
        password: request.password.clone(),
        chdir: request.chdir.clone(),
        prompts: request.prompts.clone(),
        patience: request.patience,
    }))
}

/// A user by name, or by number as sudo takes it (`#1000`, `1000`).
pub(crate) fn look_up(name: &str) -> Result<Option<User>, String> {
    let failed = |error| format!("cannot look up the user `{name}`: {error}");
    if let Some(user) = User::from_name(name).map_err(failed)? {
        return Ok(Some(user));
    }
    match name.strip_prefix('#').unwrap_or(name).parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)).map_err(failed),
        Err(_) => Ok(None),
    }
}

fn sudo_words(request: &RunAs) -> Vec<String> {
    let mut words = vec![request.exe.clone().unwrap_or_else(|| "sudo".to_owned())];
    match &request.flags {
        Some(flags) => words.extend(flags.iter().cloned()),
        None => words.extend(SUDO_FLAGS.map(str::to_owned)),
    }
    if request.password.is_some() {
        words = words.into_iter().filter_map(without_non_interactive).collect();
        words.extend(["-p".to_owned(), SUDO_PROMPT.to_owned()]);
    }
    if !request.user.is_empty() {
        words.extend(["-u".to_owned(), request.user.clone()]);
    }
    words
}

/// With a password sudo has to ask: `-n` goes, also out of `-HSn`.
fn without_non_interactive(word: String) -> Option<String> {
    if word == "--non-interactive" {
        return None;
    }
    let is_cluster = word.len() > 1
        && word.strip_prefix('-').is_some_and(|it| it.chars().all(|c| c.is_ascii_alphabetic()));
    if !is_cluster || !word.contains('n') {
        return Some(word);
    }
    let rest = word.replace('n', "");
    (rest != "-").then_some(rest)
}

fn su_words(request: &RunAs) -> Vec<String> {
    let mut words = vec![request.exe.clone().unwrap_or_else(|| "su".to_owned())];
    words.extend(request.flags.iter().flatten().cloned());
    words.extend(Some(request.user.clone()).filter(|user| !user.is_empty()));
    words
}

impl Ask {
    /// The whole command line that ends in the worker.
    pub(crate) fn command_line(&self, program: &Path, args: &[OsString]) -> Vec<OsString> {
        let mut line: Vec<OsString> = self.words.iter().map(OsString::from).collect();
        match self.method {
            BecomeMethod::Sudo => {
                line.push("--".into());
                line.push(program.into());
                line.extend(args.iter().cloned());
            }
            BecomeMethod::Su => {
                let mut command = OsString::from("exec");
                for word in
                    std::iter::once(program.as_os_str()).chain(args.iter().map(AsRef::as_ref))
                {
                    command.push(" ");
                    command.push(shell_quoted(word.to_string_lossy().as_ref()));
                }
                line.extend(["-c".into(), command]);
            }
        }
        line
    }

    /// The method's name, as messages spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self.method {
            BecomeMethod::Sudo => "sudo",
            BecomeMethod::Su => "su",
        }
    }

    /// The program that has to be on the host.
    pub(crate) fn program(&self) -> &str {
        &self.words[0]
    }
}

pub(crate) fn shell_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(flags: Option<&[&str]>, password: Option<&str>) -> RunAs {
        RunAs {
            flags: flags.map(|flags| flags.iter().map(ToString::to_string).collect()),
            password: password.map(|it| Secret::new(it.to_owned())),
            ..RunAs::new("deploy", BecomeMethod::Sudo)
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "stands in for a look-up that can fail")]
    fn deploy(_: &str) -> Result<Option<User>, String> {
        let mut user = User::from_uid(Uid::from_raw(0)).expect("read").expect("root is there");
        user.uid = Uid::from_raw(1000);
        Ok(Some(user))
    }

    fn line(request: &RunAs) -> String {
        match way(request, Uid::from_raw(1001), deploy).expect("a way") {
            Way::Ask(ask) => ask
                .command_line(Path::new("/opt/it's/agent"), &["worker".into()])
                .iter()
                .map(|word| word.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn root_needs_no_program_and_oneself_no_way() {
        let plain = request(None, Some("unused"));
        assert!(matches!(way(&plain, Uid::from_raw(0), deploy), Ok(Way::Direct(_))));
        assert_eq!(way(&plain, Uid::from_raw(1000), deploy), Ok(Way::Here));
        let flagged = request(Some(&["-i"]), None);
        assert!(matches!(way(&flagged, Uid::from_raw(0), deploy), Ok(Way::Ask(_))));
    }

    #[test]
    fn an_unknown_user_is_named() {
        let error = way(&request(None, None), Uid::from_raw(0), |_| Ok(None));
        assert_eq!(
            error.expect_err("refused"),
            "cannot become `deploy`: there is no such user on this host"
        );
    }

    #[test]
    fn sudo_asks_only_when_there_is_a_password() {
        let tail = "-u deploy -- /opt/it's/agent worker";
        let prompt = "-p [sudo via muster] password:";
        for (flags, password, expected) in [
            (None, None, format!("sudo -H -S -n {tail}")),
            (None, Some("x"), format!("sudo -H -S {prompt} {tail}")),
            (Some(&["-HSn", "-E"][..]), Some("x"), format!("sudo -HS -E {prompt} {tail}")),
            (Some(&["--non-interactive", "-S"][..]), Some("x"), format!("sudo -S {prompt} {tail}")),
        ] {
            assert_eq!(line(&request(flags, password)), expected);
        }
    }

    #[test]
    fn without_a_user_the_method_is_told_none() {
        for (method, expected) in [
            (BecomeMethod::Sudo, "sudo -k -- /opt/it's/agent worker"),
            (BecomeMethod::Su, r"su -k -c exec '/opt/it'\''s/agent' 'worker'"),
        ] {
            let request = RunAs { flags: Some(vec!["-k".to_owned()]), ..RunAs::new("", method) };
            assert_eq!(line(&request), expected);
        }
        let plain = RunAs::new("", BecomeMethod::Sudo);
        assert!(matches!(way(&plain, Uid::from_raw(0), look_up), Ok(Way::Here)));
    }

    #[test]
    fn su_gets_one_quoted_command() {
        let request = RunAs { method: BecomeMethod::Su, ..request(None, Some("x")) };
        assert_eq!(line(&request), r"su deploy -c exec '/opt/it'\''s/agent' 'worker'");
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        for name in ["root", "0", "#0"] {
            assert_eq!(look_up(name).expect("read").expect("there").name, "root");
        }
        assert_eq!(look_up("no-such-user-here"), Ok(None));
    }
}
