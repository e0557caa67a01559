//! Python's regular expressions on fancy-regex: the syntax that differs is translated, and back-tracking is bounded.
//!
//! It must not know who searches what: templates and modules keep and name their patterns themselves.

mod replacement;

use std::fmt::Write as _;

use fancy_regex::RegexBuilder;
pub use fancy_regex::{Captures, Error, Match, Regex};

pub use replacement::{expand, fault_of_template};

/// Steps after which a pattern is given up.
const BACKTRACK_LIMIT: usize = 2_000_000;

/// Python's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// `re.I`
    pub ignore_case: bool,
    /// `re.M`: `^` and `$` also match at line ends.
    pub multiline: bool,
    /// `re.S`: `.` also matches line ends.
    pub dot_all: bool,
}

/// How a pattern is anchored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Anchor {
    /// `re.search`
    #[default]
    None,
    /// `re.match`
    Start,
    /// `re.fullmatch`
    Both,
}

/// Compiles a pattern of Python's.
pub fn compile(pattern: &str, flags: Flags, anchor: Anchor) -> Result<Regex, Error> {
    let (inline, body) = inline_flags(pattern);
    let mut letters: String = inline.chars().filter(|flag| "imsx".contains(*flag)).collect();
    for (set, letter) in [(flags.ignore_case, 'i'), (flags.multiline, 'm'), (flags.dot_all, 's')] {
        if set && !letters.contains(letter) {
            letters.push(letter);
        }
    }
    let translated = translate(body, letters.contains('m'));
    let anchored = match anchor {
        Anchor::None => translated,
        Anchor::Start => format!(r"\A(?:{translated})"),
        Anchor::Both => format!(r"\A(?:{translated})\z"),
    };
    let source = if letters.is_empty() { anchored } else { format!("(?{letters}){anchored}") };
    // Our own prefix must not shift the position that the message names.
    let build = RegexBuilder::new(&source).backtrack_limit(BACKTRACK_LIMIT).build();
    build.map_err(|error| Regex::new(body).err().unwrap_or(error))
}

/// Whether a pattern asks by itself to be matched over several lines.
pub fn is_multiline(pattern: &str) -> bool {
    inline_flags(pattern).0.contains('m')
}

/// Python's `re.escape`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// `(?im)` at the beginning, apart from the rest, so that anchors do not come before it.
fn inline_flags(pattern: &str) -> (&str, &str) {
    pattern
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once(')'))
        .filter(|(flags, _)| {
            !flags.is_empty() && flags.bytes().all(|flag| b"aiLmsux".contains(&flag))
        })
        .unwrap_or(("", pattern))
}

/// What Python writes differently: `\Z`, `(?P=name)`, letters that need no escape, a bracket within a class, and `$`,
/// which also matches before the last line end.
fn translate(pattern: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('Z') if !in_class => out.push_str(r"\z"),
                Some(' ') => out.push_str(r"\x20"),
                Some(plain) if "/\"'@%!:;,=`_<>".contains(plain) => out.push(plain),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push_str(r"\\"),
            },
            '[' if in_class => out.push_str(r"\["),
            '[' => {
                in_class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // A bracket that comes first is a letter of the class.
                if letters.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
            }
            '&' | '~' if in_class && letters.peek() == Some(&letter) => out.extend(['\\', letter]),
            ']' => {
                in_class = false;
                out.push(']');
            }
            '$' if !in_class && !multiline => out.push_str(r"(?=\n?\z)"),
            '(' if !in_class => {
                out.push('(');
                named_reference(&mut letters, &mut out);
            }
            other => out.push(other),
        }
    }
    out
}

/// `(?P=name)` becomes `(?:\k<name>)`.
fn named_reference(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let rest: String = letters.clone().take(3).collect();
    if rest != "?P=" {
        return;
    }
    for _ in 0..3 {
        letters.next();
    }
    let name: String = letters.by_ref().take_while(|letter| *letter != ')').collect();
    write!(out, r"?:\k<{name}>)").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_python_means() {
        let whole = Flags::default();
        let lines = Flags { multiline: true, ..whole };
        for (text, flags, anchor, subject, wanted) in [
            ("OK$", whole, Anchor::None, "x\nOK\n", true),
            ("KO$", whole, Anchor::None, "KO\nOK\n", false),
            ("KO$", lines, Anchor::None, "KO\nOK\n", true),
            ("(?m)^KO$", whole, Anchor::None, "x\nKO\nOK\n", true),
            ("b", whole, Anchor::Start, "ab", false),
            ("a", whole, Anchor::Start, "ab", true),
            ("a", whole, Anchor::Both, "ab", false),
            ("(?i)A|x", whole, Anchor::Both, "a", true),
            (r"\Aa\Z", whole, Anchor::None, "a", true),
            (r"[]a]\=\/", whole, Anchor::None, "]=/", true),
            (r"[[a]", whole, Anchor::None, "[", true),
            ("[$]", whole, Anchor::None, "$", true),
            ("(?i)ok", whole, Anchor::Start, "OK", true),
            ("(?P<q>['\"])x(?P=q)", whole, Anchor::Both, "'x'", true),
            ("(?P<q>['\"])x(?P=q)", whole, Anchor::Both, "'x\"", false),
        ] {
            let regex = compile(text, flags, anchor).expect("it is one");
            assert_eq!(regex.is_match(subject).expect("short"), wanted, "{text} {subject:?}");
        }
        assert!(compile("(", whole, Anchor::None).is_err());
        assert!(is_multiline("(?im)x") && !is_multiline("(?i)m"));
    }

    #[test]
    fn back_tracking_is_bounded() {
        let regex = compile(r"(a|aa)+(?=x)\1$", Flags::default(), Anchor::None).expect("it is one");
        assert!(regex.is_match(&"a".repeat(200)).is_err());
    }
}
