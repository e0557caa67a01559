//! A person at the terminal: what a run asks, and what typing does. `script` of util-linux gives the terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tests::programs::program;

/// A program at a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    seen: String,
}

impl Terminal {
    fn open(directory: &std::path::Path, words: &str) -> Self {
        let muster = program("muster").get_program().to_string_lossy().into_owned();
        let line = format!("{muster} --state-dir state {words}");
        let mut child = Command::new("script")
            .args(["-qefc", &line, "/dev/null"])
            .current_dir(directory)
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("`script` starts");
        let keys = child.stdin.take().expect("it is piped");
        let screen = child.stdout.take().expect("it is piped");
        Self { child, keys, screen, seen: String::new() }
    }

    /// Reads until a text is on the screen; what comes after it is read next.
    fn wait_for(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            let count = self.screen.read(&mut buffer).expect("the screen can be read");
            assert_ne!(count, 0, "{text} is missing from\n{}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        let end = self.seen.find(text).expect("it is there") + text.len();
        self.seen.drain(..end);
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    fn close(mut self) -> (Option<i32>, String) {
        drop(self.keys);
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).expect("the screen can be read");
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        (self.child.wait().expect("it ends").code(), self.seen)
    }
}

fn playbook(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("site.yml"), text).expect("a file");
    directory
}

#[test]
fn prompts_are_typed_corrected_and_hidden() {
    let directory = playbook(
        "- hosts: localhost\n  gather_facts: false\n  vars_prompt:\n  - {name: secret, confirm: true}\n  \
         - {name: shown, private: false}\n  tasks:\n  - debug: msg=\"got {{ secret | length }} {{ shown }}\"\n",
    );
    let mut terminal = Terminal::open(directory.path(), "playbook -i localhost, site.yml");
    terminal.wait_for("secret: ");
    terminal.press("hushhush\r");
    terminal.wait_for("confirm secret: ");
    assert!(!terminal.seen.contains("hush"), "{}", terminal.seen);
    terminal.press("other\r");
    terminal.wait_for("VALUES ENTERED DO NOT MATCH");
    terminal.wait_for("secret: ");
    terminal.press("hush\r");
    terminal.wait_for("confirm secret: ");
    terminal.press("hush\r");
    terminal.wait_for("shown: ");
    terminal.press("abx\u{7f}c\r");
    terminal.wait_for("got 4 abc");
    assert_eq!(terminal.close().0, Some(0));
}

#[test]
fn a_pause_goes_on_or_ends_as_the_person_says() {
    let directory = playbook(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n  - pause: {seconds: 100}\n  - pause: {prompt: Well}\n  \
         - debug: msg=\"not reached\"\n",
    );
    let mut terminal = Terminal::open(directory.path(), "playbook -i localhost, site.yml");
    terminal.wait_for("Pausing for 100 seconds");
    terminal.wait_for("'A' = abort)");
    terminal.press("\r\u{3}");
    terminal.wait_for("Press 'C' to continue the play or 'A' to abort");
    terminal.press("C");
    terminal.wait_for("Well:");
    terminal.press("\u{3}");
    terminal.wait_for("Press 'C' to continue the play or 'A' to abort");
    terminal.press("A");
    terminal.wait_for("user requested abort!");
    let (code, rest) = terminal.close();
    assert_eq!(code, Some(2), "{rest}");
    assert!(!rest.contains("not reached"), "{rest}");
}
