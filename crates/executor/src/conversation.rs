//! What is said before a worker is ready: when to give the password, and what a refusal means. No input or output here.

use model::BecomeMethod;

use crate::escalation::{Ask, SUDO_PROMPT};

/// How much is remembered of what a program prints besides its frames.
const MEMORY: usize = 8 << 10;

/// What to do after something was heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on listening.
    Listen,
    /// Write the password and a line feed.
    GivePassword,
    /// It will not work: a message for people.
    GiveUp(String),
}

/// The talk with `sudo` or `su`.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    ask: &'a Ask,
    /// Since the password was given, or since the start.
    unanswered: String,
    /// Everything, for the message.
    heard: String,
    gave_password: bool,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(ask: &'a Ask) -> Self {
        Self { ask, unanswered: String::new(), heard: String::new(), gave_password: false }
    }

    /// The program printed something.
    pub(crate) fn hear(&mut self, text: &str) -> Next {
        remember(&mut self.heard, text);
        remember(&mut self.unanswered, text);
        if !self.is_prompted() {
            return Next::Listen;
        }
        self.unanswered.clear();
        match (&self.ask.password, self.gave_password) {
            (None, _) => Next::GiveUp(self.missing()),
            (Some(_), true) => Next::GiveUp(self.incorrect()),
            (Some(_), false) => {
                self.gave_password = true;
                Next::GivePassword
            }
        }
    }

    /// The program ended and no worker was there: why, for people.
    pub(crate) fn ended(&self, status: &str) -> String {
        let text = self.heard.to_lowercase();
        let says = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
        if self.gave_password
            && says(&[
                "try again",
                "incorrect password",
                "authentication failure",
                "incorrect password",
            ])
        {
            return self.incorrect();
        }
        if says(&[
            "a password is required",
            "no password was provided",
            "a terminal is required to read",
        ]) {
            return if self.gave_password { self.incorrect() } else { self.missing() };
        }
        let name = self.ask.name();
        match self.heard.replace(SUDO_PROMPT, "").trim() {
            "" => format!("{name} ended with {status} and said nothing"),
            said => format!("{name} ended with {status}: {said}"),
        }
    }

    /// Nothing happened for too long.
    pub(crate) fn out_of_time(&self, seconds: u64) -> String {
        let name = self.ask.name();
        let said = match self.heard.trim() {
            "" => format!("{name} said nothing"),
            said => format!("{name} said {said}"),
        };
        format!(
            "Timed out waiting for become success or become password prompt: Timeout ({seconds}s) waiting for \
             privilege escalation prompt: {said}"
        )
    }

    fn is_prompted(&self) -> bool {
        match self.ask.method {
            BecomeMethod::Sudo => self.unanswered.contains(SUDO_PROMPT),
            // Its prompt is in the host's language; what they have in common is a colon and no line feed.
            BecomeMethod::Su => {
                let last = self.unanswered.rsplit(['\n', '\r']).next().unwrap_or_default();
                last.trim_end().ends_with([':', '：']) && self.is_expected(last)
            }
        }
    }

    fn is_expected(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        let prompts = &self.ask.prompts;
        prompts.is_empty() || prompts.iter().any(|prompt| line.contains(&prompt.to_lowercase()))
    }

    fn missing(&self) -> String {
        format!("Missing {} password", self.ask.name())
    }

    fn incorrect(&self) -> String {
        format!("Incorrect {} password", self.ask.name())
    }
}

/// Appends, and forgets the oldest.
pub(crate) fn remember(memory: &mut String, text: &str) {
    memory.push_str(text);
    if memory.len() > MEMORY {
        let cut = (memory.len() - MEMORY..memory.len()).find(|at| memory.is_char_boundary(*at));
        memory.drain(..cut.unwrap_or(memory.len()));
    }
}

#[cfg(test)]
mod tests {
    use model::{RunAs, Secret};
    use nix::unistd::Uid;

    use super::*;
    use crate::escalation::{Way, way};

    fn ask(method: BecomeMethod, password: Option<&str>) -> Ask {
        let request = RunAs {
            exe: Some(if method == BecomeMethod::Su { "su" } else { "sudo" }.to_owned()),
            password: password.map(|it| Secret::new(it.to_owned())),
            ..RunAs::new("deploy", method)
        };
        match way(&request, Uid::from_raw(1000), |_| Ok(None)) {
            Ok(Way::Ask(ask)) => ask,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_password_is_given_once_and_only_when_asked_for() {
        let ask = ask(BecomeMethod::Sudo, Some("x"));
        let mut talk = Conversation::new(&ask);
        assert_eq!(talk.hear("We trust you have received the lecture:\n[sudo via "), Next::Listen);
        assert_eq!(talk.hear("muster] password:"), Next::GivePassword);
        assert_eq!(talk.hear("\nSorry, try again.\n"), Next::Listen);
        assert_eq!(talk.hear(SUDO_PROMPT), Next::GiveUp("Incorrect sudo password".to_owned()));
    }

    #[test]
    fn su_asks_in_any_language() {
        for prompt in ["Password: ", "Passwort:", "パスワード：", "root's Password:"] {
            let ask = ask(BecomeMethod::Su, Some("x"));
            assert_eq!(Conversation::new(&ask).hear(prompt), Next::GivePassword, "{prompt}");
        }
        let expecting = |word: &str| Ask {
            prompts: vec!["Kennwort".to_owned(), word.to_owned()],
            ..ask(BecomeMethod::Su, Some("x"))
        };
        for (word, next) in [("passWORT", Next::GivePassword), ("Parole", Next::Listen)] {
            let ask = expecting(word);
            assert_eq!(Conversation::new(&ask).hear("Passwort:"), next, "{word}");
        }
        let ask = ask(BecomeMethod::Su, None);
        let missing = Next::GiveUp("Missing su password".to_owned());
        assert_eq!(Conversation::new(&ask).hear("Password: "), missing);
    }

    #[test]
    fn refusals_are_told_apart() {
        use BecomeMethod::{Su, Sudo};
        for (method, password, said, expected) in [
            (Sudo, None, "sudo: a password is required\n", "Missing sudo password"),
            (
                Sudo,
                Some("x"),
                "[sudo via muster] password:\nSorry, try again.\nsudo: no password was provided\n",
                "Incorrect sudo password",
            ),
            (Su, Some("x"), "Password: \nsu: Authentication failure\r\n", "Incorrect su password"),
            (
                Sudo,
                None,
                "joe is not in the sudoers file.\n",
                "sudo ended with status 1: joe is not in the sudoers file.",
            ),
            (Sudo, None, "", "sudo ended with status 1 and said nothing"),
        ] {
            let ask = ask(method, password);
            let mut talk = Conversation::new(&ask);
            said.split_inclusive(':').for_each(|part| drop(talk.hear(part)));
            assert_eq!(talk.ended("status 1"), expected);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut memory = String::new();
        (0..10_000).for_each(|_| remember(&mut memory, "äöü"));
        assert!(memory.len() <= MEMORY && memory.ends_with("äöü"));
    }
}
